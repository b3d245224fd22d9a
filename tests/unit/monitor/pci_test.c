/* SPDX-License-Identifier: MIT */
/*
 * A disk driven through the registers of virtio-pci alone, turn by turn, and
 * the same through a running I/O thread.
 */
#include "machine/virtio_pci.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"
#include "monitor/io/iothread.h"
#include "pci_driver.h"
#include "rig.h"

#define FEATURES                                                   \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_BLK_F_FLUSH | \
	 1ull << VIRTIO_BLK_F_BLK_SIZE)

static struct rig rig;
static struct board board;
static struct virtio_pci front;
static struct pci_driver driver;
static struct channel_request sent;

/* As engine kvm maps it: rings are named by guest-physical address. */
static void map_by_gpa(struct guestmem *memory)
{
	const struct guestmem_place place = { .gpa = FAKE_GPA,
					      .user_address = FAKE_GPA,
					      .bytes = FAKE_BYTES };

	guestmem_clear(memory);
	CHECK_EQ(guestmem_add(memory, &place, rig.driver.fd), 0);
}

static void attach(struct front *device, const struct virtio_owner *owner)
{
	const struct virtio_pci_settings settings = {
		.device_id = 2,
		.class_code = 0x010000,
		.queue_count = 1,
		.queue_size = 256,
		.ops = &blk_device_ops,
		.device = device,
		.owner = *owner,
	};

	map_by_gpa(&device->memory);
	board_start(&board);
	CHECK_EQ(virtio_pci_init(&front, &board.pci, SLOT_DISK, &settings), 0);
	device->transport = virtio_pci_transport(&front);
}

static void start(void)
{
	rig_start(&rig);
	(void)rig_pause(&rig);
	blk_device_ops.reset(&rig.front);
	fake_driver_reset(&rig.driver);
	attach(&rig.front, &(struct virtio_owner){ 0 });
	rig_up(&rig, false);
}

static void stop(void)
{
	virtio_pci_release(&front);
	board_stop(&board);
	rig_stop(&rig);
}

static struct ring_addresses ring_by_gpa(void)
{
	const uint64_t shift = FAKE_GPA - FAKE_USER;

	return (struct ring_addresses){
		rig.driver.addresses.descriptors + shift,
		rig.driver.addresses.available + shift,
		rig.driver.addresses.used + shift,
	};
}

static void drive(void)
{
	const struct ring_addresses addresses = ring_by_gpa();

	CHECK_EQ(pci_driver_offered(&driver) & FEATURES, FEATURES);
	CHECK(pci_driver_negotiate(&driver, FEATURES));
	fake_driver_reset(&rig.driver);
	pci_driver_queue(&driver, 0, RIG_RING_SIZE, &addresses);
	pci_driver_ready(&driver);
	CHECK_EQ(pci_driver_status(&driver) & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
	/* The one signal of a start. */
	(void)pci_driver_interrupts(&driver, 1);
}

static void start_driven(void)
{
	start();
	pci_driver_probe(&driver, &board, SLOT_DISK);
	drive();
}

static struct guest_request offer(uint32_t type, uint8_t value)
{
	struct guest_request request = rig_offer(&rig, type, 5, 512, value);

	pci_driver_notify(&driver, 0);
	rig_turn(&rig);
	return request;
}

TEST(a_disk_shows_its_shape_through_pci)
{
	struct virtio_blk_config config;

	start_driven();
	for (uint32_t i = 0; i < 24; i += 4) {
		uint32_t word =
			(uint32_t)board_read(&board, driver.config + i, 4);

		memcpy((uint8_t *)&config + i, &word, 4);
	}
	CHECK_EQ(config.capacity, RIG_DISK_BYTES / 512);
	CHECK_EQ(config.blk_size, 512);
	stop();
}

TEST(a_disk_is_read_and_written_through_pci)
{
	struct guest_request write, read;

	start_driven();
	write = offer(VIRTIO_BLK_T_OUT, 0x77);
	CHECK(board_count(rig.front.queues[0].vq.kick_fd) > 0);
	CHECK(rig_take(&rig, &sent));
	CHECK_EQ(sent.op, DISK_WRITE);
	CHECK_EQ(rig.service.buffers[sent.buffer_offset], 0x77);
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(pci_driver_interrupts(&driver, 1), 1);
	CHECK_EQ(rig_used(&rig), 1);
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_OK);

	read = offer(VIRTIO_BLK_T_IN, 0);
	CHECK(rig_take(&rig, &sent));
	memset(rig.service.buffers + sent.buffer_offset, 0x55, 512);
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(pci_driver_interrupts(&driver, 1), 1);
	CHECK_EQ(*(uint8_t *)fake_driver_at(&rig.driver, read.data), 0x55);
	stop();
}

