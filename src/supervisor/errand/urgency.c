/* SPDX-License-Identifier: MIT */
#include "supervisor/errand/urgency.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/count.h"

/* Of the turn: a quarter of a processor, and so much at once; when all but so
 * much of that is earned, it begins anew. */
#define TURN_PARTS     4
#define TURN_MOST_NS   (200 * NS_PER_MS)
#define TURN_ENOUGH_NS (100 * NS_PER_MS)
/* The class of what is lent: nothing that the thread starts has it. */
#define ON_LOAN          (SCHED_RR | SCHED_RESET_ON_FORK)
#define THREAD_NAME_SIZE 16

static struct {
	bool is_open;
	bool is_spent;
	struct share share;
} turn;

static _Thread_local bool is_urgent;
static _Thread_local bool was_urgent; /* before a birth */
static _Thread_local uint64_t counted_ns;

/* Not through the C library, of which some refuse. The nice value stays. */
static int set_class(pid_t thread, int class, int priority)
{
	const struct sched_param parameters = { .sched_priority = priority };

	return syscall(SYS_sched_setscheduler, thread, class, &parameters) < 0
		       ? -errno
		       : 0;
}

static int class_of(pid_t thread)
{
	return (int)syscall(SYS_sched_getscheduler, thread);
}

static void become(bool urgent)
{
	if (urgent != is_urgent &&
	    set_class(0, urgent ? SCHED_RR : SCHED_OTHER, urgent) == 0)
		is_urgent = urgent;
}

/* -- shares -- */

void share_charge(struct share *share, uint64_t taken_ns, unsigned parts,
		  uint64_t now_ns)
{
	share->paid_until_ns =
		max_u64(share->paid_until_ns, now_ns) + taken_ns * parts;
}

bool share_is_spent(const struct share *share, uint64_t most_ns, unsigned parts,
		    uint64_t now_ns)
{
	return share->paid_until_ns > now_ns + most_ns * parts;
}

/* -- the turn -- */

static uint64_t thread_time_ns(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

bool urgency_open(void)
{
	turn.is_open = set_class(0, SCHED_RR, 1) == 0;
	is_urgent = turn.is_open;
	urgency_begin_turn();
	return turn.is_open;
}

void urgency_begin_turn(void)
{
	if (!turn.is_open)
		return;
	counted_ns = thread_time_ns();
	become(!turn.is_spent);
}

void urgency_end_turn(void)
{
	uint64_t now_ns, time_ns;

	if (!turn.is_open)
		return;
	now_ns = clock_now_ns();
	time_ns = thread_time_ns();
	share_charge(&turn.share, time_ns - counted_ns, TURN_PARTS, now_ns);
	counted_ns = time_ns;
	turn.is_spent = share_is_spent(
		&turn.share, turn.is_spent ? TURN_ENOUGH_NS : TURN_MOST_NS,
		TURN_PARTS, now_ns);
	become(!turn.is_spent);
}

uint64_t urgency_spent_until_ns(void)
{
	return turn.is_spent
		       ? turn.share.paid_until_ns - TURN_ENOUGH_NS * TURN_PARTS
		       : 0;
}

void urgency_rest(void)
{
	become(false);
}

void urgency_inherit(void)
{
	is_urgent = class_of(0) == SCHED_RR;
}

/* -- loans -- */

void urgency_begin_birth(bool is_urgent_too)
{
	was_urgent = is_urgent;
	become(is_urgent_too && turn.is_open && !turn.is_spent);
}

void urgency_end_birth(void)
{
	become(was_urgent);
}

int urgency_lend(pid_t thread)
{
	int class = class_of(thread);

	/* What an operator chose for it stays. */
	if (class != SCHED_OTHER)
		return class < 0 ? -errno : 0;
	return set_class(thread, ON_LOAN, 1);
}

void urgency_take_back(pid_t thread)
{
	if (class_of(thread) == ON_LOAN)
		(void)set_class(thread, SCHED_OTHER, 0);
}

static void each_thread(pid_t pid,
			bool (*visit)(pid_t pid, pid_t thread, void *context),
			void *context)
{
	char path[32];
	const struct dirent *entry;
	DIR *threads;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	threads = opendir(path);
	while (threads && (entry = readdir(threads)))
		if (entry->d_name[0] != '.' &&
		    !visit(pid, (pid_t)strtol(entry->d_name, NULL, 10),
			   context))
			break;
	if (threads)
		(void)closedir(threads);
}

void urgency_lend_newborn(pid_t pid)
{
	if (class_of(pid) == SCHED_RR && set_class(pid, ON_LOAN, 1) < 0)
		(void)set_class(pid, SCHED_OTHER, 0);
}

static bool take_back(pid_t pid, pid_t thread, void *context)
{
	urgency_take_back(thread);
	return true;
}

void urgency_take_all_back(pid_t pid)
{
	each_thread(pid, take_back, NULL);
}

struct wanted_thread {
	const char *name;
	pid_t found;
};

static bool has_name(pid_t pid, pid_t thread, void *context)
{
	struct wanted_thread *wanted = context;
	char path[48], name[THREAD_NAME_SIZE + 1] = "";
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)pid,
		       (int)thread);
	file = fopen(path, "re");
	if (file && fgets(name, sizeof(name), file))
		name[strcspn(name, "\n")] = '\0';
	if (file)
		(void)fclose(file);
	if (strcmp(name, wanted->name) == 0)
		wanted->found = thread;
	return wanted->found == 0;
}

pid_t urgency_find_thread(pid_t pid, const char *name)
{
	struct wanted_thread wanted = { .name = name };

	each_thread(pid, has_name, &wanted);
	return wanted.found;
}
