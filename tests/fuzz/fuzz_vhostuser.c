/* SPDX-License-Identifier: MIT */
/*
 * The input is what a front end sends: records of a descriptor count, a length
 * and bytes. The back end must neither block nor crash, must leave no
 * descriptor and no mapping behind, and serve no ring that it stopped.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vhostuser/backend.h"
#include "virtio/inflight.h"
#include "virtio/ring.h"

#define QUEUES 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct device {
	struct guestmem memory;
	struct inflight_region region;
	struct ring rings[QUEUES];
	bool is_served[QUEUES];
};

static void insist(int condition)
{
	if (!condition)
		abort();
}

static uint64_t features(void *self)
{
	return 0xffull << VIRTIO_RING_F_INDIRECT_DESC;
}

static int set_features(void *self, uint64_t chosen)
{
	return 0;
}

static void memory_changed(void *self)
{
	struct device *device = self;

	for (int i = 0; i < QUEUES; i++)
		ring_init(&device->rings[i]);
}

static int queue_start(void *self, uint32_t index,
		       const struct virtio_queue_place *queue)
{
	struct device *device = self;
	const struct ring_addresses addresses = {
		.descriptors = queue->descriptors,
		.available = queue->available,
		.used = queue->used,
	};
	struct ring *ring = &device->rings[index];
	uint16_t heads[RING_SIZE_MAX], count;
	static struct ring_segment segments[RING_CHAIN_MAX];
	struct inflight inflight;
	struct ring_chain chain;

	insist(!device->is_served[index]);
	ring_init(ring);
	if (ring_map(ring, &device->memory, queue->size, &addresses) < 0 ||
	    inflight_recover(&inflight, &device->region, (uint16_t)index, ring,
			     heads, &count) < 0)
		return -EFAULT;
	insist(ring_start(ring, 0, heads, count) == 0);
	while (ring_take(ring, &device->memory, segments, RING_CHAIN_MAX,
			 &chain) == 0)
		inflight_mark(&inflight, chain.head);
	device->is_served[index] = true;
	return 0;
}

static uint16_t queue_stop(void *self, uint32_t index)
{
	struct device *device = self;

	insist(device->is_served[index]);
	device->is_served[index] = false;
	return ring_position(&device->rings[index]);
}

static void queue_call(void *self, uint32_t index,
		       const struct virtio_queue_place *queue)
{
	insist(((struct device *)self)->is_served[index]);
}

static size_t config(void *self, uint8_t *space, size_t room_bytes)
{
	memset(space, 1, 60);
	return 60;
}

static int inflight_create(void *self, uint16_t queue_count,
			   uint16_t queue_size, int *ret_fd,
			   uint64_t *ret_bytes)
{
	*ret_bytes = inflight_region_bytes(queue_count, queue_size);
	return inflight_region_create(queue_count, queue_size, ret_fd);
}

static int inflight_set(void *self, int fd,
			const struct virtio_inflight_place *place)
{
	struct device *device = self;

	for (int i = 0; i < QUEUES; i++)
		if (device->is_served[i])
			return -EBUSY;
	inflight_region_release(&device->region);
	return inflight_region_map(&device->region, fd, place->offset_bytes,
				   place->bytes, place->queue_count,
				   place->queue_size);
}

static void reset(void *self)
{
	inflight_region_clear(&((struct device *)self)->region);
}

static const struct virtio_device_ops device_ops = {
	.features = features,
	.set_features = set_features,
	.queue_start = queue_start,
	.queue_stop = queue_stop,
	.queue_call = queue_call,
	.config = config,
	.reset = reset,
	.memory_changed = memory_changed,
	.inflight_create = inflight_create,
	.inflight_set = inflight_set,
};

static int guest_fd(void)
{
	static int fd = -1;

	if (fd >= 0)
		return fd;
	fd = memfd_create("guest", MFD_CLOEXEC);
	insist(fd >= 0);
	insist(ftruncate(fd, 1 << 16) == 0);
	return fd;
}

static void send_record(int front, const uint8_t *bytes, size_t count,
			size_t fd_count)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * 9)];
	uint8_t record[UINT8_MAX];
	struct iovec part = { record, count };
	struct msghdr out = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *c;

	memcpy(record, bytes, count);
	if (fd_count > 0) {
		memset(control, 0, sizeof(control));
		out.msg_control = control;
		out.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		c = CMSG_FIRSTHDR(&out);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		for (size_t i = 0; i < fd_count; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int),
			       &(int){ guest_fd() }, sizeof(int));
	}
	(void)sendmsg(front, &out, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void drain(int front)
{
	char bytes[4096];

	while (recv(front, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

static void play(struct vhostuser_backend *backend, int front,
		 const uint8_t *data, size_t bytes)
{
	while (bytes >= 2) {
		size_t fd_count = data[0] % 10;
		size_t count = data[1];

		data += 2;
		bytes -= 2;
		if (count > bytes)
			count = bytes;
		send_record(front, data, count, fd_count);
		data += count;
		bytes -= count;
		if (vhostuser_backend_receive(backend) < 0)
			return;
		drain(front);
	}
}

/* The lowest free descriptor: it moves when one leaks. */
static int lowest_free_fd(void)
{
	int fd = dup(guest_fd());

	insist(fd >= 0 && close(fd) == 0);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct device device;
	static struct vhostuser_backend backend;
	const struct vhostuser_settings settings = {
		.ops = &device_ops,
		.device = &device,
		.memory = &device.memory,
		.queue_count = QUEUES,
		.protocol = VHOSTUSER_PROTOCOL_ALL,
	};
	int before = lowest_free_fd();
	int pair[2];

	memset(&device, 0, sizeof(device));
	insist(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	vhostuser_backend_init(&backend, pair[1], &settings);
	play(&backend, pair[0], data, bytes);
	vhostuser_backend_release(&backend);
	inflight_region_release(&device.region);
	insist(close(pair[0]) == 0);
	insist(device.memory.count == 0);
	insist(!device.is_served[0] && !device.is_served[1]);
	insist(lowest_free_fd() == before);
	return 0;
}
