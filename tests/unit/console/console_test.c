/* SPDX-License-Identifier: MIT */
#include "console/console.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

static struct bytes monitor;
static int ring_fd, call_fd, kick_fd, log_fd;
static struct console *console;
static bool may_sleep;

static struct console *serve_with(uint64_t log_bytes)
{
	struct console_ring ring = { .attachment = { 7, 1 },
				     .partition = "web1",
				     .log_bytes = log_bytes };
	int fds[] = { dup(ring_fd), dup(call_fd), dup(kick_fd), dup(log_fd) };
	struct console *made = NULL;
	int r = console_new(&ring, fds, &made);

	for (size_t i = 0; i < 4; i++)
		close_fd(&fds[i]);
	CHECK_EQ(r, 0);
	return made;
}

static void begin(uint32_t ring_bytes, uint64_t log_bytes)
{
	CHECK_EQ(bytes_create(ring_bytes, &ring_fd), 0);
	CHECK_EQ(bytes_open(&monitor, ring_fd), 0);
	call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	console = serve_with(log_bytes);
}

static void end(void)
{
	if (console)
		console_end(console, "over");
	bytes_close(&monitor);
	close_fd(&ring_fd);
	close_fd(&call_fd);
	close_fd(&kick_fd);
	close_fd(&log_fd);
}

static void write_text(const char *text)
{
	(void)bytes_write_output(&monitor, text, strlen(text));
}

static void turn(void)
{
	CHECK_EQ(console_turn(console, &may_sleep), 0);
}

/* Attach with a small socket buffer; returns the client's end. */
static int attach(enum console_mode mode)
{
	const int small = 4096;
	int pair[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	CHECK_EQ(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small,
			    sizeof(small)),
		 0);
	CHECK_EQ(console_attach(console, pair[0], mode), 0);
	return pair[1];
}

/* The next frame; its kind, or 0 when nothing is there. */
static uint32_t next_frame(int fd, struct console_frame *header,
			   char text[CONSOLE_FRAME_BYTES_MAX + 1])
{
	if (recv(fd, header, sizeof(*header), MSG_DONTWAIT) !=
	    (ssize_t)sizeof(*header))
		return 0;
	CHECK(header->bytes <= CONSOLE_FRAME_BYTES_MAX);
	for (uint32_t have = 0; have < header->bytes;) {
		ssize_t got = recv(fd, text + have, header->bytes - have,
				   MSG_DONTWAIT);

		/* The rest comes when there is room for it. */
		if (got < 0)
			turn();
		else
			have += (uint32_t)got;
	}
	text[header->bytes] = '\0';
	return header->kind;
}

static int keep_text(void *data, const char *text, size_t bytes)
{
	(void)strncat(data, text, bytes);
	return 0;
}

static const char *log_text(void)
{
	static char text[65536];

	text[0] = '\0';
	CHECK_EQ(textlog_read(log_fd, keep_text, text), 0);
	return text;
}

TEST(a_client_gets_the_output_kept_before_it_came)
{
	struct console_frame header;
	char text[CONSOLE_FRAME_BYTES_MAX + 1];
	int client;

	begin(BYTES_OUTPUT_MIN, 0);
	write_text("booting\n");
	client = attach(CONSOLE_READ);
	turn();

	CHECK_EQ(next_frame(client, &header, text), CONSOLE_FRAME_OUTPUT);
	CHECK_EQ(strcmp(text, "booting\n"), 0);
	CHECK_EQ(header.position, 0);

	(void)close(client);
	end();
}

TEST(a_writer_reaches_the_monitor_and_a_reader_does_not)
{
	int writer, reader;
	char typed[32] = "";
	size_t count;

	begin(BYTES_OUTPUT_MIN, 0);
	writer = attach(CONSOLE_WRITE);
	reader = attach(CONSOLE_READ);
	CHECK_EQ(write(writer, "ls\n", 3), 3);
	CHECK_EQ(write(reader, "rm\n", 3), 3);
	console_reader_ready(console, 1, false);
	console_reader_ready(console, 0, false);
	turn();

	CHECK_EQ(bytes_read_input(&monitor, typed, sizeof(typed), &count), 0);
	CHECK_EQ(count, 3);
	CHECK_EQ(memcmp(typed, "ls\n", 3), 0);

	(void)close(writer);
	(void)close(reader);
	end();
}

