/* SPDX-License-Identifier: MIT */
#include "supervisor/child/child_record.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/scope.h"
#include "sandbox/sandbox.h"
#include "supervisor/child/ids.h"
#include "supervisor/child/loan.h"
#include "supervisor/child/process_private.h"
#include "supervisor/child/service_limits.h"
#include "supervisor/errand/errand.h"
#include "supervisor/store/record.h"
#include "supervisor/supervisor.h"

/* For what a child left behind to end; what takes longer is swept later. */
#define END_MS 256

/* Shared by those who fill groups: one just created is empty, and a sweep, which
 * wants the lock for itself, would remove it. */
static pthread_rwlock_t groups_lock = PTHREAD_RWLOCK_INITIALIZER;

static void name_group(uint64_t id, char *to)
{
	(void)snprintf(to, NAME_SIZE, "c%llu", (unsigned long long)id);
}

static void note_placed(struct process *process)
{
	process->missing &= ~(uint32_t)SANDBOX_CGROUP;
	process->layers |= SANDBOX_CGROUP;
}

struct group {
	char name[NAME_SIZE];
	struct cgroup_limits limits;
};

static struct group group_of(const struct process *process)
{
	struct group group = { .limits = limits_for(
				       &process->supervisor->config,
				       process->role, limits_host_bytes()) };

	name_group(process->id, group.name);
	return group;
}

int child_create_group(const struct process *process)
{
	const struct group group = group_of(process);
	int fd = cgroup_create(&process->supervisor->cgroups, group.name,
			       &group.limits);

	return fd < 0 ? NO_FD : fd;
}

/* An errand: it takes an RCU grace period. It may have ended, and been reaped
 * by others if it is not our child. */
static void move(void *context)
{
	struct process *process = context;
	const struct cgroup_base *base = &process->supervisor->cgroups;
	const struct group group = group_of(process);
	const int pidfd = process->pidfd;
	const pid_t pid = process->pid;
	int r = -ESRCH;

	process->is_moving = true;
	errand_step_aside();
	(void)pthread_rwlock_rdlock(&groups_lock);
	if (pidfd_send_signal(pidfd, 0, NULL, 0) == 0)
		r = cgroup_place(base, group.name, pid, &group.limits);
	(void)pthread_rwlock_unlock(&groups_lock);
	errand_step_back();
	process->is_moving = false;
	if (r == 0)
		note_placed(process);
	if (process->is_gone)
		process_bury(process);
	else if (r < 0 && r != -ESRCH)
		supervisor_event(
			process->supervisor, EVENT_WARNING, process->name,
			"a %s process cannot be moved into its control "
			"group and runs without limits: %s",
			role_name(process->role), strerror(-r));
}

void child_place(struct process *process)
{
	struct supervisor *supervisor = process->supervisor;

	if (!(process->layers & SANDBOX_CGROUP))
		process->missing |= SANDBOX_CGROUP;
	if (!supervisor->cgroups.tree_count || process->is_moving)
		return;
	if (process->role == ROLE_MONITOR && !process->is_adopted)
		move(process);
	else
		errand_run(supervisor->errands, move, process);
}

static struct child_record record_of(const struct process *process)
{
	struct child_record record = {
		.instance = process->id,
		.start_time = process_birth(process->pid),
		.pid = process->pid,
		.role = process->role,
		.uid = supervisor_uid_for(process->supervisor, process->id),
	};

	memcpy(record.name, process->name, sizeof(record.name));
	memcpy(record.token, process->token, sizeof(record.token));
	name_group(process->id, record.cgroup);
	return record;
}

void child_note(struct supervisor *supervisor, const struct process *process)
{
	const struct child_record record = record_of(process);

	store_defer_child(supervisor->store, &record);
	supervisor_flush_soon(supervisor);
}

void child_remember(struct supervisor *supervisor, struct process *process,
		    bool is_in_group)
{
	const struct child_record record = record_of(process);

	if (is_in_group)
		note_placed(process);
	else
		loan_place(process);
	supervisor_flush_soon(supervisor);
	/* A monitor's guest cannot be had again, so the monitor is on record
	 * before it learns who it is. */
	if (process->role != ROLE_MONITOR ||
	    store_put_child(supervisor->store, &record) < 0)
		store_defer_child(supervisor->store, &record);
}

void child_forget(struct supervisor *supervisor, uint64_t id, int pidfd)
{
	const uint32_t wait_ms = errand_is_current() ? END_MS : 0;
	char group[NAME_SIZE];

	name_group(id, group);
	errand_step_aside();
	if (pidfd != NO_FD)
		(void)waitid(P_PIDFD, (id_t)pidfd, NULL, WEXITED | WNOHANG);
	cgroup_kill(&supervisor->cgroups, group, wait_ms);
	/* While groups are being filled it is left to the next child's end. */
	if (pthread_rwlock_trywrlock(&groups_lock) == 0) {
		cgroup_sweep(&supervisor->cgroups);
		(void)pthread_rwlock_unlock(&groups_lock);
	}
	errand_step_back();
	store_defer_child_gone(supervisor->store, id);
	supervisor_flush_soon(supervisor);
}

/* Named for the state directory: two supervisors on one host have different
 * ones, and the successor of a dead one has the same. */
int children_open(struct supervisor *supervisor)
{
	char name[NAME_SIZE];
	struct stat state;

	if (stat(supervisor->config.state_dir, &state) < 0)
		return -errno;
	(void)snprintf(name, sizeof(name), "bulkhead-%llx-%llx",
		       (unsigned long long)state.st_dev,
		       (unsigned long long)state.st_ino);
	/* An optional layer: this host may have none. */
	if (cgroup_base_open(name, &supervisor->cgroups) == 0)
		cgroup_sweep(&supervisor->cgroups);
	return 0;
}

void children_close(struct supervisor *supervisor)
{
	cgroup_base_close(&supervisor->cgroups);
}
