/* SPDX-License-Identifier: MIT */
#include "supervisor/child/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/count.h"
#include "base/scope.h"
#include "sandbox/sandbox.h"
#include "supervisor/child/child_log.h"
#include "supervisor/child/child_record.h"
#include "supervisor/child/process_private.h"
#include "supervisor/errand/errand.h"
#include "supervisor/supervisor.h"

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

/* Nobody finds it any more. */
static void forget(struct process *process)
{
	TAILQ_REMOVE(&process->supervisor->processes, process, link);
	outbox_clear(&process->outbox);
	child_log_free(process->log);
	sd_event_source_disable_unref(process->control_source);
	sd_event_source_disable_unref(process->death_source);
	sd_event_source_disable_unref(process->deadline_source);
	loan_forget(process);
	control_close(&process->control);
	close_fd(&process->child_end);
}

static void free_forgotten(struct process *process)
{
	close_fd(&process->pidfd);
	free(process);
}

void process_free(struct process *process)
{
	forget(process);
	free_forgotten(process);
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
		process_kill(process, "out of memory for its deadline");
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
			 "process %d was killed but does not exit: it is "
			 "blocked in the kernel",
			 (int)process->pid);
	return 0;
}

void process_kill(struct process *process, const char *reason)
{
	if (process->state == PROCESS_DYING)
		return;
	process_apply(process, PROCESS_EVENT_KILL);
	(void)snprintf(process->reason, sizeof(process->reason), "%s", reason);
	(void)arm(process, STUCK_MS, on_stuck);
	(void)pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *data)
{
	struct process *process = data;

	process_kill(process, process->state == PROCESS_EXPECTED
				      ? "it did not reconnect to the supervisor"
				      : "it was not ready in time");
	return 0;
}

void process_await(struct process *process, uint64_t ms)
{
	arm_deadline(process, ms, on_deadline);
}

/* Without a link it can do nothing more for us. */
static int on_link_lost(sd_event_source *source, uint64_t usec, void *data)
{
	process_kill(data, "it closed its control link");
	return 0;
}

static int on_quit_deadline(sd_event_source *source, uint64_t usec, void *data)
{
	process_kill(data, "it did not exit when asked to");
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
	process_apply(process, PROCESS_EVENT_READY);
	process->last_words[0] = '\0';
	disarm_deadline(process);
	process->ops->ready(process);
	return 0;
}

static int take_reported(void *data, struct message *message)
{
	struct process *process = data;

	process_apply(process, PROCESS_EVENT_REPORTED);
	disarm_deadline(process);
	child_place(process);
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
	char text[sizeof(event->text)], field[sizeof(event->field)];

	text_escape(text, sizeof(text), event->text, strlen(event->text));
	text_escape(field, sizeof(field), event->field, strlen(event->field));
	if (event->level == EVENT_ERROR) {
		memcpy(process->last_error, text, sizeof(text));
		memcpy(process->field, field, sizeof(field));
	}
	if (process->state == PROCESS_STARTING)
		process_tell_end(process, process->last_error);
	supervisor_event(process->supervisor, event->level, process->name,
			 "%s%s%s", field, field[0] ? ": " : "", text);
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

void process_drop_link(struct process *process)
{
	process->control_source =
		sd_event_source_disable_unref(process->control_source);
	control_close(&process->control);
	outbox_clear(&process->outbox);
}

void process_flush_outbox(struct process *process)
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
		process_flush_outbox(process);
	r = drain(process, TURN_MESSAGES);
	if (r == 0)
		return 0;
	/* Its end follows through the pidfd, or is brought about; or it comes
	 * back (adopt.c). */
	process_drop_link(process);
	if (r == -EBADMSG)
		process_kill(process, "it violated the control protocol");
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
		(void)snprintf(text, room, "it exited with status %d",
			       info.si_status);
	else
		(void)snprintf(text, room, "it was killed by signal %d (%s)",
			       info.si_status, strsignal(info.si_status));
}

void process_bury(void *context)
{
	struct process *process = context;

	child_forget(process->supervisor, process->id, process->pidfd);
	free_forgotten(process);
}

static void end(struct process *process)
{
	struct supervisor *supervisor = process->supervisor;

	process->ops->died(process, process->reason);
	/* While it is being moved its number must not get a new meaning: it is
	 * reaped when that is done. */
	process->is_gone = true;
	forget(process);
	if (!process->is_moving)
		errand_run(supervisor->errands, process_bury, process);
	if (supervisor->process_ended)
		supervisor->process_ended(supervisor);
}

/* Its owner hears of it from the loop, as of any other death. */
static int on_unborn(sd_event_source *source, uint64_t usec, void *data)
{
	end(data);
	return 0;
}

void process_give_up(struct process *process, int error)
{
	if (process->pidfd != NO_FD)
		(void)pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
	process_apply(process, PROCESS_EVENT_ENDED);
	(void)snprintf(process->reason, sizeof(process->reason),
		       "it cannot be started: %s", strerror(-error));
	(void)arm(process, 0, on_unborn);
}

static int on_death(sd_event_source *source, int fd, uint32_t events,
		    void *data)
{
	struct process *process = data;

	/* Its last words came before its death. */
	if (process->control.fd != NO_FD)
		(void)drain(process, LAST_MESSAGES);
	describe_end(process);
	process_apply(process, PROCESS_EVENT_ENDED);
	end(process);
	return 0;
}

int process_watch_control(struct process *process)
{
	int r = sd_event_add_io(process->supervisor->event,
				&process->control_source, process->control.fd,
				EPOLLIN, on_control, process);

	if (r < 0)
		return r;
	return sd_event_source_set_ratelimit(process->control_source, TURN_USEC,
					     TURN_BURST);
}

int process_watch_death(struct process *process)
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

void process_extend(struct process *process)
{
	if (process->state == PROCESS_STARTING)
		process_await(process, process->supervisor->config.ready_ms);
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
		process_drop_link(process);
}

void processes_free(struct supervisor *supervisor)
{
	struct process *process;

	while ((process = TAILQ_FIRST(&supervisor->processes)))
		process_free(process);
}
