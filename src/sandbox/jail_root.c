/* SPDX-License-Identifier: MIT */
#include "sandbox/jail_root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "base/text.h"
#include "sandbox/layers.h"

/* Any folder that every host has: it is covered only in this namespace. */
#define STAGE "/tmp"

/* What programs and their libraries need. Where the host has a link (/lib to
 * usr/lib) the jail gets the same link. Absent ones are left out. */
static const char *const system_paths[] = {
	"/usr",
	"/bin",
	"/lib",
	"/lib64",
	"/etc/ld.so.cache",
	"/etc/alternatives",
};

static const char *const device_paths[] = {
	"/dev/null",
	"/dev/zero",
	"/dev/urandom",
};

#define SYSTEM_COUNT ARRAY_COUNT(system_paths)
#define DEVICE_COUNT ARRAY_COUNT(device_paths)

/* Detached copies of what goes into the jail, taken before the stage covers
 * any of it; NO_FD where there is nothing to mount. */
struct parts {
	int system[SYSTEM_COUNT];
	int devices[DEVICE_COUNT];
	int kvm;
	int files[JAIL_FILE_MAX];
};

static void fill_none(int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fds[i] = NO_FD;
}

static void parts_init(struct parts *parts)
{
	fill_none(parts->system, SYSTEM_COUNT);
	fill_none(parts->devices, DEVICE_COUNT);
	fill_none(parts->files, JAIL_FILE_MAX);
	parts->kvm = NO_FD;
}

static void parts_release(struct parts *parts)
{
	for (size_t i = 0; i < SYSTEM_COUNT; i++)
		close_fd(&parts->system[i]);
	for (size_t i = 0; i < DEVICE_COUNT; i++)
		close_fd(&parts->devices[i]);
	for (size_t i = 0; i < JAIL_FILE_MAX; i++)
		close_fd(&parts->files[i]);
	close_fd(&parts->kvm);
}

static int clone_tree(int fd, const char *path, unsigned int extra, int *ret_fd)
{
	int tree = (int)syscall(SYS_open_tree, fd, path,
				OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | extra);

	if (tree < 0)
		return -errno;
	*ret_fd = tree;
	return 0;
}

static int make_read_only(int tree)
{
	struct mount_attr attributes = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
			    MOUNT_ATTR_NODEV,
	};

	return syscall(SYS_mount_setattr, tree, "",
		       AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
		       sizeof(attributes)) < 0
		       ? -errno
		       : 0;
}

