/* SPDX-License-Identifier: MIT */
#include "virtio/console.h"

#include <stdlib.h>
#include <string.h>

#include "lib/harness.h"
#include "small_rig.h"

#define ANY (FAKE_GPA + 0x10000)

enum { RECEIVE, TRANSMIT };

static struct small_rig rig;
static struct virtio_console console;
static uint8_t sent[1 << 20];
static size_t sent_bytes;
static size_t room_bytes; /* of the outside */
static uint32_t room_calls;

static size_t put(void *context, const uint8_t *bytes, size_t count)
{
	if (count > room_bytes)
		count = room_bytes;
	CHECK(sent_bytes + count <= sizeof(sent));
	memcpy(sent + sent_bytes, bytes, count);
	sent_bytes += count;
	room_bytes -= count;
	return count;
}

static void room(void *context)
{
	room_calls++;
}

static void open_queue(uint32_t index)
{
	const struct virtio_console_handler ops = { .put = put, .room = room };

	room_bytes = sizeof(sent);
	small_rig_open(&rig);
	virtio_console_init(&console, &rig.memory, &ops);
	small_rig_start(&rig, &console.small, &virtio_console_ops, index);
	CHECK_EQ(small_rig_kicks(&rig), 1); /* the first look */
}

static size_t push_text(const char *text)
{
	return virtio_console_push(&console, (const uint8_t *)text,
				   strlen(text));
}

static void offer_text(gpa_t gpa, const char *text)
{
	const struct fake_buffer buffer = { gpa, (uint32_t)strlen(text),
					    false };

	memcpy(fake_driver_at(&rig.driver, gpa), text, strlen(text));
	(void)small_rig_offer(&rig, &buffer, 1);
}

TEST(what_the_guest_writes_goes_out_in_order)
{
	open_queue(TRANSMIT);
	offer_text(ANY, "hello ");
	offer_text(ANY + 64, "world");

	virtio_console_serve(&console);

	CHECK(sent_bytes == 11 && memcmp(sent, "hello world", 11) == 0);
	CHECK_EQ(small_rig_answer(&rig), 0);
	CHECK_EQ(small_rig_answer(&rig), 0);
	CHECK_EQ(small_rig_answer(&rig), -1);
	CHECK_EQ(small_rig_calls(&rig), 1);

	small_rig_close(&rig);
}

TEST(output_without_room_waits_in_the_ring_and_loses_nothing)
{
	open_queue(TRANSMIT);
	offer_text(ANY, "hello ");
	offer_text(ANY + 64, "world");
	room_bytes = 8;

	virtio_console_serve(&console);
	CHECK_EQ(sent_bytes, 8);
	CHECK_EQ(small_rig_answer(&rig), 0);
	CHECK_EQ(small_rig_answer(&rig), -1);
	/* Nobody spins: whoever makes room calls. */
	CHECK_EQ(small_rig_kicks(&rig), 0);
	virtio_console_serve(&console);
	CHECK_EQ(sent_bytes, 8);
	room_bytes = 100;
	virtio_console_serve(&console);

	CHECK(sent_bytes == 11 && memcmp(sent, "hello world", 11) == 0);
	CHECK_EQ(small_rig_answer(&rig), 0);

	small_rig_close(&rig);
}

TEST(input_fills_what_buffers_there_are)
{
	const struct fake_buffer buffers[] = { { ANY, 4, true },
					       { ANY + 64, 100, true } };

	open_queue(RECEIVE);
	CHECK_EQ(push_text("lost"), 0);
	(void)small_rig_offer(&rig, &buffers[0], 1);
	(void)small_rig_offer(&rig, &buffers[1], 1);
	virtio_console_serve(&console);
	CHECK_EQ(room_calls, 1);
	CHECK_EQ(small_rig_answer(&rig), -1);

	CHECK_EQ(push_text("keystrokes"), 10);

	CHECK_EQ(small_rig_answer(&rig), 4);
	CHECK_EQ(small_rig_answer(&rig), 6);
	CHECK_EQ(small_rig_answer(&rig), -1);
	CHECK(memcmp(fake_driver_at(&rig.driver, ANY), "keys", 4) == 0);
	CHECK(memcmp(fake_driver_at(&rig.driver, ANY + 64), "trokes", 6) == 0);
	CHECK_EQ(small_rig_calls(&rig), 2);
	CHECK_EQ(push_text("more"), 0);
	CHECK_EQ(small_rig_kicks(&rig), 0);

	small_rig_close(&rig);
}

TEST(a_buffer_that_comes_late_is_asked_for)
{
	const struct fake_buffer buffer = { ANY, 64, true };

	open_queue(RECEIVE);
	virtio_console_serve(&console);
	CHECK_EQ(room_calls, 0);
	CHECK_EQ(*fake_driver_avail_event(&rig.driver), 0);

	(void)small_rig_offer(&rig, &buffer, 1);
	virtio_console_serve(&console);

	CHECK_EQ(room_calls, 1);
	CHECK_EQ(push_text("x"), 1);
	CHECK_EQ(small_rig_answer(&rig), 1);
	CHECK_EQ(*fake_driver_avail_event(&rig.driver), 1);

	small_rig_close(&rig);
}

