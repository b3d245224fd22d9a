/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

static void ask_witness(void *context, uint32_t disk_index, uint64_t asked)
{
	struct rig *rig = context;

	rig->witness_asked = asked;
}

static void default_settings(struct rig *rig)
{
	rig->settings = (struct monitor_disk){
		.attachment_id = 7,
		.size_bytes = RIG_DISK_BYTES,
		.logical_block_bytes = 512,
		.physical_block_bytes = 4096,
		.outage = rig->settings.outage,
		.outage_ms = rig->settings.outage_ms,
		.hang_ms = 1000,
		.queue_count = 1,
		.name = "root",
		.serial = "serial-1",
	};
}

void rig_start(struct rig *rig)
{
	const struct disk_ops ops = { &rig->notices, ask_witness, rig };

	default_settings(rig);
	if (rig->features == 0)
		rig->features = 1ull << VIRTIO_BLK_F_FLUSH |
				1ull << VIRTIO_RING_F_INDIRECT_DESC;
	CHECK_EQ(notices_open(&rig->notices), 0);
	CHECK_EQ(disk_init(&rig->disk, &rig->settings, &ops), 0);
	CHECK_EQ(front_init_blk(&rig->front, &rig->disk), 0);
	fake_driver_open(&rig->driver, RIG_RING_SIZE);
	fake_driver_map(&rig->driver, &rig->front.memory);
	rig->queue = (struct virtio_queue_place){
		.size = RIG_RING_SIZE,
		.descriptors = rig->driver.addresses.descriptors,
		.available = rig->driver.addresses.available,
		.used = rig->driver.addresses.used,
		.kick_fd = NO_FD,
		.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	CHECK_EQ(blk_device_ops.set_features(&rig->front, rig->features), 0);
	CHECK_EQ(blk_device_ops.queue_start(&rig->front, 0, &rig->queue), 0);
}

void rig_stop(struct rig *rig)
{
	(void)blk_device_ops.queue_stop(&rig->front, 0);
	guestmem_clear(&rig->front.memory);
	front_release(&rig->front);
	disk_release(&rig->disk);
	channel_close(&rig->service);
	fake_driver_close(&rig->driver);
	notices_close(&rig->notices);
	close_fd(&rig->queue.call_fd);
}

static struct lane make_lane(struct rig *rig)
{
	struct channel_shape shape = {
		.kind = CHANNEL_KIND_DISK,
		.slot_count = 16,
		.buffer_bytes = 1u << 20,
		.generation = (uint32_t)++rig->generation,
	};
	struct lane lane;
	int fds[3] = { NO_FD, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		       eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };

	channel_close(&rig->service);
	CHECK_EQ(channel_create(&shape, &fds[0]), 0);
	CHECK_EQ(channel_open(&rig->service, fds[0], CHANNEL_SERVER,
			      CHANNEL_KIND_DISK),
		 0);
	CHECK_EQ(lane_open(&lane, CHANNEL_KIND_DISK, rig->generation, fds), 0);
	return lane;
}

void rig_up(struct rig *rig, bool is_alone)
{
	struct lane lane = make_lane(rig);

	disk_up(&rig->disk, &lane, is_alone);
	rig_turn(rig);
}

void rig_come_and_go(struct rig *rig)
{
	struct lane lane = make_lane(rig);

	disk_up(&rig->disk, &lane, false);
	disk_down(&rig->disk, DISK_DOWN_CRASHED);
}

void rig_down(struct rig *rig)
{
	rig_lose(rig, DISK_DOWN_CRASHED);
}

void rig_lose(struct rig *rig, enum disk_down_cause cause)
{
	disk_down(&rig->disk, cause);
	rig_turn(rig);
}

void rig_turn(struct rig *rig)
{
	while (front_turn(&rig->front))
		;
	(void)front_prepare_sleep(&rig->front);
}

struct guest_request rig_offer(struct rig *rig, uint32_t type, uint64_t sector,
			       uint32_t bytes, uint8_t value)
{
	struct virtio_blk_outhdr header = { .type = type, .sector = sector };
	struct guest_request request = { .bytes = bytes };
	gpa_t header_gpa = fake_driver_alloc(&rig->driver, sizeof(header));
	struct fake_buffer buffers[3];
	uint16_t count = 0;

	memcpy(fake_driver_at(&rig->driver, header_gpa), &header,
	       sizeof(header));
	buffers[count++] =
		(struct fake_buffer){ header_gpa, sizeof(header), false };
	if (bytes > 0) {
		request.data = fake_driver_alloc(&rig->driver, bytes);
		memset(fake_driver_at(&rig->driver, request.data), value,
		       bytes);
		buffers[count++] =
			(struct fake_buffer){ request.data, bytes,
					      type != VIRTIO_BLK_T_OUT };
	}
	request.status = fake_driver_alloc(&rig->driver, 1);
	*(uint8_t *)fake_driver_at(&rig->driver, request.status) =
		RIG_NO_STATUS;
	buffers[count++] = (struct fake_buffer){ request.status, 1, true };
	request.head = fake_driver_chain(&rig->driver, buffers, count);
	fake_driver_offer(&rig->driver, request.head);
	return request;
}

bool rig_take(struct rig *rig, struct channel_request *ret_request)
{
	return channel_receive_request(&rig->service, ret_request) == 0;
}

void rig_answer(struct rig *rig, const struct channel_request *request,
		int status)
{
	struct channel_response response = { .id = request->id,
					     .status = status };

	if (status == 0 &&
	    (request->op == DISK_READ || request->op == DISK_WRITE))
		response.bytes = request->length_bytes;
	channel_send_response(&rig->service, &response);
	(void)channel_publish(&rig->service);
}

int rig_used(struct rig *rig)
{
	struct vring_used_elem element;
	int count = 0;

	while (fake_driver_used(&rig->driver, &element))
		count++;
	return count;
}

uint8_t rig_status(struct rig *rig, const struct guest_request *request)
{
	return *(uint8_t *)fake_driver_at(&rig->driver, request->status);
}

uint16_t rig_pause(struct rig *rig)
{
	return blk_device_ops.queue_stop(&rig->front, 0);
}

void rig_resume(struct rig *rig, uint16_t base)
{
	rig->queue.base = base;
	CHECK_EQ(blk_device_ops.queue_start(&rig->front, 0, &rig->queue), 0);
	rig_turn(rig);
}

bool rig_noticed(struct rig *rig, enum notice_kind kind)
{
	struct notice notice;

	while (notices_take(&rig->notices, &notice) == 0)
		if (notice.kind == kind)
			return true;
	return false;
}
