/* SPDX-License-Identifier: MIT */
#include "definition/attributes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "definition/rules.h"
#include "definition/type.h"

/* -- to bytes -- */

struct encoding {
	uint8_t *to;
	size_t room;
	size_t used; /* more than `room`: there is none left */
};

/* NULL: keep counting, write nothing. */
static uint8_t *extend(struct encoding *encoding, size_t bytes)
{
	size_t at = encoding->used;

	encoding->used += align_up_u64(bytes, 4);
	if (encoding->used > encoding->room)
		return NULL;
	memset(encoding->to + at, 0, encoding->used - at);
	return encoding->to + at;
}

static void put_head(uint8_t *at, unsigned number, size_t bytes)
{
	const struct attribute head = { (uint16_t)number, (uint16_t)bytes };

	if (at)
		memcpy(at, &head, sizeof(head));
}

static void encode_value(struct encoding *encoding, const struct field *field,
			 const void *at)
{
	const struct type_ops *type = type_of(field);
	uint8_t payload[VALUE_SIZE];
	uint32_t bytes = type_bytes(field);
	uint8_t *to;

	if (type->encode)
		bytes = type->encode(field, at, payload);
	else
		memcpy(payload, at, bytes);
	if (bytes == 0)
		return;
	put_head(extend(encoding, sizeof(struct attribute)), field->number,
		 bytes);
	to = extend(encoding, bytes);
	if (to)
		memcpy(to, payload, bytes);
}

static void encode_record(struct encoding *encoding,
			  const struct record_type *record, const void *value);

static void encode_list(struct encoding *encoding, const struct field *field,
			const void *value)
{
	for (uint32_t i = 0; i < field_list_count(field, value); i++) {
		uint8_t *head = extend(encoding, sizeof(struct attribute));
		size_t before = encoding->used;

		encode_record(encoding, field->element,
			      field_list_at(field, value, i));
		put_head(head, field->number | ATTRIBUTE_NESTED,
			 encoding->used - before);
	}
}

/* As deep as the tables, which is two. */
static void encode_record(struct encoding *encoding,
			  const struct record_type *record, const void *value)
{
	for (size_t i = 0; i < record->field_count; i++) {
		const struct field *field = &record->fields[i];

		if (field->type == FIELD_LIST)
			encode_list(encoding, field, value);
		else if (type_of(field) && field_is_needed(field, value))
			encode_value(encoding, field,
				     (const char *)value + field->offset);
	}
}

int definition_encode(const struct record_type *record, const void *value,
		      void *to, size_t room)
{
	struct encoding encoding = { .to = to,
				     .room = min_u64(room, ATTRIBUTES_MAX) };

	encode_record(&encoding, record, value);
	return encoding.used > encoding.room ? -EMSGSIZE : (int)encoding.used;
}

/* -- from bytes -- */

/* One attribute of a record. */
struct decoding {
	const struct record_type *record;
	void *value;
	const char *prefix;
	uint64_t seen; /* a bit per row */
	struct attribute head;
	const uint8_t *payload;
	struct refusal *refusal;
};

static int refuse_field(const struct decoding *decoding,
			const struct field *field, const char *rule)
{
	char name[FIELD_NAME_SIZE];

	(void)snprintf(name, sizeof(name), "%s%s", decoding->prefix,
		       field->path);
	return refuse(decoding->refusal, -EINVAL, name, "%s", rule);
}

static int decode_record(struct decoding *decoding, const uint8_t *from,
			 size_t bytes);

static int decode_element(struct decoding *decoding, const struct field *field)
{
	uint32_t count = field_list_count(field, decoding->value);
	char prefix[FIELD_NAME_SIZE], rule[64];
	struct decoding element = {
		.record = field->element,
		.prefix = prefix,
		.refusal = decoding->refusal,
	};

	if (count == field->most) {
		(void)snprintf(rule, sizeof(rule), "holds more than %u %ss",
			       count, field->element->name);
		return refuse_field(decoding, field, rule);
	}
	(void)snprintf(prefix, sizeof(prefix), "%s[%u].", field->path, count);
	element.value = field_list_at(field, decoding->value, count++);
	memcpy((char *)decoding->value + field->count_offset, &count,
	       sizeof(count));
	return decode_record(&element, decoding->payload, decoding->head.bytes);
}

