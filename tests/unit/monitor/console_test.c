/* SPDX-License-Identifier: MIT */
#include "monitor/console.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

static struct console console;
static struct bytes service;
static sd_event *event;
static int engine; /* the engine's end of the line */
static int call_fd;

static void start(void)
{
	const struct console_ring settings = { .attachment = { 1, 1 } };
	int fds[3] = { NO_FD, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		       eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	int pair[2];

	call_fd = dup(fds[2]);
	CHECK(sd_event_new(&event) >= 0);
	CHECK_EQ(bytes_create(BYTES_OUTPUT_MIN, &fds[0]), 0);
	CHECK_EQ(bytes_open(&service, fds[0]), 0);
	console_init(&console);
	CHECK_EQ(console_open(&console, &settings, fds), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			    0, pair),
		 0);
	engine = pair[0];
	CHECK(console_connect(&console, event, pair[1]) >= 0);
}

static void stop(void)
{
	console_close(&console);
	bytes_close(&service);
	event = sd_event_unref(event);
	close_fd(&engine);
	close_fd(&call_fd);
}

static void turn(void)
{
	while (sd_event_run(event, 0) > 0)
		;
}

static void type(const char *text)
{
	static const uint64_t one = 1;
	size_t count;
	bool must_wake;

	CHECK_EQ(bytes_write_input(&service, text, strlen(text), &count,
				   &must_wake),
		 0);
	CHECK_EQ(count, strlen(text));
	if (must_wake)
		CHECK_EQ(write(call_fd, &one, sizeof(one)), sizeof(one));
	turn();
}

TEST(what_the_guest_prints_is_in_the_ring)
{
	char got[16] = "";
	uint64_t position = 0;
	uint64_t lost;
	size_t count;

	start();
	CHECK_EQ(write(engine, "login: ", 7), 7);
	turn();
	CHECK_EQ(bytes_read_output(&service, &position, got, sizeof(got),
				   &count, &lost),
		 0);

	CHECK_EQ(count, 7);
	CHECK_EQ(memcmp(got, "login: ", 7), 0);
	stop();
}

TEST(what_is_typed_reaches_the_guest)
{
	char got[16] = "";

	start();
	turn();
	type("root\n");
	CHECK_EQ(read(engine, got, sizeof(got)), 5);
	type("x");
	CHECK_EQ(read(engine, got, sizeof(got)), 1);

	CHECK_EQ(got[0], 'x');
	stop();
}

TEST(output_is_drained_although_nobody_reads_it)
{
	char much[1000];

	start();
	memset(much, 'm', sizeof(much));
	for (int i = 0; i < 1000; i++) {
		CHECK_EQ(write(engine, much, sizeof(much)), sizeof(much));
		turn();
	}

	CHECK_EQ(bytes_output_end(&service), 1000000);
	stop();
}

TEST(a_guest_that_does_not_read_its_line_is_waited_for)
{
	static char much[300];
	char got[4096];
	size_t typed = 0, came = 0;
	ssize_t count;
	int room = 1;

	start();
	/* The smallest buffers there are, so that they fill soon. */
	CHECK_EQ(setsockopt(console.serial_fd, SOL_SOCKET, SO_SNDBUF, &room,
			    sizeof(room)),
		 0);
	memset(much, 't', sizeof(much));
	for (int i = 0; i < 60; i++) {
		size_t fitted;
		bool must_wake;
		static const uint64_t one = 1;

		CHECK_EQ(bytes_write_input(&service, much, sizeof(much),
					   &fitted, &must_wake),
			 0);
		typed += fitted;
		if (must_wake)
			CHECK_EQ(write(call_fd, &one, sizeof(one)),
				 sizeof(one));
		turn();
	}
	while ((count = read(engine, got, sizeof(got))) > 0) {
		came += (size_t)count;
		turn();
	}

	CHECK(typed > 4096);
	CHECK_EQ(came, typed);
	stop();
}

TEST(the_last_words_of_an_engine_that_ended_are_kept)
{
	char much[9000];

	start();
	memset(much, 'z', sizeof(much));
	CHECK_EQ(write(engine, much, sizeof(much)), sizeof(much));
	close_fd(&engine);
	console_finish(&console);

	CHECK_EQ(bytes_output_end(&service), 9000);
	CHECK_EQ(console.serial_fd, NO_FD);
	stop();
}

TEST(an_engine_that_hangs_up_is_let_go)
{
	start();
	close_fd(&engine);
	turn();

	CHECK_EQ(console.serial_fd, NO_FD);
	stop();
}
