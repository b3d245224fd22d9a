/* SPDX-License-Identifier: MIT */
#include "host.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "control/definition_message.h"
#include "lib/harness.h"
#include "memory_holder.h"

#define NAME         "one"
#define WAIT_STEPS   3000
#define STEP_US      10000
#define ANSWER_NS    (60 * NS_PER_S)
#define CONNECT_MS   30000
#define SLOTS        8
#define HANG_MS_LONG 60000 /* a slow emulated machine is no hang */

/* Calls. ----------------------------------------------------------------- */

static int call(struct host *host, const struct request *request)
{
	struct reply reply = { 0 };

	CHECK_EQ(client_call(&host->client, request, &reply), 0);
	if (reply.status != 0)
		(void)fprintf(stderr, "refused: %s %s\n", reply.field,
			      reply.text);
	return reply.status;
}

static int call_named(struct host *host, uint32_t type)
{
	const struct partition_name name = { .name = NAME };
	const struct request request = { .type = type, .body = &name };

	return call(host, &request);
}

/* The supervisor. -------------------------------------------------------- */

static void become_supervisor(const struct host *host, const char *failpoints)
{
	const char *program = getenv("BULKHEADD");
	char state[64];

	(void)snprintf(state, sizeof(state), "%s/state", host->folder);
	if (failpoints)
		(void)setenv("BULKHEAD_FAILPOINT", failpoints, 1);
	(void)execl(program, "bulkheadd", "--state", state, (char *)NULL);
	_exit(127);
}

void host_start(struct host *host, const char *failpoints)
{
	char socket[64];
	int r = -ENOENT;

	*host = (struct host){ .folder = "/tmp/fence-XXXXXX" };
	CHECK(mkdtemp(host->folder) != NULL);
	(void)snprintf(host->guest_socket, sizeof(host->guest_socket),
		       "%s/guest", host->folder);
	(void)snprintf(socket, sizeof(socket), "%s/state/run/bulkhead.sock",
		       host->folder);
	host->supervisor = fork();
	if (host->supervisor == 0)
		become_supervisor(host, failpoints);
	for (int i = 0; i < WAIT_STEPS && r < 0; i++) {
		(void)usleep(STEP_US);
		r = client_open(&host->client, socket);
	}
	CHECK_EQ(r, 0);
}

void host_serve(struct host *host, const struct slow_disk *disk,
		enum disk_cache cache, uint32_t fail_after_ms)
{
	struct partition_document
		document = { .partition = {
				     .name = NAME,
				     .engine = ENGINE_FOREIGN,
				     .restart = RESTART_ALWAYS,
				     .stop_ms = STOP_MS_DEFAULT,
				     .disk_count = 1,
				     .disks[0] = { .name = "root",
						   .service =
							   DEFAULT_DISK_SERVICE,
						   .cache = cache,
						   .outage = { fail_after_ms
								       ? OUTAGE_FAIL
								       : OUTAGE_HOLD,
							       fail_after_ms },
						   .hang_ms = HANG_MS_LONG,
						   .queue_count = 1 },
			     } };
	struct partition_definition *definition = &document.partition;
	static const struct definition_head head;
	struct definition_message body;
	struct request define = { .type = MSG_PARTITION_DEFINE, .body = &body };

	(void)text_copy(definition->vhost_user, sizeof(definition->vhost_user),
			host->guest_socket);
	(void)text_copy(definition->disks[0].file,
			sizeof(definition->disks[0].file), disk->device);
	CHECK(definition_message_make(define.type, &head, &document, &body) >
	      0);
	CHECK_EQ(call(host, &define), 0);
	CHECK_EQ(call_named(host, MSG_PARTITION_INSTALL), 0);
	host->cache = cache;
	host_start_partition(host);
}

static void remove_folder(const struct host *host)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "rm -rf %s", host->folder);
	CHECK_EQ(system(command), 0);
}

