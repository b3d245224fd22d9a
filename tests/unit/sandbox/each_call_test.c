/* SPDX-License-Identifier: MIT */
/* Every system call there is, tried with a role's own table. Beside
 * forbidden_test.c, in the same programs. */
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "base/count.h"
#include "lib/harness.h"
#include "sandbox/attempt.h"

/* Who is under test; the build says which, as ROLE. */
enum {
	ROLE_THREADS = 1 << 0, /* the shared list, and threads */
	ROLE_DISK = 1 << 1,
	ROLE_NET = 1 << 2,
	ROLE_CONSOLE = 1 << 3,
	ROLE_FOREIGN = 1 << 4, /* a monitor, by its engine */
	ROLE_KVM = 1 << 5,
	ROLE_QEMU = 1 << 6,
	ROLE_IO = 1 << 7, /* a thread of a monitor */
	ROLE_WITNESS = 1 << 8,
	ROLE_VCPU = 1 << 9,

	MONITORS = ROLE_FOREIGN | ROLE_KVM | ROLE_QEMU,
	PROCESSES =
		ROLE_THREADS | ROLE_DISK | ROLE_NET | ROLE_CONSOLE | MONITORS,
	ALL = PROCESSES | ROLE_IO | ROLE_WITNESS | ROLE_VCPU,
};

/*
 * What is allowed, or refused with an error, whatever its arguments are. What
 * depends on them ends who calls with those of attempt_each_call(), and is
 * the matter of the other tests.
 */
static const struct {
	int number;
	unsigned int roles;
} known_calls[] = {
	{ __NR_read, ALL },
	{ __NR_write, ALL },
	{ __NR_munmap, ALL },
	{ __NR_mremap, ALL },
	{ __NR_madvise, ALL },
	{ __NR_brk, ALL },
	{ __NR_futex, ALL },
	{ __NR_sched_yield, ALL },
	{ __NR_sched_getaffinity, ALL },
	{ __NR_clock_gettime, ALL },
	{ __NR_gettimeofday, ALL },
	{ __NR_restart_syscall, ALL },
	{ __NR_getrandom, ALL },
	{ __NR_getpid, ALL },
	{ __NR_gettid, ALL },
	{ __NR_rt_sigaction, ALL },
	{ __NR_rt_sigprocmask, ALL },
	{ __NR_rt_sigreturn, ALL },
	{ __NR_exit, ALL },
	{ __NR_exit_group, ALL },
#ifdef __SANITIZE_ADDRESS__
	{ __NR_sigaltstack, ALL },
	{ __NR_prctl, ALL },
#endif
	/* refused with an error */
	{ __NR_open, ALL },
	{ __NR_openat, ALL },
	{ __NR_access, ALL },
	{ __NR_readlink, ALL },
	{ __NR_clone3, ROLE_THREADS | ROLE_DISK },
	/* threads */
	{ __NR_clone, ROLE_THREADS | ROLE_DISK },
	{ __NR_set_robust_list, ROLE_THREADS | ROLE_DISK },
	{ __NR_rseq, ROLE_THREADS | ROLE_DISK },
	/* an event loop */
	{ __NR_poll, PROCESSES | ROLE_IO | ROLE_VCPU },
	{ __NR_ppoll, PROCESSES | ROLE_IO },
	{ __NR_epoll_create1, PROCESSES | ROLE_IO },
	{ __NR_epoll_ctl, PROCESSES | ROLE_IO },
	{ __NR_epoll_wait, PROCESSES | ROLE_IO },
	{ __NR_epoll_pwait, PROCESSES | ROLE_IO },
	{ __NR_epoll_pwait2, PROCESSES },
	{ __NR_timerfd_create, PROCESSES },
	{ __NR_timerfd_settime, PROCESSES },
	{ __NR_clock_nanosleep, PROCESSES | ROLE_IO },
	{ __NR_nanosleep, PROCESSES },
	/* links, and files that one holds */
	{ __NR_close, PROCESSES | ROLE_IO },
	{ __NR_fstat, PROCESSES | ROLE_IO },
	{ __NR_newfstatat, PROCESSES | ROLE_IO },
	{ __NR_sendmsg, PROCESSES | ROLE_IO },
	{ __NR_recvmsg, PROCESSES | ROLE_IO },
	{ __NR_sendto, MONITORS | ROLE_IO | ROLE_VCPU },
	{ __NR_recvfrom, ROLE_NET | MONITORS | ROLE_IO },
	{ __NR_accept4, MONITORS | ROLE_IO },
	{ __NR_memfd_create, MONITORS | ROLE_IO },
	{ __NR_ftruncate, ROLE_CONSOLE | MONITORS | ROLE_IO },
	{ __NR_fdatasync, ROLE_DISK | MONITORS | ROLE_WITNESS },
	{ __NR_pread64, ROLE_CONSOLE | ROLE_KVM },
	{ __NR_pwrite64, ROLE_CONSOLE | ROLE_KVM },
	{ __NR_lseek, ROLE_DISK | ROLE_KVM },
	{ __NR_fsync, ROLE_KVM },
	{ __NR_sync_file_range, ROLE_KVM },
	{ __NR_pidfd_send_signal, ROLE_QEMU },
	{ __NR_waitid, ROLE_QEMU },
	{ __NR_wait4, ROLE_QEMU },
	{ __NR_preadv2, ROLE_DISK | MONITORS | ROLE_IO },
	{ __NR_pwritev2, ROLE_DISK },
	{ __NR_fallocate, ROLE_DISK },
	{ __NR_fstatfs, ROLE_DISK },
	{ __NR_io_submit, ROLE_DISK },
	{ __NR_io_getevents, ROLE_DISK },
	{ __NR_writev, ROLE_NET },
	{ __NR_getsockname, ROLE_NET },
#if BULKHEAD_FAILPOINTS
	{ __NR_pause, ROLE_DISK | ROLE_NET },
#endif
};

/* More than the newest kernel has. */
#define CALL_COUNT 512

/* uretprobe() and uprobe(): no filter sees them, and they end whoever is not
 * being probed. */
static bool is_unseen(long number)
{
	return number == 335 || number == 336;
}

static bool is_known(long number)
{
	for (size_t i = 0; i < ARRAY_COUNT(known_calls); i++)
		if (known_calls[i].number == number)
			return known_calls[i].roles & ROLE;
	return false;
}

TEST(a_sandboxed_process_is_ended_by_every_call_that_its_role_does_not_need)
{
	static int ended[CALL_COUNT];

	for (enum who who = AS_ROOT; who < WHO_COUNT; who++) {
		if (!attempt_can_be(who))
			continue;
		attempt_each_call(who, CALL_COUNT, ended);
		for (long number = 0; number < CALL_COUNT; number++) {
			if (is_unseen(number) ||
			    (ended[number] == KILLED) != is_known(number))
				continue;
			(void)fprintf(stderr, "call %ld ended with %d\n",
				      number, ended[number]);
			CHECK_EQ(ended[number] == KILLED, !is_known(number));
		}
	}
}
