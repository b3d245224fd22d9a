/* SPDX-License-Identifier: MIT */
/*
 * The layout of a channel's memory. Private to this folder.
 *
 *   page 0        header, the ends' states, the four index words
 *   page 1 ...    request ring, slot_count of 64 bytes
 *   then          response ring, slot_count of 16 bytes, from a page on
 *   then          the buffer area, from a page on
 */
#ifndef CHANNEL_LAYOUT_H
#define CHANNEL_LAYOUT_H

#include "channel/channel.h"

#define LAYOUT_MAGIC   0x31306c6e6e616843ull /* "Channl01" */
#define LAYOUT_VERSION 1u
#define LAYOUT_PAGE    4096u

/* Two cache lines apart, because processors prefetch lines in pairs. */
struct layout_word {
	uint32_t value;
	uint8_t unused[124];
};

struct layout_end {
	uint64_t beats;
	uint32_t state;   /* enum channel_state */
	uint32_t cpu_one; /* 1 + the CPU it runs on; 0: it does not say */
	uint32_t taken;   /* position of the next entry it takes */
	uint8_t unused[108];
};

struct layout {
	uint64_t magic;
	uint32_t version;
	uint32_t kind;
	uint32_t slot_count;
	uint32_t buffer_bytes;
	uint32_t generation;
	uint8_t unused[100];
	struct layout_end client;
	struct layout_end server;
	struct layout_word request_index;    /* client writes */
	struct layout_word request_wake_at;  /* server writes */
	struct layout_word response_index;   /* server writes */
	struct layout_word response_wake_at; /* client writes */
};
_Static_assert(offsetof(struct layout, client) == 128, "fixed layout");
_Static_assert(offsetof(struct layout, request_index) == 384, "fixed layout");
_Static_assert(sizeof(struct layout) == 896, "fixed layout");
_Static_assert(sizeof(struct layout) <= LAYOUT_PAGE, "the rings begin at 1");

#endif
