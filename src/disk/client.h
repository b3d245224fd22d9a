/* SPDX-License-Identifier: MIT */
/*
 * One attachment: a monitor's channel, the file behind it, and the requests of
 * it that are under way. It ends when it was detached or its peer broke the
 * rules, but never before its last request has left the kernel, for until then
 * the kernel may write into the channel's buffers.
 *
 * Threads    The loop's thread; a task is on a worker's between submit and
 *            done, which touches only its work and job.
 */
#ifndef DISK_CLIENT_H
#define DISK_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "channel/channel.h"
#include "control/protocol.h"
#include "disk/aio.h"
#include "disk/provider_file.h"
#include "disk/request.h"
#include "disk/workers.h"

/* One request under way. */
struct task {
	struct work work; /* first: a work is cast back */
	struct aio_slot slot;
	struct job job;
	struct client *client;
	struct task *next; /* of the free ones, or of those that wait */
	uint64_t id;
	int status; /* 0 or the errno to answer with */
};

struct client {
	struct attachment attachment;
	struct disk_limits limits;
	struct provider_file file;
	struct channel channel;
	int kick_fd;                /* owned: the monitor wakes us */
	int call_fd;                /* owned: we wake the monitor */
	uint32_t in_kernel;         /* and on their way there */
	uint32_t on_workers;        /* of those */
	struct task *first_waiting; /* for a worker, in the order taken */
	struct task *last_waiting;
	bool is_broken;
	bool is_detaching;
	bool must_flush;    /* before it is over */
	struct task *tasks; /* owned, one per slot of the channel */
	struct task *free_tasks;
	struct task last_flush; /* asked by nobody, so answered to nobody */
};

/* What DISK_ATTACH carries, in its order. */
enum { ATTACH_FILE, ATTACH_MEMORY, ATTACH_KICK, ATTACH_CALL, ATTACH_FD_COUNT };

/*
 * Make a client; it takes the descriptors out of `fds`, also when it fails.
 *
 * -EINVAL   settings that cannot be, or eventfds that could block us
 * -EBADMSG  the channel is not what it should be: the peer's doing
 * -ENOMEM
 */
int client_new(const struct disk_attach *attach, int *fds,
	       struct client **ret_client);
void client_free(struct client *client);

/*
 * Take the next request, checked. With task->status set it is to be answered
 * with that at once.
 *
 * -EAGAIN   none waiting, or this client is ending
 * -EBADMSG  the client is broken now
 */
int client_take(struct client *client, struct task **ret_task);

/* Answer with task->status, and give the task back. */
void client_answer(struct task *task);

/* Show the answers to the monitor, and wake it if it wants to be. */
void client_publish(struct client *client);

/* Have a task wait for a worker, and take the one that waits longest, or
 * NULL. */
void client_wait(struct task *task);
struct task *client_next_waiting(struct client *client);

/* True when nothing of it is left to wait for and it should go. */
bool client_is_over(const struct client *client);

#endif
