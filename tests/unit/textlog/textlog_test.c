/* SPDX-License-Identifier: MIT */
#include "textlog/textlog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

#define BOUND 1024

static struct textlog log_file;

static void begin(void)
{
	CHECK_EQ(textlog_open(&log_file, memfd_create("log", MFD_CLOEXEC),
			      BOUND),
		 0);
}

static int keep(void *data, const char *text, size_t bytes)
{
	(void)strncat(data, text, bytes);
	return 0;
}

static const char *text_of(int fd)
{
	static char text[BOUND * 4];

	text[0] = '\0';
	CHECK_EQ(textlog_read(fd, keep, text), 0);
	return text;
}

static void append(const char *text)
{
	CHECK_EQ(textlog_append(&log_file, text, strlen(text), 1, 0), 0);
}

TEST(text_comes_back_in_order)
{
	begin();
	append("one\n");
	append("two\n");

	CHECK_EQ(strcmp(text_of(log_file.fd), "one\ntwo\n"), 0);

	textlog_close(&log_file);
}

TEST(the_file_stays_within_its_bound_and_keeps_the_newest)
{
	char line[16];

	begin();
	for (int i = 0; i < 500; i++) {
		(void)snprintf(line, sizeof(line), "line %d\n", i);
		append(line);
		CHECK(lseek(log_file.fd, 0, SEEK_END) <= BOUND);
	}

	CHECK_EQ(strlen(text_of(log_file.fd)), BOUND - TEXTLOG_HEADER_BYTES);
	CHECK(strstr(text_of(log_file.fd), "line 498\nline 499\n") != NULL);

	textlog_close(&log_file);
}

TEST(text_longer_than_the_bound_leaves_its_end)
{
	char text[3 * BOUND + 1];

	begin();
	memset(text, 'a', sizeof(text));
	memcpy(text + sizeof(text) - 4, "end", 4);
	append(text);

	CHECK_EQ(strlen(text_of(log_file.fd)), BOUND - TEXTLOG_HEADER_BYTES);
	CHECK(strstr(text_of(log_file.fd), "aaend") != NULL);

	textlog_close(&log_file);
}

TEST(a_successor_goes_on_where_the_header_says)
{
	struct textlog next;
	int fd;

	begin();
	CHECK_EQ(textlog_append(&log_file, "one", 3, 77, 1234), 0);
	fd = dup(log_file.fd);
	textlog_close(&log_file);
	CHECK_EQ(textlog_open(&next, fd, BOUND), 0);

	CHECK_EQ(next.source, 77);
	CHECK_EQ(next.source_position, 1234);
	CHECK_EQ(textlog_append(&next, "two", 3, 77, 1237), 0);
	CHECK_EQ(strcmp(text_of(fd), "onetwo"), 0);

	textlog_close(&next);
}

/* Of numbered bytes, so that what is lost or moved shows. */
static char numbered(uint64_t position)
{
	return (char)('!' + position % 89);
}

static void append_numbered(uint64_t from, uint64_t count)
{
	char text[4 * BOUND];

	for (uint64_t i = 0; i < count; i++)
		text[i] = numbered(from + i);
	CHECK_EQ(textlog_append(&log_file, text, count, 1, from + count), 0);
}

/* All of it is the numbered text up to `end`. */
static void check_numbered(size_t count, uint64_t end)
{
	const char *text = text_of(log_file.fd);

	CHECK_EQ(strlen(text), count);
	for (size_t i = 0; i < count; i++)
		CHECK_EQ(text[i], numbered(end - count + i));
}

TEST(a_smaller_bound_holds_at_once_and_keeps_the_newest_text)
{
	begin();
	append_numbered(0, 500);
	append_numbered(500, 700);
	CHECK_EQ(textlog_set_bound(&log_file, BOUND / 2), 0);
	CHECK(lseek(log_file.fd, 0, SEEK_END) <= BOUND / 2);
	check_numbered(BOUND / 2 - TEXTLOG_HEADER_BYTES, 1200);
	CHECK_EQ(log_file.source_position, 1200);
	append_numbered(1200, 7);
	check_numbered(BOUND / 2 - TEXTLOG_HEADER_BYTES, 1207);

	CHECK_EQ(textlog_set_bound(&log_file, 0), 0);
	CHECK_EQ(lseek(log_file.fd, 0, SEEK_END), 0);
	append_numbered(1207, 7);
	CHECK_EQ(lseek(log_file.fd, 0, SEEK_END), 0);
	CHECK_EQ(textlog_set_bound(&log_file, BOUND), 0);
	append_numbered(1214, 7);
	check_numbered(7, 1221);
	textlog_close(&log_file);
}

