/* SPDX-License-Identifier: MIT */
/* The system calls of the monitor's threads, beside those that every process of
 * ours needs, and beside those of its engine. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "base/count.h"
#include "monitor/sandbox.h"

/* What local reads and a vhost-user front end need. Kicks are made non-blocking,
 * and never the other way: a service that shares an eventfd with us must not
 * come to wait on it, for it serves others too. */
/* clang-format off */
#define DEVICE_CALLS \
	SANDBOX_CALL(preadv2, "disk reads from the page cache, which read() could do as well"), \
	SANDBOX_CALL(accept4, "a foreign front end comes"), \
	SANDBOX_CALL(recvfrom, "vhost-user, QMP"), \
	SANDBOX_CALL(sendto, "vhost-user, QMP"), \
	SANDBOX_CALL_IF(fcntl, 1, F_GETFL, "kicks from a front end are made non-blocking"), \
	{ .number = __NR_fcntl, .condition_count = 2, \
	  .conditions = { { .argument = 1, .mask = UINT32_MAX, .value = F_SETFL }, \
			  { .argument = 2, .mask = O_NONBLOCK, .value = O_NONBLOCK } }, \
	  .reason = "kicks from a front end are made non-blocking" }, \
	SANDBOX_CALL_IF(fcntl, 1, F_GET_SEALS, "a channel must be sealed"), \
	SANDBOX_CALL_IF(fcntl, 1, F_ADD_SEALS, "a new in-flight region is sealed"), \
	SANDBOX_CALL(memfd_create, "a new in-flight region for a foreign front end"), \
	SANDBOX_CALL(ftruncate, "a new in-flight region for a foreign front end")

const struct sandbox_call monitor_calls[] = {
	/* I/O thread. */
	DEVICE_CALLS,

	/* Threads give up what only others need. */
	SANDBOX_NARROW_CALL,

	/* Witness thread. */
	SANDBOX_CALL(fdatasync, "FLUSH"),
};
/* clang-format on */

const size_t monitor_call_count = ARRAY_COUNT(monitor_calls);

/* clang-format off */
const struct sandbox_call monitor_io_calls[] = {
	SANDBOX_CALL(epoll_wait, "waiting"),
	SANDBOX_CALL(epoll_pwait, "waiting"),
	SANDBOX_CALL(epoll_ctl, "kicks come and go"),
	SANDBOX_CALL(epoll_create1, "a new set of them"),
	SANDBOX_CALL(poll, "waiting for one"),
	SANDBOX_CALL(ppoll, "waiting for one"),
	SANDBOX_CALL(close, "channels and kicks come and go"),
	SANDBOX_CALL(fstat, "fstat() of older C libraries"),
	{ .number = __NR_newfstatat, .condition_count = 1,
	  .conditions = { { .argument = 3, .mask = AT_EMPTY_PATH,
			    .value = AT_EMPTY_PATH } },
	  .reason = "fstat()" },
	SANDBOX_CALL(sendmsg, "vhost-user"),
	SANDBOX_CALL(recvmsg, "vhost-user"),
	SANDBOX_CALL(clock_nanosleep, "nanosleep()"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_IRQ_LINE, "a guest without MSI-X"),

	/* Disks and front ends. */
	DEVICE_CALLS,
};

const struct sandbox_call monitor_witness_calls[] = {
	SANDBOX_CALL(fdatasync, "FLUSH"),
};
/* clang-format on */

const size_t monitor_io_call_count = ARRAY_COUNT(monitor_io_calls);
const size_t monitor_witness_call_count = ARRAY_COUNT(monitor_witness_calls);
