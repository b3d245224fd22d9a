/* SPDX-License-Identifier: MIT */
/* Threads with small stacks: there is one per disk and one for I/O. */
#ifndef MONITOR_THREAD_H
#define MONITOR_THREAD_H

#include <pthread.h>

#define THREAD_STACK_BYTES 131072u

/* Start a joinable thread, named for ps. Returns 0 or a negative errno. */
int thread_start(pthread_t *thread, const char *name, void *(*run)(void *),
		 void *context);

#endif
