/* SPDX-License-Identifier: MIT */
#include "supervisor/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/scope.h"
#include "supervisor/supervisor.h"

#define RENDEZVOUS "supervisor"
#define CHECK_USEC 2000u
/* After this the others go on without who has not come back. */
#define PATIENCE_NS   (3 * NS_PER_S)
#define HELD_MAX      4096
#define STRANGERS_MAX 16
/* Read from one that was told to end, to see whether it has. */
#define STRANGER_MESSAGES 16
#define STRANGER_USEC     2000000u
/* Connections a second; also while no descriptor is left to accept one. */
#define CONNECT_USEC  1000000
#define CONNECT_BURST 2000

/* A returning service said that it serves this attachment. */
struct held {
	struct instance *instance;
	struct attachment attachment;
};

/* Someone connected and has not said who it is. */
struct stranger {
	struct supervisor *supervisor;
	struct control control;
	pid_t pid;
	sd_event_source *source;
	sd_event_source *timer;
	bool is_dismissed; /* told to end; closing at once could undo that */
};

struct adoption {
	int listen_fd;
	sd_event_source *listen_source;
	sd_event_source *check_timer;
	int (*finished)(struct supervisor *supervisor);
	uint64_t began_ns;
	struct held *held;
	size_t held_count;
	unsigned stranger_count;
};

static void stranger_free(struct stranger *stranger)
{
	stranger->supervisor->adoption->stranger_count--;
	sd_event_source_disable_unref(stranger->source);
	sd_event_source_disable_unref(stranger->timer);
	control_close(&stranger->control);
	free(stranger);
}

static struct process *find_expected(struct supervisor *supervisor,
				     const struct stranger *stranger,
				     const struct child_hello *hello)
{
	struct process *process;

	TAILQ_FOREACH(process, &supervisor->processes, link)
	if (process->pid == stranger->pid && process->role == hello->role &&
	    memcmp(process->token, hello->token, TOKEN_BYTES) == 0)
		return process;
	return NULL;
}

static void take_hello(struct stranger *stranger, struct message *message)
{
	const struct message_shape *shape = message_shape(MSG_CHILD_HELLO);
	const struct child_hello *hello = (const void *)message->body;
	struct supervisor *supervisor = stranger->supervisor;
	struct process *process;

	if (message->type != MSG_CHILD_HELLO || message->fd_count ||
	    message->body_bytes != shape->body_bytes ||
	    hello->protocol_version > PROTOCOL_VERSION)
		return;
	(void)failpoint("adopt.hello");
	process = find_expected(supervisor, stranger, hello);
	if (process && process->state == PROCESS_DYING)
		return;
	if (!process) {
		/* Ours, or it would not be here: most likely started just
		 * before a supervisor died that had not recorded it yet. */
		log_warn("an unrecorded process came back, ending it pid=%d",
			 (int)stranger->pid);
		(void)control_send(&stranger->control, MSG_CHILD_QUIT, 0, NULL,
				   0, NULL, 0);
		stranger->is_dismissed = true;
		return;
	}
	/* It gave its link up while we lived, so messages were lost. A service
	 * is replaced; a monitor cannot be, and says what it has. */
	if (process->state != PROCESS_EXPECTED && process->role != ROLE_MONITOR)
		process_kill(process, "it lost its control link");
	else if (process_adopt(process, &stranger->control) < 0)
		process_kill(process, "no room to watch it");
}

static int on_stranger(sd_event_source *source, int fd, uint32_t events,
		       void *data)
{
	struct stranger *stranger = data;
	struct message message;

	/* One descriptor has one watcher: make room for the process's. */
	stranger->source = sd_event_source_disable_unref(stranger->source);
	if (control_receive(&stranger->control, &message) == 0) {
		take_hello(stranger, &message);
		message_release(&message);
	}
	if (!stranger->is_dismissed)
		stranger_free(stranger);
	return 0;
}

/* It was told to end. While it holds its link, its number is its own. */
static void end_unrecorded(struct stranger *stranger)
{
	struct message message;
	int r = 0;

	for (int i = 0; r == 0 && i < STRANGER_MESSAGES; i++) {
		r = control_receive(&stranger->control, &message);
		if (r == 0)
			message_release(&message);
	}
	if (r != -EPIPE)
		(void)kill(stranger->pid, SIGKILL);
}

static int on_stranger_silent(sd_event_source *source, uint64_t usec,
			      void *data)
{
	struct stranger *stranger = data;

	if (stranger->is_dismissed)
		end_unrecorded(stranger);
	stranger_free(stranger);
	return 0;
}

