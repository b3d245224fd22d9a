/* SPDX-License-Identifier: MIT */
/*
 * The files that hold saved guests: STATE_DIR/saved/NAME.image, 0600. One that
 * is being written is NAME.partial beside it; only a whole and synchronised one
 * gets its name. The store records which of them count (struct saved_image);
 * image_sweep() removes the others, but for those of partitions that it does not
 * know.
 *
 * Trust      A monitor writes them, so what is in them is the monitor's; only
 *            the next monitor reads it.
 * Threads    The supervisor's only one.
 * Errors     0 or a negative errno.
 */
#ifndef SUPERVISOR_IMAGE_H
#define SUPERVISOR_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

/* Make the folder. */
int image_open_folder(const char *state_dir);

/* An empty NAME.partial, open for writing; an old one is removed first. The
 * caller owns the descriptor. */
int image_create(const char *state_dir, const char *partition, int *ret_fd);

/* The written and synchronised NAME.partial becomes NAME.image, for good;
 * *ret_bytes is what it takes on disk. */
int image_publish(const char *state_dir, const char *partition,
		  uint64_t *ret_bytes);

/* NAME.image, open for reading. -ENOENT: there is none */
int image_open(const char *state_dir, const char *partition, int *ret_fd);

/* What there is of both files, for reading and writing; NO_FD: it is not there.
 * The caller owns the descriptors, on failure too. */
#define IMAGE_FILE_COUNT 2
int image_open_files(const char *state_dir, const char *partition,
		     int ret_fds[IMAGE_FILE_COUNT]);

/* Out of the way of everything, to STATE_DIR/saved/kept: the store that says
 * that it does not count may be wrong. */
int image_keep(const char *state_dir, const char *partition);

/* Both files, if they are there. */
void image_remove(const char *state_dir, const char *partition);

/* Remove every file that is no image, and every image that is not kept. Returns
 * how many. */
unsigned image_sweep(const char *state_dir,
		     bool (*is_kept)(void *context, const char *partition),
		     void *context);

#endif
