/* SPDX-License-Identifier: MIT */
/*
 * A definition in a message: a body, and then the attributes
 * (definition/attributes.h) of a record up to the message's end. What it is a
 * record of is in fields.def. Every record begins with its name, and a body whose
 * first member is `name` with the same.
 *
 * Trust      The peer may be hostile.
 */
#ifndef CONTROL_DEFINITION_MESSAGE_H
#define CONTROL_DEFINITION_MESSAGE_H

#include "base/refusal.h"
#include "control/control.h"

struct definition_message {
	_Alignas(8) uint8_t body[CONTROL_BODY_MAX];
};

/*
 * Make a message of this type: a copy of `body`, and the record behind it.
 * Returns the bytes used, or
 *
 * -EMSGSIZE  it is longer than a message can be
 */
int definition_message_make(uint32_t type, const void *body, const void *value,
			    struct definition_message *ret_message);

/* The record behind a valid body, as safe as what definition_decode() returns.
 * -EINVAL: *ret_refusal says why. */
int definition_message_read(uint32_t type, const void *body, void *ret_value,
			    struct refusal *ret_refusal);

/* That of a valid message, checked. */
int definition_message_take(const struct message *message, void *ret_value,
			    struct refusal *ret_refusal);

#endif
