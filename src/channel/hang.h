/* SPDX-License-Identifier: MIT */
/*
 * Whether the service at the other end hangs: it owes an answer and its
 * heartbeat stands still. One that beats is slow at worst.
 *
 * Threads    One.
 */
#ifndef CHANNEL_HANG_H
#define CHANNEL_HANG_H

#include <stdbool.h>
#include <stdint.h>

struct hang_watch {
	uint64_t beats;        /* of the peer, when last looked at */
	uint64_t beats_ns;     /* when they had last changed */
	uint64_t suspected_ns; /* when it was last suspected */
};

/* Its silence counts from now on. */
void hang_begin(struct hang_watch *watch, uint64_t beats, uint64_t now_ns);

/* A look at a peer that has owed something since `owing_ns`. True: it has been
 * silent since then for half of the bound; said again every half bound. */
bool hang_is_suspected(struct hang_watch *watch, uint64_t beats,
		       uint64_t owing_ns, uint64_t bound_ns, uint64_t now_ns);

#endif