void host_end(struct host *host)
{
	const struct host_shutdown shutdown = { .deadline_ms = 20000 };
	const struct request request = { .type = MSG_HOST_SHUTDOWN,
					 .body = &shutdown };
	struct reply reply;

	fakeguest_close(&host->guest);
	(void)client_call(&host->client, &request, &reply);
	client_close(&host->client);
	(void)waitpid(host->supervisor, NULL, 0);
	if (host->holder > 0)
		memory_let_go(host->holder);
	remove_folder(host);
}

void host_stop_partition(struct host *host)
{
	const struct partition_stop stop = { .name = NAME, .is_forced = 1 };
	const struct request request = { .type = MSG_PARTITION_STOP,
					 .body = &stop };

	fakeguest_close(&host->guest);
	CHECK_EQ(call(host, &request), 0);
}

void host_start_partition(struct host *host)
{
	CHECK_EQ(call_named(host, MSG_PARTITION_START), 0);
}

/* Processes. ------------------------------------------------------------- */

static int note_service(void *data, struct message *message)
{
	const struct service_row *row = (const void *)message->body;
	pid_t *pid = data;

	if (strcmp(row->kind, "disk") == 0 && strcmp(row->state, "active") == 0)
		*pid = (pid_t)row->pid;
	return 0;
}

void host_kill_service(struct host *host)
{
	pid_t pid = 0;
	const struct request request = { .type = MSG_SERVICE_LIST,
					 .on_row = note_service,
					 .row_data = &pid };

	CHECK_EQ(call(host, &request), 0);
	CHECK(pid > 0);
	host->holder = memory_hold(pid);
	CHECK_EQ(kill(pid, SIGKILL), 0);
}

static int note_monitor(void *data, struct message *message)
{
	const struct partition_row *row = (const void *)message->body;
	pid_t *pid = data;

	if (message->type == MSG_PARTITION_ROW)
		*pid = (pid_t)row->monitor_pid;
	return 0;
}

void host_kill_monitor(struct host *host)
{
	pid_t pid = 0;
	const struct request request = { .type = MSG_PARTITION_LIST,
					 .on_row = note_monitor,
					 .row_data = &pid };

	CHECK_EQ(call(host, &request), 0);
	CHECK(pid > 0);
	CHECK_EQ(kill(pid, SIGKILL), 0);
}

/* The guest. ------------------------------------------------------------- */

void guest_connect(struct host *host)
{
	const struct fakeguest_settings settings = {
		.path = host->guest_socket,
		.queue_count = 1,
		.queue_size = 64,
		.slot_count = SLOTS,
		.slot_bytes = HOST_BLOCK,
		.connect_ms = CONNECT_MS,
		.is_write_through = host->cache == DISK_BUFFERED,
	};

	CHECK_EQ(fakeguest_open(&host->guest, &settings), 0);
}

static uint32_t ask(struct host *host, uint32_t type, uint64_t at, int byte)
{
	uint32_t slot;

	CHECK_EQ(fakeguest_take_slot(&host->guest, &slot), 0);
	memset(fakeguest_data(&host->guest, slot), byte, HOST_BLOCK);
	fakeguest_submit(&host->guest, slot, type, at, HOST_BLOCK);
	fakeguest_publish(&host->guest);
	return slot;
}

uint32_t guest_write(struct host *host, uint64_t at, uint8_t byte)
{
	return ask(host, VIRTIO_BLK_T_OUT, at, byte);
}

uint32_t guest_read(struct host *host, uint64_t at)
{
	return ask(host, VIRTIO_BLK_T_IN, at, 0);
}

uint8_t guest_answer(struct host *host)
{
	uint64_t deadline_ns = clock_now_ns() + ANSWER_NS;
	uint32_t slot;
	uint8_t status = 0xff;

	while (fakeguest_reap(&host->guest, &slot, &status) == -EAGAIN)
		CHECK_EQ(fakeguest_wait(&host->guest, deadline_ns), 0);
	fakeguest_return_slot(&host->guest, slot);
	return status;
}
