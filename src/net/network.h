/* SPDX-License-Identifier: MIT */
/*
 * One switch of the service with its ports: between the pure switch of
 * net/switch, which decides, and the ports, which carry.
 *
 * A port is a monitor's pair of rings or an uplink. Its number is its place in
 * the switch; attachments are the supervisor's names for it.
 *
 * Trust      As net/service.h.
 * Threads    The loop's.
 * Errors     0 or a negative errno.
 */
#ifndef NET_NETWORK_H
#define NET_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "channel/frames.h"
#include "control/protocol.h"
#include "net/capture.h"
#include "net/switch/credit.h"
#include "net/switch/share.h"
#include "net/switch/switch.h"

#define NETWORK_CAPTURES_MOST 4
/* The work of a delivery is as for so many bytes at least. */
#define NETWORK_WORK_LEAST 512u

struct network;

struct port {
	struct attachment attachment;
	struct network *network;
	uint16_t number; /* in its switch */
	bool is_trunk;
	/* Whose frames it gets copies of; both 0: it is no mirror. */
	uint64_t mirror_from_id;
	uint16_t mirror_vid;
	uint32_t uplink; /* enum uplink_kind; UPLINK_NONE: rings */
	char partition[NAME_SIZE];
	char nic[NAME_SIZE];

	/* Rings. */
	struct nic_definition definition; /* as last told */
	struct frames frames;
	int kick_fd;              /* owned: the monitor wakes us */
	int call_fd;              /* owned: we wake the monitor */
	struct mac guest_mac;     /* as last told */
	uint32_t frame_bytes_max; /* the longest that its guest can receive */
	struct share share;       /* of its ring, among those who send to it */
	uint64_t rest_ns;         /* when its ring may be silent; 0: not */

	/* Uplink. */
	int fd;             /* owned */
	uint64_t retry_ns;  /* half a frame of passt's waits; not before then */
	uint64_t look_ns;   /* packet socket: is its interface there? 0: yes */
	uint32_t send_room; /* of passt's stream, in bytes of kernel memory */

	struct credit credit;
	uint64_t ready_ns; /* without credit until then; 0: not */
	int64_t deficit;   /* bytes it may still send in this round */
	bool is_broken;    /* its peer broke the rules, or is gone */
	bool is_detaching;
	bool has_output;    /* in its ring, not yet shown */
	bool must_announce; /* trunk: tell the outside who lives here */
};

struct network {
	char name[NAME_SIZE];
	struct vswitch *vswitch;
	struct port *ports[SWITCH_PORT_MAX]; /* by number; borrowed */
	struct capture *captures[NETWORK_CAPTURES_MOST]; /* owned */
	uint64_t now_ns;                                 /* of this turn */
	/* The port that a frame came by; SWITCH_PORT_MAX: it is our own. */
	uint16_t sender;
	uint64_t work; /* done so far, in bytes */
	void (*tell)(void *context, enum event_level level, const char *text);
	void *context;
};

/* network.c ---------------------------------------------------------------- */

int network_new(const char *name,
		void (*tell)(void *context, enum event_level level,
			     const char *text),
		void *context, struct network **ret_network);
void network_free(struct network *network);

/* Put a port in, with the switch's settings for it; it gets a number. A trunk
 * becomes the active one of its VLANs. -ENOSPC, or as switch_set_port(). */
int network_add(struct network *network, struct port *port,
		const struct switch_port_settings *settings);
int network_change(struct port *port,
		   const struct switch_port_settings *settings);
void network_remove(struct port *port);

/* Make it a mirror of a port with this attachment, or of a VLAN; 0 and VID_NONE:
 * one no more. The other port may come, go and come back. */
void network_mirror(struct port *port, uint64_t from_id, uint16_t vid);

/* Its guest uses this address: the switch judges, and an event says if it may
 * not. */
void network_guest_mac(struct port *port, const struct mac *mac);

/* True if it is the active one of a VLAN. */
bool network_is_active_trunk(const struct port *port);

/* Forward one record (virtio-net header and frame) that came by this port. */
void network_forward(struct port *port, const uint8_t *record, uint32_t bytes);

/* Say beyond a trunk who is to be reached through it now. */
void network_announce(struct port *trunk);

/* Settings of the pure switch out of the supervisor's words.
 * -EINVAL  VLANs, addresses or flags that cannot be */
int network_port_settings(const struct nic_definition *definition,
			  struct switch_port_settings *ret_settings);
int network_uplink_settings(const struct switch_definition *definition,
			    struct switch_port_settings *ret_settings);

/* port.c --------------------------------------------------------------------- */

/* A monitor's port. Takes the descriptors (memory, kick, call), on failure too.
 * -EINVAL  settings or eventfds that cannot be
 * -EBADMSG not rings of this generation */
int port_new(const struct net_attach *attach, int *fds, uint64_t now_ns,
	     struct port **ret_port);

/* An uplink's. Takes the descriptor, on failure too. */
int port_new_uplink(const struct net_uplink *uplink, int *fd,
		    struct port **ret_port);
void port_free(struct port *port);

/* Give its credit anew. */
void port_set_credit(struct port *port, const struct nic_definition *definition,
		     uint64_t now_ns);

/* It has nothing more to send: what it did not use of its turn is not saved, but
 * what it owes is. */
void port_end_turn(struct port *port);

/*
 * Read frames and forward them until its deficit or credit is used up; true if
 * there were any.
 */
bool port_serve(struct port *port, uint64_t now_ns);

/* Give it one frame; as switch_ops.deliver. */
int port_deliver(struct port *port, const struct switch_delivery *delivery);

/* Show what was delivered and taken, and wake whoever asked for it. */
void port_publish(struct port *port);

/* True when nothing waits that could be taken, and its peer will wake us. */
bool port_prepare_sleep(struct port *port);

/* What to poll for it; NO_FD: nothing. */
int port_poll_fd(const struct port *port, uint64_t now_ns);

/* uplink.c ------------------------------------------------------------------- */

/* As port_serve() and port_deliver(), for an uplink. */
bool uplink_serve(struct port *port, uint64_t now_ns);
int uplink_deliver(struct port *port, const struct switch_delivery *delivery);

/* How much a stream socket's other end may leave unread; 0: it is none. */
uint32_t uplink_send_room(int fd);

/* What an uplink of this kind takes unfinished. */
void uplink_features(uint32_t kind, struct offload_features *ret_features);

/* Header of a record out of, and into, what the switch thinks in. */
void record_read_header(const uint8_t *record,
			struct frame_offload *ret_offload);
void record_write_header(uint8_t *record, const struct frame_offload *offload);

#endif
