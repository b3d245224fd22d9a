/* SPDX-License-Identifier: MIT */
/*
 * One request of the guest, from the time it is taken from its ring until it is
 * answered: a private copy, so that only the data of a write is ever read from
 * the guest again.
 *
 *   FREE      --taken-->            ISSUING
 *   ISSUING   --all of it sent-->   SENT
 *   ISSUING   --a FLUSH-->          WITNESS
 *   SENT      --answered-->         FREE, DONE (its ring is stopped),
 *                                   WITNESS, NO_SPACE, ISSUING (a READ whose
 *                                   ring is stopped: read again later)
 *   ISSUING, SENT, NO_SPACE --service lost--> ISSUING, from its beginning
 *   NO_SPACE  --retry-->            ISSUING
 *   WITNESS   --witness answered--> FREE or DONE
 *   DONE      --ring starts-->      FREE
 *   any       --guest reset-->      FREE; what is on the channel goes stale
 *
 *   ISSUING   some of it is not on the channel yet
 *   WITNESS   a FLUSH, or a write that counts as one and is with the device:
 *             the witness is asked, or will be
 *   NO_SPACE  the host's disk is full; held until there is room (I6)
 *   DONE      the result is known but cannot be reported now: its ring is
 *             stopped, or its memory is being moved
 */
#ifndef MONITOR_REQUEST_H
#define MONITOR_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/ring.h"

/* Segments kept in the request itself; more live in the front's spill. */
#define REQUEST_SEGMENTS 8

enum request_state {
	REQUEST_FREE,
	REQUEST_ISSUING,
	REQUEST_SENT,
	REQUEST_WITNESS,
	REQUEST_NO_SPACE,
	REQUEST_DONE,
};

/* What executing it does to the disk. */
enum request_class {
	REQUEST_READ,   /* nothing */
	REQUEST_CHANGE, /* the same however often it is done */
	REQUEST_ONCE,  /* harm, if it were done twice: its service sees to it */
	REQUEST_FLUSH, /* nothing: the witness executes it */
};

enum request_direction {
	REQUEST_NO_DATA,
	REQUEST_DATA_IN, /* to the guest */
	REQUEST_DATA_OUT,
};

/* What is to be done, as a front decoded it, for whatever kind of disk. */
struct work {
	uint64_t offset_bytes; /* the bytes of the disk that it is about */
	uint64_t bytes;
	uint64_t data_bytes; /* to be moved; 0 without a direction */
	/* Inside the chain's storage until the request keeps them. */
	struct ring_segment *segments;
	uint32_t segment_count;
	/* Which of them the data is in, and how many bytes before it. */
	uint16_t data_first;
	uint16_t data_count;
	uint32_t data_skip;
	gpa_t status_gpa;
	uint16_t op; /* on the channel, and its flags */
	uint16_t flags;
	uint8_t class;     /* enum request_class */
	uint8_t direction; /* enum request_direction */
	/* Its success promises that this, or all before, is on stable
	 * storage. */
	bool is_promised;
};

struct disk;
struct front_queue;

struct request {
	/* Linked while ISSUING, SENT, WITNESS or NO_SPACE; in order taken. */
	struct request *older;
	struct request *newer;
	struct disk *disk;
	struct front_queue *queue;
	struct work work;
	uint64_t issued_ns;   /* when its first chunk was sent */
	uint64_t next_offset; /* of its data: what is before it was sent */
	uint64_t asked;       /* WITNESS: its number; 0: older changes first */
	uint32_t out_count;   /* chunks on the channel */
	int error; /* the first one of its chunks, or 0; the result */
	uint16_t head;
	uint8_t state;  /* enum request_state; written by request_enter() */
	uint8_t deaths; /* in a row, of services that crashed with it */
	uint16_t spill; /* 1 + the block it holds; 0: none */
	bool is_replayed;
	bool was_taken;    /* by the service that crashed */
	bool was_sent;     /* to a service, ever */
	bool is_cancelled; /* by task management: it is not held any more */
	struct ring_segment segments[REQUEST_SEGMENTS];
};

static inline bool request_has_data(const struct request *request)
{
	return request->work.direction != REQUEST_NO_DATA;
}

/* It changes the disk's content. */
static inline bool request_is_change(const struct request *request)
{
	return request->work.class == REQUEST_CHANGE ||
	       request->work.class == REQUEST_ONCE;
}

/* Deaths in a row after which a request is a suspect. */
#define REQUEST_DEATHS_MAX 3

static inline bool request_is_suspect(const struct request *request)
{
	return request->deaths >= REQUEST_DEATHS_MAX;
}

#endif
