/* SPDX-License-Identifier: MIT */
#include "sandbox/core.h"

#include <errno.h>
#include <stdint.h>
#include <sys/prctl.h>

int core_create_cookie(pid_t pid)
{
	return prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, pid,
		     PR_SCHED_CORE_SCOPE_THREAD_GROUP, 0) < 0
		       ? -errno
		       : 0;
}

bool core_has_cookie(pid_t pid)
{
	uint64_t cookie = 0;

	return prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, pid,
		     PR_SCHED_CORE_SCOPE_THREAD, &cookie) == 0 &&
	       cookie != 0;
}
