/* SPDX-License-Identifier: MIT */
#include "definition/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "definition/rules.h"
#include "definition/type.h"

static int refuse_field(const struct checking *checking,
			const struct field *field, const char *rule)
{
	char name[FIELD_NAME_SIZE];

	(void)snprintf(name, sizeof(name), "%s%s", checking->prefix,
		       field->path);
	return refuse(checking->refusal, -EINVAL, name, "%s", rule);
}

static int check_list(const struct checking *checking,
		      const struct field *field, const void *value)
{
	uint32_t count;
	int r = 0;

	memcpy(&count, (const char *)value + field->count_offset,
	       sizeof(count));
	if (count > field->most) {
		char rule[64];

		(void)snprintf(rule, sizeof(rule), "holds more than %llu %ss",
			       (unsigned long long)field->most,
			       field->element->name);
		return refuse_field(checking, field, rule);
	}
	for (uint32_t i = 0; r == 0 && i < count; i++) {
		char prefix[FIELD_NAME_SIZE];

		(void)snprintf(prefix, sizeof(prefix), "%s[%u].", field->path,
			       i);
		r = definition_check(field->element,
				     field_list_at(field, value, i), prefix,
				     checking->refusal);
	}
	return r;
}

/* Nothing in the member: may that be? */
static bool may_be_zero(const struct field *field)
{
	return !field->fallback &&
	       !(field->type == FIELD_NAME && field->fallback_text);
}

static int check_field(const struct checking *checking,
		       const struct field *field, const void *value)
{
	const struct type_ops *type = type_of(field);
	const char *at = (const char *)value + field->offset;
	char why[WHY_SIZE] = "";
	char rule[WHY_SIZE + 8];
	bool is_zero;

	if (field->type == FIELD_LIST)
		return check_list(checking, field, value);
	if (!type)
		return 0;
	is_zero = type_is_zero(at, type_bytes(field));
	if (!field_is_needed(field, value))
		return is_zero ? 0
			       : refuse_field(checking, field,
					      field->need->rule);
	if (is_zero && field->is_required)
		return refuse_field(checking, field, "is missing");
	if ((is_zero && may_be_zero(field)) || type->check(field, at, why))
		return 0;
	type_describe_want(field, why);
	(void)snprintf(rule, sizeof(rule), "wants %s", why);
	return refuse_field(checking, field, rule);
}

int definition_check(const struct record_type *record, const void *value,
		     const char *prefix, struct refusal *ret_refusal)
{
	const struct checking checking = { prefix, ret_refusal };
	int r = 0;

	for (size_t i = 0; r == 0 && i < record->field_count; i++)
		r = check_field(&checking, &record->fields[i], value);
	if (r == 0 && record->check)
		r = record->check(value, &checking);
	return r;
}
