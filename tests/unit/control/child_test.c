/* SPDX-License-Identifier: MIT */
#include "control/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

static struct control supervisor;
static struct child child;
static struct child_settings settings = {
	.name = "web1",
	.token = "a token of 16 b",
	.role = ROLE_CONSOLE,
};

/* Give this process a control link where a child finds it. */
static void become_child(void)
{
	struct control theirs;

	CHECK_EQ(control_pair(&supervisor, &theirs), 0);
	if (theirs.fd == CONTROL_CHILD_FD)
		return;
	/* A pair made first lies on 3 and 4: put our end elsewhere. */
	if (supervisor.fd == CONTROL_CHILD_FD)
		supervisor.fd = fcntl(supervisor.fd, F_DUPFD_CLOEXEC, 10);
	CHECK_EQ(dup2(theirs.fd, CONTROL_CHILD_FD), CONTROL_CHILD_FD);
	control_close(&theirs);
}

static void send_settings(void)
{
	SCOPED(close_fd) int meet = open("/", O_PATH | O_CLOEXEC);

	CHECK_EQ(control_send(&supervisor, MSG_CHILD_SETTINGS, 0, &settings,
			      sizeof(settings), &meet, 1),
		 0);
}

static void open_child(void)
{
	become_child();
	send_settings();
	CHECK_EQ(child_open(&child, ROLE_CONSOLE), 0);
}

static void close_both(void)
{
	child_close(&child);
	control_close(&supervisor);
}

TEST(a_child_learns_who_it_is)
{
	open_child();

	CHECK(strcmp(child.settings.name, "web1") == 0);
	CHECK(child.meet_fd != NO_FD);
	CHECK_EQ(child_timeout_ms(&child), -1);
	close_both();
}

TEST(a_child_of_another_role_does_not_start)
{
	become_child();
	send_settings();

	CHECK_EQ(child_open(&child, ROLE_DISK), -EBADMSG);
	CHECK_EQ(child_fd(&child), NO_FD);
	close_both();
}

TEST(another_first_message_is_refused_with_its_descriptors)
{
	int fd = 0;

	become_child();
	CHECK_EQ(control_send(&supervisor, MSG_MONITOR_KERNEL, 0, NULL, 0, &fd,
			      1),
		 0);

	CHECK_EQ(child_open(&child, ROLE_CONSOLE), -EBADMSG);
	close_both();
}

TEST(a_supervisor_that_dies_before_the_settings_is_noticed)
{
	become_child();
	control_close(&supervisor);

	CHECK_EQ(child_open(&child, ROLE_CONSOLE), -EPIPE);
	close_both();
}

TEST(a_lost_link_is_not_tried_again_at_once)
{
	struct message message;

	open_child();
	control_close(&supervisor);

	CHECK_EQ(child_receive(&child, &message), -EAGAIN);

	CHECK_EQ(child_fd(&child), NO_FD);
	CHECK(child_timeout_ms(&child) > CHILD_RETRY_MS / 2);
	CHECK(child_timeout_ms(&child) <= CHILD_RETRY_MS + 1);
	CHECK_EQ(child_send(&child, MSG_CHILD_PONG, 0, NULL, 0), -EPIPE);
	close_both();
}

TEST(a_link_that_takes_no_more_is_given_up)
{
	int sent = 0;

	open_child();

	while (sent < 100000 &&
	       child_send(&child, MSG_CHILD_PONG, 0, NULL, 0) == 0)
		sent++;

	CHECK(sent > 0 && sent < 100000);
	CHECK_EQ(child_fd(&child), NO_FD);
	close_both();
}

static int listen_here(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX,
				       .sun_path = "supervisor" };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	CHECK_EQ(listen(fd, 1), 0);
	return fd;
}

TEST(a_child_comes_back_to_the_next_supervisor_with_its_token)
{
	char dir[] = "/tmp/child-test-XXXXXX";
	const struct child_hello *hello;
	struct message message;
	int listener;

	open_child();
	CHECK(mkdtemp(dir) != NULL && chdir(dir) == 0);
	control_close(&supervisor);
	CHECK_EQ(child_receive(&child, &message), -EAGAIN);
	(void)poll(NULL, 0, child_timeout_ms(&child));
	child_turn(&child);
	CHECK_EQ(child_fd(&child), NO_FD);

	listener = listen_here();
	(void)poll(NULL, 0, child_timeout_ms(&child));
	child_turn(&child);
	CHECK(child_fd(&child) != NO_FD);
	supervisor.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK_EQ(control_receive(&supervisor, &message), 0);

	hello = (const void *)message.body;
	CHECK_EQ(message.type, MSG_CHILD_HELLO);
	CHECK_EQ(message.body_bytes, sizeof(*hello));
	CHECK_EQ(hello->role, ROLE_CONSOLE);
	CHECK(memcmp(hello->token, settings.token, TOKEN_BYTES) == 0);
	(void)close(listener);
	(void)unlink("supervisor");
	CHECK_EQ(chdir("/"), 0);
	(void)rmdir(dir);
	close_both();
}
