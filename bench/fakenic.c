/* SPDX-License-Identifier: MIT */
/*
 * A fake guest's interface: the driver side of virtio-net, one queue pair, as
 * Linux' driver has it: descriptors of its own for every buffer, mergeable
 * receive buffers of a page, a kick only when the device asks for one, no
 * interrupts while it looks, sent buffers taken back as others are sent.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/scope.h"
#include "frontend.h"
#include "netport.h"

#define BIT(number) (1ull << (number))
/* Guest-physical and user addresses differ, so that no one mixes them up. */
#define MEMORY_GPA      0x100000ull
#define MEMORY_USER     0x7f0000000000ull
#define PAGE            4096ull
#define HEADER_BYTES    sizeof(struct virtio_net_hdr_v1)
#define CONNECT_NS      (5 * NS_PER_S)
#define IP_AT           14u
#define TCP_AT          (IP_AT + 20u)
#define TCP_CHECKSUM_AT 16u

enum { RECEIVE, TRANSMIT, QUEUES };

#define NEEDED_FEATURES                                           \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_EVENT_IDX) | \
	 BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VHOSTUSER_F_PROTOCOL_FEATURES))
/* All of them or none: a back end without takes whole frames only. */
#define OFFLOADS                                                 \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) | \
	 BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO4))

struct queue {
	struct vring ring;
	uint8_t *buffers;
	uint32_t buffer_bytes;
	uint16_t produced;
	uint16_t published;
	uint16_t reaped;
	uint16_t seen; /* copy of the device's used index */
	uint16_t free_count;
	uint16_t *free; /* owned */
	int kick_fd;    /* owned */
};

struct fakenic {
	struct frontend frontend;
	bool is_spinning;
	bool has_offloads;
	uint8_t *memory; /* owned mapping */
	size_t memory_bytes;
	int memory_fd; /* owned */
	int call_fd;   /* owned */
	struct queue queues[QUEUES];
};

/* Making and connecting. ------------------------------------------------ */

static size_t ring_room(uint32_t size)
{
	return align_up_u64(vring_size(size, PAGE), PAGE);
}

