/* SPDX-License-Identifier: MIT */
/*
 * Notices from the I/O thread to the main thread: a bounded queue and an
 * eventfd. The I/O thread never blocks, so it neither logs nor talks to the
 * supervisor itself; when the main thread is too far behind, a notice is
 * dropped and counted. Important ones are repeated while they apply.
 *
 * Threads    One thread puts, one thread takes.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_NOTICE_H
#define MONITOR_NOTICE_H

#include <stdbool.h>
#include <stdint.h>

#define NOTICE_SIZE 64

enum notice_kind {
	NOTICE_SUSPECT, /* oldest_ms: age of the oldest request */
	NOTICE_BROKEN,
	NOTICE_POISON,
	NOTICE_PAUSE_REQUEST,
	NOTICE_CONNECTED, /* a foreign front end connected */
	NOTICE_DISCONNECTED,
	NOTICE_EVENT, /* text, for an operator */
	/* Of interfaces; disk_index is theirs. */
	NOTICE_NIC_SUSPECT,
	NOTICE_NIC_BROKEN,
	NOTICE_NIC_FEATURES, /* nic.negotiated changed */
	NOTICE_NIC_STARTED,  /* a driver; the engine knows its filter */
	NOTICE_NIC_EVENT,    /* as NOTICE_EVENT */
};

struct notice {
	enum notice_kind kind;
	uint32_t disk_index;
	uint64_t generation; /* of the service; 0: none */
	uint64_t oldest_ms;
	uint32_t level;   /* of NOTICE_EVENT: enum event_level */
	const char *text; /* of NOTICE_EVENT: a literal */
};

struct notices {
	int fd; /* owned: readable when a notice may be pending */
	uint32_t put;
	uint32_t taken;
	uint64_t dropped;
	struct notice room[NOTICE_SIZE];
};

int notices_open(struct notices *notices);
void notices_close(struct notices *notices);

/* Never blocks. */
void notices_put(struct notices *notices, const struct notice *notice);

/* -EAGAIN  none pending */
int notices_take(struct notices *notices, struct notice *ret_notice);

#endif
