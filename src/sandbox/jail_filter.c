/* SPDX-License-Identifier: MIT */
#include "sandbox/jail_filter.h"

#include <errno.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/count.h"
#include "sandbox/layers.h"

#define REFUSED_WITH(call_, error_, reason_)                                   \
	{                                                                      \
		.number = __NR_##call_, .error = (error_), .reason = (reason_) \
	}

#define REFUSED(call_) REFUSED_WITH(call_, EPERM, "no emulator does it")

/* When the bits `mask_` of the first argument are `value_`. */
#define REFUSED_IF(call_, mask_, value_, reason_)                             \
	{                                                                     \
		.number = __NR_##call_, .error = EPERM, .condition_count = 1, \
		.conditions = { { .mask = (mask_), .value = (value_) } },     \
		.reason = (reason_)                                           \
	}

/* In a user namespace of its own it would have every capability again. */
#define REFUSED_CLONE(flag_) \
	REFUSED_IF(clone, flag_, flag_, "a namespace of its own")

/*
 * A program we did not write cannot have a list of what it may do; this is
 * what no machine emulator does in its life. It gets EPERM, not death.
 */
static const struct sandbox_call refused[] = {
	/* other processes */
	REFUSED(ptrace),
	REFUSED(process_vm_readv),
	REFUSED(process_vm_writev),
	REFUSED(kcmp),
	REFUSED(pidfd_getfd),
	/* name spaces and mounts */
	REFUSED(mount),
	REFUSED(umount2),
	REFUSED(pivot_root),
	REFUSED(chroot),
	REFUSED(unshare),
	REFUSED(setns),
	REFUSED(open_tree),
	REFUSED(move_mount),
	REFUSED(fsopen),
	REFUSED(mount_setattr),
	/* parts of the kernel with a history */
	REFUSED(bpf),
	REFUSED(perf_event_open),
	REFUSED(io_uring_setup),
	REFUSED(userfaultfd),
	REFUSED(add_key),
	REFUSED(request_key),
	REFUSED(keyctl),
	REFUSED(fanotify_init),
	REFUSED(quotactl),
	/* the host as a whole */
	REFUSED(init_module),
	REFUSED(finit_module),
	REFUSED(delete_module),
	REFUSED(kexec_load),
	REFUSED(kexec_file_load),
	REFUSED(reboot),
	REFUSED(swapon),
	REFUSED(swapoff),
	REFUSED(settimeofday),
	REFUSED(clock_settime),
	REFUSED(acct),
	REFUSED(syslog),
	REFUSED(iopl),
	REFUSED(ioperm),
	/* The flag for time is not clone()'s: its bit is a signal's there. */
	REFUSED_CLONE(CLONE_NEWNS),
	REFUSED_CLONE(CLONE_NEWCGROUP),
	REFUSED_CLONE(CLONE_NEWUTS),
	REFUSED_CLONE(CLONE_NEWIPC),
	REFUSED_CLONE(CLONE_NEWUSER),
	REFUSED_CLONE(CLONE_NEWPID),
	REFUSED_CLONE(CLONE_NEWNET),
	/* Its flags are behind a pointer. The C library takes clone() then. */
	REFUSED_WITH(clone3, ENOSYS, "its flags cannot be seen"),
	/* It ends with its starter, whether it likes that or not. */
	REFUSED_IF(prctl, UINT32_MAX, PR_SET_PDEATHSIG,
		   "outliving its starter"),
	/* Some families (vsock) do not know network namespaces. */
	SANDBOX_CALL_IF(socket, 0, AF_UNIX, "QMP, vhost-user"),
	REFUSED_WITH(socket, EAFNOSUPPORT, "a network"),
};

int jail_seal(void)
{
	return layers_refuse(refused, ARRAY_COUNT(refused));
}
