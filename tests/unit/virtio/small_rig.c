/* SPDX-License-Identifier: MIT */
#include "small_rig.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

static void note_reset(void *context)
{
	((struct small_rig *)context)->resets_wanted++;
}

static void note_config(void *context)
{
	((struct small_rig *)context)->config_changes++;
}

void small_rig_open(struct small_rig *rig)
{
	fake_driver_open(&rig->driver, SMALL_RING);
	guestmem_init(&rig->memory);
	fake_driver_map(&rig->driver, &rig->memory);
	rig->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rig->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK(rig->kick_fd >= 0 && rig->call_fd >= 0);
}

void small_rig_close(struct small_rig *rig)
{
	close_fd(&rig->kick_fd);
	close_fd(&rig->call_fd);
	guestmem_clear(&rig->memory);
	fake_driver_close(&rig->driver);
}

int small_rig_start_queue(struct small_rig *rig, uint32_t index)
{
	const struct virtio_queue_place place = {
		.size = rig->driver.size,
		.descriptors = rig->driver.addresses.descriptors,
		.available = rig->driver.addresses.available,
		.used = rig->driver.addresses.used,
		.kick_fd = rig->kick_fd,
		.call_fd = rig->call_fd,
	};

	return rig->ops->queue_start(rig->device, index, &place);
}

void small_rig_start(struct small_rig *rig, struct virtio_small *small,
		     const struct virtio_device_ops *ops, uint32_t index)
{
	const struct virtio_transport transport = { .config_changed =
							    note_config,
						    .needs_reset = note_reset,
						    .context = rig };

	rig->device = small;
	rig->ops = ops;
	virtio_small_connect(small, &transport);
	CHECK_EQ(ops->set_features(small, ops->features(small)), 0);
	CHECK_EQ(small_rig_start_queue(rig, index), 0);
}

uint16_t small_rig_offer(struct small_rig *rig,
			 const struct fake_buffer *buffers, uint16_t count)
{
	uint16_t head = fake_driver_chain(&rig->driver, buffers, count);

	fake_driver_offer(&rig->driver, head);
	return head;
}

long long small_rig_answer(struct small_rig *rig)
{
	struct vring_used_elem element;

	if (!fake_driver_used(&rig->driver, &element))
		return -1;
	return element.len;
}

static uint64_t take_count(int fd)
{
	uint64_t count = 0;

	if (read(fd, &count, sizeof(count)) < 0)
		return 0;
	return count;
}

uint64_t small_rig_kicks(struct small_rig *rig)
{
	return take_count(rig->kick_fd);
}

uint64_t small_rig_calls(struct small_rig *rig)
{
	return take_count(rig->call_fd);
}
