/* SPDX-License-Identifier: MIT */
#include "base/failpoint.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/harness.h"

static char path[64];

static void arm(const char *text)
{
	int fd;

	(void)snprintf(path, sizeof(path), "/tmp/failpoint-%d", getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), (long long)strlen(text));
	(void)close(fd);
	(void)setenv("BULKHEAD_FAILPOINT_FILE", path, 1);
}

TEST(a_point_of_the_environment_acts_every_time_or_the_nth)
{
	(void)setenv("BULKHEAD_FAILPOINT", "always=fail,second=fail@2", 1);

	CHECK(failpoint("always"));
	CHECK(failpoint("always"));
	CHECK(!failpoint("second"));
	CHECK(failpoint("second"));
	CHECK(!failpoint("second"));
}

TEST(a_point_armed_by_a_file_acts_once)
{
	arm("here=fail\n");

	CHECK(!failpoint("elsewhere"));
	CHECK_EQ(access(path, F_OK), 0);
	CHECK(failpoint("here"));
	CHECK(!failpoint("here"));
	CHECK_EQ(access(path, F_OK), -1);
}

TEST(a_point_armed_by_a_file_is_counted_from_then_on)
{
	CHECK(!failpoint("here"));
	arm("here=fail@3");

	CHECK(!failpoint("here"));
	CHECK(!failpoint("here"));
	CHECK(failpoint("here"));
}
