/* SPDX-License-Identifier: MIT */
/*
 * A log file that never outgrows its bound: a header of fixed size, then the
 * newest text in a ring.
 *
 * The header says how much was ever written and up to which position of which
 * source it goes, and is written after the text in one piece; so a writer that
 * was killed at any point is followed by one that neither repeats nor skips a
 * byte. The console service writes; `bulkhead logs` reads while it does.
 *
 * Trust      The file is ours, yet it is read as foreign: a header that is
 *            not right is an empty log.
 * Threads    One writer; readers at will.
 * Errors     0 or a negative errno.
 */
#ifndef TEXTLOG_TEXTLOG_H
#define TEXTLOG_TEXTLOG_H

#include <stddef.h>
#include <stdint.h>

#define TEXTLOG_HEADER_BYTES 128

struct textlog {
	int fd;            /* owned; NO_FD when there is no log */
	uint64_t capacity; /* bytes of text kept; 0: no log */
	uint64_t bound;    /* what that is to become */
	uint64_t written;  /* bytes ever written */
	uint64_t source;   /* what the positions below belong to */
	uint64_t source_position;
};

/*
 * Take over the file, open for reading and writing. `bound_bytes` is what the
 * file may grow to; with less than room for some text nothing is logged. A file
 * that is no log begins anew; one of another bound is given this one.
 *
 * errno of ftruncate(), -ENOMEM; the file stays the caller's then
 */
int textlog_open(struct textlog *log, int fd, uint64_t bound_bytes);

/*
 * A smaller bound holds at once; a log that is longer keeps its newest text, at
 * most 1 MiB of it.
 * With a larger one nothing is lost, and a file that is full begins to grow when
 * it has been written to its end once more.
 *
 * As textlog_open()
 */
int textlog_set_bound(struct textlog *log, uint64_t bound_bytes);
void textlog_close(struct textlog *log);

/*
 * Append text, the source's bytes up to `source_position`.
 *
 * -ENOSPC, -EIO  not written, and not counted as written
 */
int textlog_append(struct textlog *log, const void *text, size_t bytes,
		   uint64_t source, uint64_t source_position);

/*
 * Give the text of the file to `put` in order. Text that the writer overtakes
 * meanwhile is left out. `fd` is borrowed.
 *
 * other  errno of reading, or what `put` returned
 */
int textlog_read(int fd, int (*put)(void *data, const char *text, size_t bytes),
		 void *data);

#endif
