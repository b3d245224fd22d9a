/* SPDX-License-Identifier: MIT */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/scope.h"
#include "sandbox/layers.h"

static int set_limits(const struct sandbox *config)
{
	int r;

	/* Not 0: the kernel ignores 0 when cores go to a program, and takes 1
	 * as "none" there too (core(5), do_coredump). */
	r = layers_limit(RLIMIT_CORE, 1);
	if (r == 0 && config->file_count)
		r = layers_limit(RLIMIT_NOFILE, config->file_count);
	if (r == 0 && config->locked_bytes)
		r = layers_limit(RLIMIT_MEMLOCK, config->locked_bytes);
	if (r == 0 && config->file_bytes)
		r = layers_limit(RLIMIT_FSIZE, config->file_bytes);
	return r;
}

static int change_root(int fd)
{
	if (fchdir(fd) < 0 || chroot(".") < 0)
		return -errno;
	return 0;
}

/*
 * A chroot serves when there is no mount namespace, or the directory's name
 * cannot be followed in it: without CAP_SYS_CHROOT there is no way out of
 * either.
 */
static int enter_root(const struct sandbox_layers *layers, int fd)
{
	int r = -EPERM;

	if (layers->in_place & SANDBOX_MOUNT_NAMESPACE)
		r = layers_pivot(fd);
	return r < 0 ? change_root(fd) : 0;
}

static int enter_user_namespace(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWUSER) < 0)
		return -errno;
	return layers_map_user(uid, gid);
}

int sandbox_try_namespaces(void)
{
	int r = enter_user_namespace();

	if (r < 0)
		return r;
	/* A policy may give the namespace and no rights in it. */
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 ||
	    mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	return 0;
}

int sandbox_enter(const struct sandbox *config,
		  struct sandbox_layers *ret_layers)
{
	struct sandbox_layers *layers = ret_layers;

	memset(layers, 0, sizeof(*layers));
	layers->required = config->required;
	layers_record(layers, SANDBOX_NO_NEW_PRIVS,
		      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0);
	layers_record(layers, SANDBOX_LIMITS, set_limits(config));
	if (geteuid() != 0)
		layers_record(layers, SANDBOX_USER_NAMESPACE,
			      enter_user_namespace());
	layers_unshare(layers);
	if (config->root_fd != NO_FD)
		layers_record(layers, SANDBOX_ROOT,
			      enter_root(layers, config->root_fd));
	layers_drop_bounding();
	layers_record(layers, SANDBOX_UID,
		      layers_become(config->uid, config->gid));
	layers_record(layers, SANDBOX_CAPABILITIES, layers_drop_capabilities());
	layers_record(layers, SANDBOX_LANDLOCK,
		      layers_landlock(config->may_signal));
	/* Last: a change of uid resets it. */
	layers_record(layers, SANDBOX_NOT_DUMPABLE,
		      prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0);
	return layers_check(layers,
			    config->required & ~(uint32_t)SANDBOX_SECCOMP);
}
