/* SPDX-License-Identifier: MIT */
/* An interface between a guest's driver and a network service played here. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "lib/fake_driver.h"
#include "lib/harness.h"
#include "monitor/nic.h"

#define SIZE       64
#define RING_BYTES (256u << 10)
#define MERGEABLE  (1ull << VIRTIO_NET_F_MRG_RXBUF)

static struct notices notices;
static struct nic nic;
/* One driver's memory for each queue: receive, transmit, control. */
static struct fake_driver drivers[3];
static struct frames service;
static int kicks[3], calls[3];

static const struct monitor_nic settings = {
	.attachment_id = 7,
	.queue_pair_count = 1,
	.mtu = 1500,
	.mac = { 2, 0, 0, 0, 0, 1 },
	.hang_ms = 2000,
	.name = "lan0",
};

static uint64_t features;

static void start_queue(uint32_t index)
{
	const struct virtio_queue_place place = {
		.size = SIZE,
		.descriptors = drivers[index].addresses.descriptors,
		.available = drivers[index].addresses.available,
		.used = drivers[index].addresses.used,
		.kick_fd = kicks[index],
		.call_fd = calls[index],
	};

	CHECK_EQ(nic_device_ops.queue_start(&nic, index, &place), 0);
}

/* Each driver's memory at a place of its own. */
static void map_driver(uint32_t index)
{
	struct fake_driver *driver = &drivers[index];
	uint64_t shift = (uint64_t)index * FAKE_BYTES * 4;
	const struct guestmem_place place = {
		.gpa = FAKE_GPA + shift,
		.user_address = FAKE_USER + shift,
		.bytes = FAKE_BYTES,
	};

	fake_driver_open(driver, SIZE);
	CHECK_EQ(guestmem_add(&nic.memory, &place, driver->fd), 0);
	driver->addresses.descriptors += shift;
	driver->addresses.available += shift;
	driver->addresses.used += shift;
}

static gpa_t place_of(uint32_t index, gpa_t gpa)
{
	return gpa + (uint64_t)index * FAKE_BYTES * 4;
}

