/* SPDX-License-Identifier: MIT */
/*
 * What serves disks to monitors: the clients of a service and its loop. A
 * process adds the providers of its kind of storage and its sandbox.
 *
 * One thread takes requests, does those that cannot block, answers, and talks
 * to the supervisor; workers and the kernel do the rest. The loop never waits
 * for a client.
 */
#ifndef TARGET_SERVICE_H
#define TARGET_SERVICE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "channel/spin.h"
#include "control/child.h"
#include "sandbox/sandbox.h"
#include "target/affinity.h"
#include "target/aio.h"
#include "target/client.h"
#include "target/workers.h"

/* First in `polled`; the clients' kicks follow, in the order of clients. */
enum { POLLED_LINK, POLLED_DONE, POLLED_CLIENTS };

struct service {
	struct child child;
	const struct provider_ops *provider_ops; /* of every disk here */
	struct workers workers;
	struct aio aio;
	struct spin spin;
	struct affinity affinity;
	int done_fd;               /* owned: workers and the kernel wake us */
	uint32_t in_kernel;        /* requests of all clients */
	uint32_t large_on_workers; /* requests of DISK_LARGE_BYTES and more */
	uint32_t large_workers;    /* the most of them worth having */
	uint32_t quick_streak;     /* requests in a row done at once */
	bool last_was_large;
	uint32_t busy_turns;
	struct log_limit error_limit;
	uint64_t poison_offset; /* tests: a request for it kills us */
	struct volume *volumes; /* owned, as long as they have clients */
	struct command *ready;  /* SCSI commands that can go on */
	struct command *last_ready;
	uint32_t command_count; /* of them in flight */
	uint32_t client_count;
	struct client *clients[DISK_SERVICE_DISKS_MAX];
	struct pollfd polled[POLLED_CLIENTS + DISK_SERVICE_DISKS_MAX];
};

/* serve.c ---------------------------------------------------------------- */

/* Everything but the child, which the caller has opened. */
int service_init(struct service *service);

/* Take what has finished and what has come. False: there was nothing. */
bool service_turn(struct service *service);

/* Serve until CHILD_QUIT. */
void service_run(struct service *service);

/* The job of a task is done, with its status in task->status. */
void service_finish(struct service *service, struct task *task);

/* Say, now and then, that a request fails for good. */
void service_log_failure(struct service *service, const struct task *task);

/* messages.c ------------------------------------------------------------- */

/* Handle what the supervisor sent. */
void service_receive(struct service *service);

/* Report to the supervisor that a client has ended, and why. */
void service_report_end(struct service *service, const struct client *client);

/* Of each process -------------------------------------------------------- */

/* Install the last filter. */
int service_seal(struct sandbox_layers *layers);

#endif
