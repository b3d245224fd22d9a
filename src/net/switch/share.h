/* SPDX-License-Identifier: MIT */
/*
 * Fair sharing of a receiver that is slower than its senders.
 *
 * A drop-tail queue favours the senders that happen to arrive just after it was
 * drained. So drops follow each sender's recent throughput (approximate fair
 * dropping; Pan, Breslau, Prabhakar, Shenker, 2003): a nearly full queue
 * accepts only senders at or below their fair share. A lone sender is counted
 * as one of two, so that there is always room for the next one.
 *
 * Threads    One owner.
 */
#ifndef NET_SWITCH_SHARE_H
#define NET_SWITCH_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "net/switch/fdb.h"

/* The history covers about this many bytes of all senders together. */
#define SHARE_WINDOW_BYTES (4u << 20)

struct share {
	uint32_t recent
		[FDB_PORT_COUNT]; /* bytes, by sender; halved periodically */
	uint32_t total;           /* of them */
	uint32_t active;          /* how many are not 0 */
};

/* A frame of this sender (a port's number) went into the queue. */
void share_count(struct share *share, uint16_t sender, uint32_t bytes);

/* It recently sent more than its fair share. */
bool share_is_ahead(const struct share *share, uint16_t sender);

#endif
