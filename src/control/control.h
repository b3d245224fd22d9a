/* SPDX-License-Identifier: MIT */
/*
 * A control link: one end of a two-party, message-preserving socket.
 *
 * The supervisor owns one control link to every other process. A message is a
 * fixed header, a body of at most CONTROL_BODY_MAX bytes and at most
 * CONTROL_FD_MAX descriptors; the kernel delivers it whole or not at all, so
 * there is no partial-read state.
 *
 * Trust      The peer may be hostile. Nothing it sends can make these
 *            functions abort, allocate or block; a malformed message is
 *            reported as -EBADMSG and the caller is expected to drop the peer.
 * Threads    A control link belongs to one thread. No function here locks.
 * Errors     Functions return 0 on success and a negative errno on failure.
 *            Output parameters (ret_*) are valid only on success.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <stddef.h>
#include <stdint.h>

/* Largest message body, in bytes. */
#define CONTROL_BODY_MAX 8192

/* Most descriptors in one message: a channel is memory and two eventfds, and
 * a disk comes with the file behind it. */
#define CONTROL_FD_MAX 6

/* The descriptor a child process finds its control link on. */
#define CONTROL_CHILD_FD 3

struct control {
	int fd; /* owned; NO_FD once closed */
};

struct message {
	uint32_t type;       /* one of enum message_type in protocol.h */
	uint32_t request_id; /* echoed in the reply; 0 for an event */
	uint32_t body_bytes; /* valid bytes in body */
	uint32_t fd_count;   /* descriptors that came, taken ones included */
	int fds[CONTROL_FD_MAX]; /* owned by the message; NO_FD when absent */
	_Alignas(8) uint8_t body[CONTROL_BODY_MAX];
};

/*
 * Make a connected pair. The caller owns both ends and closes each with
 * control_close(). Both descriptors are close-on-exec and non-blocking.
 *
 * -EMFILE, -ENFILE  no descriptor left
 */
int control_pair(struct control *ret_a, struct control *ret_b);

/* Close the control link. Safe on one that is already closed. */
void control_close(struct control *control);

/*
 * Queue one message. `fds` are borrowed: the peer receives duplicates and the
 * caller still owns the originals.
 *
 * -EAGAIN    the peer is not reading; wait for writability and retry
 * -EPIPE     the peer is gone (-ECONNRESET is reported as this too)
 * -EMSGSIZE  body_bytes or fd_count is over its maximum (nothing was sent)
 */
int control_send(struct control *control, uint32_t type, uint32_t request_id,
		 const void *body, size_t body_bytes, const int *fds,
		 size_t fd_count);

/*
 * Take the next message. The caller owns *ret_message and releases it with
 * message_release().
 *
 * -EAGAIN    nothing waiting
 * -EPIPE     the peer closed its end
 * -EBADMSG   the peer broke the format; drop it
 */
int control_receive(struct control *control, struct message *ret_message);

/* Close the descriptors a message carries, as far as they were not taken. */
void message_release(struct message *message);

#endif
