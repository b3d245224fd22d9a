/* SPDX-License-Identifier: MIT */
#include "definition/value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "definition/type.h"

static void *member_of(const struct field *field, const void *base)
{
	return (char *)base + field->offset;
}

static bool take(const struct field *field, const struct scalar *scalar,
		 void *at, char why[WHY_SIZE])
{
	const struct type_ops *type = type_of(field);

	/* A NUL would hide the rest of the text from every other check. */
	if (strlen(scalar->text) != scalar->bytes) {
		(void)snprintf(why, WHY_SIZE,
			       "text without control characters");
		return false;
	}
	return type->parse(field, scalar, at, why) &&
	       type->check(field, at, why);
}

int value_store(const struct field *field, const char *name,
		const struct scalar *scalar, void *base,
		struct refusal *refusal)
{
	char why[WHY_SIZE] = "";

	if (take(field, scalar, member_of(field, base), why))
		return 0;
	type_describe_want(field, why);
	if (!scalar->line)
		return refuse(refusal, -EINVAL, name, "wants %s", why);
	return refuse(refusal, -EINVAL, name, "wants %s (line %zu)", why,
		      scalar->line);
}

enum value_kind field_value(const struct field *field, const void *base,
			    char ret_text[VALUE_SIZE])
{
	const struct type_ops *type = type_of(field);

	if (!type || !field_is_needed(field, base))
		return VALUE_ABSENT;
	return type->write(field, member_of(field, base), ret_text);
}

bool field_is_list(const struct field *field)
{
	return type_of(field) && type_of(field)->is_list;
}

bool field_may_be_none(const struct field *field)
{
	return type_of(field) && type_of(field)->may_be_none;
}

static void set_fallback(const struct field *field, void *at)
{
	if (field->type == FIELD_NAME && field->fallback_text)
		(void)text_copy(at, field->room, field->fallback_text);
	else if (field->fallback)
		memcpy(at, &field->fallback, type_bytes(field));
}

void value_clear(const struct field *field, void *base)
{
	static const struct scalar off = { .text = "false", .bytes = 5 };
	void *at = member_of(field, base);
	char why[WHY_SIZE];

	/* Its member has other flags. */
	if (field->type == FIELD_FLAG)
		(void)type_of(field)->parse(field, &off, at, why);
	else
		memset(at, 0, type_bytes(field));
	set_fallback(field, at);
}

static int store_word(const struct field *field, const char *name,
		      const char *word, void *base, struct refusal *refusal)
{
	const struct scalar scalar = {
		.text = word,
		.bytes = strlen(word),
		/* It is text where text is wanted, whatever it looks like. */
		.is_quoted = field->room != 0,
	};

	return value_store(field, name, &scalar, base, refusal);
}

int value_assign(const struct field *field, const char *name, const char *text,
		 void *base, struct refusal *refusal)
{
	char list[VALUE_SIZE];
	char *at = list;
	int r = 0;

	value_clear(field, base);
	if (!*text || (field_may_be_none(field) && strcmp(text, "none") == 0))
		return 0;
	if (!field_is_list(field))
		return store_word(field, name, text, base, refusal);
	if (text_copy(list, sizeof(list), text) < 0)
		return refuse(refusal, -EINVAL, name, "is too long");
	while (r == 0 && at)
		r = store_word(field, name, strsep(&at, ","), base, refusal);
	return r;
}

void record_set_fallbacks(const struct record_type *record, void *base,
			  uint64_t seen)
{
	for (size_t i = 0; i < record->field_count; i++)
		if (!(seen & 1ull << i) && type_of(&record->fields[i]) &&
		    field_is_needed(&record->fields[i], base))
			set_fallback(&record->fields[i],
				     member_of(&record->fields[i], base));
}

void field_describe_range(const struct field *field, char *to, size_t room)
{
	const struct type_ops *type = type_of(field);

	if (field->type == FIELD_LIST)
		(void)snprintf(to, room, "list of up to %llu maps",
			       (unsigned long long)field->most);
	else if (type && type->describe)
		type->describe(field, to, room);
	else
		(void)snprintf(to, room, "%s",
			       type                         ? type->range
			       : field->type == FIELD_GROUP ? "map"
							    : "refused");
}

void type_describe_want(const struct field *field, char why[WHY_SIZE])
{
	if (!why[0])
		field_describe_range(field, why, WHY_SIZE);
}
