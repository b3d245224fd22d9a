/* SPDX-License-Identifier: MIT */
#include "definition/type.h"

#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "definition/units.h"

static uint32_t read_u32(const void *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t read_u64(const void *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static bool store_u32(void *at, uint64_t value)
{
	uint32_t small = (uint32_t)value;

	if (value > UINT32_MAX)
		return false;
	memcpy(at, &small, sizeof(small));
	return true;
}

static bool is_within(const struct field *field, uint64_t value)
{
	return value >= field->least && value <= field->most;
}

/* Text. ----------------------------------------------------------------------- */

/* What YAML's core schema takes for something else than text. */
static bool is_other_than_text(const struct scalar *scalar)
{
	static const char *const words[] = { "",     "~",    "null",  "Null",
					     "NULL", "true", "True",  "TRUE",
					     "yes",  "no",   "false", "False",
					     "FALSE" };
	const char *text = scalar->text;

	if (scalar->is_quoted)
		return false;
	for (size_t i = 0; i < ARRAY_COUNT(words); i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	text += *text == '-' || *text == '+';
	return strspn(text, "0123456789.") == strlen(text);
}

static bool parse_text(const struct field *field, const struct scalar *scalar,
		       void *at, char why[WHY_SIZE])
{
	if (is_other_than_text(scalar))
		(void)snprintf(why, WHY_SIZE,
			       "text; put quotes around what looks like a "
			       "number, null, yes, no, true or false");
	else if (text_copy(at, field->room, scalar->text) == 0)
		return true;
	return false;
}

/* It ends, and nothing in it commands a terminal. */
static bool check_text(const struct field *field, const void *at,
		       char why[WHY_SIZE])
{
	const char *text = at;
	size_t bytes;

	if (!text_is_terminated(text, field->room))
		return false;
	while ((bytes = text_printable(text)))
		text += bytes;
	if (*text)
		(void)snprintf(why, WHY_SIZE,
			       "UTF-8 text without control characters");
	return !*text;
}

static bool check_name(const struct field *field, const void *at,
		       char why[WHY_SIZE])
{
	return check_text(field, at, why) && text_is_name(at, field->room);
}

static bool check_path(const struct field *field, const void *at,
		       char why[WHY_SIZE])
{
	return check_text(field, at, why) && *(const char *)at == '/';
}

static enum value_kind write_text(const struct field *field, const void *at,
				  char text[VALUE_SIZE])
{
	(void)snprintf(text, VALUE_SIZE, "%.*s", (int)field->room - 1,
		       (const char *)at);
	return text[0] ? VALUE_TEXT : VALUE_ABSENT;
}

static uint32_t encode_text(const struct field *field, const void *at,
			    uint8_t *to)
{
	size_t bytes = strnlen(at, field->room);

	memcpy(to, at, bytes);
	return (uint32_t)bytes;
}

static bool decode_text(const struct field *field, void *at,
			const uint8_t *from, uint32_t bytes)
{
	if (bytes >= field->room || memchr(from, '\0', bytes))
		return false;
	memcpy(at, from, bytes);
	return true;
}

static void describe_name(const struct field *field, char *to, size_t room)
{
	(void)snprintf(to, room,
		       "1 to %u of a-z 0-9 _ . -, beginning with a letter or "
		       "digit",
		       field->room - 1);
}

static void describe_text(const struct field *field, char *to, size_t room)
{
	(void)snprintf(to, room, "text of up to %u bytes", field->room - 1);
}

static void describe_path(const struct field *field, char *to, size_t room)
{
	(void)snprintf(to, room, "absolute path of up to %u bytes",
		       field->room - 1);
}

/* Numbers. -------------------------------------------------------------------- */

static bool parse_count(const struct field *field, const struct scalar *scalar,
			void *at, char why[WHY_SIZE])
{
	uint64_t value;

	return !scalar->is_quoted &&
	       text_parse_u64(scalar->text, field->most, &value) == 0 &&
	       store_u32(at, value);
}

static bool check_u32(const struct field *field, const void *at,
		      char why[WHY_SIZE])
{
	return is_within(field, read_u32(at));
}

static enum value_kind write_count(const struct field *field, const void *at,
				   char text[VALUE_SIZE])
{
	(void)snprintf(text, VALUE_SIZE, "%u", read_u32(at));
	return read_u32(at) < field->least ? VALUE_ABSENT : VALUE_NUMBER;
}

static void describe_count(const struct field *field, char *to, size_t room)
{
	(void)snprintf(to, room, "%llu to %llu",
		       (unsigned long long)field->least,
		       (unsigned long long)field->most);
}

static bool parse_size(const struct field *field, const struct scalar *scalar,
		       void *at, char why[WHY_SIZE])
{
	uint64_t bytes;

	if (size_has_unknown_suffix(scalar->text, why) ||
	    text_parse_size(scalar->text, field->most, &bytes) < 0 ||
	    bytes < field->least)
		return false;
	memcpy(at, &bytes, sizeof(bytes));
	return true;
}

static bool check_size(const struct field *field, const void *at,
		       char why[WHY_SIZE])
{
	uint64_t bytes = read_u64(at);
	char unit[UNIT_SIZE];

	if (!is_within(field, bytes))
		return false;
	if (bytes % field->unit == 0)
		return true;
	size_write(unit, field->unit);
	(void)snprintf(why, WHY_SIZE, "a multiple of %s", unit);
	return false;
}

static enum value_kind write_size(const struct field *field, const void *at,
				  char text[VALUE_SIZE])
{
	size_write(text, read_u64(at));
	/* Below its least a size says "not given". */
	return read_u64(at) < field->least ? VALUE_ABSENT : VALUE_TEXT;
}

static void describe_bounds(const struct field *field,
			    void (*write)(char *to, uint64_t value), char *to,
			    size_t room)
{
	char least[UNIT_SIZE];
	char most[UNIT_SIZE];

	write(least, field->least);
	write(most, field->most);
	(void)snprintf(to, room, "%s to %s", least, most);
}

static void describe_size(const struct field *field, char *to, size_t room)
{
	describe_bounds(field, size_write, to, room);
}

static bool parse_time(const struct field *field, const struct scalar *scalar,
		       void *at, char why[WHY_SIZE])
{
	uint64_t ms;

	return time_parse(scalar->text, field->most, &ms) == 0 &&
	       store_u32(at, ms);
}

static enum value_kind write_time(const struct field *field, const void *at,
				  char text[VALUE_SIZE])
{
	time_write(text, read_u32(at));
	return VALUE_TEXT;
}

static void describe_time(const struct field *field, char *to, size_t room)
{
	describe_bounds(field, time_write, to, room);
}

/* Choices. -------------------------------------------------------------------- */

static const char *choice_name(const struct field *field, uint32_t value)
{
	for (uint32_t i = 0; field->choices[i]; i++)
		if (i == value)
			return field->choices[i];
	return NULL;
}

static bool parse_choice(const struct field *field, const struct scalar *scalar,
			 void *at, char why[WHY_SIZE])
{
	for (uint32_t i = 0; field->choices[i]; i++)
		if (strcmp(field->choices[i], scalar->text) == 0)
			return store_u32(at, i);
	return false;
}

static bool check_choice(const struct field *field, const void *at,
			 char why[WHY_SIZE])
{
	return choice_name(field, read_u32(at)) != NULL;
}

static enum value_kind write_choice(const struct field *field, const void *at,
				    char text[VALUE_SIZE])
{
	const char *name = choice_name(field, read_u32(at));

	(void)snprintf(text, VALUE_SIZE, "%s", name ? name : "");
	return name ? VALUE_TEXT : VALUE_ABSENT;
}

static void describe_choice(const struct field *field, char *to, size_t room)
{
	size_t used = 0;

	to[0] = '\0';
	for (size_t i = 0; field->choices[i] && used < room; i++)
		used += (size_t)snprintf(to + used, room - used, "%s%s",
					 i ? " | " : "", field->choices[i]);
}

static bool parse_truth(const struct scalar *scalar, bool *ret_value)
{
	*ret_value = strcmp(scalar->text, "true") == 0;
	return !scalar->is_quoted &&
	       (*ret_value || strcmp(scalar->text, "false") == 0);
}

static bool parse_switch(const struct field *field, const struct scalar *scalar,
			 void *at, char why[WHY_SIZE])
{
	bool is_on;

	return parse_truth(scalar, &is_on) && store_u32(at, is_on);
}

static bool check_switch(const struct field *field, const void *at,
			 char why[WHY_SIZE])
{
	return read_u32(at) <= 1;
}

static enum value_kind write_truth(bool is_on, char text[VALUE_SIZE])
{
	(void)snprintf(text, VALUE_SIZE, "%s", is_on ? "true" : "false");
	return VALUE_SWITCH;
}

static enum value_kind write_switch(const struct field *field, const void *at,
				    char text[VALUE_SIZE])
{
	return write_truth(read_u32(at) != 0, text);
}

static void set_flag(const struct field *field, void *at, bool is_on)
{
	uint32_t flags = read_u32(at) & ~(uint32_t)field->unit;

	(void)store_u32(at, flags | (is_on ? field->unit : 0));
}

static bool parse_flag(const struct field *field, const struct scalar *scalar,
		       void *at, char why[WHY_SIZE])
{
	bool is_on;

	if (!parse_truth(scalar, &is_on))
		return false;
	set_flag(field, at, is_on);
	return true;
}

static bool check_flag(const struct field *field, const void *at,
		       char why[WHY_SIZE])
{
	return true;
}

static enum value_kind write_flag(const struct field *field, const void *at,
				  char text[VALUE_SIZE])
{
	return write_truth((read_u32(at) & field->unit) != 0, text);
}

static uint32_t encode_flag(const struct field *field, const void *at,
			    uint8_t *to)
{
	(void)store_u32(to, (read_u32(at) & field->unit) != 0);
	return sizeof(uint32_t);
}

static bool decode_flag(const struct field *field, void *at,
			const uint8_t *from, uint32_t bytes)
{
	if (bytes != sizeof(uint32_t) || read_u32(from) > 1)
		return false;
	set_flag(field, at, read_u32(from) == 1);
	return true;
}

/* What a long outage does: a choice with a time. ------------------------------ */

static const char *after_prefix(const char *text, const char *prefix)
{
	size_t bytes = strlen(prefix);

	if (strncmp(text, prefix, bytes) != 0)
		return NULL;
	text += bytes;
	return text + strspn(text, " ");
}

static bool parse_outage(const struct field *field, const struct scalar *scalar,
			 void *at, char why[WHY_SIZE])
{
	struct outage *outage = at;
	const char *fail = after_prefix(scalar->text, "fail:");
	const char *pause = after_prefix(scalar->text, "pause:");
	uint64_t ms = 0;

	*outage = (struct outage){ OUTAGE_HOLD, 0 };
	if (strcmp(scalar->text, "hold") == 0)
		return true;
	outage->policy = fail ? OUTAGE_FAIL : OUTAGE_PAUSE;
	return (fail || pause) &&
	       time_parse(fail ? fail : pause, field->most, &ms) == 0 &&
	       store_u32(&outage->ms, ms);
}

static bool check_outage(const struct field *field, const void *at,
			 char why[WHY_SIZE])
{
	const struct outage *outage = at;

	if (outage->policy == OUTAGE_HOLD)
		return outage->ms == 0;
	return outage->policy < OUTAGE_COUNT && is_within(field, outage->ms);
}

static enum value_kind write_outage(const struct field *field, const void *at,
				    char text[VALUE_SIZE])
{
	const struct outage *outage = at;
	char time[UNIT_SIZE];

	time_write(time, outage->ms);
	if (outage->policy == OUTAGE_FAIL || outage->policy == OUTAGE_PAUSE)
		(void)snprintf(text, VALUE_SIZE, "%s: %s",
			       outage->policy == OUTAGE_FAIL ? "fail" : "pause",
			       time);
	else
		(void)snprintf(text, VALUE_SIZE, "hold");
	return VALUE_TEXT;
}

static void describe_outage(const struct field *field, char *to, size_t room)
{
	char most[UNIT_SIZE];

	time_write(most, field->most);
	(void)snprintf(to, room,
		       "hold | \"fail: TIME\" | \"pause: TIME\", TIME up to %s",
		       most);
}

/* All of them. ---------------------------------------------------------------- */

/* clang-format off */
static const struct type_ops
type_name = { .describe = describe_name, .parse = parse_text, .check = check_name, .write = write_text, .encode = encode_text, .decode = decode_text },
type_text = { .describe = describe_text, .parse = parse_text, .check = check_text, .write = write_text, .encode = encode_text, .decode = decode_text },
type_path = { .describe = describe_path, .parse = parse_text, .check = check_path, .write = write_text, .encode = encode_text, .decode = decode_text },
type_count = { sizeof(uint32_t), .describe = describe_count, .parse = parse_count, .check = check_u32, .write = write_count },
type_size = { sizeof(uint64_t), .describe = describe_size, .parse = parse_size, .check = check_size, .write = write_size },
type_time = { sizeof(uint32_t), .describe = describe_time, .parse = parse_time, .check = check_u32, .write = write_time },
type_choice = { sizeof(uint32_t), .describe = describe_choice, .parse = parse_choice, .check = check_choice, .write = write_choice },
type_switch = { sizeof(uint32_t), .range = "true | false", .parse = parse_switch, .check = check_switch, .write = write_switch },
type_flag = { sizeof(uint32_t), .range = "true | false", .parse = parse_flag, .check = check_flag, .write = write_flag, .encode = encode_flag, .decode = decode_flag },
type_outage = { sizeof(struct outage), .describe = describe_outage, .parse = parse_outage, .check = check_outage, .write = write_outage };
/* clang-format on */

static const struct type_ops *const types[FIELD_TYPE_COUNT] = {
	[FIELD_NAME] = &type_name,
	[FIELD_TEXT] = &type_text,
	[FIELD_PATH] = &type_path,
	[FIELD_COUNT] = &type_count,
	[FIELD_SIZE] = &type_size,
	[FIELD_TIME] = &type_time,
	[FIELD_CHOICE] = &type_choice,
	[FIELD_SWITCH] = &type_switch,
	[FIELD_OUTAGE] = &type_outage,
	[FIELD_FLAG] = &type_flag,
	[FIELD_MAC] = &type_mac,
	[FIELD_VLAN] = &type_vlan,
	[FIELD_VLANS] = &type_vlans,
	[FIELD_RATE] = &type_rate,
	[FIELD_ADDRESSES] = &type_addresses,
	[FIELD_UPLINK] = &type_uplink,
};

const struct type_ops *type_of(const struct field *field)
{
	return types[field->type];
}

uint32_t type_bytes(const struct field *field)
{
	return types[field->type]->bytes ? types[field->type]->bytes
					 : field->room;
}

bool type_is_zero(const void *at, size_t bytes)
{
	const uint8_t *byte = at;

	while (bytes > 0 && *byte == 0) {
		byte++;
		bytes--;
	}
	return bytes == 0;
}
