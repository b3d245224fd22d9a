/* SPDX-License-Identifier: MIT */
#include "supervisor/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/log.h"
#include "base/scope.h"
#include "sandbox/sandbox.h"
#include "supervisor/spawn_child.h"
#include "supervisor/supervisor.h"

/* More than this unread means that the peer has stopped reading. */
#define OUTGOING_MAX 64
/* Between the end of a link and the end of its process. */
#define LINK_LOST_MS 1000

struct outgoing {
	STAILQ_ENTRY(outgoing) link;
	uint32_t type;
	uint32_t request_id;
	size_t body_bytes;
	size_t fd_count;
	int fds[CONTROL_FD_MAX];
	uint8_t body[];
};

static const char *const role_names[] = {
	[ROLE_MONITOR] = "bulkhead-monitor",
	[ROLE_DISK] = "bulkhead-disk",
	[ROLE_CONSOLE] = "bulkhead-console",
};

void process_title(const struct process *process, char *to, size_t room)
{
	(void)snprintf(to, room, "%s [%s]", role_names[process->role],
		       process->name);
}

uint64_t process_start_time(pid_t pid)
{
	char path[32], line[512];
	const char *at;
	uint64_t start = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	at = fgets(line, sizeof(line), file);
	(void)fclose(file);
	/* The name in parentheses may hold anything; fields follow it. */
	at = at ? strrchr(line, ')') : NULL;
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at)
		start = strtoull(at + 1, NULL, 10);
	return start;
}

static void drop_outgoing(struct process *process)
{
	struct outgoing *out;

	while ((out = STAILQ_FIRST(&process->outgoing))) {
		STAILQ_REMOVE_HEAD(&process->outgoing, link);
		for (size_t i = 0; i < out->fd_count; i++)
			close_fd(&out->fds[i]);
		free(out);
	}
	process->outgoing_count = 0;
}

static void process_free(struct process *process)
{
	TAILQ_REMOVE(&process->supervisor->processes, process, link);
	drop_outgoing(process);
	sd_event_source_disable_unref(process->control_source);
	sd_event_source_disable_unref(process->death_source);
	sd_event_source_disable_unref(process->deadline_source);
	control_close(&process->control);
	close_fd(&process->pidfd);
	free(process);
}

static void listen_for(struct process *process, uint32_t events)
{
	if (process->control_source)
		(void)sd_event_source_set_io_events(process->control_source,
						    events);
}

/* The deadline is disarmed by unref; a process has at most one. */
static int arm_deadline(struct process *process, uint64_t ms,
			sd_event_time_handler_t handler)
{
	sd_event_source_disable_unref(process->deadline_source);
	process->deadline_source = NULL;
	return sd_event_add_time_relative(
		process->supervisor->event, &process->deadline_source,
		CLOCK_MONOTONIC, ms * 1000, 1000, handler, process);
}

static void disarm_deadline(struct process *process)
{
	sd_event_source_disable_unref(process->deadline_source);
	process->deadline_source = NULL;
}

void process_kill(struct process *process, const char *reason)
{
	if (process->state == PROCESS_DYING)
		return;
	process->state = PROCESS_DYING;
	(void)snprintf(process->reason, sizeof(process->reason), "%s", reason);
	disarm_deadline(process);
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
	process->is_quitting = true;
	process_send(process, MSG_CHILD_QUIT, 0, NULL, 0, NULL, 0);
	if (arm_deadline(process, grace_ms, on_quit_deadline) < 0)
		process_kill(process, "told to end");
}

/* Messages every child sends. */

