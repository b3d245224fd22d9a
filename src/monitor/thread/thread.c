/* SPDX-License-Identifier: MIT */
#include "monitor/thread/thread.h"

#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>

struct start {
	void *(*run)(void *);
	void *context;
	const char *name;
	sem_t has_begun;
};

static void *begin(void *argument)
{
	struct start *start = argument;
	void *(*run)(void *) = start->run;
	void *context = start->context;

	/* Not pthread_setname_np(), which wants /proc. */
	(void)prctl(PR_SET_NAME, start->name);
	(void)sem_post(&start->has_begun);
	return run(context);
}

static int create(pthread_t *thread, struct start *start)
{
	pthread_attr_t attributes;
	int r = pthread_attr_init(&attributes);

	if (r != 0)
		return -r;
	(void)pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
	r = pthread_create(thread, &attributes, begin, start);
	(void)pthread_attr_destroy(&attributes);
	return -r;
}

int thread_start(pthread_t *thread, const char *name, void *(*run)(void *),
		 void *context)
{
	struct start start = { .run = run, .context = context, .name = name };
	sigset_t all;
	sigset_t before;
	int r;

	(void)sem_init(&start.has_begun, 0, 0);
	/* Signals belong to the main thread. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = create(thread, &start);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r < 0)
		return r;
	/* What the C library does at the start of a thread is not allowed
	 * once the process is sealed: wait until it is behind us. */
	while (sem_wait(&start.has_begun) < 0)
		;
	return 0;
}
