/* SPDX-License-Identifier: MIT */
#include "supervisor/child/outbox.h"

#include <errno.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

static struct outbox outbox;
static struct control here, there;
static uint8_t body[1000];

static void open_pair(size_t most_bytes)
{
	CHECK_EQ(control_pair(&here, &there), 0);
	outbox_open(&outbox, &here, most_bytes);
}

static void close_pair(void)
{
	outbox_clear(&outbox);
	control_close(&here);
	control_close(&there);
}

static int send_number(uint32_t number, const int *fds, size_t fd_count)
{
	return outbox_send(&outbox, 1, number, body, sizeof(body), fds,
			   fd_count);
}

/* Send until one is kept; its number. */
static uint32_t fill(void)
{
	uint32_t number = 0;

	while (send_number(number, NULL, 0) == 0)
		number++;
	return number;
}

static void receive_up_to(uint32_t *next)
{
	struct message message;

	while (control_receive(&there, &message) == 0) {
		CHECK_EQ(message.request_id, (*next)++);
		CHECK_EQ(message.body_bytes, sizeof(body));
		message_release(&message);
	}
}

TEST(a_slow_reader_gets_everything_in_order)
{
	uint32_t sent, got = 0;

	open_pair(1 << 20);
	sent = fill() + 1;
	for (int i = 0; i < 100; i++)
		CHECK_EQ(send_number(sent++, NULL, 0), -EAGAIN);

	do
		receive_up_to(&got);
	while (outbox_flush(&outbox) == -EAGAIN);
	receive_up_to(&got);

	CHECK_EQ(got, sent);
	CHECK_EQ(outbox.bytes, 0);
	close_pair();
}

TEST(a_hostile_peer_cannot_make_it_keep_more_than_its_bound)
{
	int r;

	open_pair(10000);
	(void)fill();

	do
		r = send_number(0, NULL, 0);
	while (r == -EAGAIN);

	CHECK_EQ(r, -ENOBUFS);
	CHECK(outbox.bytes <= 10000);
	close_pair();
}

TEST(a_kept_descriptor_is_a_duplicate_and_is_closed)
{
	struct message message;
	int pipe_fds[2];
	uint32_t sent, got = 0;

	open_pair(1 << 20);
	CHECK_EQ(pipe(pipe_fds), 0);
	sent = fill();
	CHECK_EQ(send_number(sent + 1, &pipe_fds[1], 1), -EAGAIN);
	close_fd(&pipe_fds[1]);

	receive_up_to(&got);
	CHECK_EQ(outbox_flush(&outbox), 0);
	CHECK_EQ(control_receive(&there, &message), 0);
	CHECK_EQ(message.request_id, sent);
	message_release(&message);
	CHECK_EQ(control_receive(&there, &message), 0);
	CHECK_EQ(message.fd_count, 1);
	CHECK_EQ(write(message.fds[0], "x", 1), 1);

	message_release(&message);
	CHECK_EQ(read(pipe_fds[0], body, 2), 1);
	CHECK_EQ(read(pipe_fds[0], body, 2), 0);
	close_fd(&pipe_fds[0]);
	close_pair();
}

TEST(a_descriptor_that_cannot_be_kept_is_told)
{
	const int bad = 12345;

	open_pair(1 << 20);
	(void)fill();

	CHECK_EQ(send_number(0, &bad, 1), -EBADF);

	close_pair();
}
