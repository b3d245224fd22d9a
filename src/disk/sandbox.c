/* SPDX-License-Identifier: MIT */
/* The system calls of a disk service, on top of the base list. */
#include <fcntl.h>
#include <linux/fs.h>

#include "base/count.h"
#include "target/service.h"

/*
 * No locks by fcntl(), no dup, no io_uring: the supervisor's fence is a lock
 * on the description we are handed, and it must end with us, not before, and
 * with our last request, not after (I4). No F_SETFL: nobody may turn a shared
 * eventfd into one that blocks (nor does a monitor's list let it).
 */
static const struct sandbox_call calls[] = {
	SANDBOX_CALL(preadv2, "disk reads; draining eventfds"),
	SANDBOX_CALL(pwritev2, "disk writes"),
	SANDBOX_CALL(fdatasync, "flush"),
	SANDBOX_CALL(lseek, "where a sparse file has data"),
	SANDBOX_CALL(fallocate, "discard and write zeroes"),
	SANDBOX_CALL_IF(ioctl, 1, BLKDISCARD, "discard on a block device"),
	SANDBOX_CALL_IF(io_setup, 0, AIO_MAX,
			"O_DIRECT, at the first such disk"),
	SANDBOX_CALL(io_submit, "O_DIRECT"),
	SANDBOX_CALL(io_getevents, "O_DIRECT"),
	SANDBOX_CALL(fstatfs, "does this file wait for a device?"),
	SANDBOX_CALL_IF(fcntl, 1, F_GET_SEALS, "is a channel sealed?"),
	SANDBOX_CALL_IF(fcntl, 1, F_GETFL, "does an eventfd block?"),
	SANDBOX_CALL_IF(sched_setaffinity, 0, 0, "sleeping beside a monitor"),
	SANDBOX_THREAD_CALLS,
#ifdef __SANITIZE_ADDRESS__
	SANDBOX_CALL(sigaltstack, "sanitizer builds: start of a thread"),
#endif
#if BULKHEAD_FAILPOINTS
	SANDBOX_CALL(pause, "tests: a failpoint hangs us"),
#endif
};

int service_seal(struct sandbox_layers *layers)
{
	return sandbox_seal(calls, ARRAY_COUNT(calls), layers);
}
