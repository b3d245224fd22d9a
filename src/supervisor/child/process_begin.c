/* SPDX-License-Identifier: MIT */
/* How a child begins: started, or found again after our own restart. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/failpoint.h"
#include "base/scope.h"
#include "sandbox/core.h"
#include "sandbox/sandbox.h"
#include "supervisor/child/child_log.h"
#include "supervisor/child/child_record.h"
#include "supervisor/child/process_private.h"
#include "supervisor/child/spawn_child.h"
#include "supervisor/errand/errand.h"
#include "supervisor/supervisor.h"

/* More than this unread means that the peer has stopped reading. */
#define OUTBOX_BYTES (256u << 10)
/* A service that is well is back at once, and one that is not is replaced:
 * nobody waits longer for it. A monitor has its guest to lose. */
#define SERVICE_RETURN_MS 2000

void process_title(const struct process *process, char *to, size_t room)
{
	(void)snprintf(to, room, "bulkhead-%s [%s]", role_name(process->role),
		       process->name);
}

static struct process *process_new(struct supervisor *supervisor, uint32_t role,
				   const char *name,
				   const struct process_ops *ops, void *owner)
{
	struct process *process = calloc(1, sizeof(*process));

	if (!process)
		return NULL;
	process->supervisor = supervisor;
	process->role = role;
	process->ops = ops;
	process->owner = owner;
	process->pidfd = NO_FD;
	process->control.fd = NO_FD;
	process->child_end = NO_FD;
	process->started_ns = clock_now_ns();
	outbox_open(&process->outbox, &process->control, OUTBOX_BYTES);
	(void)text_copy(process->name, sizeof(process->name), name);
	TAILQ_INSERT_TAIL(&supervisor->processes, process, link);
	return process;
}

static void send_settings(struct process *process)
{
	struct supervisor *supervisor = process->supervisor;
	const bool is_root = geteuid() == 0;
	struct child_settings settings = {
		.role = process->role,
		.log_level = supervisor->config.log_level,
		.uid = supervisor_uid_for(supervisor, process->id),
		.required =
			is_root ? SANDBOX_REQUIRED_OF_ROOT : SANDBOX_REQUIRED,
		/* Without a root of its own a captured QEMU has the files of
		 * whoever started us. */
		.jail_required = SANDBOX_REQUIRED | SANDBOX_ROOT |
				 (is_root ? SANDBOX_UID : 0),
	};

	settings.gid = settings.uid;
	settings.required &= ~supervisor->config.allow_missing;
	settings.jail_required &= ~supervisor->config.allow_missing;
	memcpy(settings.name, process->name, sizeof(settings.name));
	memcpy(settings.token, process->token, sizeof(settings.token));
	process_send(process, MSG_CHILD_SETTINGS, 0, &settings,
		     sizeof(settings), &supervisor->meet_fd, 1);
}

/* Takes as long as the kernel does, and changes nothing of ours. */
static int start_program(const struct process *process, int child_end,
			 int log_end, struct spawned *ret_spawned)
{
	SCOPED(close_fd) int group = child_create_group(process);
	const struct spawn spawn = { child_end, log_end, group };
	char program[NAME_SIZE];

	(void)snprintf(program, sizeof(program), "bulkhead-%s",
		       role_name(process->role));
	return spawn_child(process->supervisor->config.libexec_dir, program,
			   process->name, &spawn, ret_spawned);
}

static void note_core(struct process *process)
{
	if (core_has_cookie(process->pid))
		process->layers |= SANDBOX_CORE;
	else if (process->supervisor->config.core_scheduling)
		process->missing |= SANDBOX_CORE;
}