static void connect_service(uint64_t generation)
{
	struct nic_link link;
	int fds[3];

	CHECK_EQ(frames_create(RING_BYTES, (uint32_t)generation, &fds[0]), 0);
	frames_close(&service);
	CHECK_EQ(frames_open(&service, fds[0], FRAMES_SERVICE), 0);
	fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fds[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK_EQ(nic_link_open(&link, generation, fds), 0);
	nic_up(&nic, &link);
}

static void set_up(bool has_control)
{
	CHECK_EQ(notices_open(&notices), 0);
	CHECK_EQ(nic_init(&nic, &settings, &notices, has_control), 0);
	for (uint32_t i = 0; i < 3; i++) {
		kicks[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		calls[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		map_driver(i);
	}
	CHECK_EQ(nic_device_ops.set_features(
			 &nic, features | 1ull << VIRTIO_F_VERSION_1),
		 0);
	start_queue(0);
	start_queue(1);
	connect_service(1);
}

static void tear_down(void)
{
	guestmem_clear(&nic.memory);
	nic_release(&nic);
	frames_close(&service);
	notices_close(&notices);
	for (uint32_t i = 0; i < 3; i++) {
		fake_driver_close(&drivers[i]);
		close_fd(&kicks[i]);
		close_fd(&calls[i]);
	}
}

/* The guest sends a frame in pieces of so many bytes. */
static void send_in(uint32_t bytes, uint32_t piece, uint8_t fill)
{
	struct fake_driver *driver = &drivers[1];
	gpa_t gpa = fake_driver_alloc(driver, bytes);
	struct fake_buffer buffers[SIZE];
	uint16_t count = 0;

	memset(fake_driver_at(driver, gpa), fill, bytes);
	memset(fake_driver_at(driver, gpa), 0, NET_HEADER_BYTES);
	for (uint32_t at = 0; at < bytes; at += piece)
		buffers[count++] = (struct fake_buffer){
			.gpa = place_of(1, gpa) + at,
			.bytes = bytes - at < piece ? bytes - at : piece,
		};
	fake_driver_offer(driver, fake_driver_chain(driver, buffers, count));
}

/* The guest gives a buffer to receive into. */
static uint16_t give_buffer(uint32_t bytes, gpa_t *ret_gpa)
{
	struct fake_driver *driver = &drivers[0];
	struct fake_buffer buffer = { .bytes = bytes, .is_writable = true };
	uint16_t head;

	*ret_gpa = fake_driver_alloc(driver, bytes);
	buffer.gpa = place_of(0, *ret_gpa);
	head = fake_driver_chain(driver, &buffer, 1);
	fake_driver_offer(driver, head);
	return head;
}

static void turn(void)
{
	while (nic_turn(&nic))
		;
}

/* The service takes a frame of the guest's. */
static uint32_t take_frame(uint8_t fill)
{
	const uint8_t *record;
	uint32_t bytes;

	if (frames_next(&service, &record, &bytes) < 0)
		return 0;
	for (uint32_t i = NET_HEADER_BYTES; i < bytes; i++)
		CHECK(record[i] == fill);
	frames_release(&service);
	(void)frames_acknowledge(&service);
	return bytes;
}

/* The service has a frame for the guest. */
static int put_frame(uint32_t bytes, uint8_t fill)
{
	uint8_t *record;
	int result = frames_reserve(&service, bytes, &record);

	if (result < 0)
		return result;
	memset(record, fill, bytes);
	memset(record, 0, NET_HEADER_BYTES);
	frames_commit(&service, bytes);
	(void)frames_publish(&service);
	return 0;
}

static uint32_t used_count(uint32_t index)
{
	struct vring_used_elem element;
	uint32_t count = 0;

	while (fake_driver_used(&drivers[index], &element))
		count++;
	return count;
}

TEST(a_frame_goes_out_whole_however_it_lies_in_memory)
{
	set_up(false);
	send_in(72, 72, 1);
	send_in(1526, 100, 2);
	send_in(1526, 60, 3);
	turn();
	CHECK_EQ(used_count(1), 3);
	CHECK_EQ(take_frame(1), 72);
	CHECK_EQ(take_frame(2), 1526);
	CHECK_EQ(take_frame(3), 1526);
	CHECK_EQ(take_frame(0), 0);
	CHECK_EQ(nic.counters.out_frames, 3);
	tear_down();
}

TEST(without_a_service_frames_wait_in_the_guests_ring)
{
	set_up(false);
	nic_down(&nic);
	for (uint8_t i = 0; i < 10; i++)
		send_in(100, 100, i);
	turn();
	CHECK_EQ(used_count(1), 0);
	connect_service(2);
	turn();
	CHECK_EQ(used_count(1), 10);
	for (uint8_t i = 0; i < 10; i++)
		CHECK_EQ(take_frame(i), 100);
	tear_down();
}

TEST(what_was_taken_is_complete_once_whatever_becomes_of_the_service)
{
	set_up(false);
	send_in(100, 100, 1);
	turn();
	CHECK_EQ(used_count(1), 1);
	nic_down(&nic);
	connect_service(2);
	send_in(100, 100, 2);
	turn();
	CHECK_EQ(used_count(1), 1);
	CHECK_EQ(take_frame(2), 100);
	CHECK_EQ(take_frame(0), 0);
	CHECK_EQ(nic.counters.outages, 1);
	tear_down();
}

TEST(a_full_service_keeps_the_guest_waiting)
{
	uint32_t sent = 0, taken = 0;

	set_up(false);
	for (; sent < 8; sent++)
		send_in(60000, 30000, (uint8_t)sent);
	turn();
	CHECK(nic.is_full);
	CHECK(used_count(1) < 8);
	while (taken < sent) {
		taken += take_frame((uint8_t)taken) > 0;
		turn();
	}
	CHECK(!nic.is_full);
	CHECK_EQ(nic.counters.out_frames, 8);
	tear_down();
}

TEST(a_received_frame_fills_as_many_buffers_as_it_takes)
{
	struct virtio_net_hdr_v1 header;
	struct vring_used_elem element;
	gpa_t gpas[4];
	uint16_t heads[4];

	features = MERGEABLE;
	set_up(false);
	for (uint32_t i = 0; i < 4; i++)
		heads[i] = give_buffer(600, &gpas[i]);
	CHECK_EQ(put_frame(1500, 9), 0);
	turn();
	memcpy(&header, fake_driver_at(&drivers[0], gpas[0]), sizeof(header));
	CHECK_EQ(header.num_buffers, 3);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK(fake_driver_used(&drivers[0], &element));
		CHECK_EQ(element.id, heads[i]);
		CHECK_EQ(element.len, i < 2 ? 600 : 300);
	}
	CHECK_EQ(((uint8_t *)fake_driver_at(&drivers[0], gpas[2]))[299], 9);
	CHECK(!fake_driver_used(&drivers[0], &element));
	tear_down();
}

TEST(a_frame_waits_for_buffers_and_takes_none_in_part)
{
	gpa_t gpa;

	features = MERGEABLE;
	set_up(false);
	(void)give_buffer(600, &gpa);
	CHECK_EQ(put_frame(1500, 9), 0);
	turn();
	CHECK_EQ(used_count(0), 0);
	CHECK(nic.wants_buffers);
	CHECK(nic_prepare_sleep(&nic));
	(void)give_buffer(600, &gpa);
	(void)give_buffer(600, &gpa);
	turn();
	CHECK_EQ(used_count(0), 3);
	CHECK_EQ(nic.counters.in_frames, 1);
	tear_down();
}

TEST(without_mergeable_buffers_a_frame_that_does_not_fit_is_lost_alone)
{
	gpa_t gpa;

	features = 0;
	set_up(false);
	(void)give_buffer(600, &gpa);
	CHECK_EQ(put_frame(1500, 9), 0);
	CHECK_EQ(put_frame(500, 9), 0);
	turn();
	CHECK_EQ(used_count(0), 1);
	CHECK_EQ(nic.counters.in_dropped, 1);
	CHECK_EQ(nic.counters.in_frames, 1);
	tear_down();
}

TEST(a_frame_longer_than_the_whole_ring_of_buffers_does_not_wait_for_ever)
{
	gpa_t gpa;

	features = MERGEABLE;
	set_up(false);
	for (uint32_t i = 0; i < SIZE; i++)
		(void)give_buffer(100, &gpa);
	CHECK_EQ(put_frame(100 * SIZE + 1, 9), 0);
	CHECK_EQ(put_frame(500, 9), 0);
	turn();
	CHECK_EQ(used_count(0), 5);
	CHECK_EQ(nic.counters.in_dropped, 1);
	tear_down();
}

TEST(a_driver_that_cannot_ask_for_groups_gets_all)
{
	features = 0;
	set_up(true);
	CHECK_EQ(nic.abilities.all_multicast, 1);
	tear_down();
	features = 1ull << VIRTIO_NET_F_CTRL_RX;
	set_up(true);
	CHECK_EQ(nic.abilities.all_multicast, 0);
	tear_down();
}

TEST(a_filter_that_a_front_end_keeps_holds_until_the_next_driver)
{
	const struct nic_filter filter = { .group_count = 1,
					   .groups = { { 1, 2, 3 } } };
	struct notice notice;
	bool is_asked = false;

	set_up(false);
	CHECK_EQ(nic.abilities.all_multicast, 1);
	nic_set_filter(&nic, &filter);
	CHECK_EQ(nic.abilities.all_multicast, 0);
	CHECK_EQ(nic.abilities.group_count, 1);
	CHECK_EQ(nic.abilities.groups[0][2], 3);
	while (notices_take(&notices, &notice) == 0)
		;
	start_queue(0);
	CHECK_EQ(nic.abilities.all_multicast, 1);
	while (notices_take(&notices, &notice) == 0)
		is_asked |= notice.kind == NOTICE_NIC_STARTED;
	CHECK(is_asked);
	tear_down();
}

TEST(frames_for_a_guest_without_a_driver_are_lost)
{
	set_up(false);
	nic_device_ops.reset(&nic);
	CHECK_EQ(put_frame(100, 1), 0);
	turn();
	CHECK(!nic.wants_buffers);
	/* But not those for one that is paused. */
	start_queue(0);
	(void)nic_device_ops.queue_stop(&nic, 0);
	CHECK_EQ(put_frame(100, 1), 0);
	turn();
	CHECK(nic.wants_buffers);
	tear_down();
}

TEST(a_ring_that_was_stopped_goes_on_where_it_was)
{
	set_up(false);
	send_in(100, 100, 1);
	turn();
	(void)nic_device_ops.queue_stop(&nic, 1);
	send_in(100, 100, 2);
	turn();
	CHECK_EQ(used_count(1), 1);
	start_queue(1);
	turn();
	CHECK_EQ(used_count(1), 1);
	CHECK_EQ(take_frame(1), 100);
	CHECK_EQ(take_frame(2), 100);
	tear_down();
}

TEST(a_hostile_guest_cannot_send_what_is_no_frame)
{
	set_up(false);
	send_in(NET_HEADER_BYTES + NET_FRAME_MIN - 1, 100, 1);
	send_in(FRAMES_RECORD_MOST + 1, 40000, 1);
	send_in(100, 100, 2);
	turn();
	CHECK_EQ(used_count(1), 3);
	CHECK_EQ(nic.counters.violations, 2);
	CHECK_EQ(take_frame(2), 100);
	tear_down();
}

TEST(a_hostile_guest_cannot_point_outside_of_its_memory)
{
	struct fake_buffer buffer = { .gpa = 0x1000, .bytes = 100 };

	set_up(false);
	fake_driver_offer(&drivers[1],
			  fake_driver_chain(&drivers[1], &buffer, 1));
	send_in(100, 100, 2);
	turn();
	CHECK(nic.counters.violations > 0);
	CHECK(take_frame(2) == 100 || nic.queues[1].ring.is_broken);
	tear_down();
}

TEST(a_hostile_guest_cannot_give_a_buffer_to_read_as_one_to_write)
{
	struct fake_buffer buffer = { .bytes = 2000 };
	gpa_t gpa;

	features = MERGEABLE;
	set_up(false);
	buffer.gpa = place_of(0, fake_driver_alloc(&drivers[0], 2000));
	fake_driver_offer(&drivers[0],
			  fake_driver_chain(&drivers[0], &buffer, 1));
	(void)give_buffer(2000, &gpa);
	CHECK_EQ(put_frame(100, 1), 0);
	CHECK_EQ(put_frame(100, 1), 0);
	turn();
	CHECK(nic.queues[0].ring.is_broken);
	CHECK(!nic.wants_buffers);
	/* What it sends still goes out. */
	send_in(100, 100, 3);
	turn();
	CHECK_EQ(take_frame(3), 100);
	tear_down();
}

TEST(a_hostile_peer_cannot_take_the_interface_with_it)
{
	struct notice notice;
	bool is_told = false;

	set_up(false);
	CHECK_EQ(put_frame(100, 1), 0);
	memset(nic.link.frames.in.bytes, 0xee, RING_BYTES);
	turn();
	CHECK(!nic.link.is_open);
	while (notices_take(&notices, &notice) == 0)
		is_told |= notice.kind == NOTICE_NIC_BROKEN;
	CHECK(is_told);
	connect_service(2);
	send_in(100, 100, 1);
	turn();
	CHECK_EQ(take_frame(1), 100);
	tear_down();
}

TEST(a_service_that_takes_nothing_and_does_not_beat_is_suspected)
{
	struct notice notice;
	uint64_t now;
	bool is_told = false;

	set_up(false);
	send_in(100, 100, 1);
	turn();
	CHECK(nic_prepare_sleep(&nic));
	now = nic_deadline_ns(&nic);
	CHECK(now != 0);
	for (int i = 0; i < 4; i++)
		nic_tend(&nic, now + (uint64_t)i * 500 * NS_PER_MS);
	while (notices_take(&notices, &notice) == 0)
		is_told |= notice.kind == NOTICE_NIC_SUSPECT;
	CHECK(is_told);
	tear_down();
}

TEST(an_idle_interface_has_no_deadline)
{
	set_up(false);
	send_in(100, 100, 1);
	turn();
	CHECK_EQ(take_frame(1), 100);
	CHECK(nic_prepare_sleep(&nic));
	CHECK_EQ(nic_deadline_ns(&nic), 0);
	tear_down();
}

/* A command of the control queue; returns its status. */
static uint8_t command(const uint8_t *bytes, uint32_t count)
{
	struct fake_driver *driver = &drivers[2];
	gpa_t gpa = fake_driver_alloc(driver, count);
	gpa_t status = fake_driver_alloc(driver, 1);
	const struct fake_buffer buffers[] = {
		{ .gpa = place_of(2, gpa), .bytes = count },
		{ .gpa = place_of(2, status), .bytes = 1, .is_writable = true },
	};

	memcpy(fake_driver_at(driver, gpa), bytes, count);
	*(uint8_t *)fake_driver_at(driver, status) = 77;
	fake_driver_offer(driver, fake_driver_chain(driver, buffers, 2));
	turn();
	CHECK_EQ(used_count(2), 1);
	return *(uint8_t *)fake_driver_at(driver, status);
}

TEST(a_hostile_guest_cannot_flood_the_supervisor_with_filters)
{
	struct notice notice;
	uint32_t told = 0;

	features = 1ull << VIRTIO_NET_F_CTRL_RX;
	set_up(true);
	start_queue(2);
	for (uint8_t i = 0; i < 30; i++)
		(void)command((uint8_t[]){ VIRTIO_NET_CTRL_RX,
					   VIRTIO_NET_CTRL_RX_ALLMULTI, i & 1 },
			      3);
	while (notices_take(&notices, &notice) == 0)
		told++;
	CHECK(told < 20);
	/* The last word comes in time. */
	CHECK(nic_deadline_ns(&nic) > 0);
	nic_tend(&nic, nic_deadline_ns(&nic));
	CHECK_EQ(notices_take(&notices, &notice), 0);
	CHECK_EQ(nic_deadline_ns(&nic), 0);
	tear_down();
}

TEST(the_control_queue_sets_filters_and_refuses_nonsense)
{
	uint8_t table[2 + 4 + 4 + 6] = { VIRTIO_NET_CTRL_MAC,
					 VIRTIO_NET_CTRL_MAC_TABLE_SET };

	features = 1ull << VIRTIO_NET_F_CTRL_RX;
	set_up(true);
	start_queue(2);
	CHECK_EQ(command((uint8_t[]){ VIRTIO_NET_CTRL_RX,
				      VIRTIO_NET_CTRL_RX_ALLMULTI, 1 },
			 3),
		 VIRTIO_NET_OK);
	CHECK_EQ(nic.abilities.all_multicast, 1);
	table[6] = 1;
	table[10] = 0x33;
	CHECK_EQ(command(table, sizeof(table)), VIRTIO_NET_OK);
	CHECK_EQ(nic.abilities.group_count, 1);
	CHECK_EQ(nic.abilities.groups[0][0], 0x33);
	table[6] = 2; /* more than it sends */
	CHECK_EQ(command(table, sizeof(table)), VIRTIO_NET_ERR);
	memset(table + 2, 0xff, 4);
	CHECK_EQ(command(table, sizeof(table)), VIRTIO_NET_OK);
	CHECK(nic.abilities.group_count > NIC_GROUP_MAX);
	CHECK_EQ(command((uint8_t[]){ 200, 1 }, 2), VIRTIO_NET_ERR);
	CHECK_EQ(command((uint8_t[]){ VIRTIO_NET_CTRL_MQ, 0, 9, 0 }, 4),
		 VIRTIO_NET_ERR);
	CHECK_EQ(command((uint8_t[]){ 1 }, 1), VIRTIO_NET_ERR);
	tear_down();
}

/* What the driver reads of its link. */
static uint16_t link_status(void)
{
	struct virtio_net_config config;

	(void)nic_device_ops.config(&nic, (void *)&config, sizeof(config));
	return config.status;
}

static void move_to_another_monitor(bool has_control)
{
	struct state_writer writer;
	struct state_reader reader;

	state_writer_init(&writer);
	nic_state_save(&nic, &writer);
	guestmem_clear(&nic.memory);
	nic_release(&nic);
	CHECK_EQ(nic_init(&nic, &settings, &notices, has_control), 0);
	for (uint32_t i = 0; i < 3; i++) {
		uint64_t shift = (uint64_t)i * FAKE_BYTES * 4;
		const struct guestmem_place place = {
			.gpa = FAKE_GPA + shift,
			.user_address = FAKE_USER + shift,
			.bytes = FAKE_BYTES,
		};

		CHECK_EQ(guestmem_add(&nic.memory, &place, drivers[i].fd), 0);
	}
	state_reader_init(&reader, writer.bytes, writer.used);
	nic_state_restore(&nic, &reader);
	CHECK_EQ(state_reader_result(&reader), 0);
	state_writer_release(&writer);
	CHECK_EQ(nic_device_ops.set_features(
			 &nic, features | 1ull << VIRTIO_F_VERSION_1),
		 0);
	start_queue(0);
	start_queue(1);
	connect_service(2);
}

TEST(a_saved_interface_stands_still_and_goes_on_elsewhere)
{
	gpa_t gpa;

	set_up(false);
	send_in(200, 200, 1);
	turn();
	CHECK_EQ(take_frame(1), 200);
	nic.abilities.all_multicast = 1;

	nic_freeze(&nic);
	send_in(300, 300, 2);
	(void)give_buffer(2048, &gpa);
	CHECK_EQ(put_frame(100, 3), 0);
	turn();
	CHECK(nic_prepare_sleep(&nic));
	CHECK_EQ(take_frame(2), 0);
	CHECK_EQ(used_count(0), 0);

	move_to_another_monitor(false);
	turn();
	CHECK_EQ(take_frame(2), 0);
	nic_thaw(&nic);
	turn();
	CHECK_EQ(take_frame(2), 300);
	CHECK_EQ(put_frame(100, 4), 0);
	turn();
	CHECK_EQ(used_count(0), 1);
	CHECK_EQ(used_count(1), 2);
	CHECK_EQ(nic.abilities.all_multicast, 1);
	tear_down();
}

TEST(a_restored_interface_is_announced_until_its_driver_has_done_so)
{
	features = 1ull << VIRTIO_NET_F_GUEST_ANNOUNCE;
	set_up(true);
	nic_freeze(&nic);
	nic_thaw(&nic);
	CHECK_EQ(link_status(), VIRTIO_NET_S_LINK_UP);
	nic_freeze(&nic);
	move_to_another_monitor(true);
	start_queue(2);
	CHECK_EQ(link_status(), VIRTIO_NET_S_LINK_UP);
	nic_thaw(&nic);
	CHECK_EQ(link_status(), VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
	CHECK_EQ(command((uint8_t[]){ VIRTIO_NET_CTRL_ANNOUNCE,
				      VIRTIO_NET_CTRL_ANNOUNCE_ACK },
			 2),
		 VIRTIO_NET_OK);
	CHECK_EQ(link_status(), VIRTIO_NET_S_LINK_UP);
	tear_down();
}

TEST(a_driver_that_cannot_announce_is_not_asked_to)
{
	set_up(true);
	nic_freeze(&nic);
	move_to_another_monitor(true);
	nic_thaw(&nic);
	CHECK_EQ(link_status(), VIRTIO_NET_S_LINK_UP);
	tear_down();
}

TEST(a_hostile_image_cannot_give_an_interface_more_than_it_has)
{
	struct state_writer writer;
	struct state_reader reader;

	set_up(false);
	nic_freeze(&nic);
	nic.active_pairs = 2;
	state_writer_init(&writer);
	nic_state_save(&nic, &writer);
	state_reader_init(&reader, writer.bytes, writer.used);
	nic_state_restore(&nic, &reader);
	CHECK_EQ(state_reader_result(&reader), -EBADMSG);
	state_writer_release(&writer);
	tear_down();
}