/* Another life of the device, with this chain in hand. */
static void restore(uint16_t head, uint64_t done_bytes)
{
	struct virtio_small_queue *queue = &console.small.queues[TRANSMIT];

	virtio_console_ops.reset(&console);
	queue->is_kept = true;
	queue->kept_head = head;
	queue->done_bytes = done_bytes;
}

TEST(a_chain_half_sent_survives_saving)
{
	const struct virtio_small_queue *queue =
		&console.small.queues[TRANSMIT];

	open_queue(TRANSMIT);
	offer_text(ANY, "hello world");
	room_bytes = 6;
	virtio_console_serve(&console);
	CHECK(queue->has_chain);

	restore(queue->chain.head, queue->done_bytes);
	CHECK_EQ(small_rig_start_queue(&rig, TRANSMIT), 0);
	room_bytes = 100;
	virtio_console_serve(&console);

	CHECK(sent_bytes == 11 && memcmp(sent, "hello world", 11) == 0);
	CHECK_EQ(small_rig_answer(&rig), 0);
	CHECK_EQ(small_rig_answer(&rig), -1);
	offer_text(ANY, "!");
	virtio_console_serve(&console);
	CHECK_EQ(sent_bytes, 12);

	small_rig_close(&rig);
}

TEST(a_hostile_image_cannot_claim_a_chain_that_is_not)
{
	open_queue(TRANSMIT);
	offer_text(ANY, "hello");

	restore(SMALL_RING, UINT64_MAX);
	CHECK(small_rig_start_queue(&rig, TRANSMIT) < 0);
	restore(0, UINT64_MAX);
	CHECK_EQ(small_rig_start_queue(&rig, TRANSMIT), 0);
	virtio_console_serve(&console);

	CHECK_EQ(sent_bytes, 0);
	CHECK_EQ(small_rig_answer(&rig), 0);

	small_rig_close(&rig);
}

TEST(a_hostile_guest_cannot_keep_us_with_one_endless_chain)
{
	struct fake_buffer buffers[16];
	uint64_t total = 0;

	open_queue(TRANSMIT);
	for (int i = 0; i < 16; i++)
		buffers[i] = (struct fake_buffer){ ANY, 60000, false };
	(void)small_rig_offer(&rig, buffers, 16);

	virtio_console_serve(&console);
	CHECK_EQ(sent_bytes, VIRTIO_CONSOLE_TURN_BYTES);
	CHECK_EQ(small_rig_answer(&rig), -1);
	for (int i = 0; i < 20 && small_rig_kicks(&rig) > 0; i++) {
		total = sent_bytes;
		virtio_console_serve(&console);
		CHECK(sent_bytes - total <= VIRTIO_CONSOLE_TURN_BYTES);
	}

	CHECK_EQ(sent_bytes, 960000);
	CHECK_EQ(small_rig_answer(&rig), 0);

	small_rig_close(&rig);
}

TEST(a_hostile_guest_cannot_have_what_is_not_memory_sent)
{
	const struct fake_buffer buffers[] = {
		{ 0, 100, false },
		{ FAKE_GPA + FAKE_BYTES - 1, 2, false },
		{ ANY, 100, true },
	};

	open_queue(TRANSMIT);
	for (int i = 0; i < 3; i++)
		(void)small_rig_offer(&rig, &buffers[i], 1);

	virtio_console_serve(&console);

	CHECK_EQ(sent_bytes, 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(small_rig_answer(&rig), 0);
	CHECK_EQ(small_rig_kicks(&rig), 0);

	small_rig_close(&rig);
}

TEST(a_hostile_guest_cannot_receive_where_there_is_no_memory)
{
	const struct fake_buffer buffers[] = { { 0, 100, true },
					       { ANY, 100, false },
					       { ANY, 100, true } };

	open_queue(RECEIVE);
	for (int i = 0; i < 3; i++)
		(void)small_rig_offer(&rig, &buffers[i], 1);

	CHECK_EQ(push_text("key"), 3);

	CHECK_EQ(small_rig_answer(&rig), 0);
	CHECK_EQ(small_rig_answer(&rig), 0);
	CHECK_EQ(small_rig_answer(&rig), 3);

	small_rig_close(&rig);
}

TEST(a_hostile_guest_cannot_loop_a_chain_of_output)
{
	const struct fake_buffer buffer = { ANY, 1, false };
	uint16_t head;

	open_queue(TRANSMIT);
	head = small_rig_offer(&rig, &buffer, 1);
	rig.driver.descriptors[head].flags |= VRING_DESC_F_NEXT;
	rig.driver.descriptors[head].next = head;

	virtio_console_serve(&console);

	CHECK_EQ(sent_bytes, 0);
	CHECK_EQ(rig.resets_wanted, 1);
	CHECK_EQ(small_rig_kicks(&rig), 0);

	small_rig_close(&rig);
}
