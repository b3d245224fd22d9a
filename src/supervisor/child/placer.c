/* SPDX-License-Identifier: MIT */
#include "supervisor/child/placer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/queue.h>

#include "base/event.h"
#include "base/scope.h"

#define STACK_BYTES (64u << 10)

enum job_state { JOB_WAITING, JOB_AT_HAND, JOB_DONE };

struct job {
	TAILQ_ENTRY(job) link;
	struct placement placement; /* owns its pidfd */
	enum job_state state;
	bool is_awaited; /* by placer_place(), which owns it */
	bool is_end;     /* of a group, of which nobody is told */
};

TAILQ_HEAD(job_list, job);

struct placer {
	const struct cgroup_base *base;
	int done_fd;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* of everything below */
	pthread_cond_t has_work;
	pthread_cond_t has_result;
	struct job_list jobs;
	bool wants_sweep;
	bool is_ending;
};

static bool has_ended(int pidfd)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	return poll(&end, 1, 0) != 0;
}

static int place(const struct cgroup_base *base,
		 const struct placement *placement)
{
	if (has_ended(placement->pidfd))
		return -ESRCH;
	return cgroup_place(base, placement->group, placement->pid,
			    &placement->limits);
}

/* A done one that somebody waits for is his. */
static struct job *find_state(struct placer *placer, enum job_state state)
{
	struct job *job;

	TAILQ_FOREACH(job, &placer->jobs, link)
		if (job->state == state &&
		    !(state == JOB_DONE && job->is_awaited))
			return job;
	return NULL;
}

static struct job *find_id(struct placer *placer, uint64_t id)
{
	struct job *job;

	TAILQ_FOREACH(job, &placer->jobs, link)
		if (job->placement.id == id && !job->is_end)
			return job;
	return NULL;
}

static void job_free(struct placer *placer, struct job *job)
{
	TAILQ_REMOVE(&placer->jobs, job, link);
	close_fd(&job->placement.pidfd);
	free(job);
}

/* Locked, but for the time that the kernel takes. */
static void end_group(struct placer *placer, struct job *job)
{
	job->state = JOB_AT_HAND;
	(void)pthread_mutex_unlock(&placer->lock);
	cgroup_kill(placer->base, job->placement.group);
	(void)pthread_mutex_lock(&placer->lock);
	job_free(placer, job);
	placer->wants_sweep = true;
}

/* The same. */
static void carry_out(struct placer *placer, struct job *job)
{
	job->state = JOB_AT_HAND;
	(void)pthread_mutex_unlock(&placer->lock);
	job->placement.result = place(placer->base, &job->placement);
	(void)pthread_mutex_lock(&placer->lock);
	job->state = JOB_DONE;
	/* Several may wait, each for its own. */
	if (job->is_awaited)
		(void)pthread_cond_broadcast(&placer->has_result);
	else
		event_signal(placer->done_fd);
}

static void sweep(struct placer *placer)
{
	placer->wants_sweep = false;
	(void)pthread_mutex_unlock(&placer->lock);
	cgroup_sweep(placer->base);
	(void)pthread_mutex_lock(&placer->lock);
}

static void *run(void *context)
{
	struct placer *placer = context;
	struct job *job;

	(void)prctl(PR_SET_NAME, "placer");
	(void)pthread_mutex_lock(&placer->lock);
	while (!placer->is_ending) {
		job = find_state(placer, JOB_WAITING);
		if (job && job->is_end)
			end_group(placer, job);
		else if (job)
			carry_out(placer, job);
		else if (placer->wants_sweep)
			sweep(placer);
		else
			(void)pthread_cond_wait(&placer->has_work,
						&placer->lock);
	}
	(void)pthread_mutex_unlock(&placer->lock);
	return NULL;
}

static int create_thread(struct placer *placer)
{
	pthread_attr_t attributes;
	int error = pthread_attr_init(&attributes);

	if (error)
		return -error;
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	error = pthread_create(&placer->thread, &attributes, run, placer);
	(void)pthread_attr_destroy(&attributes);
	placer->has_thread = error == 0;
	return -error;
}

