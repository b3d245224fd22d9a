/* SPDX-License-Identifier: MIT */
/*
 * One attachment: a monitor's channel, the file behind it, and its requests in
 * flight. It ends when it is detached or its peer violates the protocol, but
 * never before its last request has left the kernel, which may write into the
 * channel's buffers until then.
 *
 * Threads    The loop's thread; between submission and completion a task is on
 *            a worker's thread, which touches only its work and job.
 */
#ifndef TARGET_CLIENT_H
#define TARGET_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "channel/channel.h"
#include "control/protocol.h"
#include "target/aio.h"
#include "target/provider.h"
#include "target/request.h"
#include "target/workers.h"

struct service;
struct scsi_client;

/* One request in flight. */
struct task {
	struct work work; /* first: a work is cast back */
	struct aio_slot slot;
	struct job job;
	struct client *client;
	struct task *next; /* in the list of free or of waiting tasks */
	uint64_t id;
	int status; /* 0 or the errno to answer with */
};

struct client {
	struct attachment attachment;
	struct disk_limits limits;
	struct provider *provider; /* owned */
	struct channel channel;
	int kick_fd;                /* owned: the monitor wakes us */
	int call_fd;                /* owned: we wake the monitor */
	uint32_t in_kernel;         /* and on their way there */
	uint32_t on_workers;        /* of those */
	struct task *first_waiting; /* for a worker, in the order taken */
	struct task *last_waiting;
	bool is_broken;
	bool is_detaching;
	bool must_flush;          /* before it ends */
	struct scsi_client *scsi; /* owned; NULL: a channel of disk requests */
	struct task *tasks;       /* owned, one per slot of the channel */
	struct task *free_tasks;
	struct task last_flush; /* not requested by the peer, so not answered */
};

/* The descriptors of DISK_ATTACH, in this order, and of DISK_ATTACH_UNIT. */
enum {
	ATTACH_FILE,
	ATTACH_MEMORY,
	ATTACH_KICK,
	ATTACH_CALL,
	ATTACH_LEDGER,
	ATTACH_FD_COUNT
};

/*
 * Create a client; the descriptors in `fds` are taken, on failure too, but for
 * the ledger, which is borrowed.
 *
 * -EINVAL   impossible settings, or eventfds that could block us
 * -EBADMSG  not a valid channel: the peer changed it
 * -EBUSY, -ENOSPC  as scsi_client_open()
 * -ENOMEM
 */
int client_new(struct service *service, const struct disk_attach *attach,
	       int *fds, struct client **ret_client);
void client_free(struct service *service, struct client *client);

/*
 * Take the next request and check it.
 *
 * -EAGAIN          none waiting, or this client is ending
 * -EBADMSG         the client is broken now
 * -EROFS, -EINVAL  a disk request that is to be answered with this at once
 */
int client_take(struct client *client, struct channel_request *ret_request);

/* A task for a request. client_answer() or client_return_task() gives it
 * back. */
struct task *client_make_task(struct client *client, uint64_t id);
void client_return_task(struct task *task);

/* Answer with task->status, and give the task back. */
void client_answer(struct task *task);

/* Publish the answers to the monitor, and wake it if it asked for that. */
void client_publish(struct client *client);

/* Queue a task for a worker; take the one that has waited longest, or NULL. */
void client_wait(struct task *task);
struct task *client_next_waiting(struct client *client);

/* True when requests of it are taken. */
bool client_is_open(const struct client *client);

/* True when none of its requests is in flight and it should be freed. */
bool client_has_ended(const struct client *client);

#endif