TEST(a_second_writer_is_refused_and_told_what_to_do)
{
	struct console_frame header;
	char text[CONSOLE_FRAME_BYTES_MAX + 1];
	int pair[2];
	int first;

	begin(BYTES_OUTPUT_MIN, 0);
	first = attach(CONSOLE_WRITE);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);

	CHECK_EQ(console_attach(console, pair[0], CONSOLE_WRITE), -EBUSY);
	CHECK_EQ(next_frame(pair[1], &header, text), CONSOLE_FRAME_REFUSED);
	CHECK(strstr(text, "--take-over") != NULL);
	CHECK_EQ(console->reader_count, 1);

	(void)close(first);
	(void)close(pair[1]);
	end();
}

TEST(a_take_over_demotes_the_writer_with_a_notice)
{
	struct console_frame header;
	char text[CONSOLE_FRAME_BYTES_MAX + 1];
	char typed[32] = "";
	size_t count;
	int old, new;

	begin(BYTES_OUTPUT_MIN, 0);
	old = attach(CONSOLE_WRITE);
	new = attach(CONSOLE_TAKE_OVER);
	CHECK_EQ(write(old, "old", 3), 3);
	CHECK_EQ(write(new, "new", 3), 3);
	console_reader_ready(console, 1, false);
	console_reader_ready(console, 0, false);
	turn();

	CHECK_EQ(next_frame(old, &header, text), CONSOLE_FRAME_DEMOTED);
	CHECK(strstr(text, "took over") != NULL);
	CHECK_EQ(bytes_read_input(&monitor, typed, sizeof(typed), &count), 0);
	CHECK_EQ(count, 3);
	CHECK_EQ(memcmp(typed, "new", 3), 0);

	(void)close(old);
	(void)close(new);
	end();
}

TEST(a_slow_client_loses_its_own_output_and_nobody_elses)
{
	static char text[CONSOLE_FRAME_BYTES_MAX + 1];
	struct console_frame header;
	uint64_t seen = 0, slow_gap = 0, slow_at = 0;
	char line[101];
	int slow, quick;

	begin(BYTES_OUTPUT_MIN, 0);
	slow = attach(CONSOLE_READ);
	quick = attach(CONSOLE_READ);
	memset(line, 'x', 100);
	line[100] = '\0';
	for (int i = 0; i < 1000; i++) {
		write_text(line);
		turn();
		while (next_frame(quick, &header, text)) {
			CHECK_EQ(header.position, (long long)seen);
			seen += header.bytes;
		}
	}
	while (next_frame(slow, &header, text)) {
		slow_gap += header.position - slow_at;
		slow_at = header.position + header.bytes;
		turn();
	}

	CHECK_EQ(seen, 100000);
	CHECK_EQ(slow_at, 100000);
	CHECK(slow_gap > 50000);

	(void)close(slow);
	(void)close(quick);
	end();
}

TEST(the_log_never_outgrows_its_bound_and_keeps_the_newest_text)
{
	char line[32];

	begin(BYTES_OUTPUT_MIN, 2048);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(line, sizeof(line), "line %d\n", i);
		write_text(line);
		turn();
		CHECK(lseek(log_fd, 0, SEEK_END) <= 2048);
	}

	CHECK(strstr(log_text(), "line 998\nline 999\n") != NULL);
	CHECK(strstr(log_text(), "line 1\n") == NULL);

	end();
}

TEST(the_log_goes_on_exactly_where_it_ended_after_a_restart)
{
	begin(BYTES_OUTPUT_MIN, 65536);
	write_text("one\n");
	turn();
	console_end(console, "restart");
	write_text("two\n");
	console = serve_with(65536);
	turn();

	CHECK_EQ(strcmp(log_text(), "one\ntwo\n"), 0);

	end();
}

TEST(the_log_does_not_repeat_what_a_killed_service_wrote_and_did_not_record)
{
	begin(BYTES_OUTPUT_MIN, 65536);
	write_text("one\n");
	turn();
	console_end(console, "killed");
	bytes_set_logged(&monitor, 0);
	write_text("two\n");
	console = serve_with(65536);
	turn();

	CHECK_EQ(strcmp(log_text(), "one\ntwo\n"), 0);

	end();
}

