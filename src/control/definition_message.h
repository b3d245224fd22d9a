/* SPDX-License-Identifier: MIT */
/*
 * A partition's definition in a message: a head, and then its attributes
 * (definition/attributes.h) up to the message's end.
 *
 * Trust      The peer may be hostile. What is taken is as safe as what
 *            definition_decode() returns, and not checked yet.
 */
#ifndef CONTROL_DEFINITION_MESSAGE_H
#define CONTROL_DEFINITION_MESSAGE_H

#include "base/refusal.h"
#include "control/control.h"
#include "control/protocol.h"

struct definition_message {
	struct definition_head head;
	uint8_t attributes[CONTROL_BODY_MAX - sizeof(struct definition_head)];
};

/* -EMSGSIZE  it is longer than a message can be */
int definition_message_make(const struct partition_document *document,
			    struct definition_message *ret_message);

/* -EINVAL  refused; *ret_refusal says why */
int definition_message_take(const struct message *message,
			    struct partition_document *ret_document,
			    struct refusal *ret_refusal);

#endif
