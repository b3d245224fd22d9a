/* SPDX-License-Identifier: MIT */
/*
 * The kernel's bridge, made to do what our switch does: VLAN filtering, a TAP
 * interface for each port, unknown destinations to trunks alone, configured
 * addresses that stay where they are. In network and mount namespaces of its
 * own, which end with the process.
 *
 * Takes root, modules bridge and tun, and iproute2's `ip` and `bridge`. What
 * goes wrong fails the test by check_failed().
 */
#ifndef TESTS_BRIDGE_H
#define TESTS_BRIDGE_H

#include "net/switch/switch.h"

#define BRIDGE_FRAME_MAX 2048u

struct bridge {
	uint16_t port_count;
	int taps[16];
};

/* With ports 0 to port_count - 1, which have these settings. */
void bridge_open(struct bridge *bridge,
		 const struct switch_port_settings *ports, uint16_t port_count);
void bridge_close(struct bridge *bridge);

/* A frame comes in by a port. */
void bridge_send(struct bridge *bridge, uint16_t port, const uint8_t *bytes,
		 uint32_t length);

/* The next frame that went out by a port: its length, 0 for none. */
uint32_t bridge_receive(struct bridge *bridge, uint16_t port, uint8_t *to);

#endif
