/* SPDX-License-Identifier: MIT */
/* The system calls of a network service, on top of the base list. */
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/count.h"
#include "net/service.h"

static const struct sandbox_call calls[] = {
	SANDBOX_CALL(writev, "frames to a TAP interface"),
	SANDBOX_CALL(recvfrom, "frames from passt"),
	SANDBOX_CALL(getsockname, "is a packet socket's interface there?"),
	SANDBOX_CALL_IF(getsockopt, 2, SO_SNDBUF,
			"how much passt leaves unread"),
	SANDBOX_CALL_IF(ioctl, 1, SIOCOUTQ, "how much of it is unread"),
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
