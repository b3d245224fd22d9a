/* SPDX-License-Identifier: MIT */
/*
 * A channel: shared memory through which one client sends requests to one
 * server, which answers them in any order.
 *
 * The supervisor creates the memory, a memfd sealed against growing, shrinking
 * and further sealing, and passes it to the two ends together with two
 * eventfds: `kick` (client wakes server) and `call` (server wakes client). The
 * channel itself does no I/O: channel_publish() says when the peer must be
 * woken, and the caller writes the eventfd. A channel belongs to one attachment
 * and one generation of its service; a new generation gets new memory.
 *
 * Trust      The peer may be hostile. Every word it writes is copied once and
 *            checked; each end computes from its own positions. A peer that
 *            breaks the rules breaks the channel for good: every later receive
 *            is -EBADMSG, and the caller drops the peer. Neither end aborts
 *            (I7).
 * Threads    An end of a channel belongs to one thread. No function locks.
 * Errors     0 or a negative errno; ret_* are valid only on success.
 */
#ifndef CHANNEL_CHANNEL_H
#define CHANNEL_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the requests mean; each kind defines its payloads in a header of its
 * own. */
enum channel_kind {
	CHANNEL_KIND_DISK = 1, /* channel/disk_request.h */
	CHANNEL_KIND_SCSI = 2, /* channel/scsi_request.h */
};

enum channel_end { CHANNEL_CLIENT, CHANNEL_SERVER };

/* What an end reports about itself; it only ever advances. A hint for people
 * and tests, never the basis of a decision: whether a peer is dead is for the
 * kernel to say. */
enum channel_state {
	CHANNEL_ABSENT = 0,
	CHANNEL_OPEN = 1,
	CHANNEL_CLOSED = 2,
};

#define CHANNEL_SLOTS_MIN     2u
#define CHANNEL_SLOTS_MAX     4096u
#define CHANNEL_BUFFER_UNIT   4096u
#define CHANNEL_BUFFER_MAX    (1024u * 1024 * 1024)
#define CHANNEL_PAYLOAD_BYTES 32

struct channel_request {
	uint64_t id;            /* the client's; echoed in the response */
	uint64_t offset_bytes;  /* where on the device */
	uint32_t length_bytes;  /* how much */
	uint32_t buffer_offset; /* the granted bytes, in the buffer area */
	uint32_t generation;    /* the channel's */
	uint16_t op;
	uint16_t flags;
	uint8_t payload[CHANNEL_PAYLOAD_BYTES]; /* as the op says; else zero */
};
_Static_assert(sizeof(struct channel_request) == 64, "one cache line");
_Static_assert(offsetof(struct channel_request, op) == 28, "no padding");

struct channel_response {
	uint64_t id;
	int32_t status; /* a negative errno, or as the kind says */
	uint32_t bytes; /* transferred */
};
_Static_assert(sizeof(struct channel_response) == 16, "four to a cache line");

struct channel_shape {
	enum channel_kind kind;
	uint32_t slot_count;   /* a power of two, the most requests in flight */
	uint32_t buffer_bytes; /* a multiple of CHANNEL_BUFFER_UNIT */
	uint32_t generation;   /* low 32 bits of the attachment's */
};

/* One direction as its producer sees it. Private to channel.c. */
struct channel_out {
	uint32_t produced;        /* ours: the next slot to fill */
	uint32_t published;       /* ours: what the peer may see */
	uint32_t *shared_index;   /* we write */
	uint32_t *shared_wake_at; /* the peer writes */
	uint32_t *shared_taken;   /* the peer writes */
};

/* One direction as its consumer sees it. Private to channel.c. */
struct channel_in {
	uint32_t consumed;        /* ours: the next slot to take */
	uint32_t known;           /* ours: checked copy of the peer's index */
	uint32_t *shared_index;   /* the peer writes */
	uint32_t *shared_wake_at; /* we write */
	uint32_t *shared_taken;   /* we write */
};

struct channel {
	/* Copied from the header once, at open; for reading. */
	struct channel_shape shape;
	uint8_t *buffers; /* shape.buffer_bytes of them; shared with the peer */

