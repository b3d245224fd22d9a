/* SPDX-License-Identifier: MIT */
#include "supervisor/child/quarantine.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "supervisor/store/status.h"
#include "supervisor/supervisor.h"

/* As of a child that is known (rendezvous.c, process.c). */
#define CONNECTS_AT_ONCE 32
#define CONNECT_EACH_NS  (50 * NS_PER_MS)
#define TURN_MESSAGES    32
#define TURN_BURST       50
#define TURN_USEC        20000

struct kept {
	TAILQ_ENTRY(kept) link;
	struct supervisor *supervisor;
	struct control control;
	uint32_t role;
	char name[NAME_SIZE];
	pid_t pid;
	uid_t uid;
	int pidfd;
	uint64_t since_ns;
	struct budget connects;
	sd_event_source *control_source;
	sd_event_source *death_source;
};

static void drop_link(struct kept *kept)
{
	kept->control_source =
		sd_event_source_disable_unref(kept->control_source);
	control_close(&kept->control);
}

static void kept_free(struct kept *kept)
{
	TAILQ_REMOVE(&kept->supervisor->quarantine, kept, link);
	kept->supervisor->quarantine_count--;
	drop_link(kept);
	sd_event_source_disable_unref(kept->death_source);
	close_fd(&kept->pidfd);
	free(kept);
}

static struct kept *find(const struct supervisor *supervisor, pid_t pid)
{
	struct kept *kept;

	TAILQ_FOREACH(kept, &supervisor->quarantine, link)
		if (kept->pid == pid)
			return kept;
	return NULL;
}

static int on_death(sd_event_source *source, int fd, uint32_t events,
		    void *data)
{
	struct kept *kept = data;
	struct supervisor *supervisor = kept->supervisor;

	supervisor_event(supervisor, EVENT_WARNING, kept->name,
			 "process %d, %s, ended in quarantine", (int)kept->pid,
			 role_name(kept->role));
	kept_free(kept);
	status_tell(supervisor);
	return 0;
}

/* Nothing that it says is believed; a full link would cost it its way back. */
static int on_message(sd_event_source *source, int fd, uint32_t events,
		      void *data)
{
	struct kept *kept = data;
	struct message message;
	int r = 0;

	for (int i = 0; r == 0 && i < TURN_MESSAGES; i++) {
		r = control_receive(&kept->control, &message);
		if (r == 0)
			message_release(&message);
	}
	if (r < 0 && r != -EAGAIN)
		drop_link(kept);
	return 0;
}

static int watch_link(struct kept *kept)
{
	int r = sd_event_add_io(kept->supervisor->event, &kept->control_source,
				kept->control.fd, EPOLLIN, on_message, kept);

	if (r < 0)
		return r;
	return sd_event_source_set_ratelimit(kept->control_source, TURN_USEC,
					     TURN_BURST);
}

static int watch(struct kept *kept)
{
	int r = sd_event_add_io(kept->supervisor->event, &kept->death_source,
				kept->pidfd, EPOLLIN, on_death, kept);

	return r < 0 ? r : watch_link(kept);
}

static void tell(const struct kept *kept)
{
	supervisor_event(kept->supervisor, EVENT_WARNING, kept->name,
			 "process %d, %s, is not in the store: it is kept in "
			 "quarantine%s",
			 (int)kept->pid, role_name(kept->role),
			 kept->role == ROLE_MONITOR
				 ? ", and its guest keeps running"
				 : "");
}

int quarantine_put(struct supervisor *supervisor, struct control *control,
		   int *pidfd, pid_t pid, uid_t uid,
		   const struct child_hello *hello)
{
	struct kept *kept;

	if (supervisor->quarantine_count == QUARANTINE_MAX)
		return -ENOSPC;
	kept = calloc(1, sizeof(*kept));
	if (!kept)
		return -ENOMEM;
	kept->supervisor = supervisor;
	kept->control.fd = take_fd(&control->fd);
	kept->pidfd = take_fd(pidfd);
	kept->role = hello->role;
	memcpy(kept->name, hello->name, sizeof(kept->name));
	kept->pid = pid;
	kept->uid = uid;
	kept->since_ns = clock_now_ns();
	TAILQ_INSERT_TAIL(&supervisor->quarantine, kept, link);
	supervisor->quarantine_count++;
	if (watch(kept) < 0) {
		kept_free(kept);
		return -ENOMEM;
	}
	status_tell(supervisor);
	tell(kept);
	return 0;
}

bool quarantine_takes(struct supervisor *supervisor, pid_t pid, int *peer)
{
	struct kept *kept = find(supervisor, pid);

	if (!kept || pidfd_send_signal(kept->pidfd, 0, NULL, 0) < 0)
		return false;
	if (!budget_take(&kept->connects, CONNECTS_AT_ONCE, CONNECT_EACH_NS,
			 clock_now_ns())) {
		(void)pidfd_send_signal(kept->pidfd, SIGKILL, NULL, 0);
		return true;
	}
	drop_link(kept);
	kept->control.fd = take_fd(peer);
	if (watch_link(kept) < 0)
		drop_link(kept);
	return true;
}

bool quarantine_has_guest(const struct supervisor *supervisor)
{
	const struct kept *kept;

	TAILQ_FOREACH(kept, &supervisor->quarantine, link)
		if (kept->role == ROLE_MONITOR)
			return true;
	return false;
}

bool quarantine_has_uid(const struct supervisor *supervisor, uid_t uid)
{
	const struct kept *kept;

	TAILQ_FOREACH(kept, &supervisor->quarantine, link)
		if (kept->uid == uid)
			return true;
	return false;
}

void quarantine_report(struct supervisor *supervisor,
		       const struct ticket *ticket)
{
	const uint64_t now_ns = clock_now_ns();
	const struct kept *kept;

	TAILQ_FOREACH(kept, &supervisor->quarantine, link) {
		struct quarantine_row row = {
			.pid = (uint32_t)kept->pid,
			.age_ms = (now_ns - kept->since_ns) / NS_PER_MS,
		};

		memcpy(row.name, kept->name, sizeof(row.name));
		(void)text_copy(row.kind, sizeof(row.kind),
				role_name(kept->role));
		ticket_row(supervisor, ticket, MSG_QUARANTINE_ROW, &row, NULL);
	}
}

int quarantine_end(struct supervisor *supervisor, pid_t pid,
		   struct refusal *refusal)
{
	struct kept *kept = find(supervisor, pid);

	if (!kept)
		return refuse(refusal, -ENOENT, "pid",
			      "no process %d is in quarantine", (int)pid);
	(void)pidfd_send_signal(kept->pidfd, SIGKILL, NULL, 0);
	return 0;
}

void quarantine_free(struct supervisor *supervisor)
{
	while (!TAILQ_EMPTY(&supervisor->quarantine))
		kept_free(TAILQ_FIRST(&supervisor->quarantine));
}