static int on_connect(sd_event_source *source, int fd, uint32_t events,
		      void *data)
{
	struct supervisor *supervisor = data;
	SCOPED(close_fd)
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred who;
	socklen_t size = sizeof(who);
	struct stranger *stranger;

	if (peer < 0 ||
	    getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 ||
	    !supervisor_may_be_child(who.uid) ||
	    supervisor->adoption->stranger_count == STRANGERS_MAX)
		return 0;
	stranger = calloc(1, sizeof(*stranger));
	if (!stranger)
		return 0;
	supervisor->adoption->stranger_count++;
	stranger->supervisor = supervisor;
	stranger->pid = who.pid;
	stranger->control.fd = take_fd(&peer);
	if (sd_event_add_io(supervisor->event, &stranger->source,
			    stranger->control.fd, EPOLLIN, on_stranger,
			    stranger) < 0 ||
	    sd_event_add_time_relative(supervisor->event, &stranger->timer,
				       CLOCK_MONOTONIC, STRANGER_USEC, 0,
				       on_stranger_silent, stranger) < 0)
		stranger_free(stranger);
	return 0;
}

/*
 * Bind under another name and rename: a child that tries at this moment finds
 * the old socket or the new one, never none.
 */
static int bind_rendezvous(const char *directory)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char path[PATH_ROOM + 32];
	SCOPED(close_fd) int fd = NO_FD;

	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path),
			     "%s/new", directory) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	(void)snprintf(path, sizeof(path), "%s/" RENDEZVOUS, directory);
	(void)unlink(address.sun_path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(address.sun_path, 0666) < 0 || listen(fd, 128) < 0 ||
	    rename(address.sun_path, path) < 0)
		return -errno;
	return take_fd(&fd);
}

int adopt_listen(struct supervisor *supervisor, struct refusal *refusal)
{
	const char *directory = supervisor->config.meet_dir;
	struct adoption *adoption;
	int r;

	adoption = supervisor->adoption = calloc(1, sizeof(*adoption));
	if (!adoption)
		return refuse(refusal, -ENOMEM, "", "out of memory");
	/* Children of other uids pass through it by descriptor; nobody reaches
	 * it by path, because its parent is ours alone. */
	(void)mkdir(directory, 0711);
	(void)chmod(directory, 0711); /* the umask is 0077 */
	supervisor->meet_fd = open(directory, O_DIRECTORY | O_CLOEXEC | O_PATH);
	adoption->listen_fd = bind_rendezvous(directory);
	if (supervisor->meet_fd < 0 || adoption->listen_fd < 0) {
		r = adoption->listen_fd < 0 ? adoption->listen_fd : -errno;
		return refuse(refusal, r, "runtime_dir",
			      "cannot listen in %s: %s", directory,
			      strerror(-r));
	}
	r = sd_event_add_io(supervisor->event, &adoption->listen_source,
			    adoption->listen_fd, EPOLLIN, on_connect,
			    supervisor);
	if (r >= 0)
		r = sd_event_source_set_ratelimit(adoption->listen_source,
						  CONNECT_USEC, CONNECT_BURST);
	return r < 0 ? refuse(refusal, r, "", "out of memory") : 0;
}

int supervisor_note_held(struct supervisor *supervisor,
			 struct instance *instance,
			 const struct attachment *attachment)
{
	struct adoption *adoption = supervisor->adoption;
	struct held *more;

	if (instance->held_count == HELD_MAX)
		return -EBADMSG;
	more = reallocarray(adoption->held, adoption->held_count + 1,
			    sizeof(*more));
	if (!more)
		return -ENOMEM;
	adoption->held = more;
	instance->held_count++;
	more[adoption->held_count].instance = instance;
	more[adoption->held_count++].attachment = *attachment;
	return 0;
}

static bool is_alive(struct supervisor *supervisor,
		     const struct instance *instance)
{
	struct service *service;
	struct instance *other;

	TAILQ_FOREACH(service, &supervisor->services, link)
	TAILQ_FOREACH(other, &service->instances, link)
	if (other == instance)
		return true;
	return false;
}

static struct partition *find_console(struct supervisor *supervisor,
				      uint64_t id)
{
	struct partition *partition;

	TAILQ_FOREACH(partition, &supervisor->partitions, link)
	if (partition->console.is_wanted && partition->console.id == id)
		return partition;
	return NULL;
}

static void settle_disk(struct supervisor *supervisor, const struct held *held)
{
	const struct service *service = held->instance->service;
	struct disk *disk =
		partition_find_disk(supervisor, held->attachment.id);

	if (disk && strcmp(disk->definition->service, service->name) != 0) {
		process_kill(held->instance->process,
			     "it claimed a disk of another service");
		return;
	}
	if (disk && !disk->instance) {
		disk_found(disk, held->instance, held->attachment.generation);
		return;
	}
	/* Of two who claim it, one lies: it is taken from both. */
	if (disk && disk->instance != held->instance)
		disk_leave(disk);
	process_tell(held->instance->process, MSG_DISK_DETACH,
		     &held->attachment);
}

