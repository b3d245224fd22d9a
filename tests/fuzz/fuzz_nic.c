/* SPDX-License-Identifier: MIT */
/*
 * An interface and its guest. The first bytes choose what the driver negotiated
 * and how long the frames are that a service has for it; the rest is guest
 * memory with three rings at its start: receive, transmit, control. Whatever is
 * in them: turns end, each chain is answered at most once, what comes out is a
 * frame or nothing, and the guest's next life begins as the first one.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "base/clock.h"
#include "base/scope.h"
#include "lib/fake_driver.h"
#include "monitor/nic/nic.h"

#define SIZE       16u
#define RING_SIZE  0x400u /* of each ring: table, available, used */
#define AVAILABLE  (16u * SIZE)
#define USED       0x200u
#define TURNS      64
#define RING_BYTES (256u << 10)
#define BIT(n)     (1ull << (n))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct notices notices;
static struct nic nic;
static struct fake_driver driver;
static struct frames service;

static void insist(int condition)
{
	if (!condition)
		abort();
}

static void begin(void)
{
	static const struct monitor_nic settings = {
		.attachment_id = 7,
		.queue_pair_count = 1,
		.mtu = 1500,
		.mac = { 2, 0, 0, 0, 0, 1 },
		.hang_ms = 2000,
		.name = "lan0",
	};

	if (!driver.host)
		fake_driver_open(&driver, SIZE);
	insist(notices_open(&notices) == 0);
	insist(nic_init(&nic, &settings, &notices, true) == 0);
	fake_driver_map(&driver, &nic.memory);
}

static void end(void)
{
	guestmem_clear(&nic.memory);
	nic_release(&nic);
	frames_close(&service);
	notices_close(&notices);
}

static void connect_service(void)
{
	struct nic_link link;
	int fds[3];

	insist(frames_create(RING_BYTES, RING_BYTES, 1, &fds[0]) == 0);
	insist(frames_open(&service, fds[0], FRAMES_SERVICE) == 0);
	fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fds[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	insist(nic_link_open(&link, 1, fds) == 0);
	nic_up(&nic, &link);
}

static void start_queues(uint64_t features)
{
	insist(nic_device_ops.set_features(&nic, features) == 0);
	for (uint32_t i = 0; i < 3; i++) {
		const uint64_t at = FAKE_USER + i * RING_SIZE;
		const struct virtio_queue_place place = {
			.size = SIZE,
			.descriptors = at,
			.available = at + AVAILABLE,
			.used = at + USED,
			.kick_fd = NO_FD,
			.call_fd = NO_FD,
		};

		insist(nic_device_ops.queue_start(&nic, i, &place) == 0);
	}
}

/* What the guest sent is a frame, and not longer than one. */
static void take_frames(void)
{
	const uint8_t *record;
	uint32_t bytes;
	int result;

	while ((result = frames_next(&service, &record, &bytes)) == 0) {
		insist(bytes >= NET_HEADER_BYTES + NET_FRAME_MIN &&
		       bytes <= FRAMES_RECORD_MAX);
		frames_release(&service);
	}
	insist(result == -EAGAIN);
	(void)frames_acknowledge(&service);
}

static void put_frame(uint32_t bytes)
{
	uint8_t *record;

	if (frames_reserve(&service, bytes, &record) < 0)
		return;
	memset(record, 0x5a, bytes);
	frames_commit(&service, bytes);
	(void)frames_publish(&service);
}

/* It comes to rest: nothing is done twice, nor something for nothing. */
static void run(uint32_t frame_bytes)
{
	int turns = 0;

	for (int i = 0; i < 3; i++)
		put_frame(frame_bytes);
	/* Each turn moves an index of 16 bits on, or a frame. */
	while (nic_turn(&nic))
		insist(++turns < TURNS);
	take_frames();
	while (nic_turn(&nic))
		insist(++turns < TURNS);
	insist(nic_prepare_sleep(&nic));
	for (uint32_t i = 0; i < 3; i++)
		insist(nic.queues[i].ring.out_count == 0);
	insist(nic.link.is_open);
	nic_run_timers(&nic, clock_now_ns());
}

static void feed(uint64_t features, uint32_t frame_bytes)
{
	connect_service();
	start_queues(features);
	run(frame_bytes);
	for (uint32_t i = 0; i < 3; i++)
		(void)nic_device_ops.queue_stop(&nic, i);
	nic_device_ops.reset(&nic);
	insist(nic.active_pairs == 1 && nic.features == 0);
	start_queues(features);
	run(frame_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint64_t features = BIT(VIRTIO_F_VERSION_1);
	uint32_t frame_bytes;

	if (bytes < 4 || bytes > 1 << 16)
		return 0;
	if (data[0] & 1)
		features |= BIT(VIRTIO_NET_F_MRG_RXBUF);
	if (data[0] & 2)
		features |= BIT(VIRTIO_RING_F_EVENT_IDX);
	if (data[0] & 4)
		features |= BIT(VIRTIO_RING_F_INDIRECT_DESC);
	if (data[0] & 8)
		features |=
			BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_RX);
	frame_bytes =
		1 + (data[2] | (uint32_t)data[3] << 8) % FRAMES_RECORD_MAX;
	begin();
	memset(driver.host, 0, 1 << 16);
	memcpy(driver.host, data + 4, bytes - 4);
	feed(features, frame_bytes);
	end();
	return 0;
}