TEST(a_reset_in_flight_forgets_the_request_and_fences_the_next)
{
	struct guest_request write;

	start_driven();
	(void)offer(VIRTIO_BLK_T_OUT, 1);
	CHECK(rig_take(&rig, &sent));
	pci_driver_set_status(&driver, 0);
	CHECK_EQ(pci_driver_status(&driver), 0);

	/* The next life's write waits for the last one's. */
	drive();
	write = offer(VIRTIO_BLK_T_OUT, 2);
	CHECK(!rig_take(&rig, &(struct channel_request){ 0 }));
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_used(&rig), 0);
	CHECK(rig_take(&rig, &sent));
	CHECK_EQ(rig.service.buffers[sent.buffer_offset], 2);
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_used(&rig), 1);
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_OK);
	CHECK_EQ(pci_driver_interrupts(&driver, 1), 1);
	stop();
}

TEST(a_machine_reset_in_flight_begins_a_new_life)
{
	start_driven();
	(void)offer(VIRTIO_BLK_T_OUT, 1);
	CHECK(rig_take(&rig, &sent));
	pci_reset(&board.pci);
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);

	pci_driver_probe(&driver, &board, SLOT_DISK);
	drive();
	(void)offer(VIRTIO_BLK_T_FLUSH, 0);
	CHECK_EQ(rig_used(&rig), 0);
	CHECK_EQ(rig.disk.counters.violations, 0);
	stop();
}

TEST(a_service_that_dies_is_replayed_to_the_next_under_pci)
{
	struct guest_request write;

	start_driven();
	write = offer(VIRTIO_BLK_T_OUT, 9);
	CHECK(rig_take(&rig, &sent));
	rig_down(&rig);
	rig_up(&rig, false);
	CHECK(rig_take(&rig, &sent));
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_OK);
	CHECK(pci_driver_interrupts(&driver, 1) > 0);
	stop();
}

TEST(a_hostile_guest_cannot_place_a_ring_outside_its_memory)
{
	struct ring_addresses addresses;

	start();
	pci_driver_probe(&driver, &board, SLOT_DISK);
	addresses = ring_by_gpa();
	CHECK(pci_driver_negotiate(&driver, FEATURES));
	addresses.used = FAKE_GPA + FAKE_BYTES - 8;
	pci_driver_queue(&driver, 0, RIG_RING_SIZE, &addresses);
	pci_driver_ready(&driver);
	CHECK(pci_driver_status(&driver) & VIRTIO_CONFIG_S_NEEDS_RESET);
	CHECK(!rig.front.queues[0].vq.is_served);

	drive();
	(void)offer(VIRTIO_BLK_T_OUT, 1);
	CHECK(rig_take(&rig, &sent));
	stop();
}

TEST(a_hostile_guest_that_breaks_its_ring_is_told_to_reset)
{
	start_driven();
	fake_driver_offer(&rig.driver, 0xffff);
	pci_driver_notify(&driver, 0);
	rig_turn(&rig);
	CHECK(pci_driver_status(&driver) & VIRTIO_CONFIG_S_NEEDS_RESET);
	CHECK_EQ(pci_driver_interrupts(&driver, 0), 1);
	CHECK_EQ(rig.disk.counters.violations, 1);

	drive();
	(void)offer(VIRTIO_BLK_T_OUT, 1);
	CHECK(rig_take(&rig, &sent));
	stop();
}

/* With an I/O thread. ----------------------------------------------------- */

#define DISK_BYTES (8u << 20)
#define LIVES      200

static struct iothread io;
static struct channel service;
static int service_fds[2];
static uint32_t must_end;

