/* SPDX-License-Identifier: MIT */
/*
 * A monitor's end of one port of a network service that a service_rig runs.
 *
 * Everything fails the test by check_failed() when it goes wrong.
 */
#ifndef TESTS_NET_PEER_H
#define TESTS_NET_PEER_H

#include "channel/frames.h"
#include "control/protocol.h"
#include "lib/service_rig.h"

#define PEER_GENERATION 5
#define PEER_RING_BYTES (256u << 10)

struct net_peer {
	struct net_attach attach;
	struct nic_definition definition;
	struct frames frames;
	int memfd, kick, call;
};

/* Port `number` of switch "lan", with MAC 02:00:00:00:00:NUMBER, unaware. */
void peer_make(struct net_peer *peer, uint16_t number, uint16_t pvid);
/* With rings of this size instead of PEER_RING_BYTES. */
void peer_make_rings(struct net_peer *peer, uint16_t number, uint16_t pvid,
		     uint32_t ring_bytes);
void peer_close(struct net_peer *peer);

void peer_attach(const struct net_peer *peer, struct service_rig *rig);
/* Tell the service its definition again. */
void peer_set(const struct net_peer *peer, struct service_rig *rig);

/*
 * Put a frame of an unassigned type in, from the port's own MAC.
 *
 * -EAGAIN  the ring is full
 */
int peer_try_send(struct net_peer *peer, const uint8_t *to, uint32_t length,
		  uint8_t fill);
/* Show the service what was put in, and wake it if it sleeps. */
void peer_show(struct net_peer *peer);

/* Wait for the next record; 0 if none comes in time. */
uint32_t peer_receive(struct net_peer *peer, const uint8_t **ret_record,
		      int timeout_ms);
/* Done with it. */
void peer_done(struct net_peer *peer);

#endif
