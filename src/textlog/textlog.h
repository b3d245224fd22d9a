/* SPDX-License-Identifier: MIT */
/*
 * A log file that never outgrows its bound: a header of fixed size, then the
 * newest text in a ring.
 *
 * The header records how much was ever written and up to which position of
 * which source. It is written in one piece after the text, so the successor of
 * a writer that was killed at any point neither repeats nor skips a byte. The
 * console service writes while `bulkhead logs` reads.
 *
 * Trust      The file is ours, yet it is read as untrusted input: an invalid
 *            header means an empty log.
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
 * Take over the file, open for reading and writing. `bound_bytes` is the size
 * the file may grow to; a bound that leaves no room for text disables logging.
 * A file that is not a log is started afresh; one with another bound is given
 * this one.
 *
 * errno of ftruncate(), -ENOMEM; the caller then still owns the file
 */
int textlog_open(struct textlog *log, int fd, uint64_t bound_bytes);

/*
 * Change the bound. A smaller one takes effect at once; a longer log keeps its
 * newest text, at most 1 MiB of it. With a larger one nothing is lost, and a
 * full file begins to grow when it has next been written to its end.
 *
 * Errors as textlog_open().
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
 * Pass the text of the file to `put` in order. Text that the writer overwrites
 * meanwhile is omitted. `fd` is borrowed.
 *
 * other  errno of reading, or what `put` returned
 */
int textlog_read(int fd, int (*put)(void *data, const char *text, size_t bytes),
		 void *data);

#endif