TEST(a_log_that_cannot_be_cut_keeps_its_bound)
{
	SCOPED(close_fd) int fd = memfd_create("log", MFD_ALLOW_SEALING);
	struct textlog sealed = { .fd = NO_FD };

	CHECK_EQ(textlog_open(&sealed, dup(fd), 4096), 0);
	CHECK_EQ(textlog_append(&sealed, "before", 6, 1, 6), 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);

	CHECK_EQ(textlog_set_bound(&sealed, 0), -EPERM);

	CHECK_EQ(textlog_append(&sealed, "after", 5, 1, 11), 0);
	textlog_close(&sealed);
}

TEST(a_bound_above_the_text_moves_nothing)
{
	begin();
	append_numbered(0, 300);
	CHECK_EQ(textlog_set_bound(&log_file, 512), 0);
	check_numbered(300, 300);
	CHECK_EQ(textlog_set_bound(&log_file, 2 * BOUND), 0);
	append_numbered(300, 1500);
	check_numbered(1800, 1800);
	textlog_close(&log_file);
}

/* From every place in the ring, by steps of every length, and with a successor
 * that is told the bound while the ring is still the shorter one. */
TEST(a_larger_bound_loses_no_byte_that_the_smaller_one_kept)
{
	const uint64_t room = BOUND - TEXTLOG_HEADER_BYTES;

	for (uint64_t past = 0; past < 2 * room; past += 97)
		for (uint64_t step = 1; step < room; step += 101) {
			uint64_t end = room + past;
			int fd;

			begin();
			append_numbered(0, room);
			append_numbered(room, past);
			CHECK_EQ(textlog_set_bound(&log_file, 2 * BOUND), 0);
			for (int i = 0; i < 3; i++, end += step)
				append_numbered(end, step);
			CHECK(strlen(text_of(log_file.fd)) >= room);
			check_numbered(strlen(text_of(log_file.fd)), end);
			fd = dup(log_file.fd);
			textlog_close(&log_file);
			CHECK_EQ(textlog_open(&log_file, fd, 2 * BOUND), 0);
			for (; end < 6 * room; end += step)
				append_numbered(end, step);
			check_numbered(2 * BOUND - TEXTLOG_HEADER_BYTES, end);
			textlog_close(&log_file);
		}
}

TEST(a_successor_with_another_bound_goes_on_with_the_log)
{
	int fd;

	begin();
	append_numbered(0, 1200);
	fd = dup(log_file.fd);
	textlog_close(&log_file);
	CHECK_EQ(textlog_open(&log_file, fd, BOUND / 2), 0);

	check_numbered(BOUND / 2 - TEXTLOG_HEADER_BYTES, 1200);
	CHECK_EQ(log_file.source_position, 1200);
	textlog_close(&log_file);
}

TEST(a_log_whose_text_is_not_there_begins_anew_when_it_is_cut)
{
	begin();
	append_numbered(0, 900);
	CHECK_EQ(ftruncate(log_file.fd, 200), 0);
	CHECK_EQ(textlog_set_bound(&log_file, BOUND / 2), 0);
	append_numbered(900, 5);

	check_numbered(5, 905);
	textlog_close(&log_file);
}

TEST(a_bound_without_room_for_text_logs_nothing)
{
	struct textlog none;

	CHECK_EQ(textlog_open(&none, memfd_create("log", MFD_CLOEXEC), 100), 0);
	CHECK_EQ(textlog_append(&none, "text", 4, 1, 4), 0);

	CHECK_EQ(lseek(none.fd, 0, SEEK_END), 0);

	textlog_close(&none);
}

TEST(a_header_that_is_not_right_is_an_empty_log)
{
	static const char *const headers[] = {
		"bulkhead-log 1 0000000000000000 ffffffffffffffff 0 0",
		"bulkhead-log 1 0000000000000100 0000000000000010",
		"bulkhead-log 2 0000000000000100 0000000000000010 0 0",
	};
	SCOPED(close_fd) int fd = memfd_create("log", MFD_CLOEXEC);

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		char header[2 * TEXTLOG_HEADER_BYTES];

		memset(header, 'x', sizeof(header));
		memcpy(header, headers[i], strlen(headers[i]) + 1);
		CHECK_EQ(pwrite(fd, header, sizeof(header), 0), sizeof(header));
		CHECK_EQ(strcmp(text_of(fd), ""), 0);
	}
}
