/* SPDX-License-Identifier: MIT */
/*
 * Scope-bound ownership.
 *
 * A local marked SCOPED(close_fd) is released when control leaves the block, on
 * every path. To transfer ownership, pass the object through a take_ function,
 * which empties the local so that leaving the scope does nothing.
 */
#ifndef BASE_SCOPE_H
#define BASE_SCOPE_H

#include <stdlib.h>
#include <unistd.h>

#define SCOPED(release) __attribute__((cleanup(release)))

/* An fd variable always holds an open descriptor or NO_FD; a local one may also
 * hold the negative errno of what was to open it. */
#define NO_FD (-1)

static inline void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = NO_FD;
}

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = NO_FD;
	return taken;
}

/* For a local of any pointer type that owns malloc'ed memory. */
static inline void free_pointer(void *pointer)
{
	free(*(void **)pointer);
}

#endif
