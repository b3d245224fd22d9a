/* SPDX-License-Identifier: MIT */
#include "supervisor/errand/errand.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/event.h"
#include "base/scope.h"
#include "supervisor/errand/urgency.h"

/* A definition, a plan and a message or two fit; pages cost when touched. */
#define STACK_BYTES (512u << 10)
/* Threads that are kept to be used again. */
#define IDLE_MAX 8
/* At the end of the process. */
#define SETTLE_MS 1000

struct errand {
	TAILQ_ENTRY(errand) link; /* while it wants the turn, or is idle */
	struct errands *errands;
	void (*work)(void *context);
	void *context;
	pthread_t thread;
	sem_t has_turn; /* posted by who gives it the turn */
	sem_t has_left; /* posted when it gives the turn back */
	bool is_aside;
	bool is_over;
	bool is_dismissed; /* its thread ends */
};

TAILQ_HEAD(errand_list, errand);

struct errands {
	sd_event_source *source;
	int wake_fd;
	/* Changed by who has the turn. */
	unsigned count; /* under way */
	unsigned idle_count;
	struct errand_list idle; /* threads to be used again */
	pthread_mutex_t lock;    /* of `waiting` alone */
	struct errand_list waiting;
};

static _Thread_local struct errand *current;

static void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore) < 0)
		assert(errno == EINTR);
}

/* -- the errand's side -- */

static void *run(void *context)
{
	struct errand *errand = context;

	current = errand;
	urgency_inherit();
	for (;;) {
		wait_for(&errand->has_turn);
		if (errand->is_dismissed)
			return NULL;
		urgency_begin_turn();
		errand->work(errand->context);
		urgency_end_turn();
		errand->is_over = true;
		(void)sem_post(&errand->has_left);
	}
}

void errand_step_aside(void)
{
	if (!current)
		return;
	assert(!current->is_aside);
	current->is_aside = true;
	urgency_end_turn();
	(void)sem_post(&current->has_left);
	urgency_rest();
}

void errand_step_back(void)
{
	struct errands *errands;
	int r = errno; /* of the call that was waited for */

	if (!current)
		return;
	errands = current->errands;
	/* Before it waits for the turn: the loop will wait for it. */
	urgency_begin_turn();
	(void)pthread_mutex_lock(&errands->lock);
	TAILQ_INSERT_TAIL(&errands->waiting, current, link);
	(void)pthread_mutex_unlock(&errands->lock);
	event_signal(errands->wake_fd);
	wait_for(&current->has_turn);
	current->is_aside = false;
	errno = r;
}

bool errand_is_current(void)
{
	return current;
}

int errand_lock(pthread_mutex_t *lock)
{
	if (pthread_mutex_trylock(lock) == 0)
		return 0;
	if (!current)
		return -EBUSY;
	errand_step_aside();
	(void)pthread_mutex_lock(lock);
	errand_step_back();
	return 0;
}

/* -- the side of who has the turn -- */

static void dismiss(struct errand *errand)
{
	errand->is_dismissed = true;
	(void)sem_post(&errand->has_turn);
	(void)pthread_join(errand->thread, NULL);
	(void)sem_destroy(&errand->has_turn);
	(void)sem_destroy(&errand->has_left);
	free(errand);
}

/*
 * A thread that is new waits behind all others on a busy processor, one that
 * slept does not; and the loop waits for it.
 */
static void keep_idle(struct errand *errand)
{
	struct errands *errands = errand->errands;

	errand->is_over = false;
	errands->count--;
	if (errands->idle_count == IDLE_MAX) {
		dismiss(errand);
		return;
	}
	TAILQ_INSERT_HEAD(&errands->idle, errand, link);
	errands->idle_count++;
}

static void give_turn(struct errand *errand)
{
	(void)sem_post(&errand->has_turn);
	wait_for(&errand->has_left);
	if (errand->is_over)
		keep_idle(errand);
}

static struct errand *take_waiting(struct errands *errands)
{
	struct errand *errand;

