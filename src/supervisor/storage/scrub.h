/* SPDX-License-Identifier: MIT */
/*
 * Overwriting an image with zeros: slow, so in a thread of its own.
 *
 * What the image holds is overwritten in place; a file system that writes
 * elsewhere (copy on write, snapshots) keeps old blocks, and the documentation
 * says so.
 *
 * Threads    All functions are called from the thread that started it.
 */
#ifndef SUPERVISOR_SCRUB_H
#define SUPERVISOR_SCRUB_H

#include <stdint.h>

struct scrub;

/*
 * Overwrite everything the image holds with zeros and fdatasync it, through
 * a description of its own. Holes of a sparse file are left.
 */
int scrub_start(struct scrub **ret_scrub, int witness_fd, uint64_t size_bytes);

/* Readable when it has ended; owned by the scrub. */
int scrub_fd(const struct scrub *scrub);

/* -EAGAIN while it runs, then 0 or the error of the write. */
int scrub_result(const struct scrub *scrub);

/* Stops it if it runs (within one write), and frees. Safe on NULL. */
void scrub_free(struct scrub *scrub);

#endif
