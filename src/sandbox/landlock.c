/* SPDX-License-Identifier: MIT */
/*
 * Landlock through its system calls: glibc has no wrappers, and the installed
 * kernel header may be older than the running kernel.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scope.h"
#include "sandbox/layers.h"

#define CREATE_RULESET_VERSION 1u

/* struct landlock_ruleset_attr as of ABI 6. */
struct ruleset {
	uint64_t fs;
	uint64_t net;    /* from ABI 4 */
	uint64_t scoped; /* from ABI 6 */
};

#define FS_ABI1          0x1fffull
#define FS_REFER         (1ull << 13) /* from ABI 2 */
#define FS_TRUNCATE      (1ull << 14) /* from ABI 3 */
#define FS_IOCTL_DEV     (1ull << 15) /* from ABI 5 */
#define NET_BIND_CONNECT 3ull
#define SCOPE_ABSTRACT   (1ull << 0)
#define SCOPE_SIGNAL     (1ull << 1)

static size_t describe(long abi, bool may_signal, struct ruleset *ruleset)
{
	ruleset->fs = FS_ABI1 | (abi >= 2 ? FS_REFER : 0) |
		      (abi >= 3 ? FS_TRUNCATE : 0) |
		      (abi >= 5 ? FS_IOCTL_DEV : 0);
	ruleset->net = NET_BIND_CONNECT;
	ruleset->scoped = SCOPE_ABSTRACT | (may_signal ? 0 : SCOPE_SIGNAL);
	/* A kernel refuses a ruleset longer than it knows. */
	if (abi >= 6)
		return sizeof(*ruleset);
	return abi >= 4 ? offsetof(struct ruleset, scoped)
			: offsetof(struct ruleset, net);
}

int layers_landlock(bool may_signal)
{
	SCOPED(close_fd) int fd = NO_FD;
	struct ruleset ruleset;
	size_t bytes;
	long abi;

	abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
		      CREATE_RULESET_VERSION);
	if (abi < 0)
		return -errno;
	bytes = describe(abi, may_signal, &ruleset);
	fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, bytes, 0);
	if (fd < 0)
		return -errno;
	/* No rule is added: what is handled is refused everywhere. */
	return syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
}
