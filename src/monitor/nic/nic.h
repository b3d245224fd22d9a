/* SPDX-License-Identifier: MIT */
/*
 * One network interface of the partition: virtqueues on the guest's side, the
 * rings of a network service on the other (docs/architecture.md, 5).
 *
 * What the guest sends is copied into the service's ring and completed at once:
 * exactly once, whatever becomes of the service. Without a service, or with a
 * full ring, it stays in the guest's own ring. What the guest receives stays in
 * the service's ring until the guest has buffers. So nothing is kept here that
 * could be lost or repeated, and the link is always up.
 *
 *   nic.c          life cycle, and the transport's operations
 *   nic_move.c     frames, sleeping and waking, silent services
 *   nic_control.c  the control queue, where it is ours
 *   nic_state.c    freezing for a saved image, and restoring from one
 *
 * Trust      The guest, its front end and the service are hostile.
 * Threads    The I/O thread, once it runs. Nothing here blocks.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_NIC_H
#define MONITOR_NIC_H

#include <stdbool.h>
#include <stdint.h>

#include "channel/frames.h"
#include "channel/hang.h"
#include "control/protocol.h"
#include "guestmem/guestmem.h"
#include "machine/state.h"
#include "monitor/thread/notice.h"
#include "virtio/device.h"
#include "virtio/net.h"

/* A receive and a transmit queue each, and the control queue. */
#define NIC_QUEUE_MAX (2 * NIC_QUEUE_PAIR_MAX + 1)

/* The guest's receive filter. */
struct nic_filter {
	bool takes_all_groups;
	uint32_t group_count;
	uint8_t groups[NIC_GROUP_MAX][6];
	uint8_t mac[6]; /* zero: not known */
};

/* Bits of nic.all_groups: why its guest gets every group. */
enum nic_all_groups {
	NIC_ALL_MULTICAST = 1u << 0,
	NIC_PROMISCUOUS = 1u << 1,     /* within what the switch sends it */
	NIC_GROUPS_OVERFLOW = 1u << 2, /* it joined more than fit */
	NIC_ALL_GROUPS_BITS = (1u << 3) - 1,
};

/* The rings of one generation of the service. */
struct nic_link {
	struct frames frames;
	int kick_fd; /* owned: we wake the service */
	int call_fd; /* owned: it wakes us */
	uint64_t generation;
	bool is_open;
};

struct nic {
	struct monitor_nic settings;
	struct notices *notices;
	struct net_shape shape;
	struct nic_counters counters;
	struct nic_features negotiated;
	uint32_t all_groups; /* bits of enum nic_all_groups */
	uint64_t told_ns;    /* when they were last reported */
	uint64_t tell_ns;    /* when to report them next; 0: not */

	/* The guest's side. */
	struct guestmem memory;
	struct virtio_transport transport;
	bool is_frozen; /* of a saved partition: the guest's side is stopped */
	bool is_restored; /* and has not resumed yet */
	bool has_filter;  /* where the control queue is not ours: it is known */
	bool is_driven; /* its driver has set up a ring since the last reset */
	uint64_t features;
	uint32_t active_pairs;
	uint32_t turn; /* the transmit queue whose turn it is */
	struct virtqueue queues[NIC_QUEUE_MAX];
	struct net_receiver receiver;

	/* The service's side. */
	struct nic_link link;
	bool is_full;       /* the service signals when there is room */
	bool wants_buffers; /* frames are waiting for the guest's buffers */
	uint32_t starved;   /* the receive queue that has none */
	uint64_t lost_ns;   /* when the outage began; 0: none */
	uint64_t look_ns;   /* when to check again; 0: not */
	uint64_t trim_ns;   /* when to check whether our ring is idle; 0: not */
	struct hang_watch hang; /* while look_ns */
};

/* -EINVAL: impossible settings; -ENOMEM. */
int nic_init(struct nic *nic, const struct monitor_nic *settings,
	     struct notices *notices, bool has_control);
void nic_release(struct nic *nic);

/* Guest's side. ----------------------------------------------------------- */

/* For the transport; the device is the struct nic. */
extern const struct virtio_device_ops nic_device_ops;

/* Where the control queue is not ours: the front end's filter for the driver
 * that has started (NOTICE_NIC_STARTED) or changed it. */
void nic_set_filter(struct nic *nic, const struct nic_filter *filter);

/* Of its queues: two a pair, and one for control where that is ours. */
uint32_t nic_queue_count(const struct nic *nic);

/* Service's side. --------------------------------------------------------- */

/*
 * Open the rings of a generation; takes all three descriptors, on failure too.
 *
 * -EBADMSG  not rings of this generation
 */
int nic_link_open(struct nic_link *link, uint64_t generation, int fds[3]);
void nic_link_close(struct nic_link *link);

/* Use this link (moved) from now on. */
void nic_up(struct nic *nic, struct nic_link *link);
/* The service is gone: its rings are not touched any more (I2). */
void nic_down(struct nic *nic);

/* Saved partitions (nic_state.c). ------------------------------------------ */

/* Take nothing from the guest and write nothing to its memory until it thaws. A
 * restored one then announces itself, if its driver can. */
void nic_freeze(struct nic *nic);
void nic_thaw(struct nic *nic);

/* Append a section STATE_NIC, of a frozen one: what its driver set by the
 * control queue. Its rings have no request in flight. */
void nic_state_save(const struct nic *nic, struct state_writer *writer);

/* Read one, before the transport starts the queues; it is frozen then. */
void nic_state_restore(struct nic *nic, struct state_reader *reader);

/* Turns (nic_move.c). ------------------------------------------------------ */

/* Do what can be done now; true when anything was. */
bool nic_turn(struct nic *nic);

/* Ask both sides to be woken; true when it is safe to sleep. */
bool nic_prepare_sleep(struct nic *nic);

/* As disk_deadline_ns() and disk_run_timers(): silent services, and what is to be
 * told later. */
uint64_t nic_deadline_ns(const struct nic *nic);
void nic_run_timers(struct nic *nic, uint64_t now_ns);

/* The guest's driver changed what it can receive. Reports are rate-limited. */
void nic_tell_features(struct nic *nic);
void nic_tell_now(struct nic *nic);

/* Whether the guest is to announce itself (nic.c). */
void nic_set_announce(struct nic *nic, bool must_announce);

/* Handle pending commands of the control queue (nic_control.c). */
bool nic_control_turn(struct nic *nic);

#endif
