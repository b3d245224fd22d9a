/* SPDX-License-Identifier: MIT */
#include "textlog/textlog.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"

#define HEADER_MARK "bulkhead-log 1"
#define HEADER_FORMAT                                                 \
	HEADER_MARK " %016" PRIx64 " %016" PRIx64 " %016" PRIx64 " %" \
		    "016" PRIx64

/* Less than this is no log. */
#define CAPACITY_MIN 256

/* What a log that becomes shorter keeps: its writer has others to serve. */
#define KEPT_MAX (1u << 20)

/* One hexadecimal number; NULL when there is none. */
static const char *parse_number(const char *text, uint64_t *ret_value)
{
	char *end;

	if (!text || *text != ' ')
		return NULL;
	*ret_value = strtoull(text, &end, 16);
	return end;
}

static bool parse_header(const char *header, struct textlog *log)
{
	const char *text = header + strlen(HEADER_MARK);

	if (strncmp(header, HEADER_MARK, strlen(HEADER_MARK)) != 0)
		return false;
	text = parse_number(text, &log->capacity);
	text = parse_number(text, &log->written);
	text = parse_number(text, &log->source);
	text = parse_number(text, &log->source_position);
	return text != NULL;
}

/* 0 also when there is none: then the log is empty. */
static int read_header(int fd, struct textlog *log)
{
	char header[TEXTLOG_HEADER_BYTES + 1] = "";
	ssize_t got = pread(fd, header, TEXTLOG_HEADER_BYTES, 0);

	if (got < 0)
		return -errno;
	if (got != TEXTLOG_HEADER_BYTES || !parse_header(header, log))
		memset(log, 0, sizeof(*log));
	log->fd = fd;
	return 0;
}

static int pwrite_all(int fd, const void *bytes, size_t count, uint64_t offset)
{
	const char *from = bytes;
	ssize_t put;

	while (count) {
		put = pwrite(fd, from, count, (off_t)offset);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		from += put;
		count -= (size_t)put;
		offset += (uint64_t)put;
	}
	return 0;
}

static int write_header(const struct textlog *log)
{
	char header[TEXTLOG_HEADER_BYTES + 1];
	int length;

	length = snprintf(header, sizeof(header), HEADER_FORMAT, log->capacity,
			  log->written, log->source, log->source_position);
	memset(header + length, ' ', (size_t)(TEXTLOG_HEADER_BYTES - length));
	header[TEXTLOG_HEADER_BYTES - 1] = '\n';
	return pwrite_all(log->fd, header, TEXTLOG_HEADER_BYTES, 0);
}

void textlog_close(struct textlog *log)
{
	close_fd(&log->fd);
	log->capacity = 0;
}

static int write_ring(const struct textlog *log, const char *text, size_t bytes,
		      uint64_t written)
{
	uint64_t at = written % log->capacity;
	size_t first = (size_t)min_u64(bytes, log->capacity - at);
	int r = pwrite_all(log->fd, text, first, TEXTLOG_HEADER_BYTES + at);

	if (r < 0 || first == bytes)
		return r;
	return pwrite_all(log->fd, text + first, bytes - first,
			  TEXTLOG_HEADER_BYTES);
}

/*
 * A ring can become longer when its text lies in order, from the beginning of
 * the file: before it has wrapped, and each time that it does.
 */
static void grow(struct textlog *log, size_t coming)
{
	uint64_t at = log->written % log->capacity;

	if (log->bound == log->capacity)
		return;
	if (log->written > log->capacity) {
		if (at && at + coming < log->capacity)
			return;
		log->written = at ? at : log->capacity;
	}
	log->capacity = log->bound;
}

int textlog_append(struct textlog *log, const void *text, size_t bytes,
		   uint64_t source, uint64_t source_position)
{
	struct textlog next = *log;
	size_t skipped;
	int r;

	if (log->capacity == 0)
		return 0;
	grow(&next, bytes);
	skipped = bytes > next.capacity ? bytes - next.capacity : 0;
	r = write_ring(&next, (const char *)text + skipped, bytes - skipped,
		       next.written + skipped);
	next.written += bytes;
	next.source = source;
	next.source_position = source_position;
	if (r == 0)
		r = write_header(&next);
	if (r == 0)
		*log = next;
	return r;
}

