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

/* A guest whose request kills every service that takes it, for tests. */
static void die_of_poison(const struct service *service, const struct job *job)
{
	if (job->offset_bytes <= service->poison_offset &&
	    service->poison_offset - job->offset_bytes < job->length_bytes)
		abort();
}

static void log_failure(struct service *service, const struct task *task)
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
		log_failure(service, task);
	client_answer(task);
}

/* Leaving and entering the kernel, as far as a detach has to wait for it. */
static void enter_kernel(struct service *service, struct task *task)
{
	service->in_kernel++;
	task->client->in_kernel++;
}

static void leave_kernel(struct service *service, struct task *task)
{
	service->in_kernel--;
	task->client->in_kernel--;
	if (task != &task->client->last_flush)
		answer(service, task);
}

static void run_task(struct work *work)
{
	struct task *task = (struct task *)work;

	task->status = task->job.provider->ops->run(&task->job);
}

static bool is_large(const struct task *task)
{
	return task->job.length_bytes >= DISK_LARGE_BYTES;
}

/* How many workers a client may keep busy: some are always left, so that one
 * whose device is slow, or who asks for too much, holds up no other. */
static uint32_t worker_share(const struct service *service)
{
	return (uint32_t)max_u64(WORKERS_MAX / (service->client_count + 1), 1);
}

/* Done here and now if no thread can be had. */
static void submit(struct service *service, struct task *task)
{
	task->client->on_workers++;
	if (workers_submit(&service->workers, &task->work) == 0)
		return;
	task->client->on_workers--;
	service->large_on_workers -= is_large(task);
	task->status = task->job.provider->ops->run(&task->job);
	leave_kernel(service, task);
}

static void start_on_worker(struct service *service, struct task *task)
{
	task->work.run = run_task;
	service->quick_streak = 0;
	affinity_clear(&service->affinity);
	service->large_on_workers += is_large(task);
	if (task->client->on_workers < worker_share(service))
		submit(service, task);
	else
		client_wait(task);
}

/* One of its tasks came back from a worker. */
static void start_waiting(struct service *service, struct client *client)
{
	struct task *task;

	while (client->on_workers < worker_share(service) &&
	       (task = client_next_waiting(client)))
		submit(service, task);
}

static struct task *task_of(struct aio_slot *slot)
{
	return (void *)((char *)slot - offsetof(struct task, slot));
}

/* Large transfers in parallel are worth a thread on each CPU: one thread alone
 * does not fill the memory bus. This one is one of them, and finds what the
 * others did without having to be woken. */
static bool is_for_worker(const struct service *service,
			  const struct task *task)
{
	struct channel *channel = &task->client->channel;

	return is_large(task) &&
	       service->large_on_workers < service->large_workers &&
	       (channel_outstanding(channel) > 1 ||
		channel_has_waiting(channel));
}

static int try_now(struct service *service, struct task *task)
{
	if (is_for_worker(service, task))
		return -EAGAIN;
	return task->job.provider->ops->try_now(&task->job);
}

static void start(struct service *service, struct task *task)
{
	bool has_data = task->job.buffer != NULL;

	(void)failpoint("disk.before_io");
	enter_kernel(service, task);
	if (has_data && task->job.provider->direct_fd >= 0) {
		service->quick_streak = 0;
		if (aio_queue(&service->aio, &task->slot, &task->job))
			start_on_worker(service, task);
		return;
	}
	task->status = try_now(service, task);
	if (task->status == -EAGAIN) {
		start_on_worker(service, task);
		return;
	}
	service->quick_streak++;
	leave_kernel(service, task);
}

static bool take_one(struct service *service, struct client *client)
{
	struct task *task;

	if (client_take(client, &task))
		return false;
	(void)failpoint("disk.request");
	die_of_poison(service, &task->job);
	service->last_was_large = is_large(task);
	if (task->status)
		answer(service, task);
	else
		start(service, task);
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

static bool take_finished_work(struct service *service)
{
	struct work *work = workers_take_done(&service->workers);
	struct work *next;
	bool worked = work != NULL;

	for (; work; work = next) {
		struct task *task = (struct task *)work;
		struct client *client = task->client;

		next = work->next;
		service->large_on_workers -= is_large(task);
		client->on_workers--;
		leave_kernel(service, task);
		start_waiting(service, client);
	}
	return worked;
}

/* Whole: done. Refused for now, or only a part: the rest on a worker. */
static void finish_aio(struct service *service, struct task *task,
		       int64_t result)
{
	if (result > 0)
		task->job.done_bytes += (uint32_t)result;
	if (task->job.done_bytes == task->job.length_bytes) {
		leave_kernel(service, task);
		return;
	}
	if (result == -EOPNOTSUPP)
		task->job.provider->nowait_direct = false;
	if (result >= 0 || result == -EAGAIN || result == -EOPNOTSUPP) {
		start_on_worker(service, task);
		return;
	}
	task->status = provider_status((int)result);
	leave_kernel(service, task);
}

static bool take_finished_aio(struct service *service)
{
	struct aio_slot *slot;
	bool worked = false;
	int64_t result;

	while ((slot = aio_reap(&service->aio, &result))) {
		finish_aio(service, task_of(slot), result);
		worked = true;
	}
	return worked;
}

static void submit_aio(struct service *service)
{
	struct aio_slot *refused;

	do {
		(void)aio_submit(&service->aio, &refused);
		if (refused)
			start_on_worker(service, task_of(refused));
	} while (refused);
}

/* Closed first: who hears of it asks for the fence at once. */
static void end_client(struct service *service, struct client *client)
{
	const struct client last = *client;

	client_free(client);
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
	enter_kernel(service, task);
	start_on_worker(service, task);
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

static bool turn(struct service *service)
{
	bool worked = take_finished_work(service);

	worked |= take_finished_aio(service);
	for (uint32_t i = 0; i < service->client_count; i++)
		worked |= serve_client(service, service->clients[i]);
	submit_aio(service);
	remove_over(service);
	return worked;
}

/* True when every source of work will wake us. */
static bool prepare_sleep(struct service *service)
{
	for (uint32_t i = 0; i < service->client_count; i++) {
		struct client *client = service->clients[i];

		if (!client->is_broken && !client->is_detaching &&
		    !channel_prepare_sleep(&client->channel, 1))
			return false;
	}
	return workers_prepare_sleep(&service->workers) &&
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
		bool is_over = client->is_broken || client->is_detaching;

		polled[POLLED_CLIENTS + i] = (struct pollfd){
			.fd = is_over ? NO_FD : client->kick_fd,
			.events = POLLIN,
		};
	}
	return POLLED_CLIENTS + service->client_count;
}

/* The sooner of: the beat while requests are under way, the link's retry. */
static int timeout_ms(const struct service *service)
{
	int link_ms = child_timeout_ms(&service->child);
	int beat_ms = service->in_kernel ? HEARTBEAT_MS : -1;

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
		if (turn(service)) {
			spin_found(&service->spin);
			if (++service->busy_turns % TURNS_PER_LINK_LOOK == 0)
				look_at_link(service);
		} else if (!spins(service)) {
			sleep_until_work(service);
			settle(service);
		}
	}
}
