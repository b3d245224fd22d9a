/* SPDX-License-Identifier: MIT */
#include "supervisor/service/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "base/count.h"
#include "base/failpoint.h"
#include "base/scope.h"
#include "channel/bytes.h"
#include "supervisor/errand/errand.h"
#include "supervisor/partition/partition.h"
#include "supervisor/service/placement.h"
#include "supervisor/supervisor.h"

static void log_path(struct supervisor *supervisor, const char *name,
		     char *path, size_t room)
{
	(void)snprintf(path, room, "%s/console/%s.log",
		       supervisor->config.state_dir, name);
}

/* -- the log -- */

/* It outlives starts, and is made when it is missing: work for the disk. */
static int open_log(const char *path)
{
	int fd;

	errand_step_aside();
	(void)failpoint("console.log");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	errand_step_back();
	return fd;
}

/* Of a partition that may have ended when it is open. */
struct log_opening {
	struct supervisor *supervisor;
	char path[PATH_SIZE + NAME_SIZE + 16];
};

static void progress(struct partition *partition);

/* An errand. */
static void open_log_aside(void *context)
{
	struct log_opening *opening = context;
	SCOPED(close_fd) int fd = open_log(opening->path);
	struct partition *partition;

	TAILQ_FOREACH(partition, &opening->supervisor->partitions, link)
		if (partition->console.opening == opening)
			break;
	if (partition) {
		partition->console.opening = NULL;
		/* A full disk takes the log, not the console. */
		if (fd < 0)
			partition_event_text(partition, EVENT_ERROR,
					     "its console has no log: %s: %s",
					     opening->path, strerror(errno));
		partition->console.log = take_fd(&fd);
		progress(partition);
	}
	free(opening);
}

static void open_log_soon(struct partition *partition)
{
	struct log_opening *opening = calloc(1, sizeof(*opening));

	if (!opening) {
		progress(partition);
		return;
	}
	opening->supervisor = partition->supervisor;
	log_path(opening->supervisor, partition->record.definition.name,
		 opening->path, sizeof(opening->path));
	partition->console.opening = opening;
	errand_run(partition->supervisor->errands, open_log_aside, opening);
}

/* -- the console -- */

static struct console *console_of(struct binding *binding)
{
	return CONTAINER_OF(binding, struct console, binding);
}

static int prepare(struct binding *binding, uint64_t generation,
		   struct handover *handover)
{
	const struct console *console = console_of(binding);

	if (failpoint("console.handover"))
		return -EIO;
	if (console->log != NO_FD)
		return 0;
	handover->file = open("/dev/null", O_RDWR | O_CLOEXEC);
	return handover->file < 0 ? -errno : 0;
}

static void tell_service(struct binding *binding, struct instance *instance,
			 const struct handover *handover)
{
	const struct console *console = console_of(binding);
	const struct partition *partition =
		CONTAINER_OF(console, struct partition, console);
	struct console_ring ring = {
		.attachment = binding_attachment(binding),
		.log_bytes = partition->record.definition.console_log_bytes,
	};
	const int fds[] = { console->memory, console->to_service,
			    console->to_monitor,
			    console->log == NO_FD ? handover->file
						  : console->log };

	memcpy(ring.partition, partition->record.definition.name,
	       sizeof(ring.partition));
	process_send(instance->process, MSG_CONSOLE_ATTACH, 0, &ring,
		     sizeof(ring), fds, 4);
}

/* The ring is the same for the next instance: nobody waits for this one. */
static void tell_leave(struct binding *binding)
{
	binding_tell(binding, MSG_CONSOLE_DETACH);
	binding_let_go(binding);
}

static void lost(struct binding *binding, enum binding_loss loss)
{
	binding_let_go(binding);
}

static void progress_all(struct binding *binding)
{
	consoles_progress(binding->supervisor);
}

static bool fits(const struct binding *binding, const struct service *service)
{
	return true;
}

/* Which generation it was, only the service knows. */
static void found(struct binding *binding, struct instance *instance,
		  uint64_t generation)
{
	binding->generation = generation;
	binding_found(binding, instance, generation);
	/* An earlier supervisor may have ended before it told of a new bound. */
	console_changed(
		CONTAINER_OF(console_of(binding), struct partition, console));
}

const struct binding_ops console_binding = {
	.prepare = prepare,
	.tell_both = tell_service,
	.tell_leave = tell_leave,
	.progress = progress_all,
	.fits = fits,
	.found = found,
	.lost = lost,
};

