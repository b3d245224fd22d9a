/* SPDX-License-Identifier: MIT */
/*
 * One disk between a played guest and a played service, turn by turn, in one
 * thread: so every test says exactly where the service dies.
 */
#ifndef TESTS_UNIT_MONITOR_RIG_H
#define TESTS_UNIT_MONITOR_RIG_H

#include "channel/channel.h"
#include "channel/disk_request.h"
#include "lib/fake_driver.h"
#include "monitor/disk/disk.h"

#define RIG_RING_SIZE  64
#define RIG_DISK_BYTES (64ull << 20)

struct guest_request {
	uint16_t head;
	gpa_t data;
	gpa_t status;
	uint32_t bytes;
};

struct rig {
	struct fake_driver driver;
	struct disk disk;
	struct front front;
	struct notices notices;
	struct channel service;
	uint64_t generation;
	struct virtio_queue_place queue;
	uint64_t witness_asked;       /* the last number; 0: never */
	struct monitor_disk settings; /* change before rig_start() */
	uint64_t features;
};

/* Everything but the service. */
void rig_start(struct rig *rig);
void rig_stop(struct rig *rig);

/* A new generation of the service; its death, by a crash; another end. */
void rig_up(struct rig *rig, bool is_alone);
void rig_down(struct rig *rig);
/* One that crashes before it was sent anything. */
void rig_come_and_go(struct rig *rig);
void rig_lose(struct rig *rig, enum disk_down_cause cause);

/* Let the disk do all it can. */
void rig_turn(struct rig *rig);

/* The guest offers a request; data is filled with `value`. */
struct guest_request rig_offer(struct rig *rig, uint32_t type, uint64_t sector,
			       uint32_t bytes, uint8_t value);

/* The service takes its next request; false: there is none. */
bool rig_take(struct rig *rig, struct channel_request *ret_request);

/* The service answers; what it says is visible at once. */
void rig_answer(struct rig *rig, const struct channel_request *request,
		int status);

/* How many answers the guest found since it last looked, and whether this
 * request has this status. */
int rig_used(struct rig *rig);
uint8_t rig_status(struct rig *rig, const struct guest_request *request);

/* The guest's virtual processors pause and go on: as QEMU does it. */
uint16_t rig_pause(struct rig *rig);
void rig_resume(struct rig *rig, uint16_t base);

/* True if a notice of this kind waited; others before it are dropped. */
bool rig_noticed(struct rig *rig, enum notice_kind kind);

#define RIG_NO_STATUS 0xee

#endif
