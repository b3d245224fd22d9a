/* SPDX-License-Identifier: MIT */
/*
 * The loop. A turn takes what has finished, then up to BATCH requests of each
 * client, and shows each client its answers. Between turns it spins for a
 * moment when that pays, else sleeps on one poll for everything.
 */
#include "target/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/failpoint.h"
#include "base/scope.h"
#include "channel/disk_request.h"
#include "target/jobs.h"
#include "target/request.h"
#include "target/scsi.h"

#define BATCH               16
#define TURNS_PER_LINK_LOOK 64
#define HEARTBEAT_MS        100
#define NO_POISON           UINT64_MAX
#define QUICK_ROW           8

int service_init(struct service *service)
{
	const char *poison = getenv("BULKHEAD_POISON_OFFSET");

	service->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (service->done_fd < 0)
		return -errno;
	workers_init(&service->workers, service->done_fd);
	aio_init(&service->aio, service->done_fd);
	spin_init(&service->spin, SPIN_SERVICE_NS);
	affinity_init(&service->affinity);
	service->large_workers =
		(uint32_t)max_u64(affinity_other_cpus(&service->affinity), 1);
	service->poison_offset = NO_POISON;
	if (BULKHEAD_FAILPOINTS && poison)
		service->poison_offset = strtoull(poison, NULL, 10);
	return 0;
}

void service_log_failure(struct service *service, const struct task *task)
{
	if (!log_limit_passes(&service->error_limit))
		return;
	log_warn("a request failed and its error went to the guest "
		 "attachment=%llu op=%u "
		 "offset=%llu error=%s",
		 (unsigned long long)task->client->attachment.id, task->job.op,
		 (unsigned long long)task->job.offset_bytes,
		 strerrorname_np(-task->status));
}

static void answer(struct service *service, struct task *task)
{
	(void)failpoint("disk.after_io");
	if (task->status == -EIO)
		service_log_failure(service, task);
	client_answer(task);
}

void service_finish(struct service *service, struct task *task)
{
	if (task == &task->client->last_flush)
		return;
	if (task->client->scsi)
		scsi_finish(service, task);
	else
		answer(service, task);
}

static void start(struct service *service, struct client *client,
		  const struct channel_request *request, int status)
{
	struct task *task = client_make_task(client, request->id);

	task->job = (struct job){
		.provider = client->provider,
		.op = request->op,
		.flags = request->flags,
		.length_bytes = request->length_bytes,
		.offset_bytes = request->offset_bytes,
	};
	if (request_has_data(request))
		task->job.buffer =
			client->channel.buffers + request->buffer_offset;
	task->status = status;
	if (status || jobs_begin(service, task))
		answer(service, task);
}

static bool take_one(struct service *service, struct client *client)
{
	struct channel_request request;
	int r = client_take(client, &request);

	if (r == -EAGAIN || r == -EBADMSG)
		return false;
	(void)failpoint("disk.request");
	service->last_was_large = request.length_bytes >= DISK_LARGE_BYTES;
	if (client->scsi)
		return scsi_take(service, client, &request);
	start(service, client, &request, r);
	return true;
}

static bool serve_client(struct service *service, struct client *client)
{
	int taken = 0;

	channel_beat(&client->channel);
	while (taken < BATCH && take_one(service, client)) {
		taken++;
		/* It took a while: show it, and look what workers did. */
		if (service->last_was_large)
			break;
	}
	client_publish(client);
	if (taken)
		(void)failpoint("disk.after_response");
	return taken != 0;
}

/* Closed first: who hears of it asks for the fence at once. */
static void end_client(struct service *service, struct client *client)
{
	const struct client last = *client;

	client_free(service, client);
	service_report_end(service, &last);
}

/* On a worker: its device may be slow, and the others must not wait. */
static void flush_last(struct service *service, struct client *client)
{
	struct task *task = &client->last_flush;

	client->must_flush = false;
	task->client = client;
	task->job =
		(struct job){ .provider = client->provider, .op = DISK_FLUSH };
	jobs_begin_on_worker(service, task);
}

static void remove_over(struct service *service)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < service->client_count; i++) {
		struct client *client = service->clients[i];

		if (client_has_ended(client) && client->must_flush)
			flush_last(service, client);
		if (client_has_ended(client)) {
			end_client(service, client);
		} else {
			service->clients[kept++] = client;
		}
	}
	service->client_count = kept;
}

