/* SPDX-License-Identifier: MIT */
#include "supervisor/errand/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

static char directory[64];
static char path[96];
static struct refusal refusal;

static void begin(void)
{
	(void)strcpy(directory, "/tmp/listener_test_XXXXXX");
	CHECK(mkdtemp(directory) != NULL);
	(void)snprintf(path, sizeof(path), "%s/socket", directory);
	memset(&refusal, 0, sizeof(refusal));
}

static void end(void)
{
	(void)unlink(path);
	CHECK_EQ(rmdir(directory), 0);
}

static bool is_there(void)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

static int bind_here(int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

TEST(a_listener_is_for_its_own_user_only)
{
	SCOPED(close_fd) int fd = NO_FD;
	struct stat status;

	begin();
	CHECK_EQ(listener_open(path, &fd, &refusal), 0);
	CHECK_EQ(stat(path, &status), 0);
	CHECK_EQ(status.st_mode & 0777, 0600);
	end();
}

TEST(the_socket_of_a_dead_listener_is_replaced)
{
	SCOPED(close_fd) int fd = NO_FD;

	begin();
	CHECK_EQ(listener_open(path, &fd, &refusal), 0);
	close_fd(&fd);
	CHECK_EQ(listener_open(path, &fd, &refusal), 0);
	close_fd(&fd);
	CHECK_EQ(listener_clear(path, &refusal), 0);
	CHECK(!is_there());
	end();
}

TEST(a_socket_on_which_somebody_listens_is_left_alone)
{
	SCOPED(close_fd) int fd = NO_FD;
	SCOPED(close_fd) int mine = NO_FD;

	begin();
	CHECK_EQ(listener_open(path, &fd, &refusal), 0);
	/* Also with more callers than its queue takes. */
	for (int i = 0; i < 4; i++)
		CHECK_EQ(listener_open(path, &mine, &refusal), -EBUSY);
	CHECK_EQ(strcmp(refusal.field, "vhost-user"), 0);
	CHECK(is_there());
	end();
}

TEST(a_socket_of_another_kind_is_left_alone)
{
	SCOPED(close_fd) int datagrams = NO_FD;
	SCOPED(close_fd) int mine = NO_FD;

	begin();
	datagrams = bind_here(SOCK_DGRAM);
	CHECK_EQ(listener_open(path, &mine, &refusal), -EBUSY);
	CHECK(is_there());
	end();
}

TEST(what_is_no_socket_is_left_alone)
{
	SCOPED(close_fd) int file = NO_FD;
	SCOPED(close_fd) int mine = NO_FD;

	begin();
	file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(file >= 0);
	CHECK_EQ(listener_open(path, &mine, &refusal), -EEXIST);
	CHECK(is_there());
	end();
}

TEST(a_dead_socket_of_another_user_is_left_alone)
{
	SCOPED(close_fd) int dead = NO_FD;
	SCOPED(close_fd) int mine = NO_FD;

	begin();
	dead = bind_here(SOCK_STREAM);
	close_fd(&dead);
	if (chown(path, 65534, (gid_t)-1) == 0) {
		CHECK_EQ(listener_open(path, &mine, &refusal), -EEXIST);
		CHECK(is_there());
	}
	end();
}
