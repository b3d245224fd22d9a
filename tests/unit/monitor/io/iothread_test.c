/* SPDX-License-Identifier: MIT */
/*
 * The I/O thread and the witness thread with everything around them in one
 * process, so that a thread sanitizer sees all of it: a verifying guest in a
 * thread, a played service in another, and the main thread taking the service
 * away again and again.
 */
#include "monitor/io/iothread.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "channel/disk_request.h"
#include "lib/harness.h"
#include "workload.h"

#define DISK_BYTES (8u << 20)
/* How long the guest works, and how long services die. */
#define GUEST_NS (1200 * NS_PER_MS)
#define DEATH_NS (800 * NS_PER_MS)

static struct iothread io;
static uint8_t *platter;
static char path[64];

/* A service: a thread that answers everything, until it is told to die. */
struct service {
	pthread_t thread;
	struct channel channel;
	int kick_fd, call_fd;
	uint32_t must_die;
};

static struct service service;
static uint64_t generation;

static void carry_out(const struct channel_request *request)
{
	uint8_t *buffer = service.channel.buffers + request->buffer_offset;

	if (request->op == DISK_READ)
		memcpy(buffer, platter + request->offset_bytes,
		       request->length_bytes);
	else if (request->op == DISK_WRITE)
		memcpy(platter + request->offset_bytes, buffer,
		       request->length_bytes);
}

static void answer(const struct channel_request *request)
{
	struct channel_response response = { .id = request->id };
	static const uint64_t one = 1;

	if (request->op == DISK_READ || request->op == DISK_WRITE)
		response.bytes = request->length_bytes;
	carry_out(request);
	channel_send_response(&service.channel, &response);
	if (channel_publish(&service.channel))
		CHECK_EQ(write(service.call_fd, &one, sizeof(one)),
			 sizeof(one));
}

static void *serve(void *context)
{
	struct channel_request request;
	uint64_t count;

	while (!__atomic_load_n(&service.must_die, __ATOMIC_ACQUIRE)) {
		struct pollfd wait = { service.kick_fd, POLLIN, 0 };

		channel_beat(&service.channel);
		if (channel_receive_request(&service.channel, &request) == 0)
			answer(&request);
		else if (channel_prepare_sleep(&service.channel, 1) &&
			 poll(&wait, 1, 20) > 0)
			(void)!read(service.kick_fd, &count, sizeof(count));
	}
	return NULL;
}

static void bring_up(struct iothread *thread, void *lane)
{
	disk_up(&thread->disks[0].disk, lane, true);
}

static void bring_down(struct iothread *thread, void *nothing)
{
	disk_down(&thread->disks[0].disk, DISK_DOWN_KILLED);
}

static void start_service(void)
{
	const struct channel_shape shape = {
		.kind = CHANNEL_KIND_DISK,
		.slot_count = 64,
		.buffer_bytes = 1u << 20,
		.generation = (uint32_t)++generation,
	};
	struct lane lane;
	int fds[3] = { NO_FD };

	service.must_die = 0;
	service.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	service.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fds[1] = dup(service.kick_fd);
	fds[2] = dup(service.call_fd);
	CHECK_EQ(channel_create(&shape, &fds[0]), 0);
	CHECK_EQ(channel_open(&service.channel, fds[0], CHANNEL_SERVER,
			      CHANNEL_KIND_DISK),
		 0);
	CHECK_EQ(lane_open(&lane, CHANNEL_KIND_DISK, generation, fds), 0);
	CHECK_EQ(pthread_create(&service.thread, NULL, serve, NULL), 0);
	iothread_call(&io, bring_up, &lane);
}

static void kill_service(void)
{
	__atomic_store_n(&service.must_die, 1, __ATOMIC_RELEASE);
	(void)pthread_join(service.thread, NULL);
	iothread_call(&io, bring_down, NULL);
	channel_close(&service.channel);
	close_fd(&service.kick_fd);
	close_fd(&service.call_fd);
}

static int listen_here(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(path, sizeof(path), "/tmp/iothread-test-%d",
		       (int)getpid());
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	CHECK_EQ(listen(fd, 1), 0);
	return fd;
}

static void start_io(void)
{
	const struct monitor_disk settings = {
		.attachment_id = 1,
		.size_bytes = DISK_BYTES,
		.logical_block_bytes = 512,
		.physical_block_bytes = 4096,
		.hang_ms = 5000,
		.queue_count = 2,
		.name = "root",
	};
	int witness = memfd_create("witness", MFD_CLOEXEC);

	platter = calloc(1, DISK_BYTES);
	CHECK_EQ(iothread_init(&io), 0);
	CHECK_EQ(iothread_add_disk(&io, &settings, 0, witness), 0);
	iothread_listen(&io, listen_here());
	CHECK_EQ(iothread_start(&io), 0);
}