TEST(the_log_of_a_new_ring_follows_that_of_the_last)
{
	begin(BYTES_OUTPUT_MIN, 65536);
	write_text("first life\n");
	turn();
	console_end(console, "stopped");
	bytes_close(&monitor);
	close_fd(&ring_fd);
	CHECK_EQ(bytes_create(BYTES_OUTPUT_MIN, &ring_fd), 0);
	CHECK_EQ(bytes_open(&monitor, ring_fd), 0);
	write_text("second life of the partition\n");
	console = serve_with(65536);
	turn();

	CHECK_EQ(strcmp(log_text(),
			"first life\nsecond life of the partition\n"),
		 0);

	end();
}

TEST(a_log_that_cannot_be_written_stops_nobody)
{
	struct console_frame header;
	char text[CONSOLE_FRAME_BYTES_MAX + 1];
	int client;

	begin(BYTES_OUTPUT_MIN, 0);
	console_end(console, "over");
	close_fd(&log_fd);
	log_fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	console = serve_with(65536);
	client = attach(CONSOLE_READ);
	write_text("text");
	turn();

	CHECK(console->log_is_failing);
	CHECK(may_sleep);
	CHECK_EQ(next_frame(client, &header, text), CONSOLE_FRAME_OUTPUT);

	(void)close(client);
	end();
}

TEST(the_end_of_a_console_brings_the_last_words_and_the_reason)
{
	struct console_frame header;
	char text[CONSOLE_FRAME_BYTES_MAX + 1];
	int client;

	begin(BYTES_OUTPUT_MIN, 0);
	client = attach(CONSOLE_WRITE);
	write_text("halted\n");
	console_end(console, "the console is closed");
	console = NULL;

	CHECK_EQ(next_frame(client, &header, text), CONSOLE_FRAME_OUTPUT);
	CHECK_EQ(next_frame(client, &header, text), CONSOLE_FRAME_CLOSED);
	CHECK_EQ(strcmp(text, "the console is closed"), 0);
	CHECK_EQ(recv(client, text, 1, MSG_DONTWAIT), 0);

	(void)close(client);
	end();
}

TEST(one_client_too_many_is_told_and_closed)
{
	int clients[CONSOLE_READERS_MAX];
	struct console_frame header;
	char text[CONSOLE_FRAME_BYTES_MAX + 1];
	int pair[2];

	begin(BYTES_OUTPUT_MIN, 0);
	for (int i = 0; i < CONSOLE_READERS_MAX; i++)
		clients[i] = attach(CONSOLE_READ);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);

	CHECK_EQ(console_attach(console, pair[0], CONSOLE_WRITE), -EUSERS);
	CHECK_EQ(next_frame(pair[1], &header, text), CONSOLE_FRAME_REFUSED);
	CHECK_EQ(strcmp(text, "too many clients are attached"), 0);

	for (int i = 0; i < CONSOLE_READERS_MAX; i++)
		(void)close(clients[i]);
	(void)close(pair[1]);
	end();
}

TEST(input_waits_for_a_monitor_that_does_not_read)
{
	char typed[BYTES_INPUT_BYTES];
	size_t count;
	int client;

	begin(BYTES_OUTPUT_MIN, 0);
	client = attach(CONSOLE_WRITE);
	memset(typed, 'y', sizeof(typed));
	CHECK_EQ(write(client, typed, sizeof(typed)), sizeof(typed));
	CHECK_EQ(write(client, typed, 100), 100);
	for (int i = 0; i < 8; i++) {
		console_reader_ready(console, 0, false);
		turn();
	}

	CHECK(console_waits_for_room(console));
	CHECK_EQ(bytes_read_input(&monitor, typed, sizeof(typed), &count), 0);
	CHECK_EQ(count, BYTES_INPUT_BYTES);
	turn();
	CHECK(!console_waits_for_room(console));
	CHECK_EQ(bytes_read_input(&monitor, typed, sizeof(typed), &count), 0);
	CHECK_EQ(count, 100);

	(void)close(client);
	end();
}

