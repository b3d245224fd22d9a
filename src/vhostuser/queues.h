/* SPDX-License-Identifier: MIT */
/*
 * The rings of a back end: how they are configured, and when they are served.
 * Internal to vhostuser. Each handler takes the message received and returns 0,
 * -EBADMSG for a protocol violation, or another error for a request that cannot
 * be satisfied.
 */
#ifndef VHOSTUSER_QUEUES_H
#define VHOSTUSER_QUEUES_H

#include "vhostuser/backend.h"

int queue_set_size(struct vhostuser_backend *backend);
int queue_set_addresses(struct vhostuser_backend *backend);
int queue_set_base(struct vhostuser_backend *backend);
int queue_get_base(struct vhostuser_backend *backend);
int queue_set_kick(struct vhostuser_backend *backend);
int queue_set_call(struct vhostuser_backend *backend);
int queue_set_error(struct vhostuser_backend *backend);
int queue_set_enabled(struct vhostuser_backend *backend);

/* Without VHOST_USER_F_PROTOCOL_FEATURES rings start enabled. */
int queues_enable_all(struct vhostuser_backend *backend);

void queues_init(struct vhostuser_backend *backend);

/* Stop those that are served, and clear every setting. */
void queues_reset(struct vhostuser_backend *backend);

#endif
