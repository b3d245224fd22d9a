/* SPDX-License-Identifier: MIT */
/*
 * The guest's side of one virtio device in front of disks: its virtqueues, a
 * slot for each request taken from them, and the guest's memory.
 *
 * Requests stay in the guest's ring until they can be sent: the ring is the
 * queue, virtqueues take turns, and memory is bounded by the rings. A request
 * taken is decoded by what kind of device it is (struct front_ops), and then in
 * the table of its disk (disk.h).
 *
 *   front.c     what it has, and turns
 *   rings.c     the transport's operations (rings start and stop)
 *   memory.c    the guest's memory changes under running rings
 *   front_state.c  freezing for a saved image, and restoring from one
 *   front_blk.c virtio-blk: one disk
 *   front_scsi.c, scsi_control.c  virtio-scsi: a disk per target
 *
 * Trust      The guest and its front end are hostile.
 * Threads    The I/O thread, once it runs. Nothing here blocks.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_FRONT_H
#define MONITOR_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel/scsi_request.h"
#include "control/protocol.h"
#include "guestmem/guestmem.h"
#include "machine/state.h"
#include "monitor/disk/lane.h"
#include "monitor/disk/request.h"
#include "virtio/blk.h"
#include "virtio/inflight.h"
#include "virtio/queue.h"
#include "virtio/scsi.h"

#define FRONT_QUEUE_MAX (SCSI_REQUEST_QUEUE + QUEUE_COUNT_MAX)

/* 4 MiB: the most that a hostile guest can make us keep of chains, for each
 * device of a disk of its own, or for each queue of a shared one. */
#define SPILL_BLOCKS     256
#define SPILL_BLOCKS_MAX (SPILL_BLOCKS * QUEUE_COUNT_MAX)

struct disk;
struct front;

struct front_queue {
	struct virtqueue vq;
	struct front *front;
	struct inflight inflight;
	struct request *requests; /* owned; `size`, by head */
	uint16_t size;
	uint16_t kept_count; /* requests not FREE */
	uint16_t index;
	bool has_backlog; /* when last about to sleep, chains waited */
	bool is_idle;     /* nothing is taken: its chains are for events */
};

/* A request that was in flight when the partition was saved. */
struct saved_request {
	uint16_t queue_index;
	uint16_t head;
	int error; /* its result, if it is done */
	bool is_done;
};

/* A row of a SCSI channel (channel/scsi_request.h): the command that is in it,
 * and how it ended. */
struct scsi_row {
	uint32_t sequence;
	uint64_t tag; /* the guest's */
	uint8_t payload[CHANNEL_PAYLOAD_BYTES];
	uint8_t response; /* VIRTIO_SCSI_S_... */
	uint8_t status;
	uint8_t sense_bytes;
	uint32_t transferred_bytes;
	uint8_t sense[SCSI_SENSE_MAX];
};

struct front_scsi {
	struct virtio_scsi_shape shape;
	struct scsi_row *rows; /* owned */
	uint32_t row_count;
};

/* What differs between kinds of devices. */
struct front_ops {
	/* Take over a chain: the request that it became, which is in its disk's
	 * table; NULL: it is answered. */
	struct request *(*accept)(struct front_queue *queue,
				  const struct ring_chain *chain);
	/* Write the answer of a request with this result (request->error) into
	 * the guest's memory; returns the bytes written, for the used ring. */
	uint32_t (*answer)(struct request *request);
	/* Complete what goes to the service. NULL: it is complete. */
	void (*describe)(const struct request *request,
			 struct channel_request *message);
	/* The service answered, with sense data or NULL; keep of it what
	 * answer() needs. NULL: nothing. */
	void (*note)(struct request *request, const struct lane_answer *answer,
		     const uint8_t *sense);
	/* Append to its section what its kind keeps, and read it. NULL: it
	 * keeps nothing. */
	void (*save)(const struct front *front, struct state_writer *writer);
	void (*restore)(struct front *front, struct state_reader *reader);
	const struct virtio_device_ops *device;
	uint16_t virtio_id; /* VIRTIO_ID_... */
	/* Its disks share its rings: requests are taken for all of them, and
	 * wait in their tables. */
	bool is_shared;
};

