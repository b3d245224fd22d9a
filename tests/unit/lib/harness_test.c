/* SPDX-License-Identifier: MIT */
/* The harness itself: what is not a test passed is told apart. */
#include "lib/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static char said[4096];

/* Run a program of canaries; returns its exit status. */
static int run(const char *program, const char *names)
{
	char command[512];
	size_t bytes;
	FILE *out;
	int status;

	(void)snprintf(command, sizeof(command), "%s %s 2>&1", getenv(program),
		       names);
	out = popen(command, "re");
	CHECK(out != NULL);
	bytes = fread(said, 1, sizeof(said) - 1, out);
	said[bytes] = '\0';
	status = pclose(out);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

TEST(a_test_that_passes_is_told)
{
	CHECK_EQ(run("CANARY", "passes"), 0);
	CHECK(strstr(said, "ok     passes\n"));
}

TEST(a_check_that_fails_fails_its_test)
{
	CHECK_EQ(run("CANARY", "fails_a_check"), 1);
	CHECK(strstr(said, "FAILED fails_a_check\n"));
}

TEST(a_test_within_which_exit_is_called_fails)
{
	CHECK_EQ(run("CANARY", "calls_exit"), 1);
	CHECK(strstr(said, "FAILED calls_exit\n"));
}

TEST(a_test_that_leaves_a_child_fails)
{
	CHECK_EQ(run("CANARY", "leaves_a_child"), 1);
	CHECK(strstr(said, "FAILED leaves_a_child\n"));
}

TEST(a_test_that_leaves_a_descriptor_fails)
{
	CHECK_EQ(run("CANARY", "leaves_a_descriptor"), 1);
	CHECK(strstr(said, "FAILED leaves_a_descriptor\n"));
}

TEST(a_test_that_is_skipped_is_told_with_its_reason)
{
	CHECK_EQ(run("CANARY", "skips"), 77);
	CHECK(strstr(said, "skipped skips: there is no such thing\n"));
	CHECK_EQ(run("CANARY", "passes skips"), 0);
}

TEST(a_failure_counts_whatever_else_passes_or_is_skipped)
{
	CHECK_EQ(run("CANARY", "passes skips leaves_a_child passes"), 1);
	CHECK_EQ(run("CANARY", ""), 1);
}

TEST(a_name_that_no_test_has_is_a_failure)
{
	CHECK_EQ(run("CANARY", "passes no_such_test"), 1);
	CHECK(strstr(said, "FAILED no_such_test\n"));
}

TEST(a_program_without_tests_is_a_failure)
{
	CHECK_EQ(run("CANARY_WITHOUT_TESTS", ""), 1);
}
