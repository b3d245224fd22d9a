/* SPDX-License-Identifier: MIT */
/*
 * Which messages a process accepts, from whom, and when.
 *
 * Each process keeps one constant table per peer. Everything a peer could get
 * wrong about the shape of a message is checked here, so a handler starts from
 * a message that is allowed now, exactly as long as its type says, and carries
 * the descriptors its type says, with every field what it may be. Lengths and
 * descriptor counts come from protocol.def, fields from fields.def; a table row
 * says only type, states and handler.
 */
#ifndef CONTROL_DISPATCH_H
#define CONTROL_DISPATCH_H

#include <stddef.h>
#include <stdint.h>

#include "control/control.h"

/* A set of states, one bit per value of the process's own state enum. */
#define IN(state)    (1u << (state))
#define IN_ANY_STATE (~0u)

struct message_rule {
	uint32_t type;
	unsigned allowed_in; /* union of IN(...) */
	int (*handle)(void *process, struct message *message);
};

/*
 * Check a message against the table and run its handler.
 *
 * The message stays owned by the caller; a handler that keeps a descriptor
 * takes it with take_fd(&message->fds[i]).
 *
 * -EBADMSG  no such type, a wrong length or descriptor count, or a field at
 *           fault: drop the peer
 * -EBUSY    a known message that is not allowed in this state
 * other     whatever the handler returned
 */
int message_dispatch(const struct message_rule *rules, size_t rule_count,
		     unsigned state, void *process, struct message *message);

#endif
