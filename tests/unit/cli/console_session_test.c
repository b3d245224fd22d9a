/* SPDX-License-Identifier: MIT */
#include "cli/console_session.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/harness.h"

static struct console_session session;
static int service; /* the service's end of the stream */
static int stream;
static int keyboard; /* what we type on */
static int screen;   /* what was printed */

static void begin(void)
{
	int pair[2];
	int typed[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	CHECK_EQ(pipe2(typed, O_CLOEXEC), 0);
	screen = memfd_create("screen", MFD_CLOEXEC);
	CHECK_EQ(dup2(typed[0], STDIN_FILENO), STDIN_FILENO);
	CHECK_EQ(dup2(screen, STDOUT_FILENO), STDOUT_FILENO);
	CHECK(freopen("/dev/null", "w", stderr) != NULL);
	(void)close(typed[0]);
	stream = pair[0];
	service = pair[1];
	keyboard = typed[1];
	console_session_attach(&session, stream);
}

static void end(void)
{
	(void)close(stream);
	(void)close(service);
	(void)close(keyboard);
	(void)close(screen);
}

static void send_frame(uint32_t kind, uint64_t position, const char *text)
{
	struct console_frame header = { .kind = kind,
					.bytes = (uint32_t)strlen(text),
					.position = position };

	CHECK_EQ(write(service, &header, sizeof(header)), sizeof(header));
	CHECK_EQ(write(service, text, strlen(text)), (long long)strlen(text));
}

static const char *printed(void)
{
	static char text[1024];
	ssize_t got = pread(screen, text, sizeof(text) - 1, 0);

	text[got < 0 ? 0 : got] = '\0';
	return text;
}

TEST(output_is_printed_until_the_console_ends)
{
	begin();
	send_frame(CONSOLE_FRAME_OUTPUT, 0, "one ");
	send_frame(CONSOLE_FRAME_OUTPUT, 4, "two");
	send_frame(CONSOLE_FRAME_CLOSED, 0, "the console is closed");

	CHECK_EQ(console_session_run(&session), CONSOLE_CLOSED);
	CHECK_EQ(strcmp(printed(), "one two"), 0);

	end();
}

TEST(a_new_service_repeats_nothing_and_skips_nothing)
{
	begin();
	send_frame(CONSOLE_FRAME_OUTPUT, 100, "abc");
	CHECK_EQ(shutdown(service, SHUT_RDWR), 0);
	CHECK_EQ(console_session_run(&session), CONSOLE_LOST);
	end();

	begin();
	(void)lseek(screen, 0, SEEK_SET);
	send_frame(CONSOLE_FRAME_OUTPUT, 90, "0123456789abcdef");
	CHECK_EQ(shutdown(service, SHUT_RDWR), 0);

	CHECK_EQ(console_session_run(&session), CONSOLE_LOST);
	CHECK_EQ(strcmp(printed(), "def"), 0);

	end();
}

TEST(the_detach_key_ends_the_session_and_what_was_typed_before_it_is_sent)
{
	char got[16] = "";

	begin();
	CHECK_EQ(write(keyboard, "ls\n\x1dmore", 8), 8);

	CHECK_EQ(console_session_run(&session), CONSOLE_DETACHED);
	CHECK_EQ(read(service, got, sizeof(got)), 3);
	CHECK_EQ(strcmp(got, "ls\n"), 0);

	end();
}

TEST(who_only_reads_sends_nothing)
{
	char got[16];

	begin();
	session.is_reader = true;
	CHECK_EQ(write(keyboard, "rm\n\x1d", 4), 4);

	CHECK_EQ(console_session_run(&session), CONSOLE_DETACHED);
	CHECK(recv(service, got, sizeof(got), MSG_DONTWAIT) < 0);

	end();
}

TEST(the_end_of_standard_input_is_not_the_end_of_the_session)
{
	begin();
	(void)close(keyboard);
	keyboard = open("/dev/null", O_RDONLY | O_CLOEXEC);
	send_frame(CONSOLE_FRAME_OUTPUT, 0, "still here");
	send_frame(CONSOLE_FRAME_CLOSED, 0, "over");

	CHECK_EQ(console_session_run(&session), CONSOLE_CLOSED);
	CHECK_EQ(strcmp(printed(), "still here"), 0);

	end();
}

TEST(a_refusal_carries_its_sentence)
{
	begin();
	send_frame(CONSOLE_FRAME_REFUSED, 0, "someone else is typing");

	CHECK_EQ(console_session_run(&session), CONSOLE_REFUSED);
	CHECK_EQ(strcmp(session.text, "someone else is typing"), 0);

	end();
}

TEST(who_was_taken_over_reads_on)
{
	begin();
	send_frame(CONSOLE_FRAME_DEMOTED, 0, "someone else took over");
	send_frame(CONSOLE_FRAME_CLOSED, 0, "over");

	CHECK_EQ(console_session_run(&session), CONSOLE_CLOSED);
	CHECK(session.is_reader);

	end();
}

TEST(a_hostile_service_cannot_announce_an_overlong_frame)
{
	struct console_frame header = { .kind = CONSOLE_FRAME_OUTPUT,
					.bytes = CONSOLE_FRAME_BYTES_MAX + 1 };

	begin();
	CHECK_EQ(write(service, &header, sizeof(header)), sizeof(header));

	CHECK_EQ(console_session_run(&session), CONSOLE_BROKEN);

	end();
}

TEST(a_hostile_service_cannot_send_empty_or_unknown_frames_or_wrap_positions)
{
	struct console_frame empty = { .kind = CONSOLE_FRAME_OUTPUT };

	begin();
	CHECK_EQ(write(service, &empty, sizeof(empty)), sizeof(empty));
	CHECK_EQ(console_session_run(&session), CONSOLE_BROKEN);
	end();
	begin();
	send_frame(77, 0, "x");
	CHECK_EQ(console_session_run(&session), CONSOLE_BROKEN);
	end();
	begin();
	send_frame(CONSOLE_FRAME_OUTPUT, UINT64_MAX - 1, "abc");
	CHECK_EQ(console_session_run(&session), CONSOLE_BROKEN);

	end();
}
