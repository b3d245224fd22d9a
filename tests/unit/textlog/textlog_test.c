/* SPDX-License-Identifier: MIT */
#include "textlog/textlog.h"

#include <errno.h>
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
	static char text[BOUND * 2];

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

TEST(another_bound_begins_a_new_log)
{
	struct textlog next;
	int fd;

	begin();
	append("old");
	fd = dup(log_file.fd);
	textlog_close(&log_file);
	CHECK_EQ(textlog_open(&next, fd, BOUND / 2), 0);

	CHECK_EQ(strcmp(text_of(fd), ""), 0);
	CHECK_EQ(next.written, 0);

	textlog_close(&next);
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
