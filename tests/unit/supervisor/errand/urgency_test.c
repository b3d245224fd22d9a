/* SPDX-License-Identifier: MIT */
/* Shares of urgency, and who has the real-time class when. */
#include "supervisor/errand/urgency.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/harness.h"

#define NOW   1000000u
#define PARTS 10
#define MOST  20

TEST(so_much_may_be_taken_at_once_and_no_more)
{
	struct share share = { 0 };

	share_charge(&share, MOST, PARTS, NOW);
	CHECK(!share_is_spent(&share, MOST, PARTS, NOW));
	share_charge(&share, 1, PARTS, NOW);

	CHECK(share_is_spent(&share, MOST, PARTS, NOW));
}

TEST(then_one_part_of_the_time_is_earned)
{
	struct share share = { 0 };

	share_charge(&share, MOST + 5, PARTS, NOW);

	CHECK(share_is_spent(&share, MOST, PARTS, NOW + 5 * PARTS - 1));
	CHECK(!share_is_spent(&share, MOST, PARTS, NOW + 5 * PARTS));
}

TEST(what_was_not_taken_for_long_does_not_add_up)
{
	struct share share = { 0 };

	share_charge(&share, 1, PARTS, NOW);
	share_charge(&share, MOST + 1, PARTS, 1000 * NOW);

	CHECK(share_is_spent(&share, MOST, PARTS, 1000 * NOW));
}

static void open_turn(void)
{
	if (!urgency_open())
		test_skip("no right to the real-time class");
}

static void work(void)
{
	clock_t until = clock() + CLOCKS_PER_SEC / 100;

	while (clock() < until)
		;
}

TEST(a_turn_that_takes_too_much_is_like_everyone)
{
	open_turn();
	CHECK_EQ(sched_getscheduler(0), SCHED_RR);

	for (int i = 0; i < 30; i++) {
		work();
		urgency_end_turn();
	}

	CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
}

TEST(who_steps_aside_is_like_everyone)
{
	open_turn();

	urgency_rest();
	CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
	urgency_begin_turn();

	CHECK_EQ(sched_getscheduler(0), SCHED_RR);
}

static pid_t start_sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			(void)pause();
	CHECK(pid > 0);
	return pid;
}

static void end_sleeper(pid_t pid)
{
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

TEST(what_is_born_of_the_turn_has_its_class_only_when_it_is_lent)
{
	pid_t usual, urgent;

	open_turn();
	urgency_begin_birth(false);
	usual = start_sleeper();
	urgency_end_birth();
	urgency_begin_birth(true);
	urgent = start_sleeper();
	urgency_end_birth();
	urgency_lend_newborn(usual);
	urgency_lend_newborn(urgent);

	CHECK_EQ(sched_getscheduler(0), SCHED_RR);
	CHECK_EQ(sched_getscheduler(usual), SCHED_OTHER);
	CHECK_EQ(sched_getscheduler(urgent), SCHED_RR | SCHED_RESET_ON_FORK);
	end_sleeper(usual);
	end_sleeper(urgent);
}

TEST(what_is_lent_is_taken_back_and_what_an_operator_chose_stays)
{
	static const struct sched_param none;
	pid_t usual = start_sleeper(), chosen = start_sleeper();

	open_turn();
	CHECK_EQ(sched_setscheduler(chosen, SCHED_BATCH, &none), 0);
	CHECK_EQ(urgency_lend(usual), 0);
	CHECK_EQ(urgency_lend(chosen), 0);
	CHECK_EQ(sched_getscheduler(usual), SCHED_RR | SCHED_RESET_ON_FORK);
	CHECK_EQ(sched_getscheduler(chosen), SCHED_BATCH);

	urgency_take_all_back(usual);
	urgency_take_all_back(chosen);

	CHECK_EQ(sched_getscheduler(usual), SCHED_OTHER);
	CHECK_EQ(sched_getscheduler(chosen), SCHED_BATCH);
	end_sleeper(usual);
	end_sleeper(chosen);
}

TEST(a_thread_is_found_by_its_name)
{
	CHECK_EQ(urgency_find_thread(getpid(), "no such thread"), 0);
	CHECK_EQ(urgency_find_thread(getpid(), "supervisor_urge"), getpid());
}
