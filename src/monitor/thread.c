/* SPDX-License-Identifier: MIT */
#include "monitor/thread.h"

#include <signal.h>

int thread_start(pthread_t *thread, const char *name, void *(*run)(void *),
		 void *context)
{
	pthread_attr_t attributes;
	sigset_t all;
	sigset_t before;
	int result;

	result = pthread_attr_init(&attributes);
	if (result != 0)
		return -result;
	(void)pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
	/* Signals belong to the main thread. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(thread, &attributes, run, context);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attributes);
	if (result == 0)
		(void)pthread_setname_np(*thread, name);
	return -result;
}