static int bring_to_life(struct process *process)
{
	SCOPED(close_fd) int child_end = take_fd(&process->child_end);
	SCOPED(close_fd) int log_end = NO_FD;
	char title[2 * NAME_SIZE];
	const bool is_urgent = process->loan.is_made;
	struct spawned spawned;
	int r;

	process_title(process, title, sizeof(title));
	r = child_log_new(&process->log, process->supervisor->event, title,
			  &log_end);
	if (r < 0)
		return r;
	errand_step_aside();
	urgency_begin_birth(is_urgent);
	r = start_program(process, child_end, log_end, &spawned);
	urgency_end_birth();
	errand_step_back();
	if (r < 0)
		return r;
	process->pid = spawned.pid;
	process->pidfd = spawned.pidfd;
	loan_take_effect(process);
	/* Before it has its settings, and so before it starts a QEMU. */
	if (process->supervisor->config.core_scheduling)
		(void)core_create_cookie(spawned.pid);
	note_core(process);
	(void)failpoint("spawn.unrecorded");
	child_remember(process->supervisor, process, spawned.is_in_group);
	return 0;
}

/* An errand. Nobody sees it die, so that it stays, before the end of this. */
static void give_birth(void *context)
{
	struct process *process = context;
	int r = bring_to_life(process);

	if (r == 0)
		r = process_watch_death(process);
	if (r < 0) {
		process_give_up(process, r);
		return;
	}
	if (process->state == PROCESS_DYING)
		(void)pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
	r = process_watch_control(process);
	if (r < 0)
		process_kill(process, "out of memory to watch it");
	outbox_release(&process->outbox);
	process_flush_outbox(process);
}

static void make_token(struct process *process)
{
	struct token_owner owner = { process->id, process->role, "" };

	memcpy(owner.name, process->name, sizeof(owner.name));
	token_make(process->supervisor->key, &owner, process->token);
}

static int prepare_birth(struct process *process)
{
	struct control theirs;
	int r;

	r = control_pair(&process->control, &theirs);
	if (r < 0)
		return r;
	process->child_end = theirs.fd;
	process->id = supervisor_next_id(process->supervisor);
	make_token(process);
	outbox_hold(&process->outbox);
	send_settings(process);
	return 0;
}

int process_spawn(struct supervisor *supervisor, uint32_t role,
		  const char *name, const struct process_ops *ops, void *owner,
		  struct process **ret_process)
{
	struct process *process;
	int r;

	process = process_new(supervisor, role, name, ops, owner);
	if (!process)
		return -ENOMEM;
	r = prepare_birth(process);
	if (r < 0) {
		process_free(process);
		return r;
	}
	process_await(process, supervisor->config.ready_ms);
	if (ops->birth_ms)
		loan_make(process, ops->birth_ms);
	*ret_process = process;
	errand_run(supervisor->errands, give_birth, process);
	return 0;
}

static uint64_t return_ms(const struct process *process)
{
	uint64_t ms = process->supervisor->config.ready_ms;

	return process->role == ROLE_MONITOR ? ms
					     : min_u64(ms, SERVICE_RETURN_MS);
}

int process_expect(struct supervisor *supervisor,
		   const struct process_record *record,
		   const struct process_ops *ops, void *owner,
		   struct process **ret_process)
{
	struct process *process;
	int r;

	process =
		process_new(supervisor, record->role, record->name, ops, owner);
	if (!process)
		return -ENOMEM;
	process_apply(process, PROCESS_EVENT_EXPECT);
	process->is_adopted = true;
	process->id = record->id;
	process->pid = record->pid;
	memcpy(process->token, record->token, TOKEN_BYTES);
	process->pidfd = pidfd_open(process->pid, 0);
	r = process->pidfd < 0 ? -errno : process_watch_death(process);
	/* Asked after the pidfd is open: from here on the pid cannot change
	 * its meaning unseen. */
	if (r == 0 && (!record->start_time ||
		       process_birth(record->pid) != record->start_time))
		r = -ESRCH;
	if (r < 0) {
		process_free(process);
		return r;
	}
	loan_take_back_all(process);
	note_core(process);
	process_await(process, return_ms(process));
	*ret_process = process;
	return 0;
}

int process_adopt(struct process *process, struct control *control)
{
	int r;

	/* What the old link did not take is old news. */
	process_drop_link(process);
	process->control = *control;
	control->fd = NO_FD;
	process_apply(process, PROCESS_EVENT_EXPECT);
	process_await(process, return_ms(process));
	r = process_watch_control(process);
	if (r < 0)
		return r;
	process_send(process, MSG_CHILD_WELCOME, 0, NULL, 0, NULL, 0);
	(void)failpoint("adopt.welcomed");
	return 0;
}
