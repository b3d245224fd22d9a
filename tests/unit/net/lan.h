/* SPDX-License-Identifier: MIT */
/*
 * The real bulkhead-net with one switch, "lan", between a supervisor and three
 * monitors played by the test. The binary is named by BULKHEAD_NET.
 *
 * Everything fails the test by check_failed() when it goes wrong.
 */
#ifndef TESTS_UNIT_NET_LAN_H
#define TESTS_UNIT_NET_LAN_H

#include "lib/net_peer.h"
#include "lib/service_rig.h"

#define LAN_PEERS   3
#define LAN_WAIT_MS 5000

struct lan {
	struct service_rig rig;
	struct net_peer peers[LAN_PEERS];
};

/* A MAC that is none of ours. */
extern const uint8_t lan_outside[6];

/* Ports 0 and 1 of VLAN 10 and port 2 of VLAN 20, served. */
void lan_start(struct lan *lan);
/* The service and every peer that was made end. */
void lan_stop(struct lan *lan);

/* The same step by step: the service with its switch; the peers, made in
 * between, attached and served. */
void lan_open(struct lan *lan);
void lan_attach(struct lan *lan);
void lan_begin(struct lan *lan);

/* The loop has handled everything sent before. */
void lan_settle(struct lan *lan);

/* The definition of a peer is another now. */
void lan_change(struct lan *lan, unsigned index);
/* Have a peer's port detached, and wait for that. */
void lan_detach(struct lan *lan, unsigned index);

/* What the service says of a port; zeros if it has none of this id. */
struct net_port lan_report(struct lan *lan, uint64_t attachment_id);

/* A frame of 60 bytes, to a neighbour and to nobody that is known. */
void lan_send(struct net_peer *from, const struct net_peer *to, uint8_t fill);
void lan_send_outside(struct net_peer *from, uint8_t fill);

/* The next frame is such a one; soon none comes. */
void lan_expect(struct net_peer *peer, uint8_t fill);
void lan_expect_nothing(struct net_peer *peer);

#endif