	/* Private. */
	enum channel_end end;
	bool is_broken;
	void *map; /* owned; NULL when closed */
	size_t map_bytes;
	struct channel_request *requests;
	struct channel_response *responses;
	struct channel_out out;
	struct channel_in in;
};

/* Bytes at the start of the buffer area of this kind that are never granted, a
 * multiple of CHANNEL_BUFFER_UNIT. */
uint32_t channel_reserved_bytes(enum channel_kind kind);

/* Supervisor. ---------------------------------------------------------- */

/* Size of the memory behind a valid shape. */
uint64_t channel_memory_bytes(const struct channel_shape *shape);

/*
 * Make the memory of a new channel. The caller owns *ret_memfd and passes
 * duplicates to both ends.
 *
 * -EINVAL  the shape is not valid
 */
int channel_create(const struct channel_shape *shape, int *ret_memfd);

/* Both ends. ----------------------------------------------------------- */

/*
 * Map a channel. `memfd` is borrowed and may be closed afterwards. The caller
 * compares channel->shape.generation with the one the supervisor announced.
 *
 * -EBADMSG  not a sealed channel of this kind, or its size contradicts its
 *           header
 * -ENOMEM   no address space
 */
int channel_open(struct channel *channel, int memfd, enum channel_end end,
		 enum channel_kind kind);

/* Unmap. Safe on a zeroed channel and on one already closed. */
void channel_close(struct channel *channel);

/* Requests sent (client) or received (server) without a response so far. */
uint32_t channel_outstanding(const struct channel *channel);

/* Break the channel because its owner found a violation that the channel itself
 * cannot see, such as a request of another generation. */
void channel_break(struct channel *channel);

/*
 * Make what was sent visible to the peer. True when the peer asked to be woken
 * for one of these: the caller then writes its eventfd.
 */
bool channel_publish(struct channel *channel);

/* True when a receive would not return -EAGAIN. Cheap enough to spin on. */
bool channel_has_waiting(struct channel *channel);

/*
 * Before sleeping: ask to be woken once `count` more (at least 1) have arrived;
 * a client is woken no later than by the last outstanding response. True when
 * it is safe to sleep on the eventfd; false when there is already something to
 * receive. An end that is awake asks for nothing and is not woken.
 */
bool channel_prepare_sleep(struct channel *channel, uint32_t count);

/* Heartbeat: once per iteration of the loop, by timer only while busy. */
void channel_beat(struct channel *channel);

/* The peer's heartbeats so far; only a change is meaningful. */
uint64_t channel_peer_beats(const struct channel *channel);

/* Publish the CPU this thread runs on: a hint to the peer where to wait. */
void channel_publish_cpu(struct channel *channel);

/* The CPU the peer published last: any number, or -1. */
int channel_peer_cpu(const struct channel *channel);

/* True when [offset, offset + bytes) lies inside the buffer area, behind what
 * is reserved. */
bool channel_has_buffer(const struct channel *channel, uint32_t offset,
			uint32_t bytes);

/* Client. -------------------------------------------------------------- */

/*
 * Queue one request; the peer sees it after channel_publish().
 *
 * -EAGAIN   as many requests are outstanding as there are slots
 * -EBADMSG  the channel is broken
 */
int channel_send_request(struct channel *channel,
			 const struct channel_request *request);

/* The position of the next request, and whether the server has marked the one
 * at a position as taken: a hint about a live server and about a dead one. */
uint32_t channel_next_position(const struct channel *channel);
bool channel_peer_has_taken(const struct channel *channel, uint32_t position);

/*
 * Take the next response. Its id, status and bytes are whatever the server
 * wrote: the caller looks the id up in its own table.
 *
 * -EAGAIN   none waiting
 * -EBADMSG  the channel is broken (also: more responses than requests)
 */
int channel_receive_response(struct channel *channel,
			     struct channel_response *ret_response);

/* Server. -------------------------------------------------------------- */

/*
 * Take the next request, a private copy.
 *
 * -EAGAIN   none waiting
 * -EBADMSG  the channel is broken (also: more outstanding than slots)
 */
int channel_receive_request(struct channel *channel,
			    struct channel_request *ret_request);

/*
 * Queue one response; the peer sees it after channel_publish(). There is always
 * room, since the server answers only what it received.
 */
void channel_send_response(struct channel *channel,
			   const struct channel_response *response);

#endif