struct front {
	const struct front_ops *ops;
	struct disk *disks[DISK_COUNT_MAX]; /* borrowed */
	uint32_t disk_count;
	struct blk_disk shape;  /* virtio-blk */
	struct front_scsi scsi; /* virtio-scsi */

	struct guestmem memory;
	uint64_t memory_bytes; /* mapped, before some was taken away */
	uint64_t settled_ns; /* when to stop waiting for it; 0: all is there */
	struct virtio_transport transport;
	uint64_t features; /* negotiated */
	struct inflight_region region;
	struct front_queue queues[FRONT_QUEUE_MAX];
	uint32_t queue_count;
	uint16_t queue_size_max;
	uint32_t turn; /* the queue whose turn it is */

	/* Room for long chains, so many at a time: more wait in the rings. */
	struct ring_segment *spill; /* owned; blocks of RING_CHAIN_MAX */
	uint32_t spill_count;
	uint32_t free_spill_count;
	uint16_t free_spill[SPILL_BLOCKS_MAX]; /* a stack */

	/* Of a saved partition: nothing is taken from the guest nor told to it;
	 * what was restored is taken up when it thaws. */
	bool is_frozen;
	struct saved_request *saved; /* owned; in the order taken */
	uint32_t saved_count;

	/* Storage for the chain being taken. */
	struct ring_segment *scratch; /* owned; RING_CHAIN_MAX */
};

/* A virtio-blk device without driver, in front of this disk (front_blk.c).
 * -ENOMEM */
int front_init_blk(struct front *front, struct disk *disk);

/* A virtio-scsi device without driver, with so many request queues
 * (front_scsi.c); its next target. -ENOMEM */
int front_init_scsi(struct front *front, uint32_t queue_count);
void front_add_unit(struct front *front, struct disk *disk);

/* Before its disk. Safe on a zeroed one and twice. */
void front_release(struct front *front);

/* For the transport; the device is the front. */
extern const struct virtio_device_ops blk_device_ops;
extern const struct virtio_device_ops scsi_device_ops;

/* The queue's ring may be read and answered now. For a stopped ring, or while
 * memory is being moved, answers are kept until it may. */
static inline bool queue_is_live(const struct front_queue *queue)
{
	return queue->vq.is_served && !queue->front->is_frozen &&
	       queue->front->settled_ns == 0 && ring_is_mapped(&queue->vq.ring);
}

/* There is room for the next chain, however long. */
static inline bool front_has_room(const struct front *front)
{
	return front->free_spill_count > 0;
}

/* Turns. ---------------------------------------------------------------- */

/* Do what can be done now; true when anything was. */
bool front_turn(struct front *front);

/* Ask both sides to be woken; true when it is safe to sleep. */
bool front_prepare_sleep(struct front *front);

/* When front_run_timers() wants to be called next; 0: not at all. */
uint64_t front_deadline_ns(const struct front *front);

/* Timers, of its disks as well. */
void front_run_timers(struct front *front, uint64_t now_ns);

/* Saved partitions (front_state.c). --------------------------------------- */

/* Take nothing from the guest and write nothing to its memory from now on. The
 * service may still answer requests; the answers are kept. */
void front_freeze(struct front *front);

/* Continue, where it was stopped or from the restored state. Safe on one that
 * is not frozen. */
void front_thaw(struct front *front);

/* Append a section STATE_DISK, of a frozen front: its requests in flight. */
void front_state_save(const struct front *front, struct state_writer *writer);

/*
 * Read one, into a fresh front, which is frozen then: before its transport
 * starts the queues, as it does when it is restored. Requests without an answer
 * are executed (again) once it thaws.
 */
void front_state_restore(struct front *front, struct state_reader *reader);

/* False: a service may have begun a request that must not be executed again,
 * by whoever restores it. */
bool front_may_be_saved(const struct front *front);

#endif