/* Where the text still in the file begins. */
static uint64_t oldest(const struct textlog *log)
{
	return log->written > log->capacity ? log->written - log->capacity : 0;
}

/* Read some text at `position`, without wrapping. */
static ssize_t read_piece(const struct textlog *log, uint64_t position,
			  char *to, size_t room)
{
	uint64_t at = position % log->capacity;
	uint64_t bytes = min_u64(log->capacity - at, log->written - position);
	ssize_t got = pread(log->fd, to, (size_t)min_u64(bytes, room),
			    (off_t)(TEXTLOG_HEADER_BYTES + at));

	return got < 0 ? -errno : got;
}

/* Its newest text, as much as is there; how much. */
static size_t read_newest(const struct textlog *log, char *to, size_t most)
{
	uint64_t wanted = min_u64(most, log->written - oldest(log));
	size_t count = 0;
	ssize_t got = 1;

	while (got > 0 && count < wanted) {
		got = read_piece(log, log->written - wanted + count, to + count,
				 wanted - count);
		count += got > 0 ? (size_t)got : 0;
	}
	return got > 0 ? count : 0;
}

/* A device such as /dev/null cannot be cut, nor needs it. */
static int cut(int fd)
{
	return ftruncate(fd, 0) < 0 && errno != EINVAL ? -errno : 0;
}

static void free_text(char **text)
{
	free(*text);
}

/* Of a writer that is killed meanwhile the log begins anew. A file that cannot
 * be cut stays as it is. */
static int shrink(struct textlog *log)
{
	size_t most = min_u64(log->bound, KEPT_MAX);
	SCOPED(free_text) char *text = malloc(most + 1);
	size_t kept;
	int r;

	if (!text)
		return -ENOMEM;
	if (log->written <= log->bound) {
		log->capacity = log->bound;
		return 0;
	}
	kept = read_newest(log, text, most);
	r = cut(log->fd);
	if (r < 0)
		return r;
	log->capacity = log->bound;
	log->written = 0;
	return textlog_append(log, text, kept, log->source,
			      log->source_position);
}

int textlog_set_bound(struct textlog *log, uint64_t bound_bytes)
{
	uint64_t least = TEXTLOG_HEADER_BYTES + CAPACITY_MIN;
	int r;

	if (log->fd == NO_FD)
		return 0;
	log->bound =
		bound_bytes < least ? 0 : bound_bytes - TEXTLOG_HEADER_BYTES;
	if (log->bound < log->capacity) {
		r = shrink(log);
		if (log->bound < log->capacity)
			log->bound = log->capacity;
		return r;
	}
	if (log->capacity == 0)
		log->capacity = log->bound;
	return 0;
}

int textlog_open(struct textlog *log, int fd, uint64_t bound_bytes)
{
	int r;

	if (read_header(fd, log) < 0 || log->capacity == 0) {
		r = cut(fd);
		if (r < 0)
			return r;
		memset(log, 0, sizeof(*log));
	}
	log->fd = fd;
	return textlog_set_bound(log, bound_bytes);
}

int textlog_read(int fd, int (*put)(void *data, const char *text, size_t bytes),
		 void *data)
{
	struct textlog log = { .capacity = 0 };
	struct textlog now = { .capacity = 0 };
	char text[16384];
	uint64_t position;
	uint64_t overtaken;
	ssize_t got;
	int r = read_header(fd, &log);

	if (r < 0)
		return r;
	for (position = oldest(&log); position < log.written;) {
		got = read_piece(&log, position, text, sizeof(text));
		if (got <= 0)
			return (int)got;
		r = read_header(fd, &now);
		if (r < 0)
			return r;
		/* A new log began meanwhile: what we read is not ours. */
		if (now.capacity != log.capacity || now.written < log.written)
			return 0;
		overtaken = max_u64(oldest(&now), position) - position;
		if (overtaken < (uint64_t)got)
			r = put(data, text + overtaken,
				(size_t)got - (size_t)overtaken);
		if (r < 0)
			return r;
		position += max_u64((uint64_t)got, overtaken);
	}
	return 0;
}
