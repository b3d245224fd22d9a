/* SPDX-License-Identifier: MIT */
#include "supervisor/errand/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/scope.h"
#include "base/text.h"

#define FIELD "vhost-user"

static int open_socket(const char *path, struct sockaddr_un *address)
{
	int fd;

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (text_copy(address->sun_path, sizeof(address->sun_path), path) < 0)
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd < 0 ? -errno : fd;
}

/* -ECONNREFUSED: a socket that nobody has; 0: somebody may. */
static int probe(const char *path)
{
	struct sockaddr_un address;
	SCOPED(close_fd) int fd = open_socket(path, &address);

	if (fd < 0)
		return 0;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return 0;
	return errno == ECONNREFUSED ? -errno : 0;
}

int listener_clear(const char *path, struct refusal *refusal)
{
	struct stat old;

	if (lstat(path, &old) < 0)
		return 0;
	if (!S_ISSOCK(old.st_mode))
		return refuse(refusal, -EEXIST, FIELD,
			      "%s exists and is not a socket", path);
	if (probe(path) == 0)
		return refuse(refusal, -EBUSY, FIELD,
			      "another process is already listening on %s",
			      path);
	if (old.st_uid != geteuid())
		return refuse(refusal, -EEXIST, FIELD,
			      "%s is a socket of another user", path);
	return unlink(path) < 0 && errno != ENOENT
		       ? refuse(refusal, -errno, FIELD,
				"cannot remove the old %s: %s", path,
				strerror(errno))
		       : 0;
}

int listener_open(const char *path, int *ret_fd, struct refusal *refusal)
{
	struct sockaddr_un address;
	SCOPED(close_fd) int fd = NO_FD;
	int r = listener_clear(path, refusal);

	if (r < 0)
		return r;
	fd = open_socket(path, &address);
	if (fd < 0)
		return refuse(refusal, fd, FIELD, "cannot listen on %s: %s",
			      path, strerror(-fd));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, 0600) < 0 || listen(fd, 1) < 0)
		return refuse(refusal, -errno, FIELD, "cannot listen on %s: %s",
			      path, strerror(errno));
	*ret_fd = take_fd(&fd);
	return 0;
}
