/* SPDX-License-Identifier: MIT */
#include "supervisor/child/child_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/scope.h"
#include "lib/harness.h"

static sd_event *event;
static struct child_log *child_log;
static int child_fd;
static int saved_fd;
static int file;
static char text[8 << 20];

/* Our own standard error goes to a file meanwhile. */
static void open_log(void)
{
	CHECK_EQ(sd_event_new(&event), 0);
	CHECK_EQ(child_log_new(&child_log, event, "bulkhead-disk [disk0]",
			       &child_fd),
		 0);
	file = memfd_create("log", MFD_CLOEXEC);
	saved_fd = dup(STDERR_FILENO);
	CHECK(file >= 0 && dup2(file, STDERR_FILENO) >= 0);
}

static const char *close_log(void)
{
	ssize_t bytes;

	close_fd(&child_fd);
	child_log_free(child_log);
	(void)sd_event_unref(event);
	CHECK(dup2(saved_fd, STDERR_FILENO) >= 0);
	bytes = pread(file, text, sizeof(text) - 1, 0);
	CHECK(bytes >= 0);
	text[bytes] = '\0';
	close_fd(&saved_fd);
	close_fd(&file);
	return text;
}

static void write_all(const char *from)
{
	CHECK_EQ(write(child_fd, from, strlen(from)), (long long)strlen(from));
}

TEST(a_childs_line_is_told_once_under_its_name_with_its_level)
{
	open_log();
	write_all("<6>bulkhead-disk [disk0]: disk gone name=root\n");
	write_all("no level");

	CHECK_EQ(strcmp(close_log(),
			"<6>bulkhead-disk [disk0]: disk gone name=root\n"
			"<4>bulkhead-disk [disk0]: no level\n"),
		 0);
}

TEST(a_hostile_child_cannot_write_a_line_of_another)
{
	open_log();
	write_all("<6>bulkheadd: partition one: is stopped\r\x1b[2K\n"
		  "<0>bulkheadd: x\n\n");

	CHECK_EQ(strcmp(close_log(),
			"<6>bulkhead-disk [disk0]: bulkheadd: partition one: "
			"is stopped??[2K\n"
			"<4>bulkhead-disk [disk0]: <0>bulkheadd: x\n"),
		 0);
}

TEST(a_hostile_child_cannot_write_a_line_without_end)
{
	char long_line[2000];

	memset(long_line, 'x', sizeof(long_line) - 1);
	long_line[sizeof(long_line) - 1] = '\0';
	open_log();
	write_all(long_line);

	(void)close_log();
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		CHECK(strncmp(line, "<4>bulkhead-disk [disk0]: x", 27) == 0);
		CHECK(strcspn(line, "\n") < 600);
	}
}

TEST(a_hostile_child_cannot_fill_the_log_nor_wait_for_it)
{
	static const char flood[] = "flood flood flood flood flood flood\n";
	uint64_t begun_ns = clock_now_ns(), turns = 0, intervals;

	open_log();
	while (turns < 1000) {
		while (write(child_fd, flood, sizeof(flood) - 1) > 0)
			;
		CHECK_EQ(errno, EAGAIN);
		CHECK(sd_event_run(event, 0) >= 0);
		turns++;
	}

	/* Of the intervals that there were, and what was left in the pipe; a
	 * line is half of it our name. */
	intervals = (clock_now_ns() - begun_ns) / NS_PER_S + 2;
	CHECK(strlen(close_log()) < (intervals * 20 * 4096 + (64 << 10)) * 2);
}
