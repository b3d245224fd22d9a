/* SPDX-License-Identifier: MIT */
#include "nic_rig.h"

#include <fcntl.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

static const struct monitor_nic settings = {
	.attachment_id = 7,
	.queue_pair_count = 1,
	.mtu = 1500,
	.mac = { 2, 0, 0, 0, 0, 1 },
	.hang_ms = 2000,
	.name = "lan0",
};

void nic_rig_start_queue(struct nic_rig *rig, uint32_t index)
{
	const struct virtio_queue_place place = {
		.size = NIC_RIG_QUEUE_SIZE,
		.descriptors = rig->drivers[index].addresses.descriptors,
		.available = rig->drivers[index].addresses.available,
		.used = rig->drivers[index].addresses.used,
		.kick_fd = rig->kicks[index],
		.call_fd = rig->calls[index],
	};

	CHECK_EQ(nic_device_ops.queue_start(&rig->nic, index, &place), 0);
}

/* Each driver's memory is at a place of its own. */
static uint64_t shift_of(uint32_t index)
{
	return (uint64_t)index * FAKE_BYTES * 4;
}

static void shift_driver(struct fake_driver *driver, uint32_t index)
{
	driver->addresses.descriptors += shift_of(index);
	driver->addresses.available += shift_of(index);
	driver->addresses.used += shift_of(index);
}

void nic_rig_reset_queue(struct nic_rig *rig, uint32_t index)
{
	fake_driver_reset(&rig->drivers[index]);
	shift_driver(&rig->drivers[index], index);
	nic_rig_start_queue(rig, index);
}

