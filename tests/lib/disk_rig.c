/* SPDX-License-Identifier: MIT */
#include "lib/disk_rig.h"

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

#include "base/log.h"
#include "base/scope.h"
#include "lib/harness.h"

#define WAIT_MS 5000

static int make_rendezvous(struct disk_rig *rig)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(rig->meet_path, sizeof(rig->meet_path),
		       "/tmp/disk-rig-XXXXXX");
	CHECK(mkdtemp(rig->meet_path) != NULL);
	(void)snprintf(address.sun_path, sizeof(address.sun_path),
		       "%s/supervisor", rig->meet_path);
	rig->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(rig->listener, (struct sockaddr *)&address,
		      sizeof(address)),
		 0);
	CHECK_EQ(listen(rig->listener, 4), 0);
	return open(rig->meet_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void become_service(int link, const char *environment)
{
	const char *program = getenv("BULKHEAD_DISK");

	/* A test that fails leaves no service behind. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The leak check of sanitizers wants to trace a sealed process. */
	(void)setenv("ASAN_OPTIONS", "detect_leaks=0", 0);
	if (environment)
		(void)putenv((char *)environment);
	if (link == CONTROL_CHILD_FD)
		(void)fcntl(link, F_SETFD, 0);
	else
		(void)dup2(link, CONTROL_CHILD_FD);
	(void)execl(program, "bulkhead-disk", (char *)NULL);
	_exit(127);
}

void disk_rig_start(struct disk_rig *rig, const char *environment)
{
	struct child_settings settings = {
		.name = "disk0",
		.token = "0123456789abcde",
		.role = ROLE_DISK,
		.log_level = LOG_WARN,
	};
	SCOPED(close_fd) int meet = make_rendezvous(rig);
	struct child_ready ready;
	struct control theirs;

	CHECK(getenv("BULKHEAD_DISK") != NULL);
	CHECK_EQ(control_pair(&rig->link, &theirs), 0);
	rig->pid = fork();
	CHECK(rig->pid >= 0);
	if (rig->pid == 0)
		become_service(theirs.fd, environment);
	control_close(&theirs);
	CHECK_EQ(control_send(&rig->link, MSG_CHILD_SETTINGS, 0, &settings,
			      sizeof(settings), &meet, 1),
		 0);
	disk_rig_expect(rig, MSG_CHILD_READY, &ready, sizeof(ready));
}

void disk_rig_stop(struct disk_rig *rig)
{
	char path[96];

	(void)kill(rig->pid, SIGKILL);
	(void)waitpid(rig->pid, NULL, 0);
	control_close(&rig->link);
	close_fd(&rig->listener);
	(void)snprintf(path, sizeof(path), "%s/supervisor", rig->meet_path);
	(void)unlink(path);
	(void)rmdir(rig->meet_path);
}

void disk_rig_send(struct disk_rig *rig, uint32_t type, const void *body,
		   size_t body_bytes)
{
	CHECK_EQ(control_send(&rig->link, type, 0, body, body_bytes, NULL, 0),
		 0);
}

void disk_rig_expect(struct disk_rig *rig, uint32_t type, void *ret_body,
		     size_t body_bytes)
{
	struct pollfd wait = { .fd = rig->link.fd, .events = POLLIN };
	struct message message;

	CHECK_EQ(poll(&wait, 1, WAIT_MS), 1);
	CHECK_EQ(control_receive(&rig->link, &message), 0);
	CHECK_EQ(message.type, type);
	CHECK_EQ(message.body_bytes, body_bytes);
	if (body_bytes)
		memcpy(ret_body, message.body, body_bytes);
	message_release(&message);
}

static int open_file(const struct disk_peer_wish *wish)
{
	int fd;

	if (!wish->path)
		return wish->fd;
	fd = open(wish->path,
		  O_RDWR | O_CREAT | O_CLOEXEC |
			  (wish->is_direct ? O_DIRECT : 0),
		  0600);
	CHECK(fd >= 0);
	return fd;
}

static void make_channel(struct disk_peer *peer,
			 const struct disk_peer_wish *wish)
{
	struct channel_shape shape = {
		.kind = CHANNEL_KIND_DISK,
		.slot_count = wish->slot_count ? wish->slot_count : 64,
		.buffer_bytes =
			wish->buffer_bytes ? wish->buffer_bytes : 1u << 20,
		.generation = (uint32_t)peer->attachment.generation,
	};

	CHECK_EQ(channel_create(&shape, &peer->memfd), 0);
	CHECK_EQ(channel_open(&peer->channel, peer->memfd, CHANNEL_CLIENT,
			      CHANNEL_KIND_DISK),
		 0);
	peer->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	peer->call = eventfd(0, wish->has_blocking_call
					? EFD_CLOEXEC
					: EFD_CLOEXEC | EFD_NONBLOCK);
	spin_init(&peer->spin, SPIN_MONITOR_NS);
}

void disk_rig_attach(struct disk_rig *rig, struct disk_peer *peer,
		     const struct disk_peer_wish *wish)
{
	static uint64_t next_id = 1;
	SCOPED(close_fd) int file = open_file(wish);
	struct disk_attach attach = {
		.attachment = { .id = next_id++, .generation = 7 },
		.size_bytes = wish->size_bytes,
		.read_only = wish->is_read_only,
		.direct = wish->is_direct,
		.logical_block_bytes =
			wish->block_bytes ? wish->block_bytes : 512,
		.partition = "test",
		.disk = "test",
	};

	*peer = (struct disk_peer){ .attachment = attach.attachment };
	make_channel(peer, wish);
	CHECK_EQ(control_send(
			 &rig->link, MSG_DISK_ATTACH, 0, &attach,
			 sizeof(attach),
			 (int[]){ file, peer->memfd, peer->kick, peer->call },
			 4),
		 0);
}

void disk_peer_close(struct disk_peer *peer)
{
	channel_close(&peer->channel);
	close_fd(&peer->memfd);
	close_fd(&peer->kick);
	close_fd(&peer->call);
}

void disk_peer_send(struct disk_peer *peer,
		    const struct channel_request *request)
{
	CHECK_EQ(channel_send_request(&peer->channel, request), 0);
}

void disk_peer_show(struct disk_peer *peer)
{
	uint64_t one = 1;

	if (channel_publish(&peer->channel))
		CHECK_EQ(write(peer->kick, &one, sizeof(one)), sizeof(one));
}

bool disk_peer_receive(struct disk_peer *peer,
		       struct channel_response *response, int timeout_ms)
{
	struct pollfd wait = { .fd = peer->call, .events = POLLIN };
	uint64_t count;
	int error;

	for (;;) {
		error = channel_receive_response(&peer->channel, response);
		if (error != -EAGAIN)
			break;
		if (spin_again(&peer->spin) ||
		    !channel_prepare_sleep(&peer->channel, 1))
			continue;
		if (poll(&wait, 1, timeout_ms) == 0)
			return false;
		(void)!read(peer->call, &count, sizeof(count));
	}
	CHECK_EQ(error, 0);
	spin_found(&peer->spin);
	return true;
}

int disk_peer_do(struct disk_peer *peer, uint16_t op, uint16_t flags,
		 uint64_t offset_bytes, uint32_t length_bytes,
		 uint32_t buffer_offset)
{
	struct channel_request request = {
		.id = offset_bytes ^ 0xabcdef,
		.op = op,
		.flags = flags,
		.offset_bytes = offset_bytes,
		.length_bytes = length_bytes,
		.buffer_offset = buffer_offset,
		.generation = peer->channel.shape.generation,
	};
	struct channel_response response;

	disk_peer_send(peer, &request);
	disk_peer_show(peer);
	CHECK(disk_peer_receive(peer, &response, WAIT_MS));
	CHECK_EQ(response.id, request.id);
	return response.status;
}
