/* SPDX-License-Identifier: MIT */
#include "fakeguest.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/scope.h"

/* Guest-physical and user addresses differ, so that no one mixes them up. */
#define MEMORY_GPA   0x100000ull
#define MEMORY_USER  0x7f0000000000ull
#define PAGE         4096ull
#define QUEUE_BYTES  65536ull
#define CONTROL_SIZE 128u /* of a slot: header, status, indirect table */
#define STATUS_AT    16u
#define TABLE_AT     32u
#define CHAIN_MAX    3u /* header, data, status */
#define NOT_ANSWERED 0xff

#define WANTED_FEATURES                                                     \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_EVENT_IDX |     \
	 1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_BLK_F_FLUSH | \
	 1ull << VIRTIO_BLK_F_MQ | 1ull << VIRTIO_BLK_F_BLK_SIZE |          \
	 1ull << VHOSTUSER_F_PROTOCOL_FEATURES)
#define WANTED_PROTOCOL                                                      \
	(1ull << VHOSTUSER_PROTOCOL_MQ | 1ull << VHOSTUSER_PROTOCOL_CONFIG | \
	 1ull << VHOSTUSER_PROTOCOL_REPLY_ACK |                              \
	 1ull << VHOSTUSER_PROTOCOL_INFLIGHT_SHMFD)

static bool has_feature(const struct fakeguest *guest, uint32_t bit)
{
	return guest->features & (1ull << bit);
}

static uint64_t gpa_of(const struct fakeguest *guest, const void *pointer)
{
	return MEMORY_GPA +
	       (uint64_t)((const uint8_t *)pointer - guest->memory);
}

static uint64_t user_of(const struct fakeguest *guest, const void *pointer)
{
	return MEMORY_USER +
	       (uint64_t)((const uint8_t *)pointer - guest->memory);
}

/* Memory. -------------------------------------------------------------- */

