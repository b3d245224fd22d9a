/* SPDX-License-Identifier: MIT */
/*
 * Ethernet frames in shared memory: a ring each way between a monitor and the
 * network service, and two eventfds (`kick` wakes the service, `call` the
 * monitor).
 *
 * A frame in the ring has left its sender: the guest's descriptor is completed
 * at once, whatever becomes of the service. A full ring makes its producer wait
 * (transmit) or drops the frame (receive), so memory is bounded, and a service
 * that dies loses no more than what is in the rings, as a cable would. A new
 * generation gets new memory.
 *
 *   producer  frames_reserve(), fill, frames_commit(), ..., frames_publish()
 *   consumer  frames_next(), use, frames_release(), ..., frames_acknowledge()
 *
 * A frame is contiguous: virtio_net_hdr of 12 bytes (little endian), then the
 * Ethernet frame.
 *
 * A ring is sparse: while little is pending its producer wraps to the beginning
 * early, so that the memory in use, and in the cache, is only what the backlog
 * needs; memory that a backlog took is released once the ring has been idle for
 * a while.
 *
 * Trust      Each end treats the other as hostile: positions and lengths are
 *            copied once and checked against the end's own. A violation is
 *            -EBADMSG and breaks the ring for good (I7). The bytes of a frame
 *            may change while they are read.
 * Threads    An end belongs to one thread.
 * Errors     0 or a negative errno; ret_* are valid only on success.
 */
#ifndef CHANNEL_FRAMES_H
#define CHANNEL_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

#define FRAMES_HEADER_BYTES 12u /* struct virtio_net_hdr_v1 */
/* Header, the longest frame that a switch carries, and a tag. */
#define FRAMES_RECORD_MAX (FRAMES_HEADER_BYTES + 65394u + 4u)
#define FRAMES_RING_MIN   (256u << 10)
#define FRAMES_QUEUE_MIN  (1u << 20)
#define FRAMES_QUEUE_NS   (50 * NS_PER_MS)
#define FRAMES_RING_MAX   (64u << 20)

enum frames_end { FRAMES_MONITOR, FRAMES_SERVICE };

struct frames_shared;
struct frames_ring;

/* One direction at one of its ends. Private to frames.c. */
struct frames_way {
	struct frames_ring *shared;
	uint8_t *bytes;
	uint32_t ring_bytes;
	uint32_t record_bytes; /* of the frame handed out, padding included */
	uint64_t at;           /* ours: produced, or consumed */
	uint64_t told;         /* up to where the peer has been shown */
	uint64_t known;        /* checked copy of the peer's position */

	/* Of a producer. */
	uint64_t queue_most; /* bytes that may wait */
	uint64_t paced_ns;   /* when that was last set */
	uint64_t paced_at;   /* where the peer was then */
	uint64_t skip_at;    /* where it left bytes out last */
	uint64_t skip_bytes; /* how many */
	uint64_t trimmed_at; /* where it was when memory was given back */
	uint64_t trim_ns;    /* when to see whether it is silent; 0: not */
	uint64_t trim_at;    /* where it was when that was set */
};

struct frames {
	uint32_t generation;
	bool is_broken;
	struct frames_shared *shared; /* owned mapping; NULL when closed */
	size_t map_bytes;
	enum frames_end end;
	struct frames_way out;
	struct frames_way in;
};

/*
 * Make the memory of a generation: a ring of `transmit_bytes`, from the monitor
 * to the service, and one of `receive_bytes`; powers of two. The caller owns
 * *ret_memfd.
 *
 * -EINVAL  no such size
 */
int frames_create(uint32_t transmit_bytes, uint32_t receive_bytes,
		  uint32_t generation, int *ret_memfd);

/*
 * Map it, at either end; `memfd` is borrowed.
 *
 * -EBADMSG  not such memory
 */
int frames_open(struct frames *frames, int memfd, enum frames_end end);

/* Safe on a zeroed one, and twice. */
void frames_close(struct frames *frames);

/* Producing. ------------------------------------------------------------- */

/*
 * Room for a record of up to `bytes` (1 to FRAMES_RECORD_MAX), to be filled
 * before frames_commit(). A reservation that is not committed costs nothing.
 *
 * -EAGAIN   the ring is full
 * -EBADMSG  the peer's position is impossible
 */
int frames_reserve(struct frames *frames, uint32_t bytes, uint8_t **ret_at);

/* The record reserved last is complete, with this many bytes of it used. */
void frames_commit(struct frames *frames, uint32_t bytes);

/*
 * Limit the queue from now on to what the peer takes in FRAMES_QUEUE_NS at its
 * recent rate, but at least FRAMES_QUEUE_MIN: behind a slow peer, a long
 * queue is only latency. To be called regularly.
 */
void frames_pace(struct frames *frames, uint64_t now_ns);

/* The queue is more than three quarters full, as far as is known. */
bool frames_are_crowded(struct frames *frames);

/* Show the peer what was committed; when true, the caller writes its
 * eventfd. */
bool frames_publish(struct frames *frames);

/* The ring was full: have the peer wake us when it makes room. True when there
 * is still none, and it is safe to sleep. */
bool frames_prepare_room(struct frames *frames);

/* True while the peer has not taken everything that was published. */
bool frames_are_unread(const struct frames *frames);

/* Before sleeping: when to call frames_trim(); 0: never. */
uint64_t frames_trim_ns(struct frames *frames);

/* Release the ring's memory if that is due, and nothing was added meanwhile or
 * is pending; true if it was released, which takes about as long as a few
 * frames. */
bool frames_trim(struct frames *frames, uint64_t now_ns);

/* Consuming. ------------------------------------------------------------- */

/*
 * The oldest record not yet released; the same one until then.
 *
 * -EAGAIN   none
 * -EBADMSG  the peer violated the protocol
 */
int frames_next(struct frames *frames, const uint8_t **ret_bytes,
		uint32_t *ret_count);

/* Done with the record of the last frames_next(). */
void frames_release(struct frames *frames);

/* Make the room of released records available; when true, the caller writes the
 * peer's eventfd. */
bool frames_acknowledge(struct frames *frames);

/* True when nothing is pending and the peer will wake us for the next frame. */
bool frames_prepare_sleep(struct frames *frames);

/* Heartbeat: the service beats once per iteration of its loop, the monitor
 * reads it. */
void frames_beat(struct frames *frames);
uint64_t frames_beats(const struct frames *frames);

#endif