static int take_system(struct parts *parts)
{
	for (size_t i = 0; i < SYSTEM_COUNT; i++) {
		struct stat info;
		int r;

		if (lstat(system_paths[i], &info) < 0 || S_ISLNK(info.st_mode))
			continue;
		/* Mounts below it come along: a user namespace may not uncover
		 * what they hide. */
		r = clone_tree(AT_FDCWD, system_paths[i], AT_RECURSIVE,
			       &parts->system[i]);
		if (r == 0)
			r = make_read_only(parts->system[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_devices(struct parts *parts, bool has_kvm)
{
	for (size_t i = 0; i < DEVICE_COUNT; i++) {
		int r = clone_tree(AT_FDCWD, device_paths[i], 0,
				   &parts->devices[i]);

		if (r < 0)
			return r;
	}
	if (!has_kvm)
		return 0;
	return clone_tree(AT_FDCWD, "/dev/kvm", 0, &parts->kvm);
}

/* Whether the program, as another user, may open the file by its name. Its
 * starter may, or there would be no descriptor. */
static bool is_readable(const struct jail *jail, int fd)
{
	struct stat info;

	if (geteuid() != 0 || jail->uid == 0)
		return true;
	return fstat(fd, &info) == 0 && (info.st_mode & S_IROTH);
}

/* A file that cannot be opened by a name is copied later instead. */
static void take_files(struct parts *parts, const struct jail *jail)
{
	for (size_t i = 0; i < jail->file_count; i++) {
		SCOPED(close_fd) int again = NO_FD;

		if (!is_readable(jail, jail->files[i].fd))
			continue;
		again = layers_reopen(jail->files[i].fd, O_PATH);
		if (again < 0)
			continue;
		if (clone_tree(again, "", AT_EMPTY_PATH, &parts->files[i]) == 0)
			(void)make_read_only(parts->files[i]);
	}
}

static int make_file(const char *path)
{
	int fd = openat(AT_FDCWD, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0444);

	return fd < 0 ? -errno : fd;
}

/* Paths are relative to the stage, the working directory while building. */
static int place(int tree, const char *path)
{
	if (tree == NO_FD)
		return 0;
	return syscall(SYS_move_mount, tree, "", AT_FDCWD, path,
		       MOVE_MOUNT_F_EMPTY_PATH) < 0
		       ? -errno
		       : 0;
}

static int place_on_file(int tree, const char *path)
{
	SCOPED(close_fd) int fd = make_file(path);

	return fd < 0 ? take_fd(&fd) : place(tree, path);
}

static int place_link(const char *path)
{
	char target[256];
	ssize_t length = readlink(path, target, sizeof(target) - 1);

	if (length < 0)
		return 0; /* the host has nothing of this name */
	target[length] = '\0';
	return symlink(target, path + 1) < 0 ? -errno : 0;
}

static int place_system(const struct parts *parts)
{
	for (size_t i = 0; i < SYSTEM_COUNT; i++) {
		const char *path = system_paths[i];
		struct stat info;
		int r;

		if (parts->system[i] == NO_FD) {
			r = place_link(path);
		} else if (fstat(parts->system[i], &info) == 0 &&
			   S_ISDIR(info.st_mode)) {
			(void)mkdir(path + 1, 0755);
			r = place(parts->system[i], path + 1);
		} else {
			r = place_on_file(parts->system[i], path + 1);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * As root a node of our own, which belongs to the uid the program will have,
 * whatever the group of the host's; otherwise the host's with its rights.
 */
static int place_kvm(const struct jail *jail, int tree)
{
	struct stat info;

	if (tree == NO_FD || fstat(tree, &info) < 0)
		return 0;
	if (jail->uid && mknod("dev/kvm", S_IFCHR | 0600, info.st_rdev) == 0) {
		if (chown("dev/kvm", jail->uid, jail->gid) == 0)
			return 0;
		(void)unlink("dev/kvm");
	}
	return place_on_file(tree, "dev/kvm");
}

static int place_devices(const struct jail *jail, const struct parts *parts)
{
	for (size_t i = 0; i < DEVICE_COUNT; i++) {
		int error =
			place_on_file(parts->devices[i], device_paths[i] + 1);

		if (error < 0)
			return error;
	}
	return place_kvm(jail, parts->kvm);
}

static int copy_file(int from, const char *path)
{
	SCOPED(close_fd) int to = make_file(path);
	off_t offset = 0;
	ssize_t copied;

	if (to < 0)
		return take_fd(&to);
	do {
		copied = sendfile(to, from, &offset, 1u << 30);
	} while (copied > 0);
	return copied < 0 ? -errno : 0;
}

static int place_files(const struct jail *jail, const struct parts *parts)
{
	for (size_t i = 0; i < jail->file_count; i++) {
		const char *path = jail->files[i].path + 1;
		int r = parts->files[i] == NO_FD
				? copy_file(jail->files[i].fd, path)
				: place_on_file(parts->files[i], path);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The name is resolved here, in the jail; the socket is the starter's. */
static int place_sockets(const struct jail *jail)
{
	for (size_t i = 0; i < jail->socket_count; i++) {
		const struct jail_socket *at = &jail->sockets[i];
		struct sockaddr_un address = { .sun_family = AF_UNIX };

		if (text_copy(address.sun_path, sizeof(address.sun_path),
			      at->path + 1) < 0)
			return -ENAMETOOLONG;
		if (bind(at->fd, (struct sockaddr *)&address, sizeof(address)) <
			    0 ||
		    chmod(address.sun_path, 0666) < 0 || listen(at->fd, 1) < 0)
			return -errno;
	}
	return 0;
}

static int furnish(const struct jail *jail, const struct parts *parts)
{
	int r;

	if (mkdir("dev", 0755) < 0 || mkdir("etc", 0755) < 0 ||
	    mkdir("boot", 0755) < 0)
		return -errno;
	r = place_system(parts);
	if (r == 0)
		r = place_devices(jail, parts);
	if (r == 0)
		r = place_files(jail, parts);
	if (r == 0)
		r = place_sockets(jail);
	return r;
}

static int build(const struct jail *jail, const struct parts *parts)
{
	SCOPED(close_fd) int stage = NO_FD;
	int r;

	if (mount("tmpfs", STAGE, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755") <
	    0)
		return -errno;
	if (chdir(STAGE) < 0)
		return -errno;
	stage = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = stage < 0 ? -errno : furnish(jail, parts);
	if (r < 0)
		return r;
	r = layers_pivot_to(stage);
	if (r < 0)
		return r;
	return mount(NULL, "/", NULL,
		     MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC,
		     NULL) < 0
		       ? -errno
		       : 0;
}

int jail_root_enter(const struct jail *jail)
{
	SCOPED(parts_release) struct parts parts;
	int r;

	parts_init(&parts);
	(void)umask(0022);
	/* What is mounted here must not appear on the host. */
	if (mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	r = take_system(&parts);
	if (r == 0)
		r = take_devices(&parts, jail->has_kvm);
	if (r < 0)
		return r;
	take_files(&parts, jail);
	return build(jail, &parts);
}
