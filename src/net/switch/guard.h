/* SPDX-License-Identifier: MIT */
/*
 * Anti-spoofing: the addresses that a port may use. Checks the source MAC, and
 * the sender's addresses in IPv4, ARP, IPv6 and neighbour advertisements.
 *
 * Unless a port is a router's, whatever would make it one for its neighbours is
 * dropped: router advertisements, redirects and DHCP replies.
 *
 * A sender without an address yet (0.0.0.0, ::) may request one. Configuring
 * any IPv6 address implies the link-local one derived from the MAC.
 *
 * Source     RFC 826 (ARP), RFC 4861, 4.4 (neighbour advertisement), RFC 4291,
 *            appendix A (EUI-64), RFC 7113 (router advertisements in chains of
 *            headers), RFC 7610 (DHCP), RFC 792 and 1256 (ICMP of routers).
 */
#ifndef NET_SWITCH_GUARD_H
#define NET_SWITCH_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "control/drops.h"
#include "net/switch/ethernet.h"

#define GUARD_ADDRESS_MAX 4

struct guard {
	bool checks_mac;
	bool checks_router; /* it is neither a router nor a DHCP server */
	struct mac mac;
	uint32_t ipv4_count; /* 0: not checked, unless IPv6 is */
	uint32_t ipv6_count;
	uint8_t ipv4[GUARD_ADDRESS_MAX][4];
	uint8_t ipv6[GUARD_ADDRESS_MAX][16];
};

/* DROP_COUNT: it may come in. */
enum switch_drop guard_check(const struct guard *guard,
			     const struct frame *frame);

#endif
