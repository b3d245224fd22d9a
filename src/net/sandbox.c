/* SPDX-License-Identifier: MIT */
/* The system calls of a network service, on top of the base list. */
#include <fcntl.h>

#include "base/count.h"
#include "net/service.h"

static const struct sandbox_call calls[] = {
	SANDBOX_CALL(writev, "frames to a TAP interface"),
	SANDBOX_CALL(recvfrom, "frames from passt"),
	SANDBOX_CALL_IF(fcntl, 1, F_GET_SEALS, "are rings sealed?"),
	SANDBOX_CALL_IF(fcntl, 1, F_GETFL, "does a descriptor block?"),
#if BULKHEAD_FAILPOINTS
	SANDBOX_CALL(pause, "tests: a failpoint hangs us"),
#endif
};

int service_seal(struct sandbox_layers *layers)
{
	return sandbox_seal(calls, ARRAY_COUNT(calls), layers);
}
