/* SPDX-License-Identifier: MIT */
#include "supervisor/child/rendezvous.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/rendezvous.h"
#include "base/scope.h"
#include "control/fields.h"
#include "supervisor/child/child_record.h"
#include "supervisor/child/quarantine.h"
#include "supervisor/supervisor.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* since Linux 6.5 */
#endif

/* Connections that wait to be accepted. */
#define BACKLOG 128
/* Those of a child that has lost its way: it tries ten times a second. */
#define CONNECTS_AT_ONCE 32
#define CONNECT_EACH_NS  (50 * NS_PER_MS)
/* Children that nobody recorded, before their hello or told to end. */
#define ORPHANS_MAX 16
/* From its connection to its hello, or from being told to end to its end. */
#define SILENCE_USEC 2000000u
/* Read from one that was told to end, to see whether it has. */
#define LAST_MESSAGES 16
/* Connections a second; also while no descriptor is left to accept one. */
#define ACCEPT_USEC  1000000
#define ACCEPT_BURST 2000

/* Connected, and has not said who it is. */
struct visitor {
	TAILQ_ENTRY(visitor) link;
	struct supervisor *supervisor;
	struct control control;
	uint64_t child; /* of which process; 0: an orphan */
	pid_t pid;
	uid_t uid;
	int pidfd; /* of an orphan */
	sd_event_source *source;
	sd_event_source *timer;
	bool is_dismissed; /* told to end; closing at once could undo that */
};

struct rendezvous {
	int listen_fd;
	uint64_t began_ticks; /* when this supervisor did */
	sd_event_source *source;
	TAILQ_HEAD(, visitor) visitors;
	unsigned orphan_count;
};

static void visitor_free(struct visitor *visitor)
{
	struct rendezvous *rendezvous = visitor->supervisor->rendezvous;

	TAILQ_REMOVE(&rendezvous->visitors, visitor, link);
	if (!visitor->child)
		rendezvous->orphan_count--;
	sd_event_source_disable_unref(visitor->source);
	sd_event_source_disable_unref(visitor->timer);
	control_close(&visitor->control);
	close_fd(&visitor->pidfd);
	free(visitor);
}

static struct process *find_child(struct supervisor *supervisor, pid_t pid,
				  uid_t uid)
{
	struct process *process;

	TAILQ_FOREACH(process, &supervisor->processes, link)
		if (process->pid == pid &&
		    (uid == geteuid() ||
		     uid == supervisor_uid_for(supervisor, process->id)))
			return process;
	return NULL;
}

static struct visitor *find_visitor(const struct rendezvous *rendezvous,
				    pid_t pid)
{
	struct visitor *visitor;

	TAILQ_FOREACH(visitor, &rendezvous->visitors, link)
		if (visitor->pid == pid)
			return visitor;
	return NULL;
}

static bool is_hello(const struct message *message)
{
	return message->type == MSG_CHILD_HELLO && message_is_valid(message);
}

static void welcome(struct process *process, struct control *control,
		    const struct child_hello *hello)
{
	if (process->role != hello->role ||
	    memcmp(process->token, hello->token, TOKEN_BYTES) != 0)
		process_kill(process, "it reconnected under another name");
	/* It gave its link up while we lived, so messages were lost. A service
	 * is replaced; a monitor cannot be, and says what it has. */
	else if (process->state != PROCESS_EXPECTED &&
		 process->role != ROLE_MONITOR)
		process_kill(process, "it lost its control link");
	else if (process_adopt(process, control) < 0)
		process_kill(process, "out of memory to watch it");
}

static void dismiss(struct visitor *visitor)
{
	log_warn("an unneeded process reconnected, ending it pid=%d",
		 (int)visitor->pid);
	(void)control_send(&visitor->control, MSG_CHILD_QUIT, 0, NULL, 0, NULL,
			   0);
	visitor->is_dismissed = true;
}

/* Its uid is the one that the number in its token gives. */
static bool is_ours(const struct visitor *visitor,
		    const struct child_hello *hello, uint64_t *ret_instance)
{
	struct supervisor *supervisor = visitor->supervisor;
	struct token_owner owner = { .role = hello->role };

	memcpy(owner.name, hello->name, sizeof(owner.name));
	if (!token_is_ours(supervisor->key, &owner, hello->token))
		return false;
	*ret_instance = owner.instance;
	return geteuid() != 0 ||
	       visitor->uid == supervisor_uid_for(supervisor, owner.instance);
}

/* -EEXIST: another has its place; -ENOENT: nobody has such a place. */
static int take_over(struct visitor *visitor, const struct child_hello *hello,
		     uint64_t instance)
{
	struct process_record record = {
		.id = instance,
		.pid = visitor->pid,
		.start_time = process_birth(visitor->pid),
		.role = hello->role,
	};
	struct process *process;
	int r;

	memcpy(record.name, hello->name, sizeof(record.name));
	memcpy(record.token, hello->token, sizeof(record.token));
	r = visitor->supervisor->adopt_unrecorded(visitor->supervisor, &record,
						  &process);
	if (r < 0)
		return r;
	child_note(visitor->supervisor, process);
	welcome(process, &visitor->control, hello);
	return 0;
}

