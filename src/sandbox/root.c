/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scope.h"
#include "sandbox/layers.h"

static bool is_same_file(int a, int b)
{
	struct stat first, second;

	return fstat(a, &first) == 0 && fstat(b, &second) == 0 &&
	       first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

int layers_reopen(int fd, int flags)
{
	SCOPED(close_fd) int again = NO_FD;
	char link[64], path[4096];
	ssize_t length;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	if (length < 0)
		return -errno;
	path[length] = '\0';
	again = open(path, flags | O_CLOEXEC);
	if (again < 0)
		return -errno;
	return is_same_file(fd, again) ? take_fd(&again) : -ESTALE;
}

int layers_pivot_to(int tree)
{
	/* Old and new root at the same place, then the old one is let go of
	 * (pivot_root(2), 'pivot_root(".", ".")'). */
	if (fchdir(tree) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

int layers_pivot(int root_fd)
{
	SCOPED(close_fd) int here = NO_FD;
	SCOPED(close_fd) int tree = NO_FD;

	here = layers_reopen(root_fd, O_PATH | O_DIRECTORY);
	if (here < 0)
		return take_fd(&here);
	/* What is mounted here must not appear on the host. */
	if (mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	tree = (int)syscall(SYS_open_tree, here, "",
			    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
				    AT_EMPTY_PATH);
	if (tree < 0)
		return -errno;
	/* A root has to be a mount point: the directory, onto itself. */
	if (syscall(SYS_move_mount, tree, "", here, "",
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	return layers_pivot_to(tree);
}
