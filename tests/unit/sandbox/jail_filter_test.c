/* SPDX-License-Identifier: MIT */
/*
 * What a jailed program is refused, tried by who could do it: in a jail most of
 * it fails for want of a capability as well, and so it does for an ordinary
 * user. The arguments of each call are such that nothing comes of it.
 */
#include "sandbox/jail_filter.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "lib/harness.h"

/* As a pointer, a descriptor, flags, a command: none that there is. */
#define NOTHING -1L

/* clang-format off */
#define CALL(call) { __NR_##call, NOTHING, #call }

static const struct {
	long number;
	long argument; /* the first; the others are NOTHING */
	const char *name;
} refused[] = {
	CALL(ptrace),
	CALL(process_vm_readv),
	CALL(process_vm_writev),
	CALL(kcmp),
	CALL(pidfd_getfd),
	CALL(mount),
	CALL(umount2),
	CALL(pivot_root),
	CALL(chroot),
	CALL(unshare),
	CALL(setns),
	CALL(open_tree),
	CALL(move_mount),
	CALL(fsopen),
	CALL(mount_setattr),
	CALL(bpf),
	CALL(perf_event_open),
	CALL(io_uring_setup),
	CALL(userfaultfd),
	CALL(add_key),
	CALL(request_key),
	CALL(keyctl),
	CALL(fanotify_init),
	CALL(quotactl),
	CALL(init_module),
	CALL(finit_module),
	CALL(delete_module),
	CALL(kexec_load),
	CALL(kexec_file_load),
	CALL(reboot),
	CALL(swapon),
	CALL(swapoff),
	CALL(settimeofday),
	{ __NR_clock_settime, CLOCK_REALTIME, "clock_settime" },
	CALL(acct),
	CALL(syslog),
	CALL(iopl),
	CALL(ioperm),
};
/* clang-format on */

static int errno_of(long result)
{
	return result < 0 ? errno : 0;
}

static int call(size_t index)
{
	return errno_of(syscall(refused[index].number, refused[index].argument,
				NOTHING, NOTHING, NOTHING, NOTHING, NOTHING));
}

static int clone_with(size_t flags)
{
	long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return errno_of(pid);
}

static int clone3_with(size_t flags)
{
	return errno_of(syscall(SYS_clone3, NULL, flags));
}

static int make_socket(size_t family)
{
	SCOPED(close_fd) int fd = socket((int)family, SOCK_STREAM, 0);

	return errno_of(fd);
}

static int outlive_starter(size_t signal)
{
	return errno_of(prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0));
}

/* Its mounts and interfaces, but not its users: in a user namespace the
 * capabilities for the rest would be lacking. */
static void leave_host(void)
{
	if (geteuid() == 0)
		(void)unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC |
			      CLONE_NEWUTS);
}

/* The errno that `try` gets behind the filter; 0: it did what was asked. */
static int behind_filter(int (*try)(size_t argument), size_t argument)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		leave_host();
		_exit(jail_seal() < 0 ? 255 : try(argument));
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

TEST(a_jailed_program_is_refused_every_call_of_the_list)
{
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
		int error = behind_filter(call, i);

		if (error != EPERM)
			(void)fprintf(stderr, "%s\n", refused[i].name);
		CHECK_EQ(error, EPERM);
	}
}

TEST(a_jailed_program_starts_processes_and_no_namespaces)
{
	static const size_t spaces[] = { CLONE_NEWNS,  CLONE_NEWCGROUP,
					 CLONE_NEWUTS, CLONE_NEWIPC,
					 CLONE_NEWPID, CLONE_NEWNET,
					 CLONE_NEWUSER };

	CHECK_EQ(behind_filter(clone_with, 0), 0);
	for (size_t i = 0; i < ARRAY_COUNT(spaces); i++)
		CHECK_EQ(behind_filter(clone_with, spaces[i]), EPERM);
	CHECK_EQ(behind_filter(clone3_with, 0), ENOSYS);
}

TEST(a_jailed_program_has_no_socket_but_local_ones)
{
	CHECK_EQ(behind_filter(make_socket, AF_UNIX), 0);
	CHECK_EQ(behind_filter(make_socket, AF_INET), EAFNOSUPPORT);
	CHECK_EQ(behind_filter(make_socket, AF_INET6), EAFNOSUPPORT);
	CHECK_EQ(behind_filter(make_socket, AF_NETLINK), EAFNOSUPPORT);
	CHECK_EQ(behind_filter(make_socket, AF_PACKET), EAFNOSUPPORT);
	CHECK_EQ(behind_filter(make_socket, AF_VSOCK), EAFNOSUPPORT);
	CHECK_EQ(behind_filter(make_socket, AF_ALG), EAFNOSUPPORT);
}

TEST(a_jailed_program_cannot_choose_to_outlive_its_starter)
{
	CHECK_EQ(behind_filter(outlive_starter, 0), EPERM);
	CHECK_EQ(behind_filter(outlive_starter, SIGUSR1), EPERM);
}