/*
 * Of another store, or started by a supervisor that died, or whose store was
 * put back, before it was recorded.
 */
static void take_unknown(struct visitor *visitor,
			 const struct child_hello *hello)
{
	uint64_t instance;
	int r = -ENOENT;

	if (is_ours(visitor, hello, &instance))
		r = take_over(visitor, hello, instance);
	if (r == -EEXIST)
		dismiss(visitor);
	else if (r == -ENOENT)
		(void)quarantine_put(visitor->supervisor, &visitor->control,
				     &visitor->pidfd, visitor->pid,
				     visitor->uid, hello);
}

static void take_hello(struct visitor *visitor, const struct message *message)
{
	struct process *process;

	(void)failpoint("adopt.hello");
	if (!visitor->child) {
		take_unknown(visitor, (const void *)message->body);
		return;
	}
	TAILQ_FOREACH(process, &visitor->supervisor->processes, link)
		if (process->id == visitor->child &&
		    process->state != PROCESS_DYING) {
			welcome(process, &visitor->control,
				(const void *)message->body);
			return;
		}
}

static int on_message(sd_event_source *source, int fd, uint32_t events,
		      void *data)
{
	struct visitor *visitor = data;
	struct message message;

	/* One descriptor has one watcher: make room for the process's. */
	visitor->source = sd_event_source_disable_unref(visitor->source);
	if (control_receive(&visitor->control, &message) == 0) {
		if (is_hello(&message))
			take_hello(visitor, &message);
		message_release(&message);
	}
	if (!visitor->is_dismissed)
		visitor_free(visitor);
	return 0;
}

static bool has_gone(struct visitor *visitor)
{
	struct message message;
	int r = 0;

	for (int i = 0; r == 0 && i < LAST_MESSAGES; i++) {
		r = control_receive(&visitor->control, &message);
		if (r == 0)
			message_release(&message);
	}
	return r == -EPIPE;
}

static int on_silence(sd_event_source *source, uint64_t usec, void *data)
{
	struct visitor *visitor = data;

	if (visitor->is_dismissed && !has_gone(visitor))
		(void)pidfd_send_signal(visitor->pidfd, SIGKILL, NULL, 0);
	visitor_free(visitor);
	return 0;
}

/* Takes the peer, and the pidfd of an orphan; both stay the caller's when
 * there is no room. */
static void admit(struct supervisor *supervisor, int *peer,
		  const struct ucred *who, int *pidfd, uint64_t child)
{
	struct rendezvous *rendezvous = supervisor->rendezvous;
	struct visitor *visitor = calloc(1, sizeof(*visitor));

	if (!visitor)
		return;
	visitor->supervisor = supervisor;
	visitor->child = child;
	visitor->pid = who->pid;
	visitor->uid = who->uid;
	visitor->pidfd = take_fd(pidfd);
	visitor->control.fd = take_fd(peer);
	TAILQ_INSERT_TAIL(&rendezvous->visitors, visitor, link);
	if (!child)
		rendezvous->orphan_count++;
	if (sd_event_add_io(supervisor->event, &visitor->source,
			    visitor->control.fd, EPOLLIN, on_message,
			    visitor) < 0 ||
	    sd_event_add_time_relative(supervisor->event, &visitor->timer,
				       CLOCK_MONOTONIC, SILENCE_USEC, 0,
				       on_silence, visitor) < 0)
		visitor_free(visitor);
}

static void child_came(struct process *process, int *peer,
		       const struct ucred *who)
{
	int none = NO_FD;

	if (process->state == PROCESS_DYING)
		return;
	if (!budget_take(&process->connects, CONNECTS_AT_ONCE, CONNECT_EACH_NS,
			 clock_now_ns()))
		process_kill(process, "it reconnects endlessly");
	else if (!find_visitor(process->supervisor->rendezvous, process->pid))
		admit(process->supervisor, peer, who, &none, process->id);
}

/*
 * The process that connected, also when its number means another one by now.
 * Kernels before 6.5 cannot tell, so its age is asked besides: who was started
 * by an earlier supervisor is not younger than this one.
 */