static bool is_taken(const struct decoding *decoding, const struct field *field)
{
	const struct type_ops *type = type_of(field);
	void *at = (char *)decoding->value + field->offset;

	if (type->decode)
		return type->decode(field, at, decoding->payload,
				    decoding->head.bytes);
	if (decoding->head.bytes != type_bytes(field))
		return false;
	memcpy(at, decoding->payload, decoding->head.bytes);
	return true;
}

static int decode_value(struct decoding *decoding, const struct field *field)
{
	uint64_t bit = 1ull << (field - decoding->record->fields);
	char rule[64];

	if (decoding->seen & bit)
		return refuse_field(decoding, field, "is given twice");
	decoding->seen |= bit;
	if (is_taken(decoding, field))
		return 0;
	(void)snprintf(rule, sizeof(rule), "cannot be these %u bytes",
		       decoding->head.bytes);
	return refuse_field(decoding, field, rule);
}

static const struct field *find_number(const struct record_type *record,
				       unsigned number)
{
	for (size_t i = 0; i < record->field_count; i++)
		if (record->fields[i].number == number && number)
			return &record->fields[i];
	return NULL;
}

static unsigned number_of(const struct decoding *decoding)
{
	return decoding->head.number & (unsigned)ATTRIBUTE_NUMBER_MASK;
}

static int decode_attribute(struct decoding *decoding)
{
	unsigned number = number_of(decoding);
	bool is_nested = decoding->head.number & ATTRIBUTE_NESTED;
	const struct field *field = find_number(decoding->record, number);

	if (!field && (decoding->head.number & ATTRIBUTE_MAY_IGNORE))
		return 0;
	if (!field)
		return refuse(decoding->refusal, -EINVAL, decoding->prefix,
			      "attribute %u is none of a%s %s in this release",
			      number,
			      decoding->record->name[0] == 'i' ? "n" : "",
			      decoding->record->name);
	if (is_nested != (field->type == FIELD_LIST))
		return refuse_field(decoding, field,
				    is_nested ? "is nested" : "is not nested");
	return is_nested ? decode_element(decoding, field)
			 : decode_value(decoding, field);
}

static int decode_record(struct decoding *decoding, const uint8_t *from,
			 size_t bytes)
{
	size_t padded;
	int r = 0;

	while (r == 0 && bytes > 0) {
		if (bytes < sizeof(decoding->head))
			return refuse(decoding->refusal, -EINVAL,
				      decoding->prefix,
				      "ends within an attribute");
		memcpy(&decoding->head, from, sizeof(decoding->head));
		padded = align_up_u64(decoding->head.bytes, 4);
		from += sizeof(decoding->head);
		bytes -= sizeof(decoding->head);
		if (padded > bytes ||
		    !type_is_zero(from + decoding->head.bytes,
				  padded - decoding->head.bytes))
			return refuse(decoding->refusal, -EINVAL,
				      decoding->prefix,
				      "attribute %u does not end where it "
				      "should",
				      number_of(decoding));
		decoding->payload = from;
		r = decode_attribute(decoding);
		from += padded;
		bytes -= padded;
	}
	record_set_fallbacks(decoding->record, decoding->value, decoding->seen);
	return r;
}

int definition_decode(const struct record_type *record, const void *from,
		      size_t bytes, void *ret_value,
		      struct refusal *ret_refusal)
{
	struct decoding decoding = {
		.record = record,
		.value = ret_value,
		.prefix = "",
		.refusal = ret_refusal,
	};

	memset(ret_value, 0, record->bytes);
	return decode_record(&decoding, from, bytes);
}
