/* SPDX-License-Identifier: MIT */
#include "definition/value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "definition/units.h"

/* Everything that the types below need to store and to refuse. */
struct target {
	const struct field *field;
	const char *name;
	const struct scalar *scalar;
	void *at;   /* the field's place */
	void *base; /* the owner's definition */
	struct refusal *refusal;
};

static int wants(const struct target *target, const char *what)
{
	if (!target->scalar->line)
		return refuse(target->refusal, -EINVAL, target->name,
			      "wants %s", what);
	return refuse(target->refusal, -EINVAL, target->name,
		      "wants %s (line %zu)", what, target->scalar->line);
}

static int wants_range(const struct target *target)
{
	char range[120];

	field_describe_range(target->field, range, sizeof(range));
	return wants(target, range);
}

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

static bool is_printable(const struct scalar *scalar)
{
	for (size_t i = 0; i < scalar->bytes; i++)
		if ((unsigned char)scalar->text[i] < ' ' ||
		    scalar->text[i] == 0x7f)
			return false;
	return true;
}

static int check_text(const struct target *target)
{
	if (is_other_than_text(target->scalar))
		return wants(target, "text; put quotes around what looks like "
				     "a number, null, yes, no, true or false");
	if (!is_printable(target->scalar))
		return wants(target, "text without control characters");
	return 0;
}

static int store_text(const struct target *target)
{
	char what[40];
	int r = check_text(target);

	if (r < 0)
		return r;
	if (text_copy(target->at, target->field->room, target->scalar->text) ==
	    0)
		return 0;
	(void)snprintf(what, sizeof(what), "at most %u bytes",
		       target->field->room - 1);
	return wants(target, what);
}

static int store_name(const struct target *target)
{
	int r = check_text(target);

	if (r < 0)
		return r;
	if (target->scalar->bytes >= NAME_SIZE ||
	    !text_is_name(target->scalar->text, target->scalar->bytes + 1))
		return wants_range(target);
	return text_copy(target->at, target->field->room, target->scalar->text);
}

static int store_path(const struct target *target)
{
	int r = check_text(target);

	if (r < 0)
		return r;
	if (target->scalar->text[0] != '/')
		return wants(target, "an absolute path");
	if (text_copy(target->at, target->field->room, target->scalar->text) <
	    0)
		return wants_range(target);
	return 0;
}

static int store_count(const struct target *target)
{
	const struct field *field = target->field;
	uint64_t value;
	uint32_t count;

	if (target->scalar->is_quoted ||
	    text_parse_u64(target->scalar->text, field->most, &value) < 0 ||
	    value < field->least)
		return wants_range(target);
	count = (uint32_t)value;
	memcpy(target->at, &count, sizeof(count));
	return 0;
}

static int store_size(const struct target *target)
{
	const struct field *field = target->field;
	char fault[SIZE_FAULT_SIZE];
	char unit[UNIT_SIZE];
	uint64_t bytes;

	if (size_has_unknown_suffix(target->scalar->text, fault))
		return wants(target, fault);
	if (text_parse_size(target->scalar->text, field->most, &bytes) < 0 ||
	    bytes < field->least)
		return wants_range(target);
	if (bytes % field->unit) {
		char what[48];

		size_write(unit, field->unit);
		(void)snprintf(what, sizeof(what), "a multiple of %s", unit);
		return wants(target, what);
	}
	memcpy(target->at, &bytes, sizeof(bytes));
	return 0;
}

static int store_time(const struct target *target)
{
	const struct field *field = target->field;
	uint64_t ms;
	uint32_t stored;

	if (time_parse(target->scalar->text, field->most, &ms) < 0 ||
	    ms < field->least)
		return wants_range(target);
	stored = (uint32_t)ms;
	memcpy(target->at, &stored, sizeof(stored));
	return 0;
}

static int store_choice(const struct target *target)
{
	for (uint32_t i = 0; target->field->choices[i]; i++)
		if (strcmp(target->field->choices[i], target->scalar->text) ==
		    0) {
			memcpy(target->at, &i, sizeof(i));
			return 0;
		}
	return wants_range(target);
}

static int store_switch(const struct target *target)
{
	const char *text = target->scalar->text;
	uint32_t value = strcmp(text, "true") == 0;

	if (target->scalar->is_quoted || (!value && strcmp(text, "false") != 0))
		return wants_range(target);
	memcpy(target->at, &value, sizeof(value));
	return 0;
}

static const char *after_prefix(const char *text, const char *prefix)
{
	size_t bytes = strlen(prefix);

	if (strncmp(text, prefix, bytes) != 0)
		return NULL;
	text += bytes;
	return text + strspn(text, " ");
}

static int store_outage(const struct target *target)
{
	struct disk_definition *disk = target->base;
	const char *text = target->scalar->text;
	const char *fail = after_prefix(text, "fail:");
	const char *pause = after_prefix(text, "pause:");
	uint64_t ms = 0;

	if (strcmp(text, "hold") == 0) {
		disk->outage.policy = OUTAGE_HOLD;
		disk->outage.ms = 0;
		return 0;
	}
	if ((!fail && !pause) ||
	    time_parse(fail ? fail : pause, target->field->most, &ms) < 0 ||
	    ms < target->field->least)
		return wants_range(target);
	disk->outage.policy = fail ? OUTAGE_FAIL : OUTAGE_PAUSE;
	disk->outage.ms = (uint32_t)ms;
	return 0;
}