static int open_orphan(const struct rendezvous *rendezvous, int peer, pid_t pid)
{
	SCOPED(close_fd) int pidfd = NO_FD;
	socklen_t size = sizeof(pidfd);
	uint64_t ticks;

	if (getsockopt(peer, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0)
		pidfd = errno == ENOPROTOOPT ? pidfd_open(pid, 0) : NO_FD;
	if (pidfd < 0)
		return -ESRCH;
	ticks = process_started_ticks(pid);
	return ticks && ticks <= rendezvous->began_ticks ? take_fd(&pidfd)
							 : -ESRCH;
}

static void orphan_came(struct supervisor *supervisor, int *peer,
			const struct ucred *who)
{
	struct rendezvous *rendezvous = supervisor->rendezvous;
	SCOPED(close_fd) int pidfd = NO_FD;

	if (quarantine_takes(supervisor, who->pid, peer))
		return;
	pidfd = open_orphan(rendezvous, *peer, who->pid);
	if (pidfd < 0)
		return;
	/* None of ours comes twice. */
	if (find_visitor(rendezvous, who->pid))
		(void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	else if (rendezvous->orphan_count < ORPHANS_MAX)
		admit(supervisor, peer, who, &pidfd, 0);
}

static int on_connect(sd_event_source *source, int fd, uint32_t events,
		      void *data)
{
	struct supervisor *supervisor = data;
	SCOPED(close_fd)
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred who;
	socklen_t size = sizeof(who);
	struct process *process;

	if (peer < 0 ||
	    getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
		return 0;
	process = find_child(supervisor, who.pid, who.uid);
	if (process)
		child_came(process, &peer, &who);
	else if (supervisor_may_be_child(who.uid))
		orphan_came(supervisor, &peer, &who);
	return 0;
}

/* A socket takes no space but an inode: the old one's will do. */
static int bind_new(int fd, const struct sockaddr_un *address, int directory)
{
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return 0;
	if (errno != ENOSPC && errno != EDQUOT)
		return -errno;
	(void)unlinkat(directory, RENDEZVOUS_NAME, 0);
	return bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0
		       ? -errno
		       : 0;
}

/*
 * Bind under another name and rename: a child that tries at this moment finds
 * the old socket or the new one, never none. By descriptor, since a socket's
 * path is short.
 */
static int listen_in(int directory)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	SCOPED(close_fd) int fd = NO_FD;
	int r;

	(void)unlinkat(directory, "new", 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path),
		       "/proc/self/fd/%d/new", directory);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = bind_new(fd, &address, directory);
	if (r < 0)
		return r;
	if (chmod(address.sun_path, 0666) < 0 || listen(fd, BACKLOG) < 0 ||
	    renameat(directory, "new", directory, RENDEZVOUS_NAME) < 0)
		return -errno;
	return take_fd(&fd);
}

/*
 * Children of other uids pass through the inner one by descriptor; nobody
 * reaches it by path, because the outer one is ours alone. The umask is 0077.
 */
static int open_directory(const char *meet_dir)
{
	char outer[PATH_SIZE];
	int fd;

	(void)text_copy(outer, sizeof(outer), meet_dir);
	*strrchr(outer, '/') = '\0';
	if ((mkdir(outer, 0700) < 0 && errno != EEXIST) ||
	    chmod(outer, 0700) < 0 ||
	    (mkdir(meet_dir, 0711) < 0 && errno != EEXIST) ||
	    chmod(meet_dir, 0711) < 0)
		return -errno;
	fd = open(meet_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int listen_at(struct supervisor *supervisor)
{
	struct rendezvous *rendezvous = supervisor->rendezvous;
	int fd = open_directory(supervisor->config.meet_dir);

	if (fd < 0)
		return fd;
	supervisor->meet_fd = fd;
	rendezvous->listen_fd = listen_in(fd);
	return rendezvous->listen_fd < 0 ? rendezvous->listen_fd : 0;
}

int rendezvous_open(struct supervisor *supervisor, struct refusal *refusal)
{
	struct rendezvous *rendezvous;
	int r;

	rendezvous = supervisor->rendezvous = calloc(1, sizeof(*rendezvous));
	if (!rendezvous)
		return refuse(refusal, -ENOMEM, "", "out of memory");
	rendezvous->listen_fd = NO_FD;
	rendezvous->began_ticks = process_started_ticks(getpid());
	TAILQ_INIT(&rendezvous->visitors);
	r = listen_at(supervisor);
	if (r < 0)
		return refuse(refusal, r, "state_dir",
			      "cannot listen in %.150s: %s",
			      supervisor->config.meet_dir, strerror(-r));
	r = sd_event_add_io(supervisor->event, &rendezvous->source,
			    rendezvous->listen_fd, EPOLLIN, on_connect,
			    supervisor);
	if (r >= 0)
		r = sd_event_source_set_ratelimit(rendezvous->source,
						  ACCEPT_USEC, ACCEPT_BURST);
	return r < 0 ? refuse(refusal, r, "", "out of memory") : 0;
}

void rendezvous_close(struct supervisor *supervisor)
{
	struct rendezvous *rendezvous = supervisor->rendezvous;

	close_fd(&supervisor->meet_fd);
	if (!rendezvous)
		return;
	while (!TAILQ_EMPTY(&rendezvous->visitors))
		visitor_free(TAILQ_FIRST(&rendezvous->visitors));
	sd_event_source_disable_unref(rendezvous->source);
	if (rendezvous->listen_fd >= 0)
		close_fd(&rendezvous->listen_fd);
	free(rendezvous);
	supervisor->rendezvous = NULL;
}
