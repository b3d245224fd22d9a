/* SPDX-License-Identifier: MIT */
/* Run by harness_test.c: what the harness must fail, or tell apart. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/harness.h"

TEST(passes)
{
}

TEST(fails_a_check)
{
	CHECK_EQ(1, 2);
}

TEST(calls_exit)
{
	exit(EXIT_SUCCESS);
}

TEST(leaves_a_child)
{
	if (fork() == 0)
		_exit(0);
}

TEST(leaves_a_descriptor)
{
	CHECK(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
}

TEST(skips)
{
	test_skip("there is no %s", "such thing");
}
