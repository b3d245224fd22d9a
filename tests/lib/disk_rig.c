/* SPDX-License-Identifier: MIT */
#include "lib/disk_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

#define WAIT_MS 5000

void disk_rig_start(struct service_rig *rig, const char *environment)
{
	service_rig_start(rig, ROLE_DISK, getenv("BULKHEAD_DISK"), environment);
}

void disk_rig_stop(struct service_rig *rig)
{
	service_rig_stop(rig);
}

void disk_rig_send(struct service_rig *rig, uint32_t type, const void *body,
		   size_t body_bytes)
{
	service_rig_send(rig, type, body, body_bytes, NULL, 0);
}

void disk_rig_expect(struct service_rig *rig, uint32_t type, void *ret_body,
		     size_t body_bytes)
{
	service_rig_expect(rig, type, ret_body, body_bytes);
}

static int open_file(const struct disk_peer_config *config)
{
	int fd;

	if (!config->path)
		return config->fd;
	fd = open(config->path,
		  O_RDWR | O_CREAT | O_CLOEXEC |
			  (config->is_direct ? O_DIRECT : 0),
		  0600);
	CHECK(fd >= 0);
	return fd;
}

static void make_channel(struct disk_peer *peer,
			 const struct disk_peer_config *config)
{
	struct channel_shape shape = {
		.kind = CHANNEL_KIND_DISK,
		.slot_count = config->slot_count ? config->slot_count : 64,
		.buffer_bytes =
			config->buffer_bytes ? config->buffer_bytes : 1u << 20,
		.generation = (uint32_t)peer->attachment.generation,
	};

	CHECK_EQ(channel_create(&shape, &peer->memfd), 0);
	CHECK_EQ(channel_open(&peer->channel, peer->memfd, CHANNEL_CLIENT,
			      CHANNEL_KIND_DISK),
		 0);
	peer->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	peer->call = eventfd(0, config->has_blocking_call
					? EFD_CLOEXEC
					: EFD_CLOEXEC | EFD_NONBLOCK);
	spin_init(&peer->spin, SPIN_MONITOR_NS);
}

void disk_rig_attach(struct service_rig *rig, struct disk_peer *peer,
		     const struct disk_peer_config *config)
{
	static uint64_t next_id = 1;
	SCOPED(close_fd) int file = open_file(config);
	struct disk_attach attach = {
		.attachment = { .id = next_id++, .generation = 7 },
		.size_bytes = config->size_bytes,
		.read_only = config->is_read_only,
		.direct = config->is_direct,
		.kind = CHANNEL_KIND_DISK,
		.logical_block_bytes =
			config->block_bytes ? config->block_bytes : 512,
		.partition = "test",
		.disk = "test",
	};

	*peer = (struct disk_peer){ .attachment = attach.attachment };
	make_channel(peer, config);
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
