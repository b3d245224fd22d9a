/* SPDX-License-Identifier: MIT */
/*
 * The thread that may block: it calls fdatasync() on one disk's witness when
 * the I/O thread asks, and wakes the I/O thread with the result.
 *
 * The witness is an open file description older than every service, so the
 * kernel reports every failed write-back to it (docs/architecture.md, 4).
 *
 * Threads    witness_ask() and witness_take() belong to the I/O thread.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_WITNESS_H
#define MONITOR_WITNESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "sandbox/sandbox.h"

struct witness {
	int fd;      /* owned: the witness */
	int ask_fd;  /* owned: wakes the thread */
	int wake_fd; /* borrowed: wakes the I/O thread */
	pthread_t thread;
	bool is_running;
	bool must_end;
	/* Borrowed, atomic; NULL: bound by its process's filter alone. */
	const struct sandbox_program *program;
	uint64_t asked; /* written by the I/O thread */
	/* The mailbox: the thread fills it, the I/O thread empties it. */
	uint32_t is_full;
	uint64_t answered; /* everyone who had asked by this number */
	int result;
};

/* Take over the descriptor and start the thread. */
int witness_open(struct witness *witness, int fd, int wake_fd);

/* End the thread; waits for an fdatasync() under way. */
void witness_close(struct witness *witness);

/* After the seal: its thread installs its own filter before it next waits for a
 * request. */
void witness_narrow(struct witness *witness,
		    const struct sandbox_program *program);

/* Ask for number `asked`, which only grows. Never blocks. */
void witness_ask(struct witness *witness, uint64_t asked);

/* True if there was a result: for all requests up to *ret_answered. */
bool witness_take(struct witness *witness, uint64_t *ret_answered,
		  int *ret_result);

#endif