int console_open(struct partition *partition)
{
	struct console *console = &partition->console;
	int r;

	r = bytes_create(BYTES_OUTPUT_DEFAULT, &console->memory);
	if (r < 0)
		return r;
	console->to_service = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	console->to_monitor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return console->to_service < 0 || console->to_monitor < 0 ? -errno : 0;
}

void console_found(struct partition *partition, int fds[3])
{
	struct console *console = &partition->console;

	close_fd(&console->memory);
	close_fd(&console->to_service);
	close_fd(&console->to_monitor);
	console->memory = take_fd(&fds[0]);
	console->to_service = take_fd(&fds[1]);
	console->to_monitor = take_fd(&fds[2]);
	binding_want(&console->binding, true);
}

void console_close(struct partition *partition)
{
	struct console *console = &partition->console;

	binding_leave(&console->binding);
	binding_release(&console->binding);
	console->opening = NULL;
	close_fd(&console->memory);
	close_fd(&console->to_service);
	close_fd(&console->to_monitor);
	errand_close(partition->supervisor->errands, &console->log);
}

void console_changed(struct partition *partition)
{
	const struct binding *binding = &partition->console.binding;
	const struct console_settings settings = {
		.attachment = binding_attachment(binding),
		.log_bytes = partition->record.definition.console_log_bytes,
	};

	if (binding->instance)
		process_tell(binding->instance->process, MSG_CONSOLE_SET,
			     &settings);
}

static void progress(struct partition *partition)
{
	struct binding *binding = &partition->console.binding;
	struct refusal refusal = { 0 };
	struct instance *instance;
	struct service *service;
	int r = placement_find(partition->supervisor, CONSOLE_SERVICE, NULL,
			       &service, &refusal);

	/* It asks for one when it is READY. */
	if (r == -EAGAIN)
		return;
	if (r < 0) {
		if (!partition->console.is_place_told)
			partition_event_text(partition, EVENT_ERROR,
					     "its console is not served: %s",
					     refusal.text);
		partition->console.is_place_told = true;
		return;
	}
	instance = service_instance_for(service, NULL);
	if (instance && binding->state == BINDING_WAITING &&
	    binding_hand_over(binding, instance) < 0)
		binding_progress_later(binding, BINDING_RETRY_MS);
}

static void serve(struct partition *partition)
{
	/* Also for a log of no bytes, which may be given some. */
	if (partition->console.log == NO_FD)
		open_log_soon(partition);
	else
		progress(partition);
}

void consoles_progress(struct supervisor *supervisor)
{
	struct partition *partition;

	TAILQ_FOREACH(partition, &supervisor->partitions, link)
		if (partition->console.binding.state == BINDING_WAITING &&
		    !partition->console.opening)
			serve(partition);
}

int console_join(struct partition *partition, uint32_t mode, int fd)
{
	struct console *console = &partition->console;
	struct console_client client = {
		.attachment = binding_attachment(&console->binding),
		.mode = mode,
	};

	if (!console->binding.instance)
		return -ENOTCONN;
	process_send(console->binding.instance->process, MSG_CONSOLE_CLIENT, 0,
		     &client, sizeof(client), &fd, 1);
	return 0;
}

int console_log_open(struct partition *partition, int flags, int *ret_fd)
{
	char path[PATH_SIZE + NAME_SIZE + 16];
	int fd;

	log_path(partition->supervisor, partition->record.definition.name, path,
		 sizeof(path));
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

void console_log_remove(struct supervisor *supervisor, const char *name)
{
	char path[PATH_SIZE + NAME_SIZE + 16];

	log_path(supervisor, name, path, sizeof(path));
	errand_step_aside();
	(void)unlink(path);
	errand_step_back();
}

static const struct message_rule rules[] = {
	/* type              allowed in            handler */
	{ MSG_CONSOLE_HELD, IN(PROCESS_EXPECTED), instance_take_held },
};

static struct binding *find(struct supervisor *supervisor, uint64_t id)
{
	struct partition *partition;

	TAILQ_FOREACH(partition, &supervisor->partitions, link)
		if (partition->console.binding.is_wanted &&
		    partition->console.binding.id == id)
			return &partition->console.binding;
	return NULL;
}

const struct attachment_ops console_attachments = {
	.role = ROLE_CONSOLE,
	.instance = INSTANCE_OPS(rules, 0),
	.detach = MSG_CONSOLE_DETACH,
	.find = find,
	.progress = consoles_progress,
	.must_keep = true,
};
