/* SPDX-License-Identifier: MIT */
#include "supervisor/child/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/scope.h"
#include "sandbox/core.h"
#include "sandbox/sandbox.h"
#include "supervisor/child/child_log.h"
#include "supervisor/child/child_record.h"
#include "supervisor/child/placer.h"
#include "supervisor/child/spawn_child.h"
#include "supervisor/errand/errand.h"
#include "supervisor/supervisor.h"

/* More than this unread means that the peer has stopped reading. */
#define OUTBOX_BYTES (256u << 10)
/* A service that is well is back at once, and one that is not is replaced:
 * nobody waits longer for it. A monitor has its guest to lose. */
#define SERVICE_RETURN_MS 2000
/* Between the end of a link and the end of its process, or its return. */
#define LINK_LOST_MS 1000
/* From SIGKILL to a word about a process that does not end. */
#define STUCK_MS 10000
/* Messages taken in one turn of the loop, and turns per interval: one child
 * that talks without end must not keep the others waiting. */
#define TURN_MESSAGES 32
#define TURN_BURST    50
#define TURN_USEC     20000
/* What a dead child can have left behind: more than a socket holds. */
#define LAST_MESSAGES 1024

static const char *const role_names[] = {
	[ROLE_MONITOR] = "bulkhead-monitor",
	[ROLE_DISK] = "bulkhead-disk",
	[ROLE_CONSOLE] = "bulkhead-console",
	[ROLE_NET] = "bulkhead-net",
};

void process_title(const struct process *process, char *to, size_t room)
{
	(void)snprintf(to, room, "%s [%s]", role_names[process->role],
		       process->name);
}

/* Numbers that a boot gives to processes come again in the next one. */
static uint64_t boot_number(void)
{
	static uint64_t number;
	char line[64];
	FILE *file;

	if (number)
		return number;
	file = fopen("/proc/sys/kernel/random/boot_id", "re");
	if (file && fgets(line, sizeof(line), file))
		for (const char *c = line; *c; c++)
			number = (number ^ (uint8_t)*c) * 0x100000001b3u;
	if (file)
		(void)fclose(file);
	return number;
}

/* A field of /proc/PID/stat, by its number in proc(5); 0 when there is none. */
static uint64_t read_field(pid_t pid, int wanted)
{
	char path[32], line[512];
	const char *at;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	at = fgets(line, sizeof(line), file);
	(void)fclose(file);
	/* The name in parentheses may hold anything; fields follow it. */
	at = at ? strrchr(line, ')') : NULL;
	for (int field = 2; at && field < wanted; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at + 1, NULL, 10) : 0;
}

uint64_t process_started_ticks(pid_t pid)
{
	return read_field(pid, 22);
}

pid_t process_parent(pid_t pid)
{
	return (pid_t)read_field(pid, 4);
}

uint64_t process_birth(pid_t pid)
{
	uint64_t ticks = process_started_ticks(pid);

	/* Stored as a signed number. */
	return ticks ? (boot_number() + ticks) & INT64_MAX : 0;
}

static void process_free(struct process *process)
{
	TAILQ_REMOVE(&process->supervisor->processes, process, link);
	outbox_clear(&process->outbox);
	child_log_free(process->log);
	sd_event_source_disable_unref(process->control_source);
	sd_event_source_disable_unref(process->death_source);
	sd_event_source_disable_unref(process->deadline_source);
	loan_forget(process);
	control_close(&process->control);
	close_fd(&process->pidfd);
	close_fd(&process->child_end);
	free(process);
}

static void listen_for(struct process *process, uint32_t events)
{
	if (process->control_source)
		(void)sd_event_source_set_io_events(process->control_source,
						    events);
}

/* A process has at most one deadline. */
static int arm(struct process *process, uint64_t ms,
	       sd_event_time_handler_t handler)
{
	process->deadline_source =
		sd_event_source_disable_unref(process->deadline_source);
	return sd_event_add_time_relative(
		process->supervisor->event, &process->deadline_source,
		CLOCK_MONOTONIC, ms * 1000, 1000, handler, process);
}

/* One that was told to end keeps that deadline, whatever it says or does. */
static void arm_deadline(struct process *process, uint64_t ms,
			 sd_event_time_handler_t handler)
{
	if (!process->is_quitting && arm(process, ms, handler) < 0)
		process_kill(process, "no room for its deadline");
}

static void disarm_deadline(struct process *process)
{
	if (!process->is_quitting)
		process->deadline_source =
			sd_event_source_disable_unref(process->deadline_source);
}

