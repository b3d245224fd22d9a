/* SPDX-License-Identifier: MIT */
/* Who is lent urgency for how long; whether it was lent needs no right here. */
#include "supervisor/child/loan.h"

#include <signal.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "lib/harness.h"
#include "sandbox/sandbox.h"
#include "supervisor/supervisor.h"

static struct supervisor host;
static struct process process;

static void open_process(void)
{
	CHECK_EQ(sd_event_new(&host.event), 0);
	process = (struct process){ .supervisor = &host,
				    .role = ROLE_DISK,
				    .state = PROCESS_READY,
				    .pidfd = NO_FD };
}

static void close_process(void)
{
	loan_forget(&process);
	sd_event_unref(host.event);
}

static void turn_until_over(void)
{
	while (process.loan.is_made)
		CHECK(sd_event_run(host.event, UINT64_MAX) >= 0);
}

TEST(a_loan_ends_by_itself)
{
	open_process();

	loan_make(&process, 1);
	CHECK(process.loan.is_made);
	turn_until_over();

	CHECK(process.loan.share.paid_until_ns > clock_now_ns());
	close_process();
}

TEST(the_later_word_decides_when_a_loan_ends)
{
	open_process();
	loan_make(&process, 1000000);

	loan_make(&process, 1);
	turn_until_over();

	close_process();
}

TEST(a_hostile_guest_cannot_borrow_without_end)
{
	unsigned loans = 0;

	open_process();
	for (; loans < 1000; loans++) {
		loan_make(&process, 1);
		if (!process.loan.is_made)
			break;
		/* As if it had lasted as long as it may. */
		process.loan.began_ns -= LOAN_MS * NS_PER_MS;
		turn_until_over();
	}

	CHECK(loans >= 1);
	CHECK(loans <= 3);
	close_process();
}

TEST(who_is_about_to_end_borrows_nothing)
{
	open_process();
	process.state = PROCESS_DYING;

	loan_make(&process, 1);

	CHECK(!process.loan.is_made);
	close_process();
}

TEST(an_instance_is_moved_into_its_group_when_its_loan_is_over)
{
	open_process();
	loan_make(&process, 1);

	loan_place(&process);
	CHECK(process.loan.must_place);
	turn_until_over();

	CHECK(!process.loan.must_place);
	CHECK(process.missing & SANDBOX_CGROUP);
	close_process();
}
