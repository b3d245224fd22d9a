/* SPDX-License-Identifier: MIT */
/* Life of an interface, and what its transport asks. */
#include "monitor/nic/nic.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/scope.h"

#define BIT(number) (1ull << (number))
/* A guest that sets filters all day long is not the supervisor's business. */
#define TELL_EVERY_NS (20 * NS_PER_MS)

static bool is_possible(const struct monitor_nic *settings)
{
	return settings->queue_pair_count >= 1 &&
	       settings->queue_pair_count <= NIC_QUEUE_PAIR_MAX &&
	       settings->mtu >= NIC_MTU_MIN && settings->mtu <= NIC_MTU_MAX &&
	       settings->hang_ms >= HANG_MS_MIN &&
	       settings->hang_ms <= HANG_MS_MAX;
}

static void init_queues(struct nic *nic)
{
	for (uint32_t i = 0; i < NIC_QUEUE_MAX; i++)
		virtqueue_init(&nic->queues[i], &nic->memory, &nic->transport);
}

int nic_init(struct nic *nic, const struct monitor_nic *settings,
	     struct notices *notices, bool has_control)
{
	memset(nic, 0, sizeof(*nic));
	nic->link.kick_fd = nic->link.call_fd = NO_FD;
	if (!is_possible(settings))
		return -EINVAL;
	nic->settings = *settings;
	nic->notices = notices;
	nic->shape = (struct net_shape){
		.mtu = (uint16_t)settings->mtu,
		.queue_pair_count = (uint16_t)settings->queue_pair_count,
		.has_control = has_control,
	};
	memcpy(nic->shape.mac, settings->mac, sizeof(nic->shape.mac));
	nic->counters.attachment_id = settings->attachment_id;
	nic->counters.index = settings->index;
	nic->lost_ns = clock_now_ns();
	guestmem_init(&nic->memory);
	init_queues(nic);
	nic->receiver.segments =
		calloc(RING_CHAIN_MAX, sizeof(*nic->receiver.segments));
	return nic->receiver.segments ? 0 : -ENOMEM;
}

void nic_set_announce(struct nic *nic, bool must_announce)
{
	if (must_announce &&
	    !(nic->features & BIT(VIRTIO_NET_F_GUEST_ANNOUNCE)))
		return;
	/* The configuration space is read by others' threads. */
	__atomic_store_n(&nic->shape.must_announce, must_announce,
			 __ATOMIC_RELEASE);
	if (must_announce)
		virtio_config_changed(&nic->transport);
}

static void forget_life(void *device)
{
	struct nic *nic = device;

	init_queues(nic);
	nic->features = 0;
	nic->is_driven = false;
	nic_set_announce(nic, false);
	nic->wants_buffers = false;
	nic->active_pairs = 1;
	nic->all_groups = 0;
	nic->negotiated.group_count = 0;
	memcpy(nic->shape.mac, nic->settings.mac, sizeof(nic->shape.mac));
}

void nic_release(struct nic *nic)
{
	forget_life(nic);
	nic_link_close(&nic->link);
	free(nic->receiver.segments);
	nic->receiver.segments = NULL;
}

uint32_t nic_queue_count(const struct nic *nic)
{
	return 2u * nic->shape.queue_pair_count +
	       (nic->shape.has_control ? 1 : 0);
}

/* What the guest can take. ------------------------------------------------- */

static uint32_t offloads_of(uint64_t features)
{
	/* clang-format off */
	static const struct { uint32_t feature, offload; } pairs[] = {
		{ VIRTIO_NET_F_GUEST_CSUM, NIC_OFFLOAD_CHECKSUM },
		{ VIRTIO_NET_F_GUEST_TSO4, NIC_OFFLOAD_TSO4 },
		{ VIRTIO_NET_F_GUEST_TSO6, NIC_OFFLOAD_TSO6 },
		{ VIRTIO_NET_F_GUEST_ECN, NIC_OFFLOAD_ECN },
		{ NET_GUEST_USO4, NIC_OFFLOAD_USO4 },
		{ NET_GUEST_USO6, NIC_OFFLOAD_USO6 },
	};
	/* clang-format on */
	uint32_t offloads = 0;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		if (features & BIT(pairs[i].feature))
			offloads |= pairs[i].offload;
	return offloads;
}

void nic_tell_now(struct nic *nic)
{
	nic->told_ns = clock_now_ns();
	nic->tell_ns = 0;
	notices_put(nic->notices, &(struct notice){
					  .kind = NOTICE_NIC_FEATURES,
					  .disk_index = nic->settings.index,
				  });
}

void nic_tell_features(struct nic *nic)
{
	nic->negotiated.attachment_id = nic->settings.attachment_id;
	nic->negotiated.offloads = offloads_of(nic->features);
	nic->negotiated.frame_bytes_max =
		nic->settings.mtu + NIC_FRAME_OVERHEAD;
	/* Who cannot say what it wants gets every group, and who has said it
	 * to a front end that has not told us yet. */
	nic->negotiated.all_multicast =
		nic->all_groups != 0 ||
		(nic->shape.has_control
			 ? !(nic->features & BIT(VIRTIO_NET_F_CTRL_RX))
			 : !nic->has_filter);
	memcpy(nic->negotiated.mac, nic->shape.mac, sizeof(nic->shape.mac));
	if (clock_now_ns() - nic->told_ns < TELL_EVERY_NS)
		nic->tell_ns = nic->told_ns + TELL_EVERY_NS;
	else
		nic_tell_now(nic);
}