	(void)pthread_mutex_lock(&errands->lock);
	errand = TAILQ_FIRST(&errands->waiting);
	if (errand)
		TAILQ_REMOVE(&errands->waiting, errand, link);
	(void)pthread_mutex_unlock(&errands->lock);
	return errand;
}

static int on_wake(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct errands *errands = data;
	struct errand *errand;
	eventfd_t count;

	/* One a turn of the loop, which has more urgent things to do. */
	(void)eventfd_read(fd, &count);
	errand = take_waiting(errands);
	if (!errand)
		return 0;
	event_signal(fd);
	give_turn(errand);
	return 0;
}

int errands_new(struct errands **ret_errands, sd_event *event)
{
	struct errands *errands = calloc(1, sizeof(*errands));
	int r;

	if (!errands)
		return -ENOMEM;
	TAILQ_INIT(&errands->idle);
	TAILQ_INIT(&errands->waiting);
	(void)pthread_mutex_init(&errands->lock, NULL);
	errands->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = errands->wake_fd < 0
		    ? -errno
		    : sd_event_add_io(event, &errands->source, errands->wake_fd,
				      EPOLLIN, on_wake, errands);
	if (r < 0) {
		errands_free(errands);
		return r;
	}
	*ret_errands = errands;
	return 0;
}

bool errands_settle(struct errands *errands)
{
	struct pollfd wake = { .events = POLLIN };

	while (errands && errands->count) {
		wake.fd = errands->wake_fd;
		if (poll(&wake, 1, SETTLE_MS) != 1)
			return false;
		(void)on_wake(NULL, wake.fd, POLLIN, errands);
	}
	return true;
}

void errands_free(struct errands *errands)
{
	struct errand *errand;

	if (!errands)
		return;
	sd_event_source_disable_unref(errands->source);
	while ((errand = TAILQ_FIRST(&errands->idle))) {
		TAILQ_REMOVE(&errands->idle, errand, link);
		dismiss(errand);
	}
	close_fd(&errands->wake_fd);
	(void)pthread_mutex_destroy(&errands->lock);
	free(errands);
}

/* Signals belong to the main thread. */
static int create_thread(pthread_t *ret_thread, void *(*function)(void *),
			 void *context)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int r = pthread_attr_init(&attributes);

	if (r)
		return -r;
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(ret_thread, &attributes, function, context);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attributes);
	return -r;
}

static struct errand *errand_new(struct errands *errands)
{
	struct errand *errand = calloc(1, sizeof(*errand));

	if (!errand)
		return NULL;
	errand->errands = errands;
	(void)sem_init(&errand->has_turn, 0, 0);
	(void)sem_init(&errand->has_left, 0, 0);
	if (create_thread(&errand->thread, run, errand) == 0)
		return errand;
	(void)sem_destroy(&errand->has_turn);
	(void)sem_destroy(&errand->has_left);
	free(errand);
	return NULL;
}

static struct errand *take_idle(struct errands *errands)
{
	struct errand *errand = TAILQ_FIRST(&errands->idle);

	if (!errand)
		return errand_new(errands);
	TAILQ_REMOVE(&errands->idle, errand, link);
	errands->idle_count--;
	return errand;
}

void errand_run(struct errands *errands, void (*work)(void *context),
		void *context)
{
	struct errand *errand = NULL;

	if (errands && errands->count < ERRANDS_MAX)
		errand = take_idle(errands);
	if (!errand) {
		work(context);
		return;
	}
	errand->work = work;
	errand->context = context;
	errands->count++;
	give_turn(errand);
}

static void *close_one(void *context)
{
	urgency_inherit();
	urgency_rest();
	(void)close((int)(intptr_t)context);
	return NULL;
}

void errand_close(struct errands *errands, int *fd)
{
	int closed = take_fd(fd);
	pthread_t thread;

	if (closed == NO_FD)
		return;
	if (errands && !current &&
	    create_thread(&thread, close_one, (void *)(intptr_t)closed) == 0) {
		(void)pthread_detach(thread);
		return;
	}
	errand_step_aside();
	(void)close(closed);
	errand_step_back();
}
