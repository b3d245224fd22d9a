/* SPDX-License-Identifier: MIT */
/*
 * A block device whose requests stay in the kernel for as long as a test
 * wants, and are not kept in order: a newer one may pass an older one. One of
 *
 *   loop   a loop device over tests/lib/slowfs.c, with direct I/O, as it else
 *          does one request after the other. Old and new requests go to the
 *          same offset, before and after slow_disk_pass().
 *   dm     two views of one medium in a row: the first through dm-delay, the
 *          second at once. Old requests go to old_at, new ones to new_at,
 *          and both are the same place.
 *
 * SLOW_DEVICE chooses (loop), SLOW_MS says how long (2500). Needs root.
 *
 * Errors     A test fails in here; nothing is skipped.
 */
#ifndef TESTS_FENCE_SLOW_DISK_H
#define TESTS_FENCE_SLOW_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SLOW_DISK_BYTES (8u << 20)

enum slow_kind { SLOW_WRITES, SLOW_READS };

struct slow_disk {
	char device[32]; /* what to serve */
	uint64_t old_at; /* where requests are slow, in bytes */
	uint64_t new_at; /* where they are not; the same place on the medium */
	bool is_dm;
	enum slow_kind held;
	uint64_t begun_ns;
	int backing_fd; /* the medium; owned, as are these */
	int control_fd; /* of slowfs */
	int loop_fd;
	pid_t server; /* slowfs; 0: none */
};

/* Which kind the environment asks for. */
bool slow_disk_is_dm(void);

void slow_disk_open(struct slow_disk *disk);
void slow_disk_close(struct slow_disk *disk);

/* From now on requests of this kind at old_at take their time; and no longer.
 * What was begun in between stays in the kernel. */
void slow_disk_hold(struct slow_disk *disk, enum slow_kind kind);
void slow_disk_pass(struct slow_disk *disk);

/* Until something that was held is, or is no longer, in the kernel. */
void slow_disk_wait_begun(struct slow_disk *disk);
void slow_disk_wait_idle(const struct slow_disk *disk);

/* The byte at the place tested, on the medium itself, past all caches. */
uint8_t slow_disk_medium(const struct slow_disk *disk);
void slow_disk_fill(struct slow_disk *disk, uint8_t byte);

#endif