bool service_turn(struct service *service)
{
	bool worked = jobs_reap(service);

	worked |= scsi_turn(service);
	for (uint32_t i = 0; i < service->client_count; i++)
		worked |= serve_client(service, service->clients[i]);
	jobs_submit(service);
	remove_over(service);
	return worked;
}

/* True when every source of work will wake us. */
static bool prepare_sleep(struct service *service)
{
	for (uint32_t i = 0; i < service->client_count; i++) {
		struct client *client = service->clients[i];

		if (client_is_open(client) &&
		    !channel_prepare_sleep(&client->channel, 1))
			return false;
	}
	return !service->ready && workers_prepare_sleep(&service->workers) &&
	       !aio_has_done(&service->aio);
}

/* A broken or ending client's kicks are its own affair. */
static nfds_t list_polled(struct service *service)
{
	struct pollfd *polled = service->polled;

	polled[POLLED_LINK] = (struct pollfd){ .fd = child_fd(&service->child),
					       .events = POLLIN };
	polled[POLLED_DONE] =
		(struct pollfd){ .fd = service->done_fd, .events = POLLIN };
	for (uint32_t i = 0; i < service->client_count; i++) {
		const struct client *client = service->clients[i];

		polled[POLLED_CLIENTS + i] = (struct pollfd){
			.fd = client_is_open(client) ? client->kick_fd : NO_FD,
			.events = POLLIN,
		};
	}
	return POLLED_CLIENTS + service->client_count;
}

/* The sooner of: the beat while requests are under way, the link's retry. */
static int timeout_ms(const struct service *service)
{
	int link_ms = child_timeout_ms(&service->child);
	bool is_busy = service->in_kernel || service->command_count ||
		       scsi_is_awaited(service);
	int beat_ms = is_busy ? HEARTBEAT_MS : -1;

	if (link_ms < 0 || beat_ms < 0)
		return link_ms < 0 ? beat_ms : link_ms;
	return link_ms < beat_ms ? link_ms : beat_ms;
}

/* Whatever the peer does with the eventfd meanwhile, this does not wait. */
static void drain(int fd)
{
	uint64_t count;
	struct iovec piece = { .iov_base = &count, .iov_len = sizeof(count) };

	if (preadv2(fd, &piece, 1, -1, RWF_NOWAIT) < 0)
		return;
}

static void look_at_link(struct service *service)
{
	child_turn(&service->child);
	service_receive(service);
}

static void sleep_until_work(struct service *service)
{
	nfds_t count = list_polled(service);

	if (prepare_sleep(service) &&
	    poll(service->polled, count, timeout_ms(service)) > 0)
		for (nfds_t i = POLLED_DONE; i < count; i++)
			if (service->polled[i].revents)
				drain(service->polled[i].fd);
	workers_woken(&service->workers);
	if (service->polled[POLLED_LINK].revents ||
	    child_timeout_ms(&service->child) == 0)
		look_at_link(service);
}

/*
 * Woken: was it worth it to sleep beside the one who woke us? Only where all
 * is quick and seldom, and for one monitor alone, or a hostile one could put us
 * where the others starve.
 */
static void settle(struct service *service)
{
	bool is_alone = service->client_count == 1;

	if (is_alone && service->quick_streak >= QUICK_ROW &&
	    !service->last_was_large && !spin_is_armed(&service->spin))
		affinity_pin(&service->affinity,
			     channel_peer_cpu(&service->clients[0]->channel));
	else
		affinity_clear(&service->affinity);
}

/* Large transfers take longer than any spin, and the next is seldom soon. */
static bool spins(struct service *service)
{
	if (service->last_was_large)
		return spin_skip(&service->spin);
	if (!spin_again(&service->spin))
		return false;
	affinity_clear(&service->affinity);
	return true;
}

void service_run(struct service *service)
{
	while (!service->child.is_quitting) {
		if (service_turn(service)) {
			spin_found(&service->spin);
			if (++service->busy_turns % TURNS_PER_LINK_LOOK == 0)
				look_at_link(service);
		} else if (!spins(service)) {
			sleep_until_work(service);
			settle(service);
		}
	}
}
