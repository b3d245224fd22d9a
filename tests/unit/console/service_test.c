/* SPDX-License-Identifier: MIT */
/* bulkhead-console itself, between a played supervisor, monitor and client. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scope.h"
#include "channel/bytes.h"
#include "control/child.h"
#include "control/console_stream.h"
#include "lib/harness.h"
#include "textlog/textlog.h"

#define WAIT_MS 5000

/* A sanitizer's memory is not the service's. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

static struct control link_;
static pid_t service;
static char meet_path[64];
static int listener;
static struct bytes monitor;
static int ring, to_service, to_monitor, log_fd;
static const struct attachment attachment = { .id = 3, .generation = 9 };

/* -- the supervisor -- */

static int make_rendezvous(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(meet_path, sizeof(meet_path), "/tmp/console-XXXXXX");
	CHECK(mkdtemp(meet_path) != NULL);
	(void)snprintf(address.sun_path, sizeof(address.sun_path),
		       "%s/supervisor", meet_path);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(listener, (struct sockaddr *)&address, sizeof(address)),
		 0);
	CHECK_EQ(listen(listener, 4), 0);
	return open(meet_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void become_service(int fd)
{
	/* A test that fails leaves no service behind. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The leak check of sanitizers wants to trace a sealed process. */
	(void)setenv("ASAN_OPTIONS", "detect_leaks=0", 0);
	if (fd == CONTROL_CHILD_FD)
		(void)fcntl(fd, F_SETFD, 0);
	else
		(void)dup2(fd, CONTROL_CHILD_FD);
	(void)execl(getenv("BULKHEAD_CONSOLE"), "bulkhead-console",
		    (char *)NULL);
	_exit(127);
}

static void expect(uint32_t type, struct message *message)
{
	struct pollfd wait = { .fd = link_.fd, .events = POLLIN };

	CHECK_EQ(poll(&wait, 1, WAIT_MS), 1);
	CHECK_EQ(control_receive(&link_, message), 0);
	CHECK_EQ(message->type, type);
	message_release(message);
}

static void say(uint32_t type, const void *body, size_t bytes, const int *fds,
		size_t fd_count)
{
	CHECK_EQ(control_send(&link_, type, 0, body, bytes, fds, fd_count), 0);
}

static void start_service(void)
{
	struct child_settings settings = { .name = "console0",
					   .token = "0123456789abcde",
					   .role = ROLE_CONSOLE,
					   .log_level = LOG_ERROR };
	SCOPED(close_fd) int meet = make_rendezvous();
	struct control theirs;
	struct message ready;

	CHECK(getenv("BULKHEAD_CONSOLE") != NULL);
	CHECK_EQ(control_pair(&link_, &theirs), 0);
	service = fork();
	CHECK(service >= 0);
	if (service == 0)
		become_service(theirs.fd);
	control_close(&theirs);
	say(MSG_CHILD_SETTINGS, &settings, sizeof(settings), &meet, 1);
	expect(MSG_CHILD_READY, &ready);
}

static void kill_service(void)
{
	char path[96];

	(void)kill(service, SIGKILL);
	(void)waitpid(service, NULL, 0);
	control_close(&link_);
	close_fd(&listener);
	(void)snprintf(path, sizeof(path), "%s/supervisor", meet_path);
	(void)unlink(path);
	(void)rmdir(meet_path);
}

static void attach_console(void)
{
	struct console_ring body = { .attachment = attachment,
				     .partition = "web1",
				     .log_bytes = 65536 };
	const int fds[] = { ring, to_service, to_monitor, log_fd };

	say(MSG_CONSOLE_ATTACH, &body, sizeof(body), fds, 4);
}

static void begin(void)
{
	CHECK_EQ(bytes_create(BYTES_OUTPUT_DEFAULT, &ring), 0);
	CHECK_EQ(bytes_open(&monitor, ring), 0);
	to_service = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	to_monitor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	start_service();
	attach_console();
}

static void end(void)
{
	kill_service();
	bytes_close(&monitor);
	close_fd(&ring);
	close_fd(&to_service);
	close_fd(&to_monitor);
	close_fd(&log_fd);
}

/* The service has seen what was sent before. */
static void wait_for_service(void)
{
	struct message pong;

	say(MSG_CHILD_PING, NULL, 0, NULL, 0);
	expect(MSG_CHILD_PONG, &pong);
}

/* -- the monitor -- */

static void write_output(const char *text)
{
	const uint64_t one = 1;

	if (bytes_write_output(&monitor, text, strlen(text)))
		CHECK_EQ(write(to_service, &one, sizeof(one)), sizeof(one));
}

/* -- a client -- */

static int join(enum console_mode mode)
{
	struct console_client body = { .attachment = attachment, .mode = mode };
	int pair[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	say(MSG_CONSOLE_CLIENT, &body, sizeof(body), &pair[1], 1);
	(void)close(pair[1]);
	return pair[0];
}

static void expect_frame(int fd, uint32_t kind, const char *text)
{
	struct console_frame header;
	char got[CONSOLE_FRAME_BYTES_MAX + 1];
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	CHECK_EQ(poll(&wait, 1, WAIT_MS), 1);
	CHECK_EQ(recv(fd, &header, sizeof(header), MSG_WAITALL),
		 sizeof(header));
	CHECK(header.bytes <= CONSOLE_FRAME_BYTES_MAX);
	CHECK_EQ(recv(fd, got, header.bytes, MSG_WAITALL), header.bytes);
	got[header.bytes] = '\0';
	CHECK_EQ(header.kind, kind);
	CHECK_EQ(strcmp(got, text), 0);
}

static int keep(void *data, const char *text, size_t bytes)
{
	(void)strncat(data, text, bytes);
	return 0;
}

static const char *log_text(void)
{
	static char text[70000];

	text[0] = '\0';
	CHECK_EQ(textlog_read(log_fd, keep, text), 0);
	return text;
}

/* The log is written before the output is sent, or in the turn after. */
static void expect_log(const char *text)
{
	for (int i = 0; i < 500 && strcmp(log_text(), text) != 0; i++)
		(void)usleep(10000);
	CHECK_EQ(strcmp(log_text(), text), 0);
}

/* A number from a line of /proc/PID/FILE; -1 when it is not there. */
static long proc_number(const char *file, const char *key)
{
	char path[64], line[256];
	long value = -1;
	FILE *in;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", service, file);
	in = fopen(path, "re");
	CHECK(in != NULL);
	while (value < 0 && fgets(line, sizeof(line), in))
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtol(line + strlen(key), NULL, 10);
	(void)fclose(in);
	return value;
}

TEST(output_reaches_a_client_and_the_log)
{
	int client;

	begin();
	write_output("booting\n");
	client = join(CONSOLE_READ);

	expect_frame(client, CONSOLE_FRAME_OUTPUT, "booting\n");
	write_output("up\n");
	expect_frame(client, CONSOLE_FRAME_OUTPUT, "up\n");
	expect_log("booting\nup\n");

	(void)close(client);
	end();
}

static void set_log(uint64_t id, uint64_t log_bytes)
{
	const struct console_settings settings = {
		.attachment = { .id = id, .generation = attachment.generation },
		.log_bytes = log_bytes,
	};

	say(MSG_CONSOLE_SET, &settings, sizeof(settings), NULL, 0);
	wait_for_service();
}

TEST(a_new_bound_is_applied_to_a_log_that_is_longer)
{
	char line[1000];
	int client;

	begin();
	client = join(CONSOLE_READ);
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	write_output(line);
	expect_log(line);

	set_log(attachment.id + 1, 0);
	set_log(attachment.id, 512);
	CHECK_EQ(lseek(log_fd, 0, SEEK_END), 512);
	expect_log(line + strlen(line) - (512 - TEXTLOG_HEADER_BYTES));
	set_log(attachment.id, 65536);
	write_output("more");
	expect_frame(client, CONSOLE_FRAME_OUTPUT, line);
	expect_frame(client, CONSOLE_FRAME_OUTPUT, "more");

	(void)close(client);
	end();
}

TEST(input_reaches_the_monitor_and_wakes_it)
{
	struct pollfd wait;
	char typed[8] = "";
	size_t count;
	int client;

	begin();
	CHECK(bytes_prepare_input_sleep(&monitor));
	client = join(CONSOLE_WRITE);
	CHECK_EQ(write(client, "ls\n", 3), 3);
	wait = (struct pollfd){ .fd = to_monitor, .events = POLLIN };

	CHECK_EQ(poll(&wait, 1, WAIT_MS), 1);
	CHECK_EQ(bytes_read_input(&monitor, typed, sizeof(typed), &count), 0);
	CHECK_EQ(strcmp(typed, "ls\n"), 0);

	(void)close(client);
	end();
}

TEST(a_killed_service_loses_and_repeats_no_output)
{
	int client;

	begin();
	write_output("one\n");
	expect_log("one\n");
	kill_service();
	write_output("two\n");
	start_service();
	attach_console();
	client = join(CONSOLE_READ);

	expect_frame(client, CONSOLE_FRAME_OUTPUT, "one\ntwo\n");
	expect_log("one\ntwo\n");

	(void)close(client);
	end();
}

TEST(clients_stay_attached_while_the_supervisor_is_gone)
{
	struct control old;
	struct message message;
	int client;

	begin();
	client = join(CONSOLE_READ);
	wait_for_service();
	old = link_;
	control_close(&old);
	write_output("still served\n");
	expect_frame(client, CONSOLE_FRAME_OUTPUT, "still served\n");

	link_.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK(link_.fd >= 0);
	expect(MSG_CHILD_HELLO, &message);
	expect(MSG_CHILD_READY, &message);
	say(MSG_CHILD_WELCOME, NULL, 0, NULL, 0);
	expect(MSG_CONSOLE_HELD, &message);
	CHECK_EQ(memcmp(message.body, &attachment, sizeof(attachment)), 0);
	expect(MSG_CHILD_REPORTED, &message);

	(void)close(client);
	end();
}

TEST(a_detached_console_says_goodbye)
{
	int client;

	begin();
	client = join(CONSOLE_WRITE);
	write_output("halted\n");
	say(MSG_CONSOLE_DETACH, &attachment, sizeof(attachment), NULL, 0);

	expect_frame(client, CONSOLE_FRAME_OUTPUT, "halted\n");
	expect_frame(client, CONSOLE_FRAME_CLOSED, "the console is closed");

	(void)close(client);
	end();
}

TEST(a_hostile_monitor_loses_its_console_and_nobody_elses)
{
	struct message event;
	uint64_t *words;
	int client;

	begin();
	client = join(CONSOLE_READ);
	write_output("some text");
	expect_frame(client, CONSOLE_FRAME_OUTPUT, "some text");
	words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0);
	CHECK(words != MAP_FAILED);
	for (size_t i = 8; i < 32; i++)
		if (words[i] == strlen("some text"))
			words[i] = 1;
	CHECK_EQ(write(to_service, &(uint64_t){ 1 }, 8), 8);

	expect(MSG_CHILD_EVENT, &event);
	expect_frame(client, CONSOLE_FRAME_CLOSED, "the console is broken");
	wait_for_service();

	(void)munmap(words, 4096);
	(void)close(client);
	end();
}

TEST(a_hostile_client_that_floods_stops_nobody)
{
	static char flood[1 << 16];
	int hostile, other;

	begin();
	hostile = join(CONSOLE_WRITE);
	other = join(CONSOLE_READ);
	(void)fcntl(hostile, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 64; i++)
		(void)!write(hostile, flood, sizeof(flood));
	write_output("for the other\n");

	expect_frame(other, CONSOLE_FRAME_OUTPUT, "for the other\n");
	wait_for_service();

	(void)close(hostile);
	(void)close(other);
	end();
}

TEST(an_idle_service_is_small_and_does_not_wake_up)
{
	long before, after;
	int client;

	begin();
	client = join(CONSOLE_READ);
	write_output("text\n");
	expect_frame(client, CONSOLE_FRAME_OUTPUT, "text\n");
	wait_for_service();
	(void)usleep(100000);
	before = proc_number("status", "voluntary_ctxt_switches:");
	(void)usleep(1000000);
	after = proc_number("status", "voluntary_ctxt_switches:");

	CHECK_EQ(after, before);
#if !IS_SANITIZED
	/* Nobody but root may weigh a process that has shut itself off. */
	if (geteuid() == 0)
		CHECK(proc_number("smaps_rollup", "Pss:") < 3 * 1024);
#endif

	(void)close(client);
	end();
}
