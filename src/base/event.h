/* SPDX-License-Identifier: MIT */
/*
 * Waking whoever waits for an eventfd.
 *
 * Threads    Any.
 */
#ifndef BASE_EVENT_H
#define BASE_EVENT_H

#include <stdint.h>
#include <unistd.h>

/* Tells nobody when there is no descriptor (NO_FD). Never fails in a way that
 * matters: a full eventfd (-EAGAIN) is a signalled one. */
static inline void event_signal(int fd)
{
	static const uint64_t one = 1;

	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return;
}

#endif
