/* SPDX-License-Identifier: MIT */
#include "sandbox/jail_filter.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/count.h"

/*
 * A program we did not write cannot have a list of what it may do; this is
 * what no machine emulator does in its life. It gets EPERM, not death.
 */
static const int refused_calls[] = {
	/* other processes */
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(kcmp),
	SCMP_SYS(pidfd_getfd),
	/* name spaces and mounts */
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(open_tree),
	SCMP_SYS(move_mount),
	SCMP_SYS(fsopen),
	SCMP_SYS(mount_setattr),
	/* parts of the kernel with a history */
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(fanotify_init),
	SCMP_SYS(quotactl),
	/* the host as a whole */
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(acct),
	SCMP_SYS(syslog),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
};

/* In a user namespace of its own it would have every capability again. The one
 * for time is not clone()'s: its bit is a signal's there. */
static const uint64_t refused_clones[] = {
	CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
	CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET,
};

static int refuse_namespaces(scmp_filter_ctx filter)
{
	const uint32_t action = SCMP_ACT_ERRNO(EPERM);
	int error = 0;

	for (size_t i = 0; error == 0 && i < ARRAY_COUNT(refused_clones); i++)
		error = seccomp_rule_add(filter, action, SCMP_SYS(clone), 1,
					 SCMP_A0(SCMP_CMP_MASKED_EQ,
						 refused_clones[i],
						 refused_clones[i]));
	/* Its flags are behind a pointer. The C library takes clone() then. */
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
					 SCMP_SYS(clone3), 0);
	return error;
}

static int refuse_calls(scmp_filter_ctx filter)
{
	const uint32_t action = SCMP_ACT_ERRNO(EPERM);
	int error = refuse_namespaces(filter);

	for (size_t i = 0; error == 0 && i < ARRAY_COUNT(refused_calls); i++)
		error = seccomp_rule_add(filter, action, refused_calls[i], 0);
	/* It ends with its starter, whether it likes that or not. */
	if (error == 0)
		error = seccomp_rule_add(
			filter, action, SCMP_SYS(prctl), 1,
			SCMP_A0_32(SCMP_CMP_EQ, PR_SET_PDEATHSIG, 0));
	/* Some families (vsock) do not know network namespaces. */
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT),
					 SCMP_SYS(socket), 1,
					 SCMP_A0_32(SCMP_CMP_NE, AF_UNIX, 0));
	if (error == 0)
		error = seccomp_load(filter);
	return error;
}

int jail_seal(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int error;

	if (!filter)
		return -ENOMEM;
	error = refuse_calls(filter);
	seccomp_release(filter);
	return error;
}