static int map_memory(struct fakenic *nic, uint32_t size)
{
	void *map;

	for (int i = 0; i < QUEUES; i++)
		nic->memory_bytes += ring_room(size) +
				     (size_t)size * nic->queues[i].buffer_bytes;
	nic->memory_fd = memfd_create("fakenic", MFD_CLOEXEC);
	if (nic->memory_fd < 0 ||
	    ftruncate(nic->memory_fd, (off_t)nic->memory_bytes))
		return -errno;
	map = mmap(NULL, nic->memory_bytes, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_POPULATE, nic->memory_fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	nic->memory = map;
	return 0;
}

static int place_queues(struct fakenic *nic, uint32_t size)
{
	uint8_t *at = nic->memory;

	for (int i = 0; i < QUEUES; i++) {
		struct queue *queue = &nic->queues[i];

		vring_init(&queue->ring, size, at, PAGE);
		at += ring_room(size);
		queue->buffers = at;
		at += (size_t)size * queue->buffer_bytes;
		queue->free = calloc(size, sizeof(*queue->free));
		if (!queue->free)
			return -ENOMEM;
		for (uint32_t j = 0; j < size; j++)
			queue->free[j] = (uint16_t)(size - 1 - j);
		queue->free_count = (uint16_t)size;
		queue->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (queue->kick_fd < 0)
			return -errno;
	}
	nic->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return nic->call_fd < 0 ? -errno : 0;
}

static uint64_t user_of(const struct fakenic *nic, const void *pointer)
{
	return MEMORY_USER + (uint64_t)((const uint8_t *)pointer - nic->memory);
}

static int start_queue(struct fakenic *nic, uint32_t index)
{
	struct frontend *frontend = &nic->frontend;
	struct queue *queue = &nic->queues[index];
	struct vhostuser_vring_addresses addresses = {
		.index = index,
		.descriptors = user_of(nic, queue->ring.desc),
		.available = user_of(nic, queue->ring.avail),
		.used = user_of(nic, queue->ring.used),
	};
	int error;

	error = frontend_set_vring(frontend, VHOSTUSER_SET_VRING_NUM, index,
				   queue->ring.num);
	if (!error)
		error = frontend_set_vring(frontend, VHOSTUSER_SET_VRING_BASE,
					   index, 0);
	if (!error)
		error = frontend_set_addresses(frontend, &addresses);
	if (!error)
		error = frontend_set_vring_fd(frontend,
					      VHOSTUSER_SET_VRING_KICK, index,
					      queue->kick_fd);
	if (!error)
		error = frontend_set_vring_fd(frontend,
					      VHOSTUSER_SET_VRING_CALL, index,
					      nic->call_fd);
	if (!error)
		error = frontend_set_vring(frontend, VHOSTUSER_SET_VRING_ENABLE,
					   index, 1);
	return error;
}

static int start_device(struct fakenic *nic, const char *path)
{
	const struct vhostuser_region region = {
		.gpa = MEMORY_GPA,
		.bytes = nic->memory_bytes,
		.user_address = MEMORY_USER,
	};
	struct frontend *frontend = &nic->frontend;
	uint64_t features = NEEDED_FEATURES;
	int error = frontend_connect(frontend, path,
				     BIT(VHOSTUSER_PROTOCOL_REPLY_ACK),
				     clock_now_ns() + CONNECT_NS);

	nic->has_offloads = (OFFLOADS & ~frontend->offered) == 0;
	if (nic->has_offloads)
		features |= OFFLOADS;
	if (!error && (features & ~frontend->offered))
		error = -EPROTO;
	if (!error)
		error = frontend_set_u64(frontend, VHOSTUSER_SET_FEATURES,
					 features);
	if (!error)
		error = frontend_set_memory(frontend, &region, nic->memory_fd);
	for (uint32_t i = 0; i < QUEUES && !error; i++)
		error = start_queue(nic, i);
	return error;
}

static void close_nic(void *own)
{
	struct fakenic *nic = own;

	frontend_close(&nic->frontend);
	for (int i = 0; i < QUEUES; i++) {
		close_fd(&nic->queues[i].kick_fd);
		free(nic->queues[i].free);
	}
	close_fd(&nic->call_fd);
	close_fd(&nic->memory_fd);
	if (nic->memory)
		(void)munmap(nic->memory, nic->memory_bytes);
	free(nic);
}

/* Rings. ------------------------------------------------------------------ */

static uint8_t *buffer_of(const struct queue *queue, uint32_t id)
{
	return queue->buffers + (size_t)id * queue->buffer_bytes;
}

static void put(struct fakenic *nic, struct queue *queue, uint16_t id,
		uint32_t bytes, uint16_t flags)
{
	struct vring *ring = &queue->ring;

	ring->desc[id] = (struct vring_desc){
		.addr = MEMORY_GPA +
			(uint64_t)(buffer_of(queue, id) - nic->memory),
		.len = bytes,
		.flags = flags,
	};
	ring->avail->ring[queue->produced++ % ring->num] = id;
}

static void publish(struct queue *queue)
{
	struct vring *ring = &queue->ring;
	uint16_t before = queue->published;
	const uint64_t one = 1;

	if (queue->produced == before)
		return;
	/* Pairs with the device's load of avail.idx (virtio 1.2, 2.7.13). */
	__atomic_store_n(&ring->avail->idx, queue->produced, __ATOMIC_RELEASE);
	queue->published = queue->produced;
	/* The store above before the load below (virtio 1.2, 2.7.13.3). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (vring_need_event(
		    __atomic_load_n(&vring_avail_event(ring), __ATOMIC_RELAXED),
		    queue->produced, before))
		(void)!write(queue->kick_fd, &one, sizeof(one));
}

static bool has_used(struct queue *queue)
{
	if (queue->seen == queue->reaped)
		/* Pairs with the device's store (virtio 1.2, 2.7.8). */
		queue->seen = __atomic_load_n(&queue->ring.used->idx,
					      __ATOMIC_ACQUIRE);
	return queue->seen != queue->reaped;
}

static struct vring_used_elem take_used(struct queue *queue)
{
	return queue->ring.used->ring[queue->reaped++ % queue->ring.num];
}

/* Interrupt once `count` more have been used; 0: not at all. */
static void want_interrupt(struct queue *queue, uint16_t count)
{
	__atomic_store_n(&vring_used_event(&queue->ring),
			 (uint16_t)(queue->reaped + count - 1),
			 __ATOMIC_RELAXED);
}

/* Receiving. ---------------------------------------------------------------- */

static void refill(struct fakenic *nic)
{
	struct queue *queue = &nic->queues[RECEIVE];

	while (queue->free_count > 0)
		put(nic, queue, queue->free[--queue->free_count],
		    queue->buffer_bytes, VRING_DESC_F_WRITE);
	publish(queue);
}

/* The frame's first buffer has its head and says how many there are. */
static int receive(void *own, struct netframe *ret_frame)
{
	struct fakenic *nic = own;
	struct queue *queue = &nic->queues[RECEIVE];
	uint32_t wanted = 1, bytes = 0;

	if (queue->free_count >= queue->ring.num / 4)
		refill(nic);
	if (!has_used(queue))
		return -EAGAIN;
	for (uint32_t i = 0; i < wanted && has_used(queue); i++) {
		struct vring_used_elem used = take_used(queue);
		const uint8_t *from = buffer_of(queue, used.id);

		if (i == 0) {
			wanted = ((const struct virtio_net_hdr_v1
					   *)(const void *)from)
					 ->num_buffers;
			memcpy(ret_frame->head, from + HEADER_BYTES,
			       NETPORT_HEAD_MAX);
		}
		bytes += used.len;
		queue->free[queue->free_count++] = (uint16_t)used.id;
	}
	ret_frame->bytes = bytes - (uint32_t)HEADER_BYTES;
	ret_frame->head_bytes = NETPORT_HEAD_MAX;
	return 0;
}

/* Sending. ------------------------------------------------------------------- */

static void reap(struct queue *queue)
{
	while (has_used(queue))
		queue->free[queue->free_count++] =
			(uint16_t)take_used(queue).id;
}

static void fill_header(const struct fakenic *nic,
			struct virtio_net_hdr_v1 *header,
			const struct netframe *frame)
{
	*header = (struct virtio_net_hdr_v1){ 0 };
	if (!frame->gso_bytes || !nic->has_offloads)
		return;
	header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	header->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	header->gso_size = (uint16_t)frame->gso_bytes;
	header->hdr_len = TCP_AT + 20u;
	header->csum_start = TCP_AT;
	header->csum_offset = TCP_CHECKSUM_AT;
}

static int send_frame(void *own, const struct netframe *frame)
{
	struct fakenic *nic = own;
	struct queue *queue = &nic->queues[TRANSMIT];
	uint8_t *to;
	uint16_t id;

	if (queue->free_count == 0)
		reap(queue);
	if (queue->free_count == 0)
		return -EAGAIN;
	id = queue->free[--queue->free_count];
	to = buffer_of(queue, id);
	fill_header(nic, (struct virtio_net_hdr_v1 *)(void *)to, frame);
	memcpy(to + HEADER_BYTES, frame->head, frame->head_bytes);
	put(nic, queue, id, (uint32_t)HEADER_BYTES + frame->bytes, 0);
	return 0;
}

static void flush(void *own)
{
	struct fakenic *nic = own;

	publish(&nic->queues[TRANSMIT]);
}

/* Waiting. ----------------------------------------------------------------------- */

static bool is_over(struct fakenic *nic, bool for_room)
{
	struct queue *transmit = &nic->queues[TRANSMIT];

	return has_used(&nic->queues[RECEIVE]) ||
	       (for_room && (transmit->free_count > 0 || has_used(transmit)));
}

static int spin(struct fakenic *nic, uint64_t deadline_ns, bool for_room)
{
	while (!is_over(nic, for_room))
		if (clock_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
	return 0;
}

static int sleep_once(struct fakenic *nic, uint64_t deadline_ns)
{
	struct pollfd fd = { .fd = nic->call_fd, .events = POLLIN };
	uint64_t now_ns = clock_now_ns();
	uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
	struct timespec left = { .tv_sec = (time_t)(left_ns / NS_PER_S),
				 .tv_nsec = (long)(left_ns % NS_PER_S) };
	uint64_t count;

	if (ppoll(&fd, 1, &left, NULL) == 0)
		return -ETIMEDOUT;
	(void)!read(nic->call_fd, &count, sizeof(count));
	return 0;
}

static int wait(void *own, uint64_t deadline_ns, bool for_room)
{
	struct fakenic *nic = own;
	struct queue *transmit = &nic->queues[TRANSMIT];
	uint16_t out, enough = 0;
	int error = 0;

	refill(nic);
	if (is_over(nic, for_room))
		return 0;
	if (nic->is_spinning)
		return spin(nic, deadline_ns, for_room);
	/* As Linux: once three quarters of what is out have been sent. */
	out = (uint16_t)(transmit->produced - transmit->reaped);
	if (for_room)
		enough = (uint16_t)(out * 3 / 4 + 1);
	want_interrupt(&nic->queues[RECEIVE], 1);
	want_interrupt(transmit, enough);
	/* The event index before the look that follows (virtio 1.2, 2.7.7). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	while (!error && !has_used(&nic->queues[RECEIVE]) &&
	       !(for_room &&
		 (uint16_t)(__atomic_load_n(&transmit->ring.used->idx,
					    __ATOMIC_ACQUIRE) -
			    transmit->reaped) > out * 3 / 4))
		error = sleep_once(nic, deadline_ns);
	want_interrupt(&nic->queues[RECEIVE], 0);
	want_interrupt(transmit, 0);
	return error == -ETIMEDOUT && is_over(nic, for_room) ? 0 : error;
}

const struct netport_ops fakenic_ops = {
	.send = send_frame,
	.flush = flush,
	.receive = receive,
	.wait = wait,
	.close = close_nic,
};

int fakenic_open(const struct netport_settings *settings, const char *path,
		 void **ret_own)
{
	struct fakenic *nic = calloc(1, sizeof(*nic));
	int error;

	if (!nic)
		return -ENOMEM;
	nic->frontend.fd = nic->memory_fd = nic->call_fd = NO_FD;
	nic->is_spinning = settings->is_spinning;
	nic->queues[RECEIVE] =
		(struct queue){ .kick_fd = NO_FD, .buffer_bytes = PAGE };
	nic->queues[TRANSMIT] = (struct queue){
		.kick_fd = NO_FD,
		.buffer_bytes = (uint32_t)align_up_u64(
			settings->frame_bytes_most + HEADER_BYTES, PAGE),
	};
	error = map_memory(nic, settings->queue_size);
	if (!error)
		error = place_queues(nic, settings->queue_size);
	if (!error)
		error = start_device(nic, path);
	if (error) {
		close_nic(nic);
		return error;
	}
	refill(nic);
	*ret_own = nic;
	return 0;
}