static void stop_io(void)
{
	iothread_stop(&io);
	(void)unlink(path);
	free(platter);
}

static struct workload_result result;
static int guest_error;

static void *be_guest(void *context)
{
	const struct workload_settings settings = {
		.path = path,
		.op = WORKLOAD_MIXED,
		.block_bytes = 4096,
		.depth = 16,
		.queue_count = 2,
		.connect_ms = 5000,
		.duration_ns = GUEST_NS,
		.drain_ns = 3 * NS_PER_S,
		.seed = 3,
		.is_verifying = true,
	};

	guest_error = workload_run(&settings, &result);
	return NULL;
}

static void count(struct iothread *thread, void *argument)
{
	disk_count(&thread->disks[0].disk, argument);
}

static uint64_t answered(void)
{
	struct disk_counters counters;

	iothread_call(&io, count, &counters);
	return counters.reads + counters.writes;
}

static void await_answers(uint64_t more)
{
	uint64_t wanted = answered() + more;

	while (answered() < wanted)
		(void)poll(NULL, 0, 1);
}

TEST(threads_and_a_dying_service_lose_nothing)
{
	pthread_t guest;
	uint64_t until;

	start_io();
	start_service();
	CHECK_EQ(pthread_create(&guest, NULL, be_guest, NULL), 0);
	until = clock_now_ns() + DEATH_NS;
	while (clock_now_ns() < until) {
		await_answers(100);
		kill_service();
		start_service();
	}
	(void)pthread_join(guest, NULL);
	kill_service();

	CHECK_EQ(guest_error, 0);
	CHECK(result.checked > 0);
	CHECK_EQ(result.errors + result.unanswered, 0);
	CHECK_EQ(result.lost + result.duplicated + result.corrupt, 0);
	stop_io();
}

static void read_line(const char *task, const char *file, char *to, int room)
{
	char name[64];
	FILE *stream;

	(void)snprintf(name, sizeof(name), "/proc/self/task/%s/%s", task, file);
	stream = fopen(name, "re");
	CHECK(stream != NULL);
	CHECK(fgets(to, room, stream) != NULL);
	(void)fclose(stream);
}

/* The run-time and the number of runs of the thread named `wanted`. */
static void read_runs(const char *wanted, char *to, int room)
{
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *task;
	char name[32] = "";

	CHECK(tasks != NULL);
	while ((task = readdir(tasks)) != NULL && strcmp(name, wanted) != 0) {
		if (task->d_name[0] == '.')
			continue;
		read_line(task->d_name, "comm", name, sizeof(name));
		read_line(task->d_name, "schedstat", to, room);
	}
	CHECK_EQ(strcmp(name, wanted), 0);
	(void)closedir(tasks);
}

TEST(an_idle_thread_does_not_wake)
{
	char before[128], after[128];

	start_io();
	start_service();
	(void)poll(NULL, 0, 50);
	read_runs("io\n", before, sizeof(before));
	(void)poll(NULL, 0, 300);
	read_runs("io\n", after, sizeof(after));

	CHECK_EQ(strcmp(before, after), 0);
	kill_service();
	stop_io();
}

struct asked {
	uint64_t answered;
	int result;
};

TEST(the_witness_thread_answers_everyone_who_asked_before_it_began)
{
	struct witness witness;
	struct asked got = { 0 };
	struct pollfd wait;
	int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	CHECK_EQ(witness_open(&witness, memfd_create("witness", MFD_CLOEXEC),
			      wake),
		 0);
	wait = (struct pollfd){ wake, POLLIN, 0 };
	witness_ask(&witness, 1);
	witness_ask(&witness, 2);
	while (got.answered < 2) {
		uint64_t count_read;

		CHECK_EQ(poll(&wait, 1, 5000), 1);
		(void)!read(wake, &count_read, sizeof(count_read));
		(void)witness_take(&witness, &got.answered, &got.result);
	}

	CHECK_EQ(got.result, 0);
	CHECK(!witness_take(&witness, &got.answered, &got.result));
	witness_close(&witness);
	close_fd(&wake);
}

TEST(a_witness_that_fails_says_so)
{
	struct witness witness;
	struct asked got = { 0 };
	struct pollfd wait;
	int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int pipe_ends[2];

	/* A pipe cannot be synchronised. */
	CHECK_EQ(pipe(pipe_ends), 0);
	CHECK_EQ(witness_open(&witness, pipe_ends[0], wake), 0);
	wait = (struct pollfd){ wake, POLLIN, 0 };
	witness_ask(&witness, 1);
	CHECK_EQ(poll(&wait, 1, 5000), 1);
	CHECK(witness_take(&witness, &got.answered, &got.result));

	CHECK_EQ(got.result, -EINVAL);
	witness_close(&witness);
	close_fd(&pipe_ends[1]);
	close_fd(&wake);
}
