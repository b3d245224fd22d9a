/* SPDX-License-Identifier: MIT */
/*
 * One generation of a disk's service as the monitor's I/O thread uses it: the
 * channel, the buffer pages granted, and the chunks that are in it.
 *
 * A chunk is one request on the channel: of a disk channel a READ or WRITE of at
 * most LANE_CHUNK_BYTES, or any other operation whole; of a SCSI channel a
 * command whole, with the sense slot of its own number. A lane is opened when the
 * supervisor announces a generation and closed when it is gone; nothing of it
 * is read after that (I2).
 *
 * Trust      The service is hostile as far as the channel is concerned: an
 *            unrequested or repeated answer, or one of the wrong length, breaks
 *            the lane. Its answers are trusted only about the disk's content.
 * Threads    One owner. lane_open() and lane_close() may run on another thread
 *            than the rest, one after the other.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_LANE_H
#define MONITOR_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "channel/buffers.h"
#include "channel/channel.h"

/* Large requests are fast because one chunk is copied while the service works
 * on another; smaller chunks would cost more iterations. */
#define LANE_CHUNK_BYTES 262144u

struct request;

struct chunk {
	struct request *request; /* NULL: stale, its client has been answered */
	struct grant grant;
	uint32_t offset_bytes; /* of its data within the request */
	uint32_t bytes;        /* of data; 0: an operation without a buffer */
	uint32_t sequence;     /* grows with every use of this slot */
	uint32_t position;     /* of its request in the channel */
	bool is_out;
};

struct lane {
	struct channel channel;
	struct buffers buffers;
	uint64_t generation;
	int kick_fd;          /* owned: we wake the service */
	int call_fd;          /* owned: it wakes us */
	uint32_t chunk_bytes; /* the most data of a chunk */
	struct chunk *chunks; /* owned; channel.shape.slot_count of them */
	uint16_t *free;       /* owned: a stack of chunk indices */
	uint32_t free_count;
	uint32_t out_count; /* stale ones included */
	uint32_t stale_count;
	uint32_t large_count; /* of DISK_LARGE_BYTES and more */
	bool is_open;
	bool must_publish;
	bool has_woken; /* the service slept when last published */
};

/* What an answer says, once checked. */
struct lane_answer {
	struct chunk *chunk;
	int status;     /* a negative errno; or 0, or an outcome of SCSI */
	uint32_t bytes; /* of data, from the first on */
};

/*
 * Open the client's end. Takes all three descriptors, on failure too.
 *
 * -EBADMSG  not a channel of this kind and generation, or too small
 * -ENOMEM
 */
int lane_open(struct lane *lane, enum channel_kind kind, uint64_t generation,
	      int fds[3]);

/* Unmap and close. Safe on a zeroed one and on one already closed. */
void lane_close(struct lane *lane);

/*
 * Reserve a chunk and, for bytes > 0, a buffer for it.
 *
 * -EAGAIN  no slot or no buffer is free now
 */
int lane_reserve(struct lane *lane, uint32_t bytes, struct chunk **ret_chunk);

/* The sense data of a chunk of a SCSI channel: SCSI_SENSE_MAX bytes that the
 * service may change at any time. */
const uint8_t *lane_sense(const struct lane *lane, const struct chunk *chunk);

/* The granted bytes of a chunk. */
uint8_t *lane_buffer(const struct lane *lane, const struct chunk *chunk);

/*
 * Send a reserved chunk; id, generation, buffer and length are filled in here.
 * It is out until its answer was received, and visible after lane_publish().
 *
 * -EBADMSG  the channel is broken
 */
int lane_send(struct lane *lane, struct chunk *chunk,
	      struct channel_request *request);

/* Return a chunk that is not in the channel, with its buffer. */
void lane_return(struct lane *lane, struct chunk *chunk);

/*
 * Take one answer; the caller copies the data out and returns the chunk.
 *
 * -EAGAIN   none waits
 * -EBADMSG  the service violated the protocol: the lane must be closed
 */
int lane_receive(struct lane *lane, struct lane_answer *ret_answer);

/* Make what was sent visible and wake the service if it asked for it. */
void lane_publish(struct lane *lane);

/* The request is gone but its chunks are still in the channel: count them as
 * stale. Nothing new may be sent before they are answered (I4). */
void lane_forget(struct lane *lane, const struct request *request);

#endif