static void settle_console(struct supervisor *supervisor,
			   const struct held *held)
{
	struct partition *partition =
		find_console(supervisor, held->attachment.id);

	if (partition && !partition->console.instance) {
		partition->console.instance = held->instance;
		partition->console.generation = held->attachment.generation;
		instance_client_came(held->instance);
		return;
	}
	process_tell(held->instance->process, MSG_CONSOLE_DETACH,
		     &held->attachment);
}

static void mark_wanted(struct supervisor *supervisor)
{
	struct partition *partition;

	TAILQ_FOREACH(partition, &supervisor->partitions, link)
	{
		bool is_wanted = partition->monitor &&
				 partition->monitor->state == PROCESS_READY;

		for (unsigned i = 0; i < partition->disk_count; i++)
			partition->disks[i].is_wanted = is_wanted;
		for (unsigned i = 0; i < partition->nic_count; i++)
			partition->nics[i].is_wanted = is_wanted;
	}
}

static void reconcile(struct supervisor *supervisor)
{
	struct adoption *adoption = supervisor->adoption;
	struct partition *partition, *next;
	struct service *service;

	(void)failpoint("adopt.reported");
	mark_wanted(supervisor);
	TAILQ_FOREACH(service, &supervisor->services, link)
	service_choose_active(service);
	for (size_t i = 0; i < adoption->held_count; i++) {
		const struct held *held = &adoption->held[i];

		if (!is_alive(supervisor, held->instance))
			continue;
		if (held->instance->service->role == ROLE_DISK)
			settle_disk(supervisor, held);
		else if (held->instance->service->role == ROLE_NET)
			networks_found(supervisor, held->instance,
				       &held->attachment);
		else
			settle_console(supervisor, held);
	}
	free(adoption->held);
	adoption->held = NULL;
	adoption->held_count = 0;
	supervisor->is_adopting = false;
	for (partition = TAILQ_FIRST(&supervisor->partitions); partition;
	     partition = next) {
		next = TAILQ_NEXT(partition, link);
		partition_reconcile(partition);
	}
	TAILQ_FOREACH(service, &supervisor->services, link)
	service_settle(service);
	(void)failpoint("adopt.reconciled");
}

static bool is_anyone_missing(const struct supervisor *supervisor)
{
	const struct process *process;

	TAILQ_FOREACH(process, &supervisor->processes, link)
	if (process->state == PROCESS_EXPECTED ||
	    process->state == PROCESS_DYING)
		return true;
	return false;
}

static int on_check(sd_event_source *source, uint64_t usec, void *data)
{
	struct supervisor *supervisor = data;
	struct adoption *adoption = supervisor->adoption;
	struct process *process;

	if (is_anyone_missing(supervisor) &&
	    clock_now_ns() - adoption->began_ns < PATIENCE_NS) {
		(void)sd_event_source_set_time_relative(source, CHECK_USEC);
		return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	}
	TAILQ_FOREACH(process, &supervisor->processes, link)
	supervisor->adopted_count++;
	reconcile(supervisor);
	return adoption->finished(supervisor);
}

static int expect_child(void *context, const struct child_record *child)
{
	struct supervisor *supervisor = context;
	struct process_record record = {
		.id = child->instance,
		.pid = child->pid,
		.start_time = child->start_time,
		.role = child->role,
	};
	struct partition *partition;
	struct service *service;
	int r = -ESRCH;

	memcpy(record.name, child->name, sizeof(record.name));
	memcpy(record.token, child->token, sizeof(record.token));
	partition = partition_find(supervisor, child->name);
	service = service_find(supervisor, child->name);
	if (child->role == ROLE_MONITOR && partition && !partition->monitor)
		r = partition_expect(partition, &record);
	else if (child->role != ROLE_MONITOR && service)
		r = service_expect(service, &record);
	if (r < 0)
		store_defer_child_gone(supervisor->store, child->instance);
	return 0;
}

int adopt_begin(struct supervisor *supervisor,
		int (*finished)(struct supervisor *supervisor))
{
	struct adoption *adoption = supervisor->adoption;
	int r;

	adoption->finished = finished;
	adoption->began_ns = clock_now_ns();
	supervisor->is_adopting = true;
	r = store_each_child(supervisor->store, expect_child, supervisor);
	if (r < 0)
		return r;
	return sd_event_add_time_relative(
		supervisor->event, &adoption->check_timer, CLOCK_MONOTONIC, 0,
		1, on_check, supervisor);
}

void adopt_close(struct supervisor *supervisor)
{
	struct adoption *adoption = supervisor->adoption;

	if (!adoption)
		return;
	sd_event_source_disable_unref(adoption->listen_source);
	sd_event_source_disable_unref(adoption->check_timer);
	if (adoption->listen_fd >= 0)
		close_fd(&adoption->listen_fd);
	free(adoption->held);
	free(adoption);
	supervisor->adoption = NULL;
}
