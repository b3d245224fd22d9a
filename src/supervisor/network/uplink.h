/* SPDX-License-Identifier: MIT */
/*
 * The descriptor by which a switch reaches the outside, opened by the
 * supervisor and handed to the network service: a TAP interface, alone or in
 * a bridge, a packet socket, or passt, which is a child process of ours.
 *
 * The supervisor keeps it, so that it outlives the service: TAP and bridge port
 * stay, and so do the connections of passt.
 *
 * Trust      The definition has passed check_switch().
 * Threads    The supervisor's only one.
 * Errors     0, or a negative errno with a sentence in the refusal.
 */
#ifndef SUPERVISOR_UPLINK_H
#define SUPERVISOR_UPLINK_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/refusal.h"
#include "definition/network.h"

struct uplink {
	int fd;                      /* owned; NO_FD: closed */
	int passt_pidfd;             /* owned; NO_FD: none */
	char interface[UPLINK_SIZE]; /* in use; empty: passt */
};

#define UPLINK_CLOSED                       \
	{                                   \
		.fd = -1, .passt_pidfd = -1 \
	}

/*
 * Open it. For every kind but UPLINK_NONE. To open and to close one takes as long
 * as the kernel, or passt, does: an errand steps aside.
 *
 * -ENODEV  there is no such interface or bridge
 * -EPERM   not ours to open
 * -EBUSY   someone else has it
 */
int uplink_open(const struct switch_definition *definition,
		struct uplink *ret_uplink, struct refusal *ret_refusal);

/*
 * Take the descriptor of an uplink that an earlier supervisor opened, back from
 * its service, if it is what the definition says. passt is no child any more,
 * so that its end is told of by the service alone. Takes the descriptor only
 * on success.
 *
 * -EINVAL  it is something else
 */
int uplink_take_back(const struct switch_definition *definition, int *fd,
		     struct uplink *ret_uplink);

/* Is its interface a port of this bridge? */
bool uplink_is_in_bridge(const struct uplink *uplink, const char *bridge);

/* Close it and end its passt. Safe twice. */
void uplink_close(struct uplink *uplink);

#endif