void nic_set_filter(struct nic *nic, const struct nic_filter *filter)
{
	static const uint8_t none[6];

	nic->has_filter = true;
	nic->all_groups = filter->takes_all_groups ? NIC_ALL_MULTICAST : 0;
	nic->negotiated.group_count = filter->group_count;
	_Static_assert(sizeof(nic->negotiated.groups) == sizeof(filter->groups),
		       "the same groups");
	memcpy(nic->negotiated.groups, filter->groups, sizeof(filter->groups));
	if (memcmp(filter->mac, none, sizeof(none)) != 0)
		memcpy(nic->shape.mac, filter->mac, sizeof(filter->mac));
	nic_tell_features(nic);
}

static void tell_started(struct nic *nic)
{
	nic->has_filter = false;
	notices_put(nic->notices, &(struct notice){
					  .kind = NOTICE_NIC_STARTED,
					  .disk_index = nic->settings.index,
				  });
}

/* The transport. ------------------------------------------------------------ */

static uint64_t offer_features(void *device)
{
	const struct nic *nic = device;

	return net_features(&nic->shape);
}

static int set_features(void *device, uint64_t features)
{
	struct nic *nic = device;

	nic->features = features;
	return 0;
}

/* Its position is in its own memory: nothing of it is ever in flight. */
static int start_queue(void *device, uint32_t index,
		       const struct virtio_queue_place *place)
{
	struct nic *nic = device;
	int r = virtqueue_start(&nic->queues[index], place, nic->features, NULL,
				0);

	if (r < 0)
		return r;
	nic->wants_buffers = false;
	nic->is_driven = true;
	if (index == 0 && !nic->shape.has_control)
		tell_started(nic);
	if (index == 0)
		nic_tell_features(nic);
	return 0;
}

static uint16_t stop_queue(void *device, uint32_t index)
{
	struct nic *nic = device;

	return virtqueue_stop(&nic->queues[index]);
}

static void set_call(void *device, uint32_t index,
		     const struct virtio_queue_place *place)
{
	struct nic *nic = device;

	virtqueue_call(&nic->queues[index], place);
}

static size_t fill_config(void *device, uint8_t *space, size_t room_bytes)
{
	const struct nic *nic = device;

	return net_fill_config(&nic->shape, space, room_bytes);
}

/* A front end moves memory in several messages; a ring that is not there for a
 * moment hands out nothing, and a frame for an address that is gone is lost. */
static void memory_changed(void *device)
{
	struct nic *nic = device;

	for (uint32_t i = 0; i < NIC_QUEUE_MAX; i++)
		virtqueue_remap(&nic->queues[i]);
}

const struct virtio_device_ops nic_device_ops = {
	.features = offer_features,
	.set_features = set_features,
	.queue_start = start_queue,
	.queue_stop = stop_queue,
	.queue_call = set_call,
	.config = fill_config,
	.reset = forget_life,
	.detach = forget_life,
	.memory_changed = memory_changed,
};

/* The service. ---------------------------------------------------------------- */

int nic_link_open(struct nic_link *link, uint64_t generation, int fds[3])
{
	SCOPED(close_fd) int memory = take_fd(&fds[0]);
	int r;

	*link = (struct nic_link){
		.kick_fd = take_fd(&fds[1]),
		.call_fd = take_fd(&fds[2]),
		.generation = generation,
	};
	r = frames_open(&link->frames, memory, FRAMES_MONITOR);
	if (r == 0 && link->frames.generation != (uint32_t)generation)
		r = -EBADMSG;
	link->is_open = r == 0;
	if (r < 0)
		nic_link_close(link);
	return r;
}

void nic_link_close(struct nic_link *link)
{
	frames_close(&link->frames);
	close_fd(&link->kick_fd);
	close_fd(&link->call_fd);
	link->generation = 0;
	link->is_open = false;
}

static void count_outage(struct nic *nic)
{
	uint64_t us = (clock_now_ns() - nic->lost_ns) / NS_PER_US;

	if (nic->counters.generation && us > nic->counters.outage_longest_us)
		nic->counters.outage_longest_us = us;
	nic->lost_ns = 0;
}

void nic_up(struct nic *nic, struct nic_link *link)
{
	nic_down(nic);
	nic->link = *link;
	*link = (struct nic_link){ .kick_fd = NO_FD, .call_fd = NO_FD };
	count_outage(nic);
	nic->counters.generation = nic->link.generation;
	nic->counters.is_up = 1;
	nic->look_ns = 0;
}

void nic_down(struct nic *nic)
{
	if (nic->link.is_open) {
		nic->counters.outages++;
		nic->lost_ns = clock_now_ns();
	}
	nic_link_close(&nic->link);
	nic->counters.is_up = 0;
	nic->is_full = nic->wants_buffers = false;
	nic->look_ns = nic->trim_ns = 0;
}
