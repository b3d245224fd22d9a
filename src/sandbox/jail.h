/* SPDX-License-Identifier: MIT */
/*
 * Start a foreign program (QEMU) in a jail.
 *
 * The jail is a new root on a private tmpfs with the host's programs and
 * libraries (read-only), three harmless devices, and the files passed in as
 * open descriptors. It has no /proc, no network, no capabilities and a PID
 * namespace of its own, inherits only the listed descriptors, and dies with the
 * thread that started it.
 *
 * Called before sandbox_enter(): a sandboxed process can no longer build a
 * sandbox for another. Since the jail is started before any guest data exists,
 * it is no way around the caller's own sandbox.
 *
 * Trust      The program is as hostile as the guest it runs. It shares only the
 *            uid with its parent, which is in the same trust domain.
 * Threads    To be called from the main thread while it is the only one: the
 *            jail is killed when the *thread* that called it ends.
 * Errors     0 or a negative errno. Unavailable layers are reported as missing
 *            in ret_layers, as by sandbox_enter().
 */
#ifndef SANDBOX_JAIL_H
#define SANDBOX_JAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "sandbox/sandbox.h"

/*
 * A file that appears in the jail, read-only. Where no root can be built (an
 * ordinary user without user namespaces) the program inherits the descriptor
 * and an argument that equals `path` becomes "/dev/fd/N".
 */
struct jail_file {
	int fd;           /* borrowed, a regular file */
	const char *path; /* below "/boot/", for example "/boot/kernel" */
};

/* A descriptor the program inherits. */
struct jail_fd {
	int fd;     /* borrowed */
	int number; /* in the program; 0 to JAIL_FD_MAX - 1 */
};

/*
 * A socket that the program finds by its path in the jail, bound and listening
 * before it runs. The caller creates it and accepts on it. If no root can be
 * built, a program with sockets is not started.
 */
struct jail_socket {
	int fd;           /* borrowed: AF_UNIX, not bound */
	const char *path; /* below "/boot/" */
};

#define JAIL_FD_MAX   128
#define JAIL_FILE_MAX 8

struct jail {
	const char *program; /* absolute, below /usr or another bound folder */
	char *const *arguments;    /* with [0], NULL at the end */
	const struct jail_fd *fds; /* 0, 1 and 2 default to /dev/null */
	size_t fd_count;
	const struct jail_file *files;
	size_t file_count;
	const struct jail_socket *sockets;
	size_t socket_count;
	uid_t uid; /* to become, if the caller is root; 0: stay */
	gid_t gid;
	bool has_kvm;      /* /dev/kvm is there, usable by uid */
	uint32_t required; /* layers without which nothing is started */
};

/* A program in a jail; owned, closed with jail_close(). */
struct jailed {
	pid_t pid;
	int pidfd; /* readable when the program has ended */
};

/*
 * Start the program. Returns once it runs (exec succeeded) or has failed to
 * start; the caller reaps it with waitpid(pid).
 *
 * -EPERM   a required layer is missing; ret_layers says which
 * -EINVAL  too many files, a descriptor number too large, or a bad path
 * others   of exec, for example -ENOENT
 */
int jail_start(const struct jail *jail, struct jailed *ret_jailed,
	       struct sandbox_layers *ret_layers);

/* Kill the program if it runs, reap it, close the pidfd. Safe twice. */
void jail_close(struct jailed *jailed);

#endif
