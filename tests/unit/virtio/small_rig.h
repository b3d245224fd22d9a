/* SPDX-License-Identifier: MIT */
/*
 * One queue of a small device with a driver behind it, as the transport would
 * start it; what the device tells the transport is counted.
 */
#ifndef TESTS_SMALL_RIG_H
#define TESTS_SMALL_RIG_H

#include "lib/fake_driver.h"
#include "virtio/small.h"

#define SMALL_RING 64

struct small_rig {
	struct fake_driver driver;
	struct guestmem memory;
	const struct virtio_device_ops *ops;
	void *device;
	int kick_fd;
	int call_fd;
	uint32_t resets_wanted;
	uint32_t config_changes;
};

/* Memory first: the device wants it. */
void small_rig_open(struct small_rig *rig);
void small_rig_close(struct small_rig *rig);

/* Connect the device and start this queue of it. */
void small_rig_start(struct small_rig *rig, struct virtio_small *small,
		     const struct virtio_device_ops *ops, uint32_t index);

/* Start a ring there, or what that gives. */
int small_rig_start_queue(struct small_rig *rig, uint32_t index);

/* Offer one chain; returns its head. */
uint16_t small_rig_offer(struct small_rig *rig,
			 const struct fake_buffer *buffers, uint16_t count);

/* What is answered next: its length, or -1. */
long long small_rig_answer(struct small_rig *rig);

/* The counts of the eventfds since last asked. */
uint64_t small_rig_kicks(struct small_rig *rig);
uint64_t small_rig_calls(struct small_rig *rig);

#endif
