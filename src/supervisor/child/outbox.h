/* SPDX-License-Identifier: MIT */
/*
 * Messages that a peer's socket had no room for, in order, up to a bound.
 *
 * Errors     0 or a negative errno. Whoever gets -EAGAIN watches the control
 *            link for writability and calls outbox_flush().
 */
#ifndef SUPERVISOR_OUTBOX_H
#define SUPERVISOR_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "control/control.h"

struct outbox_item;

struct outbox {
	struct control *control;
	STAILQ_HEAD(, outbox_item) items;
	size_t bytes;
	size_t most_bytes;
	bool is_held;
};

/* `control` is borrowed and may be replaced while nothing waits. */
void outbox_open(struct outbox *outbox, struct control *control,
		 size_t most_bytes);

/* Forget what waits. Safe on a zeroed outbox. */
void outbox_clear(struct outbox *outbox);

/*
 * Send, or keep for later: `body` is copied and `fds` are duplicated.
 *
 * -EAGAIN   kept, and more than was kept before
 * -ENOBUFS  the bound is reached
 * -EMFILE   no descriptor left to keep one
 * other     from control_send()
 */
int outbox_send(struct outbox *outbox, uint32_t type, uint32_t request_id,
		const void *body, size_t body_bytes, const int *fds,
		size_t fd_count);

/* Keep everything, in order, until it is released; that sends nothing yet. */
void outbox_hold(struct outbox *outbox);
void outbox_release(struct outbox *outbox);

/* Send what waits. -EAGAIN: not all of it yet; other: from control_send() */
int outbox_flush(struct outbox *outbox);

#endif
