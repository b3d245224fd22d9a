/* SPDX-License-Identifier: MIT */
/*
 * The front end of vhost-user, as a VMM has it: messages to a back end on a
 * stream socket, each waited for. Blocking is right here, and only here: this
 * is the side that a stuck back end may stop.
 *
 * Errors     0 or a negative errno: -ETIMEDOUT, -EPIPE (the back end is gone),
 *            -EPROTO (it answered something else), -EREMOTEIO (it refused).
 * Threads    One owner.
 */
#ifndef BENCH_FRONTEND_H
#define BENCH_FRONTEND_H

#include <stdint.h>

#include "vhostuser/protocol.h"

struct frontend {
	int fd;            /* owned; NO_FD when not connected */
	uint64_t offered;  /* device features of the back end */
	uint64_t protocol; /* protocol features in use */
	uint64_t queue_count_max;
};

/*
 * Connect and agree on protocol features, out of those in `wanted`. Tries
 * again until `deadline_ns`, as the back end may just be starting.
 */
int frontend_connect(struct frontend *frontend, const char *path,
		     uint64_t wanted, uint64_t deadline_ns);
void frontend_close(struct frontend *frontend);

/* Read the first `bytes` of the configuration space. */
int frontend_config(struct frontend *frontend, void *to, uint32_t bytes);

int frontend_set_u64(struct frontend *frontend, uint32_t request,
		     uint64_t value);

/* SET_MEM_TABLE with one region, `fd` borrowed. */
int frontend_set_memory(struct frontend *frontend,
			const struct vhostuser_region *region, int fd);

int frontend_set_vring(struct frontend *frontend, uint32_t request,
		       uint32_t index, uint32_t value);
int frontend_get_vring_base(struct frontend *frontend, uint32_t index,
			    uint32_t *ret_base);
int frontend_set_addresses(struct frontend *frontend,
			   const struct vhostuser_vring_addresses *addresses);

/* SET_VRING_KICK or _CALL; `fd` is borrowed. */
int frontend_set_vring_fd(struct frontend *frontend, uint32_t request,
			  uint32_t index, int fd);

/* Ask for an in-flight region; the caller owns *ret_fd. */
int frontend_get_inflight(struct frontend *frontend,
			  struct vhostuser_inflight *inflight, int *ret_fd);
int frontend_set_inflight(struct frontend *frontend,
			  const struct vhostuser_inflight *inflight, int fd);

#endif
