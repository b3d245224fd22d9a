/* SPDX-License-Identifier: MIT */
/* What switch.c (ports, trunks) and forward.c (frames) share. */
#ifndef NET_SWITCH_SWITCH_PRIVATE_H
#define NET_SWITCH_SWITCH_PRIVATE_H

#include "net/switch/switch.h"

struct port {
	bool is_used;
	bool is_mirror;
	struct switch_mirror mirror;
	struct switch_port_settings settings;
	struct offload_features features;
	struct switch_port_filter filter;
	struct mac guest_mac; /* its driver's choice; zero: the configured */
	struct switch_counters counters;
	uint64_t flap_ns;    /* when a flap was last reported */
	uint64_t activation; /* sequence number of its last one; 0: never */
};

struct vswitch {
	struct switch_ops ops;
	uint32_t port_end;     /* one past the last port in use */
	uint32_t mirror_count; /* most switches have none */
	uint64_t activation_count;
	uint16_t trunks[VID_MAX + 1];
	struct fdb fdb;
	struct port ports[SWITCH_PORT_MAX];
};

/* NULL: no such port. */
struct port *switch_find_port(const struct vswitch *vswitch, uint16_t port);

void switch_notify(struct vswitch *vswitch, const struct switch_event *event);

#endif
