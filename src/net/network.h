/* SPDX-License-Identifier: MIT */
/*
 * One switch of the service with its ports: the glue between the pure switch of
 * net/switch, which decides, and the ports, which do the I/O.
 *
 * A port is a monitor's pair of rings or an uplink. Its number is its index in
 * the switch; the supervisor identifies it by attachment.
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

#define NETWORK_CAPTURES_MAX 4
/* A delivery is accounted as work on at least this many bytes. */
#define NETWORK_WORK_MIN 512u

struct network;

struct port {
	struct attachment attachment;
	struct network *network;
	uint16_t number; /* in its switch */
	bool is_trunk;
	/* The port or VLAN that it mirrors; both 0: it is not a mirror. */
	uint64_t mirror_from_id;
	uint16_t mirror_vid;
	uint32_t uplink; /* enum uplink_kind; UPLINK_NONE: rings */
	char partition[NAME_SIZE];

	/* Rings. */
	struct nic_definition definition; /* as last set */
	struct frames frames;
	int kick_fd;              /* owned: the monitor wakes us */
	int call_fd;              /* owned: we wake the monitor */
	struct mac guest_mac;     /* as last set */
	uint32_t frame_bytes_max; /* the longest that its guest can receive */
	struct share share;       /* of its ring, among its senders */
	uint64_t trim_ns; /* when to check whether its ring is idle; 0: not */

	/* Uplink. */
	int fd;            /* owned */
	uint64_t retry_ns; /* part of a frame to passt is pending; retry then */
	uint64_t look_ns;  /* packet socket: to check its interface then */
	uint32_t send_room; /* of passt's stream, in bytes of kernel memory */

	struct credit credit;
	uint64_t ready_ns; /* out of credit until then; 0: not */
	int64_t deficit;   /* bytes it may still send in this round */
	bool is_broken;    /* its peer violated the protocol, or is gone */
	bool is_detaching;
	bool has_output;    /* in its ring, not yet published */
	bool must_announce; /* trunk: announce the addresses inside */
};

struct network {
	char name[NAME_SIZE];
	struct vswitch *vswitch;
	struct port *ports[SWITCH_PORT_MAX]; /* by number; borrowed */
	struct capture *captures[NETWORK_CAPTURES_MAX]; /* owned */
	uint64_t now_ns;                                /* of this turn */
	/* The ingress port of a frame; SWITCH_PORT_MAX: it is our own. */
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

/* Add a port with the switch's settings for it; it is assigned a number. A
 * trunk becomes the active one of its VLANs. -ENOSPC, or as
 * switch_set_port(). */
int network_add(struct network *network, struct port *port,
		const struct switch_port_settings *settings);
int network_change(struct port *port,
		   const struct switch_port_settings *settings);
void network_remove(struct port *port);

/* Make it a mirror of the port with this attachment, or of a VLAN; 0 and
 * VID_NONE: no longer a mirror. The mirrored port may be removed and added
 * again. */
void network_mirror(struct port *port, uint64_t from_id, uint16_t vid);

/* Its guest uses this address: the switch decides, and an event reports it if
 * it may not. */
void network_guest_mac(struct port *port, const struct mac *mac);

/* True if it is the active trunk of a VLAN. */
bool network_is_active_trunk(const struct port *port);

/* Forward one record (virtio-net header and frame) that arrived at this
 * port. */
void network_forward(struct port *port, const uint8_t *record, uint32_t bytes);

/* Announce beyond a trunk the addresses that are now reachable through it. */
void network_announce(struct port *trunk);

/* Settings of the pure switch from a definition that was checked.
 * -EINVAL  without a MAC address, or an uplink */
int network_port_settings(const struct nic_definition *definition,
			  struct switch_port_settings *ret_settings);
int network_uplink_settings(const struct switch_definition *definition,
			    struct switch_port_settings *ret_settings);

/* port.c --------------------------------------------------------------------- */

/* A monitor's port. Takes the descriptors (memory, kick, call), on failure too.
 * -EINVAL  impossible settings, or unsuitable eventfds
 * -EBADMSG not rings of this generation */
int port_new(const struct net_attach *attach,
	     const struct nic_definition *definition, int *fds, uint64_t now_ns,
	     struct port **ret_port);

/* An uplink's. Takes the descriptor, on failure too. */
int port_new_uplink(const struct attachment *attachment, uint32_t kind, int *fd,
		    struct port **ret_port);
void port_free(struct port *port);

/* Reset its credit to what its definition says. */
void port_set_credit(struct port *port, uint64_t now_ns);

/* It has nothing more to send: its unused deficit is forfeited, but a negative
 * one is kept. */
void port_end_turn(struct port *port);

/*
 * Read frames and forward them until its deficit or credit is used up; true if
 * there was any.
 */
bool port_serve(struct port *port, uint64_t now_ns);

/* Deliver one frame to it; as switch_ops.deliver. */
int port_deliver(struct port *port, const struct switch_delivery *delivery);

/* Publish what was delivered and taken, and wake the peer if it asked for
 * that. */
void port_publish(struct port *port);

/* True when nothing is pending that could be taken, and its peer will wake
 * us. */
bool port_prepare_sleep(struct port *port);

/* The descriptor to poll for it; NO_FD: none. */
int port_poll_fd(const struct port *port, uint64_t now_ns);

/* uplink.c ------------------------------------------------------------------- */

/* As port_serve() and port_deliver(), for an uplink. */
bool uplink_serve(struct port *port, uint64_t now_ns);
int uplink_deliver(struct port *port, const struct switch_delivery *delivery);

/* How much the peer of a stream socket may leave unread; 0: not a stream
 * socket. */
uint32_t uplink_send_room(int fd);

/* The offloads that an uplink of this kind accepts. */
void uplink_features(uint32_t kind, struct offload_features *ret_features);

/* Convert the header of a record to and from the switch's representation. */
void record_read_header(const uint8_t *record,
			struct frame_offload *ret_offload);
void record_write_header(uint8_t *record, const struct frame_offload *offload);

#endif