static int store_flag(const struct target *target)
{
	const char *text = target->scalar->text;
	bool is_set = strcmp(text, "true") == 0;
	uint32_t flags;

	if (target->scalar->is_quoted ||
	    (!is_set && strcmp(text, "false") != 0))
		return wants_range(target);
	memcpy(&flags, target->at, sizeof(flags));
	if (is_set)
		flags |= (uint32_t)target->field->unit;
	memcpy(target->at, &flags, sizeof(flags));
	return 0;
}

static int store_mac(const struct target *target)
{
	uint8_t mac[6];

	if (mac_parse(target->scalar->text, mac) < 0)
		return wants_range(target);
	memcpy(target->at, mac, sizeof(mac));
	return 0;
}

static int parse_vlan(const struct target *target, uint16_t *ret_vid)
{
	uint64_t value;

	if (target->scalar->is_quoted ||
	    text_parse_u64(target->scalar->text, VLAN_MOST, &value) < 0 ||
	    value == 0)
		return wants_range(target);
	*ret_vid = (uint16_t)value;
	return 0;
}

static int store_vlan(const struct target *target)
{
	uint16_t vid;
	int r = parse_vlan(target, &vid);

	if (r == 0)
		memcpy(target->at, &vid, sizeof(vid));
	return r;
}

static int store_vlans(const struct target *target)
{
	struct nic_definition *nic = target->base;
	uint16_t vid;
	int r = parse_vlan(target, &vid);

	if (r < 0)
		return r;
	for (uint16_t i = 0; i < nic->vlans.vid_count; i++)
		if (nic->vlans.vids[i] == vid)
			return wants_range(target);
	if (nic->vlans.vid_count == NIC_VID_MAX)
		return wants_range(target);
	nic->vlans.vids[nic->vlans.vid_count++] = vid;
	return 0;
}

static int store_rate(const struct target *target)
{
	struct nic_definition *nic = target->base;

	if (rate_parse(target->scalar->text, NIC_CREDIT_MAX, NIC_PERIOD_US_MAX,
		       &nic->rate.credit_bytes, &nic->rate.period_us) < 0)
		return wants_range(target);
	return 0;
}

static int store_address(const struct target *target)
{
	struct nic_definition *nic = target->base;
	const char *text = target->scalar->text;
	uint8_t address[16];

	if (inet_pton(AF_INET, text, address) == 1 &&
	    nic->addresses.ipv4_count < NIC_ADDRESS_MAX) {
		memcpy(nic->addresses.ipv4[nic->addresses.ipv4_count++],
		       address, 4);
		return 0;
	}
	if (inet_pton(AF_INET6, text, address) == 1 &&
	    nic->addresses.ipv6_count < NIC_ADDRESS_MAX) {
		memcpy(nic->addresses.ipv6[nic->addresses.ipv6_count++],
		       address, 16);
		return 0;
	}
	return wants_range(target);
}

static int store(const struct target *target)
{
	switch (target->field->type) {
	case FIELD_NAME:
		return store_name(target);
	case FIELD_TEXT:
		return store_text(target);
	case FIELD_PATH:
		return store_path(target);
	case FIELD_COUNT:
		return store_count(target);
	case FIELD_SIZE:
		return store_size(target);
	case FIELD_TIME:
		return store_time(target);
	case FIELD_CHOICE:
		return store_choice(target);
	case FIELD_SWITCH:
		return store_switch(target);
	case FIELD_OUTAGE:
		return store_outage(target);
	case FIELD_FLAG:
		return store_flag(target);
	case FIELD_MAC:
		return store_mac(target);
	case FIELD_VLAN:
		return store_vlan(target);
	case FIELD_VLANS:
		return store_vlans(target);
	case FIELD_RATE:
		return store_rate(target);
	case FIELD_ADDRESSES:
		return store_address(target);
	case FIELD_GROUP:
	case FIELD_LIST:
	case FIELD_REFUSED:
		break;
	}
	return wants_range(target);
}

int value_store(const struct field *field, const char *name,
		const struct scalar *scalar, void *base,
		struct refusal *refusal)
{
	const struct target target = {
		.field = field,
		.name = name,
		.scalar = scalar,
		.at = (char *)base + field->offset,
		.base = base,
		.refusal = refusal,
	};

	/* A NUL would hide the rest of the text from every check below. */
	if (strlen(scalar->text) != scalar->bytes)
		return wants(&target, "text without control characters");
	return store(&target);
}

static void set_fallback(const struct field *field, char *base)
{
	uint32_t small = (uint32_t)field->fallback;

	if (field->type == FIELD_COUNT || field->type == FIELD_TIME)
		memcpy(base + field->offset, &small, sizeof(small));
	if (field->type == FIELD_SIZE)
		memcpy(base + field->offset, &field->fallback,
		       sizeof(field->fallback));
	if (field->type == FIELD_NAME && field->fallback_text)
		(void)text_copy(base + field->offset, field->room,
				field->fallback_text);
}

void value_set_fallbacks(void *base, enum field_owner owner)
{
	size_t count;
	const struct field *fields = schema_fields(&count);

	for (size_t i = 0; i < count; i++)
		if (field_owner(&fields[i]) == owner)
			set_fallback(&fields[i], base);
}
