/* SPDX-License-Identifier: MIT */
/*
 * An interface between a played driver of a guest and a played network service,
 * turn by turn, in one thread.
 */
#ifndef TESTS_UNIT_MONITOR_NIC_RIG_H
#define TESTS_UNIT_MONITOR_NIC_RIG_H

#include "channel/frames.h"
#include "lib/fake_driver.h"
#include "monitor/nic/nic.h"

#define NIC_RIG_QUEUES     3 /* receive, transmit, control */
#define NIC_RIG_QUEUE_SIZE 64
#define NIC_RIG_RING_BYTES (256u << 10)

struct nic_rig {
	struct notices notices;
	struct nic nic;
	/* One driver's memory for each queue. */
	struct fake_driver drivers[NIC_RIG_QUEUES];
	struct frames service;
	int kicks[NIC_RIG_QUEUES], calls[NIC_RIG_QUEUES];
	uint64_t features; /* change before nic_rig_start() */
};

/* With the first two queues started, and a service. */
void nic_rig_start(struct nic_rig *rig, bool has_control);
void nic_rig_stop(struct nic_rig *rig);

void nic_rig_start_queue(struct nic_rig *rig, uint32_t index);
/* The driver clears its ring, at the same place, and starts it. */
void nic_rig_reset_queue(struct nic_rig *rig, uint32_t index);
/* A new generation of the service. */
void nic_rig_connect(struct nic_rig *rig, uint64_t generation);

/* What a driver calls `gpa`, as the guest says it. */
gpa_t nic_rig_place(uint32_t index, gpa_t gpa);

/* The guest sends a frame in pieces of so many bytes. */
void nic_rig_send(struct nic_rig *rig, uint32_t bytes, uint32_t piece,
		  uint8_t fill);
/* The guest gives a buffer to receive into; returns its head. */
uint16_t nic_rig_give(struct nic_rig *rig, uint32_t bytes, gpa_t *ret_gpa);
/* A command of the control queue; returns its status. */
uint8_t nic_rig_command(struct nic_rig *rig, const uint8_t *bytes,
			uint32_t count);
/* How many answers the guest found since it last looked. */
uint32_t nic_rig_used(struct nic_rig *rig, uint32_t index);

/* Let the interface do all it can. */
void nic_rig_turn(struct nic_rig *rig);

/* The service takes a frame of the guest's; its length, 0: there is none. */
uint32_t nic_rig_take(struct nic_rig *rig, uint8_t fill);
/* The service has a frame for the guest. -EAGAIN: its ring is full */
int nic_rig_put(struct nic_rig *rig, uint32_t bytes, uint8_t fill);

/* Saved, and restored in another monitor: frozen, with a new service. */
void nic_rig_move(struct nic_rig *rig, bool has_control);

#endif