/* The kernel may keep it, for as long as a device takes. */
static int on_stuck(sd_event_source *source, uint64_t usec, void *data)
{
	struct process *process = data;

	supervisor_event(process->supervisor, EVENT_ERROR, process->name,
			 "process %d was killed and does not end: it waits in "
			 "the kernel",
			 (int)process->pid);
	return 0;
}

void process_kill(struct process *process, const char *reason)
{
	if (process->state == PROCESS_DYING)
		return;
	process->state = PROCESS_DYING;
	(void)snprintf(process->reason, sizeof(process->reason), "%s", reason);
	(void)arm(process, STUCK_MS, on_stuck);
	(void)pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *data)
{
	struct process *process = data;

	process_kill(process, process->state == PROCESS_EXPECTED
				      ? "it did not come back to the supervisor"
				      : "it was not ready in time");
	return 0;
}

/* Without a link it can do nothing more for us. */
static int on_link_lost(sd_event_source *source, uint64_t usec, void *data)
{
	process_kill(data, "it closed its control link");
	return 0;
}

static int on_quit_deadline(sd_event_source *source, uint64_t usec, void *data)
{
	process_kill(data, "it did not end when told to");
	return 0;
}

void process_quit(struct process *process, uint64_t grace_ms)
{
	if (process->state == PROCESS_DYING || process->is_quitting)
		return;
	process_send(process, MSG_CHILD_QUIT, 0, NULL, 0, NULL, 0);
	arm_deadline(process, grace_ms, on_quit_deadline);
	process->is_quitting = true;
}

/* Messages every child sends. */

static int take_ready(void *data, struct message *message)
{
	const struct child_ready *ready = (const void *)message->body;
	struct process *process = data;

	process->layers |= ready->layers & ~SANDBOX_OF_SUPERVISOR;
	process->missing |= ready->missing & ~SANDBOX_OF_SUPERVISOR;
	/* From a child that came back it only says how it is isolated. */
	if (process->state == PROCESS_EXPECTED)
		return 0;
	process->state = PROCESS_READY;
	process->last_words[0] = '\0';
	disarm_deadline(process);
	process->ops->ready(process);
	return 0;
}

static int take_reported(void *data, struct message *message)
{
	struct process *process = data;

	process->state = PROCESS_READY;
	disarm_deadline(process);
	process->ops->ready(process);
	return 0;
}

static int take_pong(void *data, struct message *message)
{
	struct process *process = data;

	if (process->ops->pong)
		process->ops->pong(process);
	return 0;
}

void process_tell_end(struct process *process, const char *why)
{
	(void)snprintf(process->last_words, sizeof(process->last_words), "%s",
		       why);
}

static int take_event(void *data, struct message *message)
{
	const struct child_event *event = (const void *)message->body;
	struct process *process = data;
	char text[sizeof(event->text)];

	text_escape(text, sizeof(text), event->text, strlen(event->text));
	if (event->level == EVENT_ERROR)
		(void)snprintf(process->last_error, sizeof(process->last_error),
			       "%s", text);
	if (process->state == PROCESS_STARTING)
		process_tell_end(process, process->last_error);
	supervisor_event(process->supervisor, event->level, process->name, "%s",
			 text);
	return 0;
}

static const struct message_rule common_rules[] = {
	/* type              allowed in                 handler */
	{ MSG_CHILD_READY, IN(PROCESS_STARTING) | IN(PROCESS_EXPECTED),
	  take_ready },
	{ MSG_CHILD_REPORTED, IN(PROCESS_EXPECTED), take_reported },
	{ MSG_CHILD_PONG, IN_ANY_STATE, take_pong },
	{ MSG_CHILD_EVENT, IN_ANY_STATE, take_event },
};

static bool is_common(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_COUNT(common_rules); i++)
		if (common_rules[i].type == type)
			return true;
	return false;
}

static int dispatch(struct process *process, struct message *message)
{
	if (is_common(message->type))
		return message_dispatch(common_rules, ARRAY_COUNT(common_rules),
					process->state, process, message);
	return message_dispatch(process->ops->rules, process->ops->rule_count,
				process->state, process, message);
}

/* Take up to `most` of what waits. Returns -EPIPE at the end, -EBADMSG after a
 * broken rule. */
static int drain(struct process *process, unsigned most)
{
	struct message message;
	int r;

	while (most--) {
		r = control_receive(&process->control, &message);
		if (r < 0)
			return r == -EAGAIN ? 0 : r;
		r = process->state == PROCESS_DYING
			    ? 0
			    : dispatch(process, &message);
		message_release(&message);
		/* -EBUSY: a message that crossed a change of ours; harmless. */
		if (r == -EBADMSG)
			return r;
	}
	return 0;
}

/* The link has ended, or means nothing any more. */
static void drop_link(struct process *process)
{
	process->control_source =
		sd_event_source_disable_unref(process->control_source);
	control_close(&process->control);
	outbox_clear(&process->outbox);
}

