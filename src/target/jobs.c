/* SPDX-License-Identifier: MIT */
#include "target/jobs.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/count.h"
#include "base/failpoint.h"
#include "channel/disk_request.h"

bool job_is_large(const struct job *job)
{
	return job->length_bytes >= DISK_LARGE_BYTES;
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
}

static void finish(struct service *service, struct task *task)
{
	leave_kernel(service, task);
	service_finish(service, task);
}

static void run_task(struct work *work)
{
	struct task *task = (struct task *)work;

	task->status = task->job.provider->ops->run(&task->job);
}

/* How many workers a client may keep busy: some are always left, so that one
 * whose device is slow, or who asks for too much, holds up no other. */
static uint32_t worker_share(const struct service *service)
{
	return (uint32_t)max_u64(WORKERS_MAX / (service->client_count + 1), 1);
}

/* True: done here and now, because no thread can be had. */
static bool submit(struct service *service, struct task *task)
{
	task->client->on_workers++;
	if (workers_submit(&service->workers, &task->work) == 0)
		return false;
	task->client->on_workers--;
	service->large_on_workers -= job_is_large(&task->job);
	task->status = task->job.provider->ops->run(&task->job);
	return true;
}

static bool start_on_worker(struct service *service, struct task *task)
{
	task->work.run = run_task;
	service->quick_streak = 0;
	affinity_clear(&service->affinity);
	service->large_on_workers += job_is_large(&task->job);
	if (task->client->on_workers < worker_share(service))
		return submit(service, task);
	client_wait(task);
	return false;
}

/* One of its tasks came back from a worker. */
static void start_waiting(struct service *service, struct client *client)
{
	struct task *task;

	while (client->on_workers < worker_share(service) &&
	       (task = client_next_waiting(client)))
		if (submit(service, task))
			finish(service, task);
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

	return job_is_large(&task->job) &&
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

static bool begin(struct service *service, struct task *task)
{
	if (task->job.buffer && task->job.provider->direct_fd >= 0) {
		service->quick_streak = 0;
		return aio_queue(&service->aio, &task->slot, &task->job) &&
		       start_on_worker(service, task);
	}
	task->status = try_now(service, task);
	if (task->status == -EAGAIN)
		return start_on_worker(service, task);
	service->quick_streak++;
	return true;
}

/* A guest whose request kills every service that takes it, for tests. */
static void die_of_poison(const struct service *service, const struct job *job)
{
	if (job->offset_bytes <= service->poison_offset &&
	    service->poison_offset - job->offset_bytes < job->length_bytes)
		abort();
}

bool jobs_begin(struct service *service, struct task *task)
{
	(void)failpoint("disk.before_io");
	die_of_poison(service, &task->job);
	enter_kernel(service, task);
	if (!begin(service, task))
		return false;
	leave_kernel(service, task);
	return true;
}

void jobs_begin_on_worker(struct service *service, struct task *task)
{
	enter_kernel(service, task);
	if (start_on_worker(service, task))
		finish(service, task);
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
		service->large_on_workers -= job_is_large(&task->job);
		client->on_workers--;
		finish(service, task);
		start_waiting(service, client);
	}
	return worked;
}

/* Whole: done. Refused for now, or only a part: the rest on a worker. */
static void finish_aio(struct service *service, struct task *task,
		       int64_t result)
{
	if (result > 0)
		task->job.done_bytes += (uint64_t)result;
	if (task->job.done_bytes == task->job.length_bytes) {
		finish(service, task);
		return;
	}
	if (result == -EOPNOTSUPP)
		task->job.provider->nowait_direct = false;
	if (result >= 0 || result == -EAGAIN || result == -EOPNOTSUPP) {
		if (start_on_worker(service, task))
			finish(service, task);
		return;
	}
	task->status = provider_status((int)result);
	finish(service, task);
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

void jobs_submit(struct service *service)
{
	struct aio_slot *refused;

	do {
		(void)aio_submit(&service->aio, &refused);
		if (refused && start_on_worker(service, task_of(refused)))
			finish(service, task_of(refused));
	} while (refused);
}

bool jobs_reap(struct service *service)
{
	bool worked = take_finished_work(service);

	return take_finished_aio(service) || worked;
}
