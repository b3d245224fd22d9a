/* SPDX-License-Identifier: MIT */
/*
 * The supervised side of a control link: what every child process does with
 * its supervisor, from the first message to living on without one.
 *
 *   child_open()        blocks until CHILD_SETTINGS has come on descriptor 3
 *   (enter the sandbox with the meet directory, which makes it "." )
 *   child_ready()       sends CHILD_READY
 *   loop: poll child_fd() and child_timeout_ms(); then child_turn(), then
 *         child_receive() until -EAGAIN
 *
 * When the supervisor dies the child goes on with its work. It tries
 * connect("supervisor") in its working directory every CHILD_RETRY_MS, says
 * CHILD_HELLO with its token, is sent CHILD_WELCOME, reports what it holds
 * (the role's own messages) and ends with CHILD_REPORTED. CHILD_WELCOME and
 * CHILD_PING arrive through child_receive() like any message.
 *
 * It knows no event loop. With sd-event: watch child_fd() again whenever it
 * has changed, and arm a timer for child_timeout_ms().
 *
 * Trust      The supervisor is trusted; shapes are checked all the same.
 * Threads    One owner.
 * Errors     0 or a negative errno.
 */
#ifndef CONTROL_CHILD_H
#define CONTROL_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "control/control.h"
#include "control/dispatch.h"
#include "control/protocol.h"

#define CHILD_RETRY_MS 100

struct child {
	struct child_settings settings; /* for reading */
	int meet_fd; /* owned: the directory of the rendezvous socket */
	struct control link;
	uint64_t retry_at_ns;     /* meaningful while the link is lost */
	struct child_ready ready; /* what was said, to say it again */
	bool is_ready;
	bool is_quitting; /* a service was told to end (child_serve()) */
};

/*
 * Take over the control link on CONTROL_CHILD_FD and wait for CHILD_SETTINGS.
 *
 * -EBADMSG  the first message is another, or malformed, or for another role
 * -EPIPE    the supervisor went before it was sent
 */
int child_open(struct child *child, enum role role);

/* Close everything. Safe on one that is already closed. */
void child_close(struct child *child);

/* The sandbox has been entered: close the meet directory. */
void child_close_meet(struct child *child);

/* Send CHILD_READY with the layers in place and those missing. */
int child_ready(struct child *child, uint32_t layers, uint32_t missing);

/* Send CHILD_EVENT, cut when it is too long. */
void child_say(struct child *child, uint32_t level, const char *text);

/* NO_FD while the link is lost. May change in every function below. */
int child_fd(const struct child *child);

/* How long poll() may sleep for the child's sake; -1: for ever. */
int child_timeout_ms(const struct child *child);

/* Try to get a lost link back, when it is time. */
void child_turn(struct child *child);

/*
 * Take the next message; release it with message_release().
 *
 * -EAGAIN   nothing waiting, or the link is lost (also: was found lost now)
 * -EBADMSG  what came is no message; the link has been given up
 */
int child_receive(struct child *child, struct message *ret_message);

/*
 * For a service, which has no states: hand every message that waits to the
 * table's handlers. One against the rules costs the link. CHILD_PING is
 * answered and CHILD_QUIT noted here; the handler of CHILD_WELCOME says what
 * the service holds, and CHILD_REPORTED follows it.
 */
void child_serve(struct child *child, const struct message_rule *rules,
		 size_t rule_count, void *process);

/* Give the link up, for example after a message against the rules. It will be
 * made anew. */
void child_drop(struct child *child);

/*
 * Send a message, without descriptors in child_send(). It never waits: a link
 * that takes no more is given up, and what was to be said is said by the report
 * after the next CHILD_WELCOME.
 *
 * -EPIPE    the link is lost
 * -EBADMSG  a field is not what it may be (fields.h), a fault of ours: it is not
 *           sent, because the supervisor would end this process for it
 */
int child_send(struct child *child, uint32_t type, uint32_t request_id,
	       const void *body, size_t body_bytes);
int child_send_fds(struct child *child, uint32_t type, uint32_t request_id,
		   const void *body, size_t body_bytes, const int *fds,
		   size_t fd_count);

#endif
