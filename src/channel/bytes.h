/* SPDX-License-Identifier: MIT */
/*
 * A console's byte stream in shared memory: the last N bytes of output, kept as
 * scrollback, and a small queue of input in the other direction.
 *
 * The monitor writes output and never waits: the oldest bytes are overwritten,
 * and a reader that has fallen behind learns how many it lost. The console
 * service reads output, writes input, and records in the same memory how much
 * output is in the log on disk, so that its successor continues exactly there.
 * The memory is created and sealed by the supervisor and survives restarts of
 * both ends; positions are 64 bits and never wrap.
 *
 * Trust      Each end treats the other as hostile: positions are copied once
 *            and checked; an impossible one is -EBADMSG.
 * Threads    An end belongs to one thread.
 * Errors     0 or a negative errno; ret_* are valid only on success.
 */
#ifndef CHANNEL_BYTES_H
#define CHANNEL_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BYTES_OUTPUT_DEFAULT (256u * 1024)
#define BYTES_OUTPUT_MIN     4096u
#define BYTES_OUTPUT_MAX     (16ul * 1024 * 1024)
#define BYTES_INPUT_BYTES    4096u

struct bytes_shared;

struct bytes {
	uint32_t output_bytes;       /* size of the output ring; for reading */
	struct bytes_shared *shared; /* owned mapping; NULL when closed */
	size_t map_bytes;
	uint8_t *output;
	uint8_t *input;

	/* Private: our own positions, whatever the peer does to the shared
	 * copy. */
	uint64_t output_end;  /* monitor */
	uint64_t input_taken; /* monitor */
	uint64_t input_end;   /* service */
};

/*
 * Make the memory. output_bytes is a power of two between LEAST and MOST. The
 * caller owns *ret_memfd.
 *
 * -EINVAL  no such size
 */
int bytes_create(uint32_t output_bytes, int *ret_memfd);

/*
 * Map it, at either end; `memfd` is borrowed.
 *
 * -EBADMSG  not such memory
 */
int bytes_open(struct bytes *bytes, int memfd);
void bytes_close(struct bytes *bytes);

/* Monitor. ------------------------------------------------------------- */

/* Append output, overwriting the oldest. True when the service asked to be
 * woken: the caller then writes its eventfd. Of more than output_bytes at once
 * only the last output_bytes are kept. */
bool bytes_write_output(struct bytes *bytes, const void *from, size_t count);

/*
 * Take up to `room` bytes of input; *ret_count may be 0.
 *
 * -EBADMSG  the service's position is impossible; drop its input
 */
int bytes_read_input(struct bytes *bytes, void *to, size_t room,
		     size_t *ret_count);

/* True when no input is pending and the service will wake us for the next
 * byte. */
bool bytes_prepare_input_sleep(struct bytes *bytes);

/* Service. ------------------------------------------------------------- */

/* Position just after the newest output byte. */
uint64_t bytes_output_end(const struct bytes *bytes);

/* Position of the oldest output byte still kept. */
uint64_t bytes_output_begin(const struct bytes *bytes);

/*
 * Copy output from *position on, at most `room` bytes, and advance *position.
 * Bytes overwritten before they could be read are skipped and counted.
 *
 * -EBADMSG  *position is past the end: the writer went backwards
 */
int bytes_read_output(const struct bytes *bytes, uint64_t *position, void *to,
		      size_t room, size_t *ret_count, uint64_t *ret_lost);

/* True when there is nothing after `position` and the monitor will wake us. */
bool bytes_prepare_output_sleep(struct bytes *bytes, uint64_t position);

/*
 * Queue input; *ret_count is the number of bytes that fitted. *ret_wake: the
 * monitor asked to be woken; write its eventfd.
 *
 * -EBADMSG  the monitor's position is impossible
 */
int bytes_write_input(struct bytes *bytes, const void *from, size_t count,
		      size_t *ret_count, bool *ret_wake);

/* The position in the output up to which it is in the log on disk. */
uint64_t bytes_logged(const struct bytes *bytes);
void bytes_set_logged(struct bytes *bytes, uint64_t position);

#endif
