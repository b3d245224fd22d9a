/* SPDX-License-Identifier: MIT */
/*
 * A switch with ports that remember what they were given, and frames to send
 * through it. Ports are numbers; port N has the MAC 02:00:00:00:00:N.
 */
#ifndef TESTS_NET_RIG_H
#define TESTS_NET_RIG_H

#include "net/switch/switch.h"

#define RIG_PORTS     8
#define RIG_FRAMES    160
#define RIG_FRAME_MAX 2048

struct rig_frame {
	uint16_t port;
	uint32_t length; /* as delivered, also beyond RIG_FRAME_MAX */
	uint8_t bytes[RIG_FRAME_MAX];
	struct frame_offload offload;
};

struct net_rig {
	struct vswitch *vswitch;
	uint32_t count;
	struct rig_frame frames[RIG_FRAMES];
	uint32_t event_count;
	struct switch_event events[16];
	int refusal; /* what deliver() answers */
	uint64_t now_ns;
};

/* To everybody; and of nobody that the switch was told of. */
extern const struct mac rig_broadcast, rig_stranger;

void rig_open(struct net_rig *rig);
/* With ports 0 and 1 in VLAN 10, port 2 in 20, and an uplink with both at 3. */
void rig_open_lan(struct net_rig *rig);
void rig_close(struct net_rig *rig);

struct mac rig_mac(uint16_t port);

/* A port with its MAC and a PVID, unaware. */
struct switch_port_settings rig_access(uint16_t port, uint16_t pvid);
/* A trunk to the outside for these VLANs, ending with 0; tagged. */
struct switch_port_settings rig_uplink(const uint16_t *vids);

void rig_add(struct net_rig *rig, uint16_t port,
	     const struct switch_port_settings *settings);

/* rig_access(); and aware of one more VLAN, tagged. */
void rig_add_access(struct net_rig *rig, uint16_t port, uint16_t pvid);
void rig_add_aware(struct net_rig *rig, uint16_t port, uint16_t pvid,
		   uint16_t vid);

/* An untagged frame of an unassigned type; returns its length. */
uint32_t rig_fill(uint8_t *bytes, struct mac to, struct mac from);
/* The same with a tag. */
uint32_t rig_fill_tagged(uint8_t *bytes, struct mac to, struct mac from,
			 uint16_t tci);

/* Send these bytes; forgets what was delivered before. */
void rig_send(struct net_rig *rig, uint16_t port, const uint8_t *bytes,
	      uint32_t length, const struct frame_offload *offload);

/* The same with what rig_fill() and rig_fill_tagged() make. */
void rig_say(struct net_rig *rig, uint16_t port, struct mac to,
	     struct mac from);
void rig_say_tagged(struct net_rig *rig, uint16_t port, struct mac to,
		    struct mac from, uint16_t tci);

/* An untagged frame between two ports' MACs; returns how many were delivered */
uint32_t rig_talk(struct net_rig *rig, uint16_t from, uint16_t to);

/* How many frames of this reason the port lost. */
uint64_t rig_lost(const struct net_rig *rig, uint16_t port,
		  enum switch_drop reason);

/* True if the last send reached this port, and only it. */
bool rig_only(const struct net_rig *rig, uint16_t port);

#endif