static void open_driver(struct nic_rig *rig, uint32_t index)
{
	struct fake_driver *driver = &rig->drivers[index];

	fake_driver_open(driver, NIC_RIG_QUEUE_SIZE);
	shift_driver(driver, index);
	rig->kicks[index] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rig->calls[index] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* The interface in a monitor that has just started. */
static void start_monitor(struct nic_rig *rig, bool has_control)
{
	CHECK_EQ(nic_init(&rig->nic, &settings, &rig->notices, has_control), 0);
	for (uint32_t i = 0; i < NIC_RIG_QUEUES; i++) {
		const struct guestmem_place place = {
			.gpa = FAKE_GPA + shift_of(i),
			.user_address = FAKE_USER + shift_of(i),
			.bytes = FAKE_BYTES,
		};

		CHECK_EQ(guestmem_add(&rig->nic.memory, &place,
				      rig->drivers[i].fd),
			 0);
	}
}

static void stop_monitor(struct nic_rig *rig)
{
	guestmem_clear(&rig->nic.memory);
	nic_release(&rig->nic);
}

gpa_t nic_rig_place(uint32_t index, gpa_t gpa)
{
	return gpa + shift_of(index);
}

void nic_rig_connect(struct nic_rig *rig, uint64_t generation)
{
	struct nic_link link;
	int fds[3];

	CHECK_EQ(frames_create(NIC_RIG_RING_BYTES, NIC_RIG_RING_BYTES,
			       (uint32_t)generation, &fds[0]),
		 0);
	frames_close(&rig->service);
	CHECK_EQ(frames_open(&rig->service, fds[0], FRAMES_SERVICE), 0);
	fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fds[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK_EQ(nic_link_open(&link, generation, fds), 0);
	nic_up(&rig->nic, &link);
}

/* The guest's driver and the service's instance of this generation come. */
static void start_ends(struct nic_rig *rig, uint64_t generation)
{
	CHECK_EQ(nic_device_ops.set_features(
			 &rig->nic, rig->features | 1ull << VIRTIO_F_VERSION_1),
		 0);
	nic_rig_start_queue(rig, 0);
	nic_rig_start_queue(rig, 1);
	nic_rig_connect(rig, generation);
}

void nic_rig_start(struct nic_rig *rig, bool has_control)
{
	CHECK_EQ(notices_open(&rig->notices), 0);
	for (uint32_t i = 0; i < NIC_RIG_QUEUES; i++)
		open_driver(rig, i);
	start_monitor(rig, has_control);
	start_ends(rig, 1);
}

void nic_rig_stop(struct nic_rig *rig)
{
	stop_monitor(rig);
	frames_close(&rig->service);
	notices_close(&rig->notices);
	for (uint32_t i = 0; i < NIC_RIG_QUEUES; i++) {
		fake_driver_close(&rig->drivers[i]);
		close_fd(&rig->kicks[i]);
		close_fd(&rig->calls[i]);
	}
}

void nic_rig_send(struct nic_rig *rig, uint32_t bytes, uint32_t piece,
		  uint8_t fill)
{
	struct fake_driver *driver = &rig->drivers[1];
	gpa_t gpa = fake_driver_alloc(driver, bytes);
	struct fake_buffer buffers[NIC_RIG_QUEUE_SIZE];
	uint16_t count = 0;

	memset(fake_driver_at(driver, gpa), fill, bytes);
	memset(fake_driver_at(driver, gpa), 0, NET_HEADER_BYTES);
	for (uint32_t at = 0; at < bytes; at += piece)
		buffers[count++] = (struct fake_buffer){
			.gpa = nic_rig_place(1, gpa) + at,
			.bytes = bytes - at < piece ? bytes - at : piece,
		};
	fake_driver_offer(driver, fake_driver_chain(driver, buffers, count));
}

uint16_t nic_rig_give(struct nic_rig *rig, uint32_t bytes, gpa_t *ret_gpa)
{
	struct fake_driver *driver = &rig->drivers[0];
	struct fake_buffer buffer = { .bytes = bytes, .is_writable = true };
	uint16_t head;

	*ret_gpa = fake_driver_alloc(driver, bytes);
	buffer.gpa = nic_rig_place(0, *ret_gpa);
	head = fake_driver_chain(driver, &buffer, 1);
	fake_driver_offer(driver, head);
	return head;
}

void nic_rig_turn(struct nic_rig *rig)
{
	while (nic_turn(&rig->nic))
		;
}

uint32_t nic_rig_take(struct nic_rig *rig, uint8_t fill)
{
	const uint8_t *record;
	uint32_t bytes;

	if (frames_next(&rig->service, &record, &bytes) < 0)
		return 0;
	for (uint32_t i = NET_HEADER_BYTES; i < bytes; i++)
		CHECK(record[i] == fill);
	frames_release(&rig->service);
	(void)frames_acknowledge(&rig->service);
	return bytes;
}

int nic_rig_put(struct nic_rig *rig, uint32_t bytes, uint8_t fill)
{
	uint8_t *record;
	int result = frames_reserve(&rig->service, bytes, &record);

	if (result < 0)
		return result;
	memset(record, fill, bytes);
	memset(record, 0, NET_HEADER_BYTES);
	frames_commit(&rig->service, bytes);
	(void)frames_publish(&rig->service);
	return 0;
}

uint32_t nic_rig_used(struct nic_rig *rig, uint32_t index)
{
	struct vring_used_elem element;
	uint32_t count = 0;

	while (fake_driver_used(&rig->drivers[index], &element))
		count++;
	return count;
}

uint8_t nic_rig_command(struct nic_rig *rig, const uint8_t *bytes,
			uint32_t count)
{
	struct fake_driver *driver = &rig->drivers[2];
	gpa_t gpa = fake_driver_alloc(driver, count);
	gpa_t status = fake_driver_alloc(driver, 1);
	const struct fake_buffer buffers[] = {
		{ .gpa = nic_rig_place(2, gpa), .bytes = count },
		{ .gpa = nic_rig_place(2, status),
		  .bytes = 1,
		  .is_writable = true },
	};

	memcpy(fake_driver_at(driver, gpa), bytes, count);
	*(uint8_t *)fake_driver_at(driver, status) = 77;
	fake_driver_offer(driver, fake_driver_chain(driver, buffers, 2));
	nic_rig_turn(rig);
	CHECK_EQ(nic_rig_used(rig, 2), 1);
	return *(uint8_t *)fake_driver_at(driver, status);
}

void nic_rig_move(struct nic_rig *rig, bool has_control)
{
	struct state_writer writer;
	struct state_reader reader;

	state_writer_init(&writer);
	nic_state_save(&rig->nic, &writer);
	stop_monitor(rig);
	start_monitor(rig, has_control);
	state_reader_init(&reader, writer.bytes, writer.used);
	nic_state_restore(&rig->nic, &reader);
	CHECK_EQ(state_reader_result(&reader), 0);
	state_writer_release(&writer);
	start_ends(rig, 2);
}
