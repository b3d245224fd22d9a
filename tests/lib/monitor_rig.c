/* SPDX-License-Identifier: MIT */
#include "lib/monitor_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

#define WAIT_MS       5000
#define ATTACHMENT_ID 42

static int listen_at(const char *path, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	CHECK_EQ(listen(fd, 4), 0);
	return fd;
}

static void make_places(struct monitor_rig *rig)
{
	char path[96];

	(void)snprintf(rig->folder, sizeof(rig->folder),
		       "/dev/shm/monitor-rig-XXXXXX");
	CHECK(mkdtemp(rig->folder) != NULL);
	(void)snprintf(path, sizeof(path), "%s/supervisor", rig->folder);
	(void)snprintf(rig->socket_path, sizeof(rig->socket_path), "%s/front",
		       rig->folder);
	(void)snprintf(rig->file_path, sizeof(rig->file_path), "%s/file",
		       rig->folder);
	rig->listener = listen_at(path, SOCK_SEQPACKET);
	rig->front = listen_at(rig->socket_path, SOCK_STREAM);
}

static void become_monitor(int link)
{
	const char *program = getenv("BULKHEAD_MONITOR");

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The leak check of sanitizers wants to trace a sealed process. */
	(void)setenv("ASAN_OPTIONS", "detect_leaks=0", 0);
	if (link == CONTROL_CHILD_FD)
		(void)fcntl(link, F_SETFD, 0);
	else
		(void)dup2(link, CONTROL_CHILD_FD);
	(void)execl(program, "bulkhead-monitor", (char *)NULL);
	_exit(127);
}

static void spawn(struct monitor_rig *rig)
{
	struct control theirs;

	CHECK(getenv("BULKHEAD_MONITOR") != NULL);
	CHECK_EQ(control_pair(&rig->link, &theirs), 0);
	rig->pid = fork();
	CHECK(rig->pid >= 0);
	if (rig->pid == 0)
		become_monitor(theirs.fd);
	control_close(&theirs);
}

static void send_fd(struct monitor_rig *rig, uint32_t type, const void *body,
		    size_t body_bytes, int fd)
{
	CHECK_EQ(control_send(&rig->link, type, 0, body, body_bytes, &fd, 1),
		 0);
}

