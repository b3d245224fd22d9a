/* SPDX-License-Identifier: MIT */
/*
 * Threads for requests that may block. They are started when there is more work
 * than idle threads, up to a bound, and end when idle, so that an idle service
 * has none. A blocking call in a thread is covered by the fence: the process is
 * not dead before the call has returned from the kernel (I4).
 *
 * Threads    workers_submit(), workers_take_done() and the sleep functions
 *            belong to one thread, the owner; run() is called on a worker.
 */
#ifndef TARGET_WORKERS_H
#define TARGET_WORKERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define WORKERS_MAX 64

/* Embedded in a task; belongs to the workers from submit until take_done
 * returns it. */
struct work {
	void (*run)(struct work *work);
	struct work *next;
};

struct workers {
	pthread_mutex_t lock; /* guards what follows, down to `done` */
	pthread_cond_t wake;
	struct work *first;
	struct work **last;
	uint32_t thread_count;
	uint32_t idle_count;
	uint32_t queued_count;

	struct work *done; /* atomic: a stack, newest first */
	uint32_t sleeping; /* atomic: the owner wants `done_fd` written */
	int done_fd;       /* borrowed eventfd */
};

/* done_fd is borrowed and outlives every work submitted. */
void workers_init(struct workers *workers, int done_fd);

/*
 * Have run(work) called on a thread.
 *
 * -EAGAIN  no thread runs and none can be started; the work was not taken
 */
int workers_submit(struct workers *workers, struct work *work);

/* Everything finished since the last call, linked by next; NULL for none. */
struct work *workers_take_done(struct workers *workers);

/* Before sleeping on done_fd: true when nothing is finished and the next
 * completion writes done_fd. After waking, workers_woken(). */
bool workers_prepare_sleep(struct workers *workers);
void workers_woken(struct workers *workers);

#endif