static void *serve(void *context)
{
	static const uint64_t one = 1;
	struct channel_request request;

	while (!__atomic_load_n(&must_end, __ATOMIC_ACQUIRE)) {
		struct channel_response response = { 0 };

		channel_beat(&service);
		if (channel_receive_request(&service, &request) < 0) {
			(void)poll(NULL, 0, 0);
			continue;
		}
		response.id = request.id;
		response.bytes = request.length_bytes;
		channel_send_response(&service, &response);
		if (channel_publish(&service))
			CHECK_EQ(write(service_fds[1], &one, sizeof(one)),
				 sizeof(one));
	}
	return NULL;
}

struct errand {
	void (*work)(void *argument);
	void *argument;
};

static void run_errand(struct iothread *thread, void *argument)
{
	const struct errand *errand = argument;

	errand->work(errand->argument);
}

static void call_owner(void *context, void (*work)(void *argument),
		       void *argument)
{
	struct errand errand = { work, argument };

	iothread_call(&io, run_errand, &errand);
}

static void bring_up(struct iothread *thread, void *lane)
{
	disk_up(&thread->disks[0].disk, lane, true);
}

static void start_io(void)
{
	const struct monitor_disk settings = {
		.attachment_id = 1,
		.size_bytes = DISK_BYTES,
		.logical_block_bytes = 512,
		.physical_block_bytes = 4096,
		.hang_ms = 5000,
		.queue_count = 1,
		.name = "root",
	};
	const struct channel_shape shape = {
		.kind = CHANNEL_KIND_DISK,
		.slot_count = 64,
		.buffer_bytes = 1u << 20,
		.generation = 1,
	};
	struct lane lane;
	int fds[3];

	CHECK_EQ(iothread_init(&io), 0);
	CHECK_EQ(iothread_add_disk(&io, &settings, 0,
				   memfd_create("witness", MFD_CLOEXEC)),
		 0);
	fake_driver_open(&rig.driver, RIG_RING_SIZE);
	attach(&io.fronts[0], &(struct virtio_owner){ call_owner, NULL });
	CHECK_EQ(iothread_start(&io), 0);
	CHECK_EQ(channel_create(&shape, &fds[0]), 0);
	for (int i = 0; i < 2; i++) {
		service_fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		fds[i + 1] = dup(service_fds[i]);
	}
	CHECK_EQ(channel_open(&service, fds[0], CHANNEL_SERVER,
			      CHANNEL_KIND_DISK),
		 0);
	CHECK_EQ(lane_open(&lane, CHANNEL_KIND_DISK, 1, fds), 0);
	iothread_call(&io, bring_up, &lane);
}

static void stop_io(void)
{
	virtio_pci_release(&front);
	board_stop(&board);
	guestmem_clear(&io.fronts[0].memory);
	iothread_stop(&io);
	channel_close(&service);
	fake_driver_close(&rig.driver);
	close_fd(&service_fds[0]);
	close_fd(&service_fds[1]);
}

static void await_interrupt(uint16_t vector)
{
	struct pollfd wait = {
		.fd = board_irq(&board, front.function.msix.gsi + vector),
		.events = POLLIN,
	};

	CHECK_EQ(poll(&wait, 1, 5000), 1);
	CHECK(pci_driver_interrupts(&driver, vector) > 0);
}

TEST(a_guest_that_resets_in_flight_again_and_again_is_served)
{
	pthread_t thread;

	must_end = 0;
	start_io();
	CHECK_EQ(pthread_create(&thread, NULL, serve, NULL), 0);
	pci_driver_probe(&driver, &board, SLOT_DISK);
	for (int life = 0; life < LIVES; life++) {
		struct guest_request request;

		drive();
		request = rig_offer(&rig, VIRTIO_BLK_T_OUT, 8, 4096, 1);
		pci_driver_notify(&driver, 0);
		if (life % 2)
			continue;
		while (rig_used(&rig) == 0)
			await_interrupt(1);
		CHECK_EQ(rig_status(&rig, &request), VIRTIO_BLK_S_OK);
	}
	__atomic_store_n(&must_end, 1, __ATOMIC_RELEASE);
	(void)pthread_join(thread, NULL);
	stop_io();
}
