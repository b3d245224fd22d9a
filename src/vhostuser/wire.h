/* SPDX-License-Identifier: MIT */
/*
 * Messages of a back end as bytes and descriptors on its socket. Internal to
 * vhostuser.
 */
#ifndef VHOSTUSER_WIRE_H
#define VHOSTUSER_WIRE_H

#include "vhostuser/backend.h"

/*
 * Receive until one message is complete in backend->header, payload and fds
 * (which the back end owns). wire_next() makes room for the next one.
 *
 * -EAGAIN   the rest has not come yet
 * -EPIPE    the front end is gone
 * -EBADMSG  not a message
 */
int wire_receive(struct vhostuser_backend *backend);

/* Close the descriptors that no handler took, and begin the next message. */
void wire_next(struct vhostuser_backend *backend);

/*
 * Answer the message received. `fd` is borrowed; NO_FD for none. A front end
 * that keeps asking without reading answers until the socket is full violates
 * the protocol: -EBADMSG; -EPIPE as above.
 */
int wire_reply(struct vhostuser_backend *backend, const void *payload,
	       uint32_t bytes, int fd);

#endif