static void flush_outbox(struct process *process)
{
	int r = outbox_flush(&process->outbox);

	if (r == 0)
		listen_for(process, EPOLLIN);
	else if (r != -EAGAIN && r != -EPIPE)
		process_kill(process, "a message cannot be sent to it");
}

static int on_control(sd_event_source *source, int fd, uint32_t events,
		      void *data)
{
	struct process *process = data;
	int r;

	if (events & EPOLLOUT)
		flush_outbox(process);
	r = drain(process, TURN_MESSAGES);
	if (r == 0)
		return 0;
	/* Its end follows through the pidfd, or is brought about; or it comes
	 * back (adopt.c). */
	drop_link(process);
	if (r == -EBADMSG)
		process_kill(process, "it broke the control protocol");
	else if (process->state != PROCESS_DYING)
		arm_deadline(process, LINK_LOST_MS, on_link_lost);
	return 0;
}

/* What a process does to itself, and nobody else does to it. */
static bool is_crash(const siginfo_t *end)
{
	return end->si_code != CLD_EXITED &&
	       (end->si_status == SIGSEGV || end->si_status == SIGBUS ||
		end->si_status == SIGILL || end->si_status == SIGABRT ||
		end->si_status == SIGSYS);
}

/* How a child of ours ended; an adopted one is reaped by the keeper. Only a
 * look: reaping takes the kernel a while, and guests may be waiting. */
static void describe_end(struct process *process)
{
	siginfo_t info = { 0 };
	char *text = process->reason;
	size_t room = sizeof(process->reason);

	if (waitid(P_PIDFD, (id_t)process->pidfd, &info,
		   WEXITED | WNOHANG | WNOWAIT) < 0) {
		if (!text[0])
			(void)snprintf(text, room, "it ended");
		return;
	}
	process->has_crashed = is_crash(&info);
	if (!text[0])
		(void)snprintf(text, room, "%s", process->last_words);
	if (text[0])
		return;
	if (info.si_code == CLD_EXITED)
		(void)snprintf(text, room, "it ended with status %d",
			       info.si_status);
	else
		(void)snprintf(text, room, "it was ended by signal %d (%s)",
			       info.si_status, strsignal(info.si_status));
}

static int on_death(sd_event_source *source, int fd, uint32_t events,
		    void *data)
{
	struct process *process = data;
	struct supervisor *supervisor = process->supervisor;

	/* Its last words came before its death. */
	if (process->control.fd != NO_FD)
		(void)drain(process, LAST_MESSAGES);
	describe_end(process);
	process->state = PROCESS_DYING;
	process->ops->died(process, process->reason);
	/* While it is being moved its number must not get a new meaning: it is
	 * reaped when that is done (child_record.c). */
	if (placer_drop(supervisor->placer, process->id))
		(void)waitid(P_PIDFD, (id_t)process->pidfd, NULL,
			     WEXITED | WNOHANG);
	child_forget(supervisor, process->id);
	process_free(process);
	if (supervisor->process_ended)
		supervisor->process_ended(supervisor);
	return 0;
}

static int watch_control(struct process *process)
{
	int r = sd_event_add_io(process->supervisor->event,
				&process->control_source, process->control.fd,
				EPOLLIN, on_control, process);

	if (r < 0)
		return r;
	return sd_event_source_set_ratelimit(process->control_source, TURN_USEC,
					     TURN_BURST);
}

static int open_pidfd(pid_t pid, int *ret_pidfd)
{
	int fd = pidfd_open(pid, 0);

	if (fd < 0)
		return -errno;
	*ret_pidfd = fd;
	return 0;
}

