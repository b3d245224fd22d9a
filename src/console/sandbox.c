/* SPDX-License-Identifier: MIT */
/* The system calls of a console service, on top of the base list. */
#include <fcntl.h>

#include "base/count.h"
#include "console/service.h"

/* No F_SETFL: nobody may turn a shared eventfd into one that blocks. */
static const struct sandbox_call calls[] = {
	SANDBOX_CALL_IF(sendto, 4, 0, "output to clients"),
	SANDBOX_CALL_IF(recvfrom, 4, 0, "input from clients"),
	SANDBOX_CALL(pread64, "the log's header"),
	SANDBOX_CALL(pwrite64, "the log"),
	SANDBOX_CALL(ftruncate, "a log whose bound has changed begins anew"),
	SANDBOX_CALL_IF(fcntl, 1, F_GET_SEALS, "is a ring sealed?"),
	SANDBOX_CALL_IF(fcntl, 1, F_GETFL, "does an eventfd block?"),
};

int service_seal(struct sandbox_layers *layers)
{
	return sandbox_seal(calls, ARRAY_COUNT(calls), layers);
}