TEST(a_hostile_peer_cannot_spin_us_by_hanging_up_with_input_waiting)
{
	char typed[BYTES_INPUT_BYTES];
	int client;

	begin(BYTES_OUTPUT_MIN, 0);
	client = attach(CONSOLE_WRITE);
	memset(typed, 'y', sizeof(typed));
	CHECK_EQ(write(client, typed, sizeof(typed)), sizeof(typed));
	CHECK_EQ(write(client, typed, 100), 100);
	for (int i = 0; i < 8; i++) {
		console_reader_ready(console, 0, false);
		turn();
	}
	(void)close(client);
	console_reader_ready(console, 0, true);

	CHECK_EQ(console->reader_count, 0);

	end();
}

TEST(a_hostile_monitor_cannot_move_the_output_backwards)
{
	uint64_t *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
			     (begin(BYTES_OUTPUT_MIN, 65536), ring_fd), 0);

	CHECK(map != MAP_FAILED);
	write_text("some text");
	turn();
	/* The end of the output is the second word on a line of its own. */
	for (size_t i = 8; i < 32; i++)
		if (map[i] == strlen("some text"))
			map[i] = 1;

	CHECK_EQ(console_turn(console, &may_sleep), -EBADMSG);

	(void)munmap(map, 4096);
	end();
}

TEST(a_hostile_monitor_cannot_keep_us_by_leaping_ahead)
{
	uint64_t *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
			     (begin(BYTES_OUTPUT_MIN, 65536), ring_fd), 0);
	int client = attach(CONSOLE_READ);

	CHECK(map != MAP_FAILED);
	write_text("some text");
	for (size_t i = 8; i < 32; i++)
		if (map[i] == strlen("some text"))
			map[i] = UINT64_MAX - 5;
	turn();

	CHECK(lseek(log_fd, 0, SEEK_END) <= 65536);

	(void)munmap(map, 4096);
	(void)close(client);
	end();
}

/* The positions of the output, as a hostile monitor sees them. */
static struct {
	uint64_t *intent, *end;
	int is_over;
} words;

static void *advance_without_end(void *data)
{
	for (uint64_t at = 4096;
	     !__atomic_load_n(&words.is_over, __ATOMIC_RELAXED); at += 4096) {
		__atomic_store_n(words.intent, at, __ATOMIC_RELAXED);
		__atomic_store_n(words.end, at, __ATOMIC_RELEASE);
	}
	return NULL;
}

TEST(a_hostile_monitor_cannot_keep_us_by_writing_without_end)
{
	pthread_t writer;
	uint64_t *map;

	begin(BYTES_OUTPUT_MAX, 65536);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring_fd, 0);
	CHECK(map != MAP_FAILED);
	words.intent = map + 8;
	words.end = map + 16;
	CHECK_EQ(pthread_create(&writer, NULL, advance_without_end, NULL), 0);

	while (bytes_output_end(&monitor) < BYTES_OUTPUT_MAX)
		(void)usleep(1000);
	/* The harness ends a test that does not come back. */
	for (int i = 0; i < 20; i++)
		turn();

	__atomic_store_n(&words.is_over, 1, __ATOMIC_RELAXED);
	CHECK_EQ(pthread_join(writer, NULL), 0);
	(void)munmap(map, 4096);
	end();
}

TEST(a_hostile_supervisor_cannot_hand_over_an_eventfd_that_blocks)
{
	struct console_ring ring = { .partition = "web1" };
	struct console *made;
	int fds[4];

	begin(BYTES_OUTPUT_MIN, 0);
	fds[0] = dup(ring_fd);
	fds[1] = eventfd(0, EFD_CLOEXEC);
	fds[2] = dup(kick_fd);
	fds[3] = dup(log_fd);

	CHECK_EQ(console_new(&ring, fds, &made), -EBADMSG);

	for (size_t i = 0; i < 4; i++)
		close_fd(&fds[i]);
	end();
}

TEST(a_hostile_peer_cannot_hand_over_something_that_is_no_ring)
{
	struct console_ring ring = { .partition = "web1" };
	struct console *made;
	int fds[4];

	begin(BYTES_OUTPUT_MIN, 0);
	fds[0] = dup(log_fd);
	fds[1] = dup(call_fd);
	fds[2] = dup(kick_fd);
	fds[3] = dup(log_fd);

	CHECK_EQ(console_new(&ring, fds, &made), -EBADMSG);

	for (size_t i = 0; i < 4; i++)
		close_fd(&fds[i]);
	end();
}
