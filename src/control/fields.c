/* SPDX-License-Identifier: MIT */
#include "control/fields.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "control/control.h"
#include "control/protocol.h"

uint64_t body_number(const struct body_field *field, const void *body)
{
	unsigned unused_bits = 64 - 8 * field->bytes;
	uint64_t value = 0;

	/* Little-endian, as every host of ours. */
	memcpy(&value, (const uint8_t *)body + field->offset, field->bytes);
	if (field->is_signed)
		value = (uint64_t)((int64_t)(value << unused_bits) >>
				   unused_bits);
	return value;
}

static bool is_in_range(const struct body_field *field, const void *body)
{
	uint64_t value = body_number(field, body);

	if (field->is_signed)
		return (int64_t)value >= field->least &&
		       (int64_t)value <= (int64_t)field->most;
	return value >= (uint64_t)field->least && value <= field->most;
}

static bool is_fit(const struct body_field *field, const void *body)
{
	const char *at = (const char *)body + field->offset;

	if (field->kind == BODY_TEXT)
		return text_is_terminated(at, field->bytes);
	if (field->kind == BODY_NAME)
		return text_is_name(at, field->bytes);
	return field->kind > BODY_LAST_NUMBER || is_in_range(field, body);
}

static const struct body_field *nested_fault(const struct body_field *field,
					     const uint8_t *body)
{
	const struct body_field *fault = NULL;

	for (uint32_t at = 0; !fault && at < field->bytes;
	     at += field->nested_bytes)
		fault = body_fault(field->nested, body + field->offset + at);
	return fault;
}

const struct body_field *body_fault(const struct body_field *fields,
				    const void *body)
{
	const struct body_field *fault = NULL;

	for (; !fault && fields->name; fields++)
		if (fields->kind == BODY_NESTED)
			fault = nested_fault(fields, body);
		else if (!is_fit(fields, body))
			fault = fields;
	return fault;
}

void body_rule(const struct body_field *field, char *to, size_t room)
{
	if (field->kind == BODY_TEXT)
		(void)snprintf(to, room, "has no end");
	else if (field->kind == BODY_NAME)
		(void)snprintf(to, room, TEXT_NAME_RULE);
	else
		(void)snprintf(to, room, "must be between %lld and %llu",
			       (long long)field->least,
			       (unsigned long long)field->most);
}

const struct body_field *body_attributes(const struct body_field *fields)
{
	while (fields->name && fields->kind != BODY_ATTRIBUTES)
		fields++;
	return fields->name ? fields : NULL;
}

size_t message_bytes(const struct message_shape *shape, const void *body)
{
	const struct body_field *field = body_attributes(shape->fields);
	uint32_t behind = 0;

	if (field)
		memcpy(&behind, (const uint8_t *)body + field->count_offset,
		       sizeof(behind));
	return (size_t)shape->body_bytes + behind;
}

bool message_is_valid(const struct message *message)
{
	const struct message_shape *shape = message_shape(message->type);

	return shape && message->body_bytes >= shape->body_bytes &&
	       message->body_bytes == message_bytes(shape, message->body) &&
	       message->fd_count == shape->fd_count &&
	       !body_fault(shape->fields, message->body);
}