static int take_ready(void *data, struct message *message)
{
	const struct child_ready *ready = (const void *)message->body;
	struct process *process = data;

	/* The control group is ours to know. */
	process->layers |= ready->layers & ~(uint32_t)SANDBOX_CGROUP;
	process->missing |= ready->missing & ~(uint32_t)SANDBOX_CGROUP;
	/* From a child that came back it only says how it is isolated. */
	if (process->state == PROCESS_EXPECTED)
		return 0;
	process->state = PROCESS_READY;
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

static int take_event(void *data, struct message *message)
{
	const struct child_event *event = (const void *)message->body;
	struct process *process = data;
	char text[sizeof(event->text)];

	if (event->level > EVENT_ERROR ||
	    !text_is_terminated(event->text, sizeof(event->text)))
		return -EBADMSG;
	text_escape(text, sizeof(text), event->text, strlen(event->text));
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

/* Take what waits. Returns -EPIPE at the end, -EBADMSG after a broken rule. */
static int drain(struct process *process)
{
	struct message message;
	int r;

	for (;;) {
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
}

static void flush_outgoing(struct process *process)
{
	struct outgoing *out;
	int r;

	while ((out = STAILQ_FIRST(&process->outgoing))) {
		r = control_send(&process->control, out->type, out->request_id,
				 out->body, out->body_bytes, out->fds,
				 out->fd_count);
		if (r == -EAGAIN)
			return;
		STAILQ_REMOVE_HEAD(&process->outgoing, link);
		process->outgoing_count--;
		for (size_t i = 0; i < out->fd_count; i++)
			close_fd(&out->fds[i]);
		free(out);
	}
	listen_for(process, EPOLLIN);
}

static int on_control(sd_event_source *source, int fd, uint32_t events,
		      void *data)
{
	struct process *process = data;
	int r;

	if (events & EPOLLOUT)
		flush_outgoing(process);
	r = drain(process);
	if (r < 0) {
		/* Its end follows through the pidfd, or is brought about. */
		listen_for(process, 0);
		if (r == -EBADMSG)
			process_kill(process, "it broke the control protocol");
		else if (process->state != PROCESS_DYING)
			(void)arm_deadline(process, LINK_LOST_MS, on_link_lost);
	}
	return 0;
}

/* How a child of ours ended; an adopted one is reaped by the keeper. */
static void describe_end(struct process *process)
{
	siginfo_t info = { 0 };
	char *text = process->reason;
	size_t room = sizeof(process->reason);

	if (waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED | WNOHANG) <
	    0) {
		if (!text[0])
			(void)snprintf(text, room, "it ended");
		return;
	}
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
		(void)drain(process);
	describe_end(process);
	process->state = PROCESS_DYING;
	process->ops->died(process, process->reason);
	supervisor_forget_child(supervisor, process->id);
	process_free(process);
	supervisor_shutdown_progress(supervisor);
	return 0;
}

static int watch_control(struct process *process)
{
	return sd_event_add_io(process->supervisor->event,
			       &process->control_source, process->control.fd,
			       EPOLLIN, on_control, process);
}

static int watch_death(struct process *process)
{
	int r;

	process->pidfd = pidfd_open(process->pid, 0);
	if (process->pidfd < 0) {
		process->pidfd = NO_FD;
		return -errno;
	}
	r = sd_event_add_io(process->supervisor->event, &process->death_source,
			    process->pidfd, EPOLLIN, on_death, process);
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
	process->started_ns = clock_now_ns();
	STAILQ_INIT(&process->outgoing);
	(void)text_copy(process->name, sizeof(process->name), name);
	TAILQ_INSERT_TAIL(&supervisor->processes, process, link);
	return process;
}

static void send_settings(struct process *process)
{
	struct supervisor *supervisor = process->supervisor;
	struct child_settings settings = {
		.role = process->role,
		.log_level = supervisor->config.log_level,
		.uid = supervisor_uid_for(supervisor, process->id),
	};

	settings.gid = settings.uid;
	memcpy(settings.name, process->name, sizeof(settings.name));
	memcpy(settings.token, process->token, sizeof(settings.token));
	process_send(process, MSG_CHILD_SETTINGS, 0, &settings,
		     sizeof(settings), &supervisor->meet_fd, 1);
}

/* Everything that can fail, so that the caller undoes in one place. */
static int bring_to_life(struct process *process)
{
	struct supervisor *supervisor = process->supervisor;
	SCOPED(close_fd) int child_end = NO_FD;
	struct control theirs;
	int r;

	if (getrandom(process->token, TOKEN_BYTES, 0) != TOKEN_BYTES)
		return -EIO;
	process->id = supervisor_next_id(supervisor);
	r = control_pair(&process->control, &theirs);
	if (r < 0)
		return r;
	child_end = theirs.fd;
	r = spawn_child(supervisor->config.libexec_dir,
			role_names[process->role], process->name, child_end,
			&process->pid);
	if (r < 0)
		return r;
	r = watch_death(process);
	if (r < 0) {
		(void)kill(process->pid, SIGKILL);
		(void)waitpid(process->pid, NULL, 0);
		return r;
	}
	r = watch_control(process);
	if (r < 0)
		process_kill(process, "no room to watch it");
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
	r = bring_to_life(process);
	if (r < 0) {
		process_free(process);
		return r;
	}
	send_settings(process);
	(void)arm_deadline(process, supervisor->config.ready_ms, on_deadline);
	supervisor_remember_child(supervisor, process);
	*ret_process = process;
	return 0;
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
	r = watch_death(process);
	/* Asked after the pidfd is open: from here on the pid cannot change
	 * its meaning unseen. */
	if (r == 0 && process_start_time(record->pid) != record->start_time)
		r = -ESRCH;
	if (r < 0) {
		process_free(process);
		return r;
	}
	(void)arm_deadline(process, supervisor->config.ready_ms, on_deadline);
	*ret_process = process;
	return 0;
}

int process_adopt(struct process *process, struct control *control)
{
	int r;

	sd_event_source_disable_unref(process->control_source);
	process->control_source = NULL;
	control_close(&process->control);
	process->control = *control;
	control->fd = NO_FD;
	process->state = PROCESS_EXPECTED;
	(void)arm_deadline(process, process->supervisor->config.ready_ms,
			   on_deadline);
	r = watch_control(process);
	if (r < 0)
		return r;
	process_send(process, MSG_CHILD_WELCOME, 0, NULL, 0, NULL, 0);
	return 0;
}

static int queue_outgoing(struct process *process, struct outgoing *header,
			  const void *body, const int *fds)
{
	struct outgoing *out;

	if (process->outgoing_count == OUTGOING_MAX)
		return -ENOBUFS;
	out = calloc(1, sizeof(*out) + header->body_bytes);
	if (!out)
		return -ENOMEM;
	*out = *header;
	if (out->body_bytes)
		memcpy(out->body, body, out->body_bytes);
	for (size_t i = 0; i < out->fd_count; i++)
		out->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
	STAILQ_INSERT_TAIL(&process->outgoing, out, link);
	process->outgoing_count++;
	listen_for(process, EPOLLIN | EPOLLOUT);
	return 0;
}

void process_send(struct process *process, uint32_t type, uint32_t request_id,
		  const void *body, size_t body_bytes, const int *fds,
		  size_t fd_count)
{
	struct outgoing header = { .type = type,
				   .request_id = request_id,
				   .body_bytes = body_bytes,
				   .fd_count = fd_count };
	int r = -EAGAIN;

	if (process->state == PROCESS_DYING || process->control.fd == NO_FD)
		return;
	if (STAILQ_EMPTY(&process->outgoing))
		r = control_send(&process->control, type, request_id, body,
				 body_bytes, fds, fd_count);
	if (r == -EAGAIN)
		r = queue_outgoing(process, &header, body, fds);
	if (r < 0)
		process_kill(process, "it does not read its messages");
}
