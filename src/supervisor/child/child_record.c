/* SPDX-License-Identifier: MIT */
#include "supervisor/child/child_record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/scope.h"
#include "sandbox/sandbox.h"
#include "supervisor/child/ids.h"
#include "supervisor/child/loan.h"
#include "supervisor/child/placer.h"
#include "supervisor/child/service_limits.h"
#include "supervisor/errand/errand.h"
#include "supervisor/store/record.h"
#include "supervisor/supervisor.h"

static void name_group(uint64_t id, char *to)
{
	(void)snprintf(to, NAME_SIZE, "c%llu", (unsigned long long)id);
}

static void note_placed(struct process *process, int result)
{
	if (result < 0)
		return;
	process->missing &= ~(uint32_t)SANDBOX_CGROUP;
	process->layers |= SANDBOX_CGROUP;
}

static struct process *find_process(struct supervisor *supervisor, uint64_t id)
{
	struct process *process;

	TAILQ_FOREACH(process, &supervisor->processes, link)
		if (process->id == id)
			return process;
	return NULL;
}

/* One that has ended meanwhile is still to be reaped (process.c), and its
 * group to be removed. */
static int on_placed(sd_event_source *source, int fd, uint32_t events,
		     void *data)
{
	struct supervisor *supervisor = data;
	struct placement placed;
	struct process *process;

	while (placer_take(supervisor->placer, &placed)) {
		process = find_process(supervisor, placed.id);
		if (process) {
			note_placed(process, placed.result);
		} else {
			(void)waitid(P_PIDFD, (id_t)placed.pidfd, NULL,
				     WEXITED | WNOHANG);
			supervisor_flush_soon(supervisor);
		}
		close_fd(&placed.pidfd);
	}
	return 0;
}

static int place_now(struct placer *placer, const struct placement *placement)
{
	int result;

	errand_step_aside();
	result = placer_place(placer, placement);
	errand_step_back();
	return result;
}

/* No guest runs without limits: a monitor is placed before it hears of one. */
void child_place(struct process *process)
{
	struct placer *placer = process->supervisor->placer;
	struct placement placement = {
		.id = process->id,
		.pid = process->pid,
		.pidfd = process->pidfd,
		.limits = limits_for(&process->supervisor->config,
				     process->role, limits_host_bytes()),
	};

	process->missing |= SANDBOX_CGROUP;
	if (!placer)
		return;
	name_group(process->id, placement.group);
	if (process->role == ROLE_MONITOR && !process->is_adopted)
		note_placed(process, place_now(placer, &placement));
	else
		(void)placer_put(placer, &placement);
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

void child_remember(struct supervisor *supervisor, struct process *process)
{
	const struct child_record record = record_of(process);

	loan_place(process);
	supervisor_flush_soon(supervisor);
	/* A monitor's guest cannot be had again, so the monitor is on record
	 * before it learns who it is. */
	if (process->role != ROLE_MONITOR ||
	    store_put_child(supervisor->store, &record) < 0)
		store_defer_child(supervisor->store, &record);
}

void child_forget(struct supervisor *supervisor, uint64_t id)
{
	char group[NAME_SIZE];

	name_group(id, group);
	placer_end(supervisor->placer, group);
	store_defer_child_gone(supervisor->store, id);
	supervisor_flush_soon(supervisor);
}

/* Named for the state directory: two supervisors on one host have different
 * ones, and the successor of a dead one has the same. */
int children_open(struct supervisor *supervisor)
{
	char name[NAME_SIZE];
	struct stat state;
	int r;

	if (stat(supervisor->config.state_dir, &state) < 0)
		return -errno;
	(void)snprintf(name, sizeof(name), "bulkhead-%llx-%llx",
		       (unsigned long long)state.st_dev,
		       (unsigned long long)state.st_ino);
	/* An optional layer: this host may have none. */
	if (cgroup_base_open(name, &supervisor->cgroups) < 0)
		return 0;
	r = placer_new(&supervisor->placer, &supervisor->cgroups);
	if (r < 0)
		return r;
	r = sd_event_add_io(supervisor->event, &supervisor->placed_source,
			    placer_fd(supervisor->placer), EPOLLIN, on_placed,
			    supervisor);
	return r < 0 ? r : 0;
}

void children_close(struct supervisor *supervisor)
{
	sd_event_source_disable_unref(supervisor->placed_source);
	placer_free(supervisor->placer);
	cgroup_base_close(&supervisor->cgroups);
}
