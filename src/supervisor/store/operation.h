/* SPDX-License-Identifier: MIT */
/*
 * What clients ask for that changes something, and its outcome, as events: who
 * did what, for whoever has to find out later. Questions leave none.
 *
 * Trust      Names come from clients, and texts may quote them: both are
 *            escaped.
 */
#ifndef SUPERVISOR_OPERATION_H
#define SUPERVISOR_OPERATION_H

#include "control/control.h"
#include "control/protocol.h"
#include "supervisor/child/ticket.h"
#include "supervisor/store/events.h"

/* Note in the ticket which operation this request is, and of what. The name
 * of the operation lives on. */
void operation_note(struct ticket *ticket, const char *operation,
		    const struct message *message);

/* The outcome of the ticket's operation, which it has. */
void operation_record(struct events *events, const struct ticket *ticket,
		      const struct reply *reply);

#endif
