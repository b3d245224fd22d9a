/* SPDX-License-Identifier: MIT */
/*
 * Who may use what is left of a receiver that is slower than its senders.
 *
 * A queue that takes whoever finds room in it favours those who happen to come
 * just after it was emptied, for as long as they do. So drops follow what each
 * sender got through of late (approximate fair dropping; Pan, Breslau,
 * Prabhakar, Shenker, 2003): in a queue that is nearly full there is room only
 * for those who had no more than their part. A sender that is alone is
 * counted as one of two, so that there is always room for who comes next.
 *
 * Threads    One owner.
 */
#ifndef NET_SWITCH_SHARE_H
#define NET_SWITCH_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "net/switch/fdb.h"

/* What is remembered: about so many bytes of all senders together. */
#define SHARE_WINDOW_BYTES (4u << 20)

struct share {
	uint32_t recent[FDB_PORT_COUNT]; /* bytes, by sender; halved at times */
	uint32_t total;                  /* of them */
	uint32_t active;                 /* how many are not 0 */
};

/* A frame of this sender (a port's number) went into the queue. */
void share_count(struct share *share, uint16_t sender, uint32_t bytes);

/* It had more than its part of late. */
bool share_is_ahead(const struct share *share, uint16_t sender);

#endif
