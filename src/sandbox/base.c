/* SPDX-License-Identifier: MIT */
/* The system calls of every process of ours, with the reason for each. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/count.h"
#include "base/rendezvous.h"
#include "sandbox/sandbox.h"

/* Of the type argument of socket(): what is not SOCK_CLOEXEC or _NONBLOCK. */
#define SOCKET_KIND (UINT32_MAX & ~(uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK))

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED
#endif

#ifdef SANITIZED
/*
 * At exit the leak checker traces the process, which no sandboxed one allows;
 * it would end it with an error of its own.
 */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0;
}
#define SANITIZER_CALLS                                                      \
	SANDBOX_CALL(sigaltstack, "sanitizer builds: before a thread ends"), \
		SANDBOX_CALL(prctl, "sanitizer builds: the name of a thread"),
#else
#define SANITIZER_CALLS
#endif

/* clang-format off */
/* What every thread needs. No memory can become executable. Signals to itself
 * are in filter.c. */
#define THREAD_CALLS \
	SANDBOX_CALL(read, "eventfds, timers, files and sockets it holds"), \
	SANDBOX_CALL(write, "eventfds, sockets and the log on stderr"), \
	SANDBOX_CALL(clock_gettime, "where the vDSO has no clock"), \
	SANDBOX_CALL(gettimeofday, "where the vDSO has no clock; jansson"), \
	SANDBOX_CALL(restart_syscall, "a wait resumed after a stop"), \
	SANDBOX_CALL(futex, "locks and conditions"), \
	SANDBOX_CALL(sched_yield, "spinning where processors are shared"), \
	SANDBOX_CALL(brk, "malloc"), \
	SANDBOX_CALL_MASK(mmap, 2, PROT_EXEC, 0, "malloc, channels"), \
	SANDBOX_CALL_MASK(mprotect, 2, PROT_EXEC, 0, "malloc, stacks"), \
	SANDBOX_CALL(munmap, "malloc, channels"), \
	SANDBOX_CALL(mremap, "realloc"), \
	SANDBOX_CALL(madvise, "free, stacks of ended threads, no core dumps"), \
	SANDBOX_CALL(getrandom, "malloc's key"), \
	SANDBOX_CALL(sched_getaffinity, "malloc counts processors"), \
	SANDBOX_CALL(rt_sigreturn, "end of a signal handler"), \
	SANDBOX_CALL(rt_sigprocmask, "abort, threads"), \
	SANDBOX_CALL(rt_sigaction, "abort"), \
	SANDBOX_CALL(getpid, "abort"), \
	SANDBOX_CALL(gettid, "abort"), \
	SANDBOX_CALL(exit, "end of a thread"), \
	SANDBOX_CALL(exit_group, "end of the process"), \
	SANITIZER_CALLS \
	/* Tried by libraries that can do without. */ \
	SANDBOX_REFUSE(open, EACCES, "a library looks for a file"), \
	SANDBOX_REFUSE(openat, EACCES, "a library looks for a file"), \
	SANDBOX_REFUSE(access, EACCES, "a library looks for a file"), \
	SANDBOX_REFUSE(readlink, EACCES, "a library looks for a file")

const struct sandbox_call sandbox_thread_calls[] = { THREAD_CALLS };

const struct sandbox_call sandbox_base_calls[] = {
	THREAD_CALLS,

	/* Descriptors. */
	SANDBOX_CALL(close, "giving back what was received"),
	SANDBOX_CALL_IF(fcntl, 1, F_GET_SEALS, "shared memory must be sealed"),
	SANDBOX_CALL(fstat, "fstat() of older C libraries"),
	{ .number = __NR_newfstatat, .condition_count = 1,
	  .conditions = { { .argument = 3, .mask = AT_EMPTY_PATH,
			    .value = AT_EMPTY_PATH } },
	  .reason = "fstat()" },

	/* The control link, and the way back to a restarted supervisor. */
	SANDBOX_CALL(sendmsg, "control link"),
	SANDBOX_CALL(recvmsg, "control link"),
	{ .number = __NR_socket, .condition_count = 2,
	  .conditions = { { .argument = 0, .mask = UINT32_MAX, .value = AF_UNIX },
			  { .argument = 1, .mask = SOCKET_KIND,
			    .value = SOCK_SEQPACKET } },
	  .reason = "a new control link to a restarted supervisor" },
	/* Where the root could not be changed, other sockets exist, too: those of
	 * the supervisor's clients among them. */
	SANDBOX_CALL_IF(connect, 2, RENDEZVOUS_ADDRESS_BYTES,
			"a new control link, by a name of this length"),

	/* The loop. */
	SANDBOX_CALL(epoll_create1, "event loop"),
	SANDBOX_CALL(epoll_ctl, "event loop"),
	SANDBOX_CALL(epoll_wait, "event loop"),
	SANDBOX_CALL(epoll_pwait, "event loop"),
	SANDBOX_CALL(epoll_pwait2, "event loop"),
	SANDBOX_CALL(poll, "waiting without a loop"),
	SANDBOX_CALL(ppoll, "waiting without a loop"),
	SANDBOX_CALL(timerfd_create, "timers of the event loop"),
	SANDBOX_CALL(timerfd_settime, "timers of the event loop"),
	SANDBOX_CALL(clock_nanosleep, "nanosleep()"),
	SANDBOX_CALL(nanosleep, "nanosleep() of older C libraries"),
};
/* clang-format on */

const size_t sandbox_base_call_count = ARRAY_COUNT(sandbox_base_calls);

const size_t sandbox_thread_call_count = ARRAY_COUNT(sandbox_thread_calls);
