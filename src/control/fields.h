/* SPDX-License-Identifier: MIT */
/*
 * The bodies of messages as data: fields.def, read by whoever handles a field
 * without knowing which. What one side may send is what the other takes:
 * child_send() refuses a message with a field at fault, and so does every
 * receiver, before a handler sees it.
 *
 * Trust      The bytes of a body may be anything; nothing here reads beyond it.
 * Threads    Constant tables and pure functions.
 */
#ifndef CONTROL_FIELDS_H
#define CONTROL_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct message;
struct message_shape;
struct record_type;

enum body_kind {
	BODY_NUMBER, /* of 1, 2, 4 or 8 bytes */
	BODY_FLAG,
	BODY_ENGINE, /* enum engine_kind */
	BODY_LEVEL,  /* enum event_level */
	BODY_LAYERS, /* bits of enum sandbox_layer */
	BODY_ZERO,
	BODY_LAST_NUMBER = BODY_ZERO,
	BODY_TEXT,
	BODY_NAME,
	BODY_MAC,
	BODY_BYTES,
	BODY_LIST,
	BODY_DROPS,
	BODY_NESTED,
	BODY_ATTRIBUTES,
};

/* An array of them, ended by one without a name, is a body. */
struct body_field {
	enum body_kind kind;
	bool is_signed;
	const char *name; /* of the member */
	const char *key;  /* in JSON; empty: not shown */
	uint32_t offset;  /* in the body */
	uint32_t bytes;
	int64_t least; /* of a number */
	uint64_t most;
	uint32_t count_offset; /* BODY_LIST: of a uint16_t; BODY_ATTRIBUTES:
				* of a uint32_t */
	const struct record_type *record; /* BODY_ATTRIBUTES: of what */
	/* BODY_NESTED: the fields of one, and its size; the member may be an
	 * array of them. */
	const struct body_field *nested;
	uint32_t nested_bytes;
};

/* A field up to BODY_LAST_NUMBER; a signed one is sign-extended. */
uint64_t body_number(const struct body_field *field, const void *body);

/* The first field that is not what it may be; NULL: there is none. */
const struct body_field *body_fault(const struct body_field *fields,
				    const void *body);

/* What it may be: "must be between 0 and 3600000". */
void body_rule(const struct body_field *field, char *to, size_t room);

/* Where the attributes behind a body begin; NULL: it has none. */
const struct body_field *body_attributes(const struct body_field *fields);

/* How many bytes a message with this body has. */
size_t message_bytes(const struct message_shape *shape, const void *body);

/* True when a message has the length and the descriptors of its type, and no
 * field at fault. */
bool message_is_valid(const struct message *message);

#endif
