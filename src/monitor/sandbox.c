/* SPDX-License-Identifier: MIT */
/* The system calls of the monitor's threads, beside those that every process of
 * ours needs, and beside those of its engine. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "base/count.h"
#include "monitor/monitor.h"

/* clang-format off */
const struct sandbox_call monitor_calls[] = {
	/* I/O thread: a vhost-user front end. */
	SANDBOX_CALL(accept4, "a foreign front end comes"),
	SANDBOX_CALL(recvfrom, "vhost-user, QMP"),
	SANDBOX_CALL(sendto, "vhost-user, QMP"),
	SANDBOX_CALL_IF(fcntl, 1, F_GETFL, "kicks from a front end are made non-blocking"),
	/* Never the other way: a service that shares an eventfd with us must not
	 * come to wait on it, for it serves others too. */
	{ .number = __NR_fcntl, .condition_count = 2,
	  .conditions = { { .argument = 1, .mask = UINT32_MAX, .value = F_SETFL },
			  { .argument = 2, .mask = O_NONBLOCK, .value = O_NONBLOCK } },
	  .reason = "kicks from a front end are made non-blocking" },
	SANDBOX_CALL_IF(fcntl, 1, F_GET_SEALS, "a channel must be sealed"),
	SANDBOX_CALL_IF(fcntl, 1, F_ADD_SEALS, "a new in-flight region is sealed"),
	SANDBOX_CALL(memfd_create, "a new in-flight region for a foreign front end"),
	SANDBOX_CALL(ftruncate, "a new in-flight region for a foreign front end"),

	/* Witness thread. */
	SANDBOX_CALL(fdatasync, "a replayed FLUSH is checked on the witness"),
};
/* clang-format on */

const size_t monitor_call_count = ARRAY_COUNT(monitor_calls);
