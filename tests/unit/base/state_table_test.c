/* SPDX-License-Identifier: MIT */
#include "base/state_table.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "lib/harness.h"
#include "lib/state_walk.h"

enum { SHUT, OPEN, GONE };
enum { PUSH, PULL, TAKE_AWAY };

static const char *const states[] = { "shut", "open", "gone" };
static const char *const events[] = { "push", "pull", "take away" };

static const struct state_rule rules[] = {
	{ PUSH, 1u << SHUT, OPEN },
	{ PULL, 1u << OPEN, SHUT },
	{ TAKE_AWAY, 1u << SHUT | 1u << OPEN, GONE },
};

static const struct state_table door =
	STATE_TABLE("door", states, events, rules);

TEST(a_state_follows_its_table)
{
	static const struct state_step steps[] = {
		{ SHUT, PUSH, OPEN },
		{ OPEN, PULL, SHUT },
		{ SHUT, TAKE_AWAY, GONE },
		{ OPEN, TAKE_AWAY, GONE },
	};

	state_walk(&door, steps, ARRAY_COUNT(steps), 1u << GONE);
	CHECK_EQ(state_table_follow(&door, SHUT, PUSH), OPEN);
}

TEST(an_event_that_cannot_be_names_itself_and_changes_nothing)
{
	SCOPED(close_fd) int read_end = NO_FD;
	SCOPED(close_fd) int write_end = NO_FD;
	char text[256] = "";
	int ends[2], status;
	pid_t child;

	CHECK_EQ(pipe(ends), 0);
	read_end = ends[0];
	write_end = ends[1];
	child = fork();
	if (child == 0) {
		(void)dup2(write_end, STDERR_FILENO);
		_exit((int)state_table_follow(&door, GONE, PULL));
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(read(read_end, text, sizeof(text) - 1) > 0);

	CHECK(strstr(text, "noun=door state=\"gone\" event=\"pull\" count=1"));
#if BULKHEAD_FAILPOINTS
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
#else
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == GONE);
#endif
}

TEST(a_number_that_is_no_state_or_event_has_a_name)
{
	CHECK_EQ(strcmp(state_table_state(&door, OPEN), "open"), 0);
	CHECK_EQ(strcmp(state_table_event(&door, TAKE_AWAY), "take away"), 0);
	CHECK_EQ(strcmp(state_table_state(&door, 99), "unknown"), 0);
	CHECK_EQ(strcmp(state_table_event(&door, 99), "unknown"), 0);
}
