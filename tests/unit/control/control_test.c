/* SPDX-License-Identifier: MIT */
#include "control/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

static struct control here, there;

static void connect_pair(void)
{
	CHECK_EQ(control_pair(&here, &there), 0);
}

static void close_pair(void)
{
	control_close(&here);
	control_close(&there);
}

TEST(a_message_arrives_as_sent)
{
	struct message got;

	connect_pair();
	CHECK_EQ(control_send(&here, 7, 42, "hello", 5, NULL, 0), 0);

	CHECK_EQ(control_receive(&there, &got), 0);
	CHECK_EQ(got.type, 7);
	CHECK_EQ(got.request_id, 42);
	CHECK_EQ(got.body_bytes, 5);
	CHECK_EQ(memcmp(got.body, "hello", 5), 0);
	CHECK_EQ(got.fd_count, 0);
	close_pair();
}

TEST(a_sent_descriptor_is_a_duplicate_the_receiver_owns)
{
	struct message got;
	int ends[2];
	char byte = 0;

	connect_pair();
	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(control_send(&here, 1, 0, NULL, 0, &ends[1], 1), 0);
	CHECK_EQ(control_receive(&there, &got), 0);
	CHECK(got.fds[0] != ends[1]);

	CHECK_EQ(write(got.fds[0], "x", 1), 1);
	CHECK_EQ(read(ends[0], &byte, 1), 1);
	CHECK_EQ(byte, 'x');

	message_release(&got);
	close(ends[0]);
	close(ends[1]);
	close_pair();
}

TEST(a_body_over_the_limit_is_refused_before_sending)
{
	static const char big[CONTROL_BODY_MAX + 1];
	struct message got;

	connect_pair();
	CHECK_EQ(control_send(&here, 1, 0, big, sizeof(big), NULL, 0),
		 -EMSGSIZE);
	CHECK_EQ(control_receive(&there, &got), -EAGAIN);
	close_pair();
}

TEST(a_hostile_peer_cannot_send_a_short_header)
{
	struct message got;

	connect_pair();
	CHECK_EQ(send(here.fd, "abc", 3, 0), 3);
	CHECK_EQ(control_receive(&there, &got), -EBADMSG);
	close_pair();
}

TEST(a_hostile_peer_cannot_send_an_overlong_message)
{
	static const char huge[CONTROL_BODY_MAX + 4096];
	struct message got;

	connect_pair();
	CHECK_EQ(send(here.fd, huge, sizeof(huge), 0), (long long)sizeof(huge));
	CHECK_EQ(control_receive(&there, &got), -EBADMSG);
	close_pair();
}

TEST(a_hostile_peer_cannot_send_more_descriptors_than_allowed)
{
	int fds[CONTROL_FD_MAX + 1] = { 0 };
	union {
		struct cmsghdr item;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control = { .item = { .cmsg_len = CMSG_LEN(sizeof(fds)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS } };
	char body[8] = { 0 };
	struct iovec part = { .iov_base = body, .iov_len = sizeof(body) };
	struct msghdr out = { .msg_iov = &part,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct message got;

	memcpy(CMSG_DATA(&control.item), fds, sizeof(fds));
	connect_pair();
	CHECK_EQ(sendmsg(here.fd, &out, 0), (long long)sizeof(body));
	CHECK_EQ(control_receive(&there, &got), -EBADMSG);
	close_pair();
}

TEST(as_many_descriptors_as_can_be_arrive_together)
{
	struct message got;
	int fds[CONTROL_FD_MAX] = { 0, 1, 2, 0, 1, NO_FD };

	connect_pair();
	fds[CONTROL_FD_MAX - 1] = there.fd;
	CHECK_EQ(control_send(&here, 1, 0, NULL, 0, fds, CONTROL_FD_MAX), 0);
	CHECK_EQ(control_receive(&there, &got), 0);
	CHECK_EQ(got.fd_count, CONTROL_FD_MAX);
	for (int i = 0; i < CONTROL_FD_MAX; i++)
		CHECK(got.fds[i] != NO_FD);
	message_release(&got);
	close_pair();
}

TEST(what_a_peer_said_is_heard_although_it_left_messages_unread)
{
	struct message got;

	connect_pair();
	CHECK_EQ(control_send(&here, 1, 0, NULL, 0, NULL, 0), 0);
	CHECK_EQ(control_send(&there, 2, 0, NULL, 0, NULL, 0), 0);
	control_close(&there);

	CHECK_EQ(control_receive(&here, &got), 0);
	CHECK_EQ(got.type, 2);
	CHECK_EQ(control_receive(&here, &got), -EPIPE);
	close_pair();
}

TEST(a_closed_peer_is_reported)
{
	struct message got;

	connect_pair();
	control_close(&there);
	CHECK_EQ(control_receive(&here, &got), -EPIPE);
	CHECK_EQ(control_send(&here, 1, 0, NULL, 0, NULL, 0), -EPIPE);
	close_pair();
}