static int map_memory(struct fakeguest *guest)
{
	const struct fakeguest_settings *settings = &guest->settings;
	uint64_t data = align_up_u64(settings->slot_bytes, PAGE);
	uint64_t control =
		align_up_u64(settings->slot_count * CONTROL_SIZE, PAGE);
	void *map;

	guest->memory_bytes = settings->queue_count * QUEUE_BYTES + control +
			      settings->slot_count * data;
	guest->memory_fd = memfd_create("fakeguest", MFD_CLOEXEC);
	if (guest->memory_fd < 0)
		return -errno;
	if (ftruncate(guest->memory_fd, (off_t)guest->memory_bytes))
		return -errno;
	map = mmap(NULL, guest->memory_bytes, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_POPULATE, guest->memory_fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	guest->memory = map;
	return 0;
}

static void place_slots(struct fakeguest *guest)
{
	const struct fakeguest_settings *settings = &guest->settings;
	uint64_t data_bytes = align_up_u64(settings->slot_bytes, PAGE);
	uint8_t *control = guest->memory + settings->queue_count * QUEUE_BYTES;
	uint8_t *data = control +
			align_up_u64(settings->slot_count * CONTROL_SIZE, PAGE);

	for (uint32_t i = 0; i < settings->slot_count; i++) {
		struct fakeguest_slot *slot = &guest->slots[i];

		slot->queue = &guest->queues[i % settings->queue_count];
		slot->header = (void *)control;
		slot->status = control + STATUS_AT;
		slot->table = (void *)(control + TABLE_AT);
		slot->data = data;
		control += CONTROL_SIZE;
		data += data_bytes;
		guest->free_slots[i] = i;
	}
	guest->free_count = settings->slot_count;
}

/* Descriptors of one slot never move: header, data, status. */
static int place_descriptors(struct fakeguest *guest)
{
	uint32_t stride =
		has_feature(guest, VIRTIO_RING_F_INDIRECT_DESC) ? 1 : CHAIN_MAX;

	for (uint32_t i = 0; i < guest->settings.slot_count; i++) {
		struct fakeguest_slot *slot = &guest->slots[i];
		uint32_t head = i / guest->settings.queue_count * stride;

		if (head + stride > guest->settings.queue_size)
			return -ENOSPC;
		slot->head = (uint16_t)head;
	}
	return 0;
}

static int make_queues(struct fakeguest *guest)
{
	uint32_t size = guest->settings.queue_size;

	if (vring_size(size, PAGE) > QUEUE_BYTES)
		return -EINVAL;
	for (uint32_t i = 0; i < guest->settings.queue_count; i++) {
		struct fakeguest_queue *queue = &guest->queues[i];

		queue->index = i;
		vring_init(&queue->ring, size, guest->memory + i * QUEUE_BYTES,
			   PAGE);
		queue->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (queue->kick_fd < 0)
			return -errno;
	}
	guest->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return guest->call_fd < 0 ? -errno : 0;
}

/* Connecting. ---------------------------------------------------------- */

static int start_queue(struct fakeguest *guest, struct fakeguest_queue *queue)
{
	struct frontend *frontend = &guest->frontend;
	struct vhostuser_vring_addresses addresses = {
		.index = queue->index,
		.descriptors = user_of(guest, queue->ring.desc),
		.available = user_of(guest, queue->ring.avail),
		.used = user_of(guest, queue->ring.used),
	};
	/* As QEMU does after a crash: what is used is known, and the in-flight
	 * region says the rest. */
	uint16_t base =
		__atomic_load_n(&queue->ring.used->idx, __ATOMIC_ACQUIRE);
	int error;

	error = frontend_set_vring(frontend, VHOSTUSER_SET_VRING_NUM,
				   queue->index, queue->ring.num);
	if (!error)
		error = frontend_set_vring(frontend, VHOSTUSER_SET_VRING_BASE,
					   queue->index, base);
	if (!error)
		error = frontend_set_addresses(frontend, &addresses);
	if (!error)
		error = frontend_set_vring_fd(frontend,
					      VHOSTUSER_SET_VRING_KICK,
					      queue->index, queue->kick_fd);
	if (!error)
		error = frontend_set_vring_fd(frontend,
					      VHOSTUSER_SET_VRING_CALL,
					      queue->index, guest->call_fd);
	if (!error)
		error = frontend_set_vring(frontend, VHOSTUSER_SET_VRING_ENABLE,
					   queue->index, 1);
	return error;
}

static int hand_over_inflight(struct fakeguest *guest)
{
	struct frontend *frontend = &guest->frontend;
	int error;

	if (!(frontend->protocol & (1ull << VHOSTUSER_PROTOCOL_INFLIGHT_SHMFD)))
		return 0;
	if (guest->inflight_fd == NO_FD) {
		guest->inflight = (struct vhostuser_inflight){
			.queue_count = (uint16_t)guest->settings.queue_count,
			.queue_size = (uint16_t)guest->settings.queue_size,
		};
		error = frontend_get_inflight(frontend, &guest->inflight,
					      &guest->inflight_fd);
		if (error)
			return error;
	}
	return frontend_set_inflight(frontend, &guest->inflight,
				     guest->inflight_fd);
}

static void kick(struct fakeguest *guest, const struct fakeguest_queue *queue)
{
	const uint64_t one = 1;

	guest->kicks++;
	(void)!write(queue->kick_fd, &one, sizeof(one));
}

static int start_device(struct fakeguest *guest)
{
	const struct vhostuser_region region = {
		.gpa = MEMORY_GPA,
		.bytes = guest->memory_bytes,
		.user_address = MEMORY_USER,
	};
	struct frontend *frontend = &guest->frontend;
	int error;

	error = frontend_config(
		frontend, &guest->config,
		offsetof(struct virtio_blk_config, max_discard_sectors));
	if (!error)
		error = frontend_set_u64(frontend, VHOSTUSER_SET_FEATURES,
					 guest->features);
	if (!error)
		error = hand_over_inflight(guest);
	if (!error)
		error = frontend_set_memory(frontend, &region,
					    guest->memory_fd);
	for (uint32_t i = 0; i < guest->settings.queue_count && !error; i++)
		error = start_queue(guest, &guest->queues[i]);
	for (uint32_t i = 0; i < guest->settings.queue_count && !error; i++)
		kick(guest, &guest->queues[i]);
	return error;
}

static int connect_first(struct fakeguest *guest)
{
	int error;

	error = frontend_connect(
		&guest->frontend, guest->settings.path, WANTED_PROTOCOL,
		clock_now_ns() + guest->settings.connect_ms * NS_PER_MS);
	if (error)
		return error;
	if (guest->settings.queue_count > guest->frontend.queue_count_max)
		return -EINVAL;
	guest->features = guest->frontend.offered & WANTED_FEATURES;
	if (guest->settings.is_write_through)
		guest->features &= ~(1ull << VIRTIO_BLK_F_FLUSH);
	error = place_descriptors(guest);
	return error ? error : start_device(guest);
}

/* The features stay: a guest cannot be told to negotiate them again. */
static int reconnect(struct fakeguest *guest)
{
	uint64_t deadline_ns =
		clock_now_ns() + guest->settings.connect_ms * NS_PER_MS;
	int error;

	if (guest->inflight_fd == NO_FD && guest->outstanding > 0)
		return -EPIPE;
	do {
		frontend_close(&guest->frontend);
		error = frontend_connect(&guest->frontend, guest->settings.path,
					 WANTED_PROTOCOL, deadline_ns);
		if (!error && (guest->features & ~guest->frontend.offered))
			return -EPROTO;
		if (!error)
			error = start_device(guest);
	} while (error && clock_now_ns() < deadline_ns);
	guest->reconnects++;
	return error;
}

int fakeguest_open(struct fakeguest *guest,
		   const struct fakeguest_settings *settings)
{
	int error;

	*guest = (struct fakeguest){ .settings = *settings,
				     .frontend.fd = NO_FD,
				     .memory_fd = NO_FD,
				     .call_fd = NO_FD,
				     .inflight_fd = NO_FD };
	for (uint32_t i = 0; i < FAKEGUEST_QUEUES_MAX; i++)
		guest->queues[i].kick_fd = NO_FD;
	guest->slots = calloc(settings->slot_count, sizeof(*guest->slots));
	guest->free_slots =
		calloc(settings->slot_count, sizeof(*guest->free_slots));
	error = guest->slots && guest->free_slots ? map_memory(guest) : -ENOMEM;
	if (!error)
		error = make_queues(guest);
	if (!error) {
		place_slots(guest);
		error = connect_first(guest);
	}
	if (error)
		fakeguest_close(guest);
	return error;
}

void fakeguest_close(struct fakeguest *guest)
{
	frontend_close(&guest->frontend);
	for (uint32_t i = 0; i < FAKEGUEST_QUEUES_MAX; i++)
		close_fd(&guest->queues[i].kick_fd);
	close_fd(&guest->call_fd);
	close_fd(&guest->inflight_fd);
	close_fd(&guest->memory_fd);
	if (guest->memory)
		(void)munmap(guest->memory, guest->memory_bytes);
	guest->memory = NULL;
	free(guest->slots);
	free(guest->free_slots);
	guest->slots = NULL;
	guest->free_slots = NULL;
}

static int stop_queue(struct fakeguest *guest, struct fakeguest_queue *queue)
{
	uint32_t base;
	int error =
		frontend_get_vring_base(&guest->frontend, queue->index, &base);

	memset(guest->memory + queue->index * QUEUE_BYTES, 0, QUEUE_BYTES);
	queue->produced = 0;
	queue->published = 0;
	queue->reaped = 0;
	return error;
}

static void forget_requests(struct fakeguest *guest)
{
	for (uint32_t i = 0; i < guest->settings.slot_count; i++) {
		guest->slots[i].is_outstanding = false;
		guest->free_slots[i] = i;
	}
	guest->free_begin = 0;
	guest->free_count = guest->settings.slot_count;
	guest->outstanding = 0;
}

int fakeguest_reset(struct fakeguest *guest)
{
	int error = 0;

	for (uint32_t i = 0; i < guest->settings.queue_count && !error; i++)
		error = stop_queue(guest, &guest->queues[i]);
	if (error)
		return error;
	forget_requests(guest);
	close_fd(&guest->inflight_fd);
	return start_device(guest);
}

/* Requests. ------------------------------------------------------------ */

int fakeguest_take_slot(struct fakeguest *guest, uint32_t *ret_slot)
{
	if (guest->free_count == 0)
		return -EAGAIN;
	*ret_slot = guest->free_slots[guest->free_begin];
	guest->free_begin =
		(guest->free_begin + 1) % guest->settings.slot_count;
	guest->free_count--;
	return 0;
}

void fakeguest_return_slot(struct fakeguest *guest, uint32_t slot)
{
	uint32_t end = (guest->free_begin + guest->free_count) %
		       guest->settings.slot_count;

	guest->free_slots[end] = slot;
	guest->free_count++;
}

uint8_t *fakeguest_data(struct fakeguest *guest, uint32_t slot)
{
	return guest->slots[slot].data;
}

/* Fill `table` with a chain; `first` is the index of its first descriptor. */
static uint32_t write_chain(const struct fakeguest *guest,
			    const struct fakeguest_slot *slot,
			    struct vring_desc *table, uint32_t first,
			    uint32_t bytes)
{
	bool is_read = slot->header->type == VIRTIO_BLK_T_IN;
	uint32_t count = 0;

	table[count++] = (struct vring_desc){
		.addr = gpa_of(guest, slot->header),
		.len = sizeof(*slot->header),
		.flags = VRING_DESC_F_NEXT,
		.next = (uint16_t)(first + 1),
	};
	if (bytes > 0) {
		table[count] = (struct vring_desc){
			.addr = gpa_of(guest, slot->data),
			.len = bytes,
			.flags = VRING_DESC_F_NEXT |
				 (is_read ? VRING_DESC_F_WRITE : 0),
			.next = (uint16_t)(first + count + 1),
		};
		count++;
	}
	table[count++] = (struct vring_desc){
		.addr = gpa_of(guest, slot->status),
		.len = 1,
		.flags = VRING_DESC_F_WRITE,
	};
	return count;
}

void fakeguest_submit(struct fakeguest *guest, uint32_t number, uint32_t type,
		      uint64_t offset_bytes, uint32_t bytes)
{
	struct fakeguest_slot *slot = &guest->slots[number];
	struct vring *ring = &slot->queue->ring;
	struct vring_desc *head = &ring->desc[slot->head];

	*slot->header =
		(struct virtio_blk_outhdr){ .type = type,
					    .sector = offset_bytes >> 9 };
	*slot->status = NOT_ANSWERED;
	if (has_feature(guest, VIRTIO_RING_F_INDIRECT_DESC)) {
		uint32_t count =
			write_chain(guest, slot, slot->table, 0, bytes);

		*head = (struct vring_desc){
			.addr = gpa_of(guest, slot->table),
			.len = count * (uint32_t)sizeof(*slot->table),
			.flags = VRING_DESC_F_INDIRECT,
		};
	} else {
		(void)write_chain(guest, slot, head, slot->head, bytes);
	}
	ring->avail->ring[slot->queue->produced++ % ring->num] = slot->head;
	slot->is_outstanding = true;
	guest->outstanding++;
}

static void publish_queue(struct fakeguest *guest,
			  struct fakeguest_queue *queue)
{
	struct vring *ring = &queue->ring;
	uint16_t before = queue->published;
	bool wants_kick;

	if (queue->produced == before)
		return;
	/* Pairs with the device's load of avail.idx (virtio 1.2, 2.7.13). */
	__atomic_store_n(&ring->avail->idx, queue->produced, __ATOMIC_RELEASE);
	queue->published = queue->produced;
	/* The store above before the load below (virtio 1.2, 2.7.13.3). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (has_feature(guest, VIRTIO_RING_F_EVENT_IDX))
		wants_kick = vring_need_event(
			__atomic_load_n(&vring_avail_event(ring),
					__ATOMIC_RELAXED),
			queue->produced, before);
	else
		wants_kick = !(
			__atomic_load_n(&ring->used->flags, __ATOMIC_RELAXED) &
			VRING_USED_F_NO_NOTIFY);
	if (wants_kick)
		kick(guest, queue);
}

void fakeguest_publish(struct fakeguest *guest)
{
	for (uint32_t i = 0; i < guest->settings.queue_count; i++)
		publish_queue(guest, &guest->queues[i]);
}

/* Answers. ------------------------------------------------------------- */

static bool queue_has_answer(const struct fakeguest_queue *queue)
{
	/* Pairs with the device's store to used.idx (virtio 1.2, 2.7.8). */
	return __atomic_load_n(&queue->ring.used->idx, __ATOMIC_ACQUIRE) !=
	       queue->reaped;
}

static bool has_answer(const struct fakeguest *guest)
{
	for (uint32_t i = 0; i < guest->settings.queue_count; i++)
		if (queue_has_answer(&guest->queues[i]))
			return true;
	return false;
}

/* The slot a used entry names, or NULL when it names none outstanding. */
static struct fakeguest_slot *answered_slot(struct fakeguest *guest,
					    struct fakeguest_queue *queue,
					    uint32_t id)
{
	uint32_t stride =
		has_feature(guest, VIRTIO_RING_F_INDIRECT_DESC) ? 1 : CHAIN_MAX;
	uint64_t number =
		(uint64_t)(id / stride) * guest->settings.queue_count +
		queue->index;
	struct fakeguest_slot *slot;

	if (id % stride || number >= guest->settings.slot_count)
		return NULL;
	slot = &guest->slots[number];
	return slot->is_outstanding ? slot : NULL;
}

int fakeguest_reap(struct fakeguest *guest, uint32_t *ret_slot,
		   uint8_t *ret_status)
{
	for (uint32_t i = 0; i < guest->settings.queue_count; i++) {
		struct fakeguest_queue *queue = &guest->queues[i];
		struct vring *ring = &queue->ring;

		while (queue_has_answer(queue)) {
			uint32_t id =
				ring->used->ring[queue->reaped++ % ring->num]
					.id;
			struct fakeguest_slot *slot =
				answered_slot(guest, queue, id);

			if (!slot) {
				guest->violations++;
				continue;
			}
			slot->is_outstanding = false;
			guest->outstanding--;
			*ret_slot = (uint32_t)(slot - guest->slots);
			*ret_status = *slot->status;
			return 0;
		}
	}
	return -EAGAIN;
}

/* Waiting. ------------------------------------------------------------- */

static void want_interrupts(struct fakeguest *guest, bool wanted)
{
	for (uint32_t i = 0; i < guest->settings.queue_count; i++) {
		struct fakeguest_queue *queue = &guest->queues[i];
		/* With nothing to wake for: an index that is furthest away. */
		uint16_t at =
			(uint16_t)(wanted ? queue->reaped : queue->reaped - 1);

		if (has_feature(guest, VIRTIO_RING_F_EVENT_IDX))
			__atomic_store_n(&vring_used_event(&queue->ring), at,
					 __ATOMIC_RELAXED);
		else
			__atomic_store_n(&queue->ring.avail->flags,
					 wanted ? 0
						: VRING_AVAIL_F_NO_INTERRUPT,
					 __ATOMIC_RELAXED);
	}
	/* The event index before the look that follows (virtio 1.2, 2.7.7). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static int look_at_socket(struct fakeguest *guest, short revents)
{
	return revents & (POLLIN | POLLHUP | POLLERR) ? reconnect(guest) : 0;
}

static int sleep_until(struct fakeguest *guest, uint64_t deadline_ns)
{
	struct pollfd fds[2] = {
		{ .fd = guest->call_fd, .events = POLLIN },
		{ .fd = guest->frontend.fd, .events = POLLIN | POLLRDHUP },
	};
	uint64_t now_ns = clock_now_ns();
	uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
	struct timespec left = { .tv_sec = (time_t)(left_ns / NS_PER_S),
				 .tv_nsec = (long)(left_ns % NS_PER_S) };
	uint64_t count;
	int ready;

	ready = ppoll(fds, ARRAY_COUNT(fds), &left, NULL);
	if (ready < 0)
		return errno == EINTR ? 0 : -errno;
	if (ready == 0)
		return -ETIMEDOUT;
	guest->wakes++;
	if (fds[0].revents)
		(void)!read(guest->call_fd, &count, sizeof(count));
	return look_at_socket(guest, fds[1].revents);
}

static int spin_until(struct fakeguest *guest, uint64_t deadline_ns)
{
	struct pollfd fd = { .events = POLLIN | POLLRDHUP };
	uint64_t look_ns = clock_now_ns() + NS_PER_MS;

	while (!has_answer(guest)) {
		uint64_t now_ns = clock_now_ns();

		if (now_ns >= deadline_ns)
			return -ETIMEDOUT;
		if (now_ns < look_ns)
			continue;
		look_ns = now_ns + NS_PER_MS;
		fd.fd = guest->frontend.fd;
		if (poll(&fd, 1, 0) > 0)
			return look_at_socket(guest, fd.revents);
	}
	return 0;
}

int fakeguest_wait(struct fakeguest *guest, uint64_t deadline_ns)
{
	int error = 0;

	if (has_answer(guest))
		return 0;
	if (guest->settings.is_spinning)
		return spin_until(guest, deadline_ns);
	want_interrupts(guest, true);
	while (!has_answer(guest) && !error)
		error = sleep_until(guest, deadline_ns);
	want_interrupts(guest, false);
	return error;
}
