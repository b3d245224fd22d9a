/* SPDX-License-Identifier: MIT */
#include "target/workers.h"

#include <errno.h>
#include <time.h>

#include "base/event.h"

/* Room for a system call loop and a log line. */
#define STACK_BYTES  (64ul * 1024)
#define IDLE_SECONDS 2

void workers_init(struct workers *workers, int done_fd)
{
	pthread_condattr_t clock;

	*workers = (struct workers){ .done_fd = done_fd };
	workers->last = &workers->first;
	(void)pthread_mutex_init(&workers->lock, NULL);
	(void)pthread_condattr_init(&clock);
	(void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&workers->wake, &clock);
	(void)pthread_condattr_destroy(&clock);
}

/* With the lock held: the oldest work, or NULL. */
static struct work *take_first(struct workers *workers)
{
	struct work *work = workers->first;

	if (!work)
		return NULL;
	workers->first = work->next;
	if (!workers->first)
		workers->last = &workers->first;
	workers->queued_count--;
	return work;
}

/* With the lock held: work, or NULL after a time with none. */
static struct work *wait_for_work(struct workers *workers)
{
	struct timespec until;
	int r = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_SECONDS;
	workers->idle_count++;
	while (!workers->first && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&workers->wake, &workers->lock,
					   &until);
	workers->idle_count--;
	return take_first(workers);
}

/* Push; then look whether the owner sleeps. Pairs with
 * workers_prepare_sleep(), which does it the other way round. */
static void finish(struct workers *workers, struct work *work)
{
	struct work *head = __atomic_load_n(&workers->done, __ATOMIC_RELAXED);

	do {
		work->next = head;
	} while (!__atomic_compare_exchange_n(&workers->done, &head, work, true,
					      __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	if (__atomic_load_n(&workers->sleeping, __ATOMIC_SEQ_CST))
		event_signal(workers->done_fd);
}

static void *work_until_idle(void *argument)
{
	struct workers *workers = argument;
	struct work *work;

	(void)pthread_mutex_lock(&workers->lock);
	while ((work = wait_for_work(workers))) {
		(void)pthread_mutex_unlock(&workers->lock);
		work->run(work);
		finish(workers, work);
		(void)pthread_mutex_lock(&workers->lock);
	}
	workers->thread_count--;
	(void)pthread_mutex_unlock(&workers->lock);
	return NULL;
}

static int start_thread(struct workers *workers)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int r;

	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &attributes, work_until_idle, workers);
	(void)pthread_attr_destroy(&attributes);
	return -r;
}

/* With the lock held. */
static int ensure_thread(struct workers *workers)
{
	if (workers->idle_count > workers->queued_count ||
	    workers->thread_count == WORKERS_MAX)
		return 0;
	if (start_thread(workers))
		return workers->thread_count ? 0 : -EAGAIN;
	workers->thread_count++;
	return 0;
}

int workers_submit(struct workers *workers, struct work *work)
{
	int r;

	(void)pthread_mutex_lock(&workers->lock);
	r = ensure_thread(workers);
	if (!r) {
		work->next = NULL;
		*workers->last = work;
		workers->last = &work->next;
		workers->queued_count++;
		(void)pthread_cond_signal(&workers->wake);
	}
	(void)pthread_mutex_unlock(&workers->lock);
	return r;
}

static bool have_done(const struct workers *workers)
{
	return __atomic_load_n(&workers->done, __ATOMIC_RELAXED) != NULL;
}

struct work *workers_take_done(struct workers *workers)
{
	if (!have_done(workers))
		return NULL;
	return __atomic_exchange_n(&workers->done, NULL, __ATOMIC_ACQUIRE);
}

bool workers_prepare_sleep(struct workers *workers)
{
	__atomic_store_n(&workers->sleeping, 1, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&workers->done, __ATOMIC_SEQ_CST) == NULL;
}

void workers_woken(struct workers *workers)
{
	__atomic_store_n(&workers->sleeping, 0, __ATOMIC_RELAXED);
}
