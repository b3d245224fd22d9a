/* SPDX-License-Identifier: MIT */
#include "control/definition_message.h"

#include <errno.h>
#include <string.h>

#include "control/fields.h"
#include "control/protocol.h"
#include "definition/attributes.h"
#include "definition/check.h"

static bool has_name(const struct message_shape *shape)
{
	return strcmp(shape->fields->name, "name") == 0;
}

int definition_message_make(uint32_t type, const void *body, const void *value,
			    struct definition_message *ret_message)
{
	const struct message_shape *shape = message_shape(type);
	const struct body_field *field = body_attributes(shape->fields);
	uint32_t bytes;
	int r = definition_encode(field->record, value,
				  ret_message->body + field->offset,
				  sizeof(ret_message->body) - field->offset);

	if (r < 0)
		return r;
	bytes = (uint32_t)r;
	memcpy(ret_message->body, body, shape->body_bytes);
	memcpy(ret_message->body + field->count_offset, &bytes, sizeof(bytes));
	if (has_name(shape))
		memcpy(ret_message->body, value, NAME_SIZE);
	return (int)shape->body_bytes + r;
}

int definition_message_read(uint32_t type, const void *body, void *ret_value,
			    struct refusal *ret_refusal)
{
	const struct body_field *field =
		body_attributes(message_shape(type)->fields);
	uint32_t bytes;

	memcpy(&bytes, (const uint8_t *)body + field->count_offset,
	       sizeof(bytes));
	return definition_decode(field->record,
				 (const uint8_t *)body + field->offset, bytes,
				 ret_value, ret_refusal);
}

int definition_message_take(const struct message *message, void *ret_value,
			    struct refusal *ret_refusal)
{
	const struct message_shape *shape = message_shape(message->type);
	const struct record_type *record =
		body_attributes(shape->fields)->record;
	int r = definition_message_read(message->type, message->body, ret_value,
					ret_refusal);

	if (r == 0 && has_name(shape) &&
	    memcmp(message->body, ret_value, NAME_SIZE) != 0)
		r = refuse(ret_refusal, -EINVAL, record->fields[0].path,
			   "is another name than that of the message");
	return r < 0 ? r : definition_check(record, ret_value, "", ret_refusal);
}
