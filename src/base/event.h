/* SPDX-License-Identifier: MIT */
/*
 * Signalling an eventfd.
 *
 * Threads    Any.
 */
#ifndef BASE_EVENT_H
#define BASE_EVENT_H

#include <stdint.h>
#include <unistd.h>

/* Does nothing for NO_FD. There is no failure to handle: an eventfd whose
 * counter is full (-EAGAIN) is already signalled. */
static inline void event_signal(int fd)
{
	static const uint64_t one = 1;

	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return;
}

#endif