static int watch_death(struct process *process)
{
	int r = sd_event_add_io(process->supervisor->event,
				&process->death_source, process->pidfd, EPOLLIN,
				on_death, process);

	if (r < 0)
		return r;
	/* Guests are waiting behind a dead service: deaths go first. */
	return sd_event_source_set_priority(process->death_source,
					    SD_EVENT_PRIORITY_IMPORTANT);
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

/* Its owner hears of it from the loop, as of any other death. */
static int on_unborn(sd_event_source *source, uint64_t usec, void *data)
{
	struct process *process = data;
	struct supervisor *supervisor = process->supervisor;

	process->ops->died(process, process->reason);
	child_forget(supervisor, process->id);
	process_free(process);
	if (supervisor->process_ended)
		supervisor->process_ended(supervisor);
	return 0;
}

static void give_up_birth(struct process *process, int error)
{
	if (process->pidfd != NO_FD)
		(void)pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
	process->state = PROCESS_DYING;
	(void)snprintf(process->reason, sizeof(process->reason),
		       "it cannot be started: %s", strerror(-error));
	(void)arm(process, 0, on_unborn);
}

/* Takes as long as the kernel does, and changes nothing of ours. */
static int start_program(const struct process *process, int child_end,
			 int log_end, pid_t *ret_pid, int *ret_pidfd)
{
	int r = spawn_child(process->supervisor->config.libexec_dir,
			    role_names[process->role], process->name, child_end,
			    log_end, ret_pid);

	if (r < 0)
		return r;
	r = open_pidfd(*ret_pid, ret_pidfd);
	if (r == 0)
		return 0;
	(void)kill(*ret_pid, SIGKILL);
	(void)waitpid(*ret_pid, NULL, 0);
	return r;
}

static void note_core(struct process *process)
{
	if (core_is_own(process->pid))
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
	int pidfd = NO_FD;
	pid_t pid = 0;
	int r;

	process_title(process, title, sizeof(title));
	r = child_log_new(&process->log, process->supervisor->event, title,
			  &log_end);
	if (r < 0)
		return r;
	errand_step_aside();
	urgency_begin_birth(is_urgent);
	r = start_program(process, child_end, log_end, &pid, &pidfd);
	urgency_end_birth();
	errand_step_back();
	if (r < 0)
		return r;
	process->pid = pid;
	process->pidfd = pidfd;
	loan_take_effect(process);
	/* Before it has its settings, and so before it starts a QEMU. */
	if (process->supervisor->config.core_scheduling)
		(void)core_make_own(pid);
	note_core(process);
	(void)failpoint("spawn.unrecorded");
	child_remember(process->supervisor, process);
	return 0;
}

/* An errand. Nobody sees it die, so that it stays, before the end of this. */
static void give_birth(void *context)
{
	struct process *process = context;
	int r = bring_to_life(process);

	if (r == 0)
		r = watch_death(process);
	if (r < 0) {
		give_up_birth(process, r);
		return;
	}
	if (process->state == PROCESS_DYING)
		(void)pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
	r = watch_control(process);
	if (r < 0)
		process_kill(process, "no room to watch it");
	outbox_release(&process->outbox);
	flush_outbox(process);
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
	arm_deadline(process, supervisor->config.ready_ms, on_deadline);
	if (ops->birth_ms)
		loan_make(process, ops->birth_ms);
	*ret_process = process;
	errand_run(supervisor->errands, give_birth, process);
	return 0;
}

void process_extend(struct process *process)
{
	if (process->state == PROCESS_STARTING)
		arm_deadline(process, process->supervisor->config.ready_ms,
			     on_deadline);
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
	process->state = PROCESS_EXPECTED;
	process->is_adopted = true;
	process->id = record->id;
	process->pid = record->pid;
	memcpy(process->token, record->token, TOKEN_BYTES);
	r = open_pidfd(process->pid, &process->pidfd);
	if (r == 0)
		r = watch_death(process);
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
	arm_deadline(process, return_ms(process), on_deadline);
	child_place(process);
	*ret_process = process;
	return 0;
}

int process_adopt(struct process *process, struct control *control)
{
	int r;

	/* What the old link did not take is old news. */
	drop_link(process);
	process->control = *control;
	control->fd = NO_FD;
	process->state = PROCESS_EXPECTED;
	arm_deadline(process, return_ms(process), on_deadline);
	r = watch_control(process);
	if (r < 0)
		return r;
	process_send(process, MSG_CHILD_WELCOME, 0, NULL, 0, NULL, 0);
	(void)failpoint("adopt.welcomed");
	return 0;
}

void process_send(struct process *process, uint32_t type, uint32_t request_id,
		  const void *body, size_t body_bytes, const int *fds,
		  size_t fd_count)
{
	int r;

	if (process->state == PROCESS_DYING || process->control.fd == NO_FD)
		return;
	r = outbox_send(&process->outbox, type, request_id, body, body_bytes,
			fds, fd_count);
	if (r == -EAGAIN)
		listen_for(process, EPOLLIN | EPOLLOUT);
	/* A peer that has gone dies soon or comes back; on_control() sees to
	 * it. A monitor that comes back says what it missed. */
	if (r == -ENOBUFS)
		process_kill(process, "it does not read its messages");
	else if (r < 0 && r != -EPIPE && r != -EAGAIN)
		process_kill(process, "a message cannot be sent to it");
}

void processes_let_go(struct supervisor *supervisor)
{
	struct process *process;

	TAILQ_FOREACH(process, &supervisor->processes, link)
		drop_link(process);
}

void processes_free(struct supervisor *supervisor)
{
	struct process *process;

	while ((process = TAILQ_FIRST(&supervisor->processes)))
		process_free(process);
}