static void describe(struct monitor_rig *rig)
{
	SCOPED(close_fd)
	int meet = open(rig->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct child_settings who = {
		.name = "web1",
		.token = "0123456789abcde",
		.role = ROLE_MONITOR,
		.log_level = 4,
	};
	const struct monitor_settings settings = {
		.engine = ENGINE_FOREIGN,
		.disk_count = 1,
	};
	const struct monitor_disk disk = {
		.attachment_id = ATTACHMENT_ID,
		.size_bytes = MONITOR_RIG_DISK_BYTES,
		.logical_block_bytes = 512,
		.physical_block_bytes = 4096,
		.hang_ms = 1000,
		.queue_count = 2,
		.name = "root",
		.serial = "serial",
		.local_reads = rig->local_reads,
	};
	const struct disk_channel debt = { .attachment_id = ATTACHMENT_ID };

	send_fd(rig, MSG_CHILD_SETTINGS, &who, sizeof(who), meet);
	monitor_rig_send(rig, MSG_MONITOR_CONFIGURE, 0, &settings,
			 sizeof(settings));
	send_fd(rig, MSG_MONITOR_DISK, &disk, sizeof(disk), rig->witness);
	if (rig->owes_error)
		monitor_rig_send(rig, MSG_MONITOR_DISK_OWES, 0, &debt,
				 sizeof(debt));
	send_fd(rig, MSG_MONITOR_LISTENER, NULL, 0, rig->front);
	monitor_rig_send(rig, MSG_MONITOR_LAUNCH, 0, NULL, 0);
}

static void launch(struct monitor_rig *rig)
{
	struct message message;

	spawn(rig);
	describe(rig);
	monitor_rig_expect(rig, MSG_CHILD_READY, &message);
	message_release(&message);
}

void monitor_rig_start(struct monitor_rig *rig)
{
	make_places(rig);
	rig->witness = open(rig->file_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK_EQ(ftruncate(rig->witness, MONITOR_RIG_DISK_BYTES), 0);
	launch(rig);
}

static void reap(pid_t *pid)
{
	if (*pid <= 0)
		return;
	(void)kill(*pid, SIGKILL);
	(void)waitpid(*pid, NULL, 0);
	*pid = 0;
}

void monitor_rig_stop(struct monitor_rig *rig)
{
	char path[96];

	if (rig->service.pid > 0)
		disk_rig_stop(&rig->service);
	reap(&rig->pid);
	control_close(&rig->link);
	close_fd(&rig->listener);
	close_fd(&rig->front);
	close_fd(&rig->witness);
	(void)snprintf(path, sizeof(path), "%s/supervisor", rig->folder);
	(void)unlink(path);
	(void)unlink(rig->socket_path);
	(void)unlink(rig->file_path);
	(void)rmdir(rig->folder);
}

void monitor_rig_replace(struct monitor_rig *rig)
{
	reap(&rig->pid);
	control_close(&rig->link);
	disk_rig_stop(&rig->service);
	rig->service.pid = 0;
	launch(rig);
}

static void hand_over(struct monitor_rig *rig, const int *channel)
{
	const struct disk_attach attach = {
		.attachment = { ATTACHMENT_ID, rig->generation },
		.size_bytes = MONITOR_RIG_DISK_BYTES,
		.kind = CHANNEL_KIND_DISK,
		.logical_block_bytes = 512,
		.partition = "web1",
		.disk = "root",
	};
	const struct disk_channel up = { .attachment_id = ATTACHMENT_ID,
					 .generation = rig->generation };
	SCOPED(close_fd) int file = open(rig->file_path, O_RDWR | O_CLOEXEC);
	const int fds[] = { file, channel[0], channel[1], channel[2] };

	CHECK_EQ(control_send(&rig->service.link, MSG_DISK_ATTACH, 0, &attach,
			      sizeof(attach), fds, 4),
		 0);
	CHECK_EQ(control_send(&rig->link, MSG_MONITOR_DISK_UP, 0, &up,
			      sizeof(up), channel, 3),
		 0);
}

void monitor_rig_up(struct monitor_rig *rig)
{
	const struct channel_shape shape = {
		.kind = CHANNEL_KIND_DISK,
		.slot_count = 256,
		.buffer_bytes = 4u << 20,
		.generation = (uint32_t)++rig->generation,
	};
	int channel[3] = { NO_FD, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
			   eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };

	disk_rig_start(&rig->service, NULL);
	CHECK_EQ(channel_create(&shape, &channel[0]), 0);
	hand_over(rig, channel);
	for (int i = 0; i < 3; i++)
		close_fd(&channel[i]);
}

void monitor_rig_kill_service(struct monitor_rig *rig)
{
	const struct disk_down down = { .attachment_id = ATTACHMENT_ID,
					.generation = rig->generation,
					.cause = DISK_DOWN_KILLED };

	disk_rig_stop(&rig->service);
	rig->service.pid = 0;
	monitor_rig_send(rig, MSG_MONITOR_DISK_DOWN, 0, &down, sizeof(down));
}

void monitor_rig_send(struct monitor_rig *rig, uint32_t type,
		      uint32_t request_id, const void *body, size_t body_bytes)
{
	CHECK_EQ(control_send(&rig->link, type, request_id, body, body_bytes,
			      NULL, 0),
		 0);
}

void monitor_rig_expect(struct monitor_rig *rig, uint32_t type,
			struct message *ret_message)
{
	struct pollfd wait = { .fd = rig->link.fd, .events = POLLIN };

	for (;;) {
		CHECK_EQ(poll(&wait, 1, WAIT_MS), 1);
		CHECK_EQ(control_receive(&rig->link, ret_message), 0);
		if (ret_message->type == type)
			return;
		message_release(ret_message);
	}
}

void monitor_rig_lose_supervisor(struct monitor_rig *rig)
{
	control_close(&rig->link);
}

void monitor_rig_adopt(struct monitor_rig *rig)
{
	struct pollfd wait = { .fd = rig->listener, .events = POLLIN };
	struct message message;

	CHECK_EQ(poll(&wait, 1, WAIT_MS), 1);
	rig->link.fd = accept4(rig->listener, NULL, NULL,
			       SOCK_CLOEXEC | SOCK_NONBLOCK);
	CHECK(rig->link.fd >= 0);
	monitor_rig_expect(rig, MSG_CHILD_HELLO, &message);
	message_release(&message);
	monitor_rig_expect(rig, MSG_CHILD_READY, &message);
	message_release(&message);
	monitor_rig_send(rig, MSG_CHILD_WELCOME, 0, NULL, 0);
}