/* Signals belong to the main thread. */
static int start_thread(struct placer *placer)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = create_thread(placer);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int placer_new(struct placer **ret_placer, const struct cgroup_base *base)
{
	struct placer *placer = calloc(1, sizeof(*placer));
	int r;

	if (!placer)
		return -ENOMEM;
	placer->base = base;
	TAILQ_INIT(&placer->jobs);
	(void)pthread_mutex_init(&placer->lock, NULL);
	(void)pthread_cond_init(&placer->has_work, NULL);
	(void)pthread_cond_init(&placer->has_result, NULL);
	placer->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = placer->done_fd < 0 ? -errno : start_thread(placer);
	if (r < 0) {
		placer_free(placer);
		return r;
	}
	*ret_placer = placer;
	return 0;
}

static void end_thread(struct placer *placer)
{
	(void)pthread_mutex_lock(&placer->lock);
	placer->is_ending = true;
	(void)pthread_cond_signal(&placer->has_work);
	(void)pthread_mutex_unlock(&placer->lock);
	(void)pthread_join(placer->thread, NULL);
}

void placer_free(struct placer *placer)
{
	if (!placer)
		return;
	if (placer->has_thread)
		end_thread(placer);
	while (!TAILQ_EMPTY(&placer->jobs))
		job_free(placer, TAILQ_FIRST(&placer->jobs));
	(void)pthread_cond_destroy(&placer->has_result);
	(void)pthread_cond_destroy(&placer->has_work);
	(void)pthread_mutex_destroy(&placer->lock);
	close_fd(&placer->done_fd);
	free(placer);
}

int placer_fd(const struct placer *placer)
{
	return placer->done_fd;
}

int placer_put(struct placer *placer, const struct placement *placement)
{
	struct job *job = calloc(1, sizeof(*job));
	int error;

	if (!job)
		return -ENOMEM;
	job->placement = *placement;
	job->placement.pidfd = fcntl(placement->pidfd, F_DUPFD_CLOEXEC, 3);
	if (job->placement.pidfd < 0) {
		error = -errno;
		free(job);
		return error;
	}
	(void)pthread_mutex_lock(&placer->lock);
	TAILQ_INSERT_TAIL(&placer->jobs, job, link);
	(void)pthread_cond_signal(&placer->has_work);
	(void)pthread_mutex_unlock(&placer->lock);
	return 0;
}

void placer_end(struct placer *placer, const char *group)
{
	struct job *job = placer ? calloc(1, sizeof(*job)) : NULL;

	if (!job)
		return;
	job->is_end = true;
	job->placement.pidfd = NO_FD;
	(void)text_copy(job->placement.group, sizeof(job->placement.group),
			group);
	(void)pthread_mutex_lock(&placer->lock);
	TAILQ_INSERT_TAIL(&placer->jobs, job, link);
	(void)pthread_cond_signal(&placer->has_work);
	(void)pthread_mutex_unlock(&placer->lock);
}

int placer_place(struct placer *placer, const struct placement *placement)
{
	struct job job = { .placement = *placement, .is_awaited = true };

	(void)pthread_mutex_lock(&placer->lock);
	TAILQ_INSERT_HEAD(&placer->jobs, &job, link);
	(void)pthread_cond_signal(&placer->has_work);
	while (job.state != JOB_DONE)
		(void)pthread_cond_wait(&placer->has_result, &placer->lock);
	TAILQ_REMOVE(&placer->jobs, &job, link);
	(void)pthread_mutex_unlock(&placer->lock);
	return job.placement.result;
}

bool placer_take(struct placer *placer, struct placement *ret_placement)
{
	eventfd_t count;
	struct job *job;

	(void)eventfd_read(placer->done_fd, &count);
	(void)pthread_mutex_lock(&placer->lock);
	job = find_state(placer, JOB_DONE);
	if (job) {
		*ret_placement = job->placement;
		job->placement.pidfd = NO_FD;
		job_free(placer, job);
	}
	(void)pthread_mutex_unlock(&placer->lock);
	return job;
}

bool placer_drop(struct placer *placer, uint64_t id)
{
	struct job *job;
	bool is_over;

	if (!placer)
		return true;
	(void)pthread_mutex_lock(&placer->lock);
	job = find_id(placer, id);
	is_over = !job || job->state == JOB_WAITING;
	if (job && is_over)
		job_free(placer, job);
	(void)pthread_mutex_unlock(&placer->lock);
	return is_over;
}

void placer_sweep(struct placer *placer)
{
	if (!placer)
		return;
	(void)pthread_mutex_lock(&placer->lock);
	placer->wants_sweep = true;
	(void)pthread_cond_signal(&placer->has_work);
	(void)pthread_mutex_unlock(&placer->lock);
}
