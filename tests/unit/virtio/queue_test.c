/* SPDX-License-Identifier: MIT */
#include "virtio/queue.h"

#include <string.h>
#include <sys/eventfd.h>

#include "base/scope.h"
#include "lib/fake_driver.h"
#include "lib/harness.h"

#define SIZE      8
#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)

static struct fake_driver driver;
static struct guestmem memory;
static struct virtio_transport transport;
static struct virtqueue queue;
static struct virtio_queue_place place;
static struct ring_segment segments[SIZE];
static struct ring_chain chain;
static int resets_wanted;

static void note_reset(void *context)
{
	resets_wanted++;
}

static void open_queue(uint64_t features)
{
	resets_wanted = 0;
	transport = (struct virtio_transport){ .needs_reset = note_reset };
	fake_driver_open(&driver, SIZE);
	guestmem_init(&memory);
	fake_driver_map(&driver, &memory);
	place = (struct virtio_queue_place){
		.size = SIZE,
		.descriptors = driver.addresses.descriptors,
		.available = driver.addresses.available,
		.used = driver.addresses.used,
		.kick_fd = NO_FD,
		.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	virtqueue_init(&queue, &memory, &transport);
	CHECK_EQ(virtqueue_start(&queue, &place, features, NULL, 0), 0);
}

static void close_queue(void)
{
	close_fd(&place.call_fd);
	guestmem_clear(&memory);
	fake_driver_close(&driver);
}

static void offer(uint32_t bytes)
{
	const struct fake_buffer buffer = {
		.gpa = fake_driver_alloc(&driver, 16),
		.bytes = bytes,
		.is_writable = true,
	};

	fake_driver_offer(&driver, fake_driver_chain(&driver, &buffer, 1));
}

static int take(void)
{
	return virtqueue_take(&queue, segments, SIZE, &chain);
}

/* Take one chain and give it back. */
static void serve_one(void)
{
	offer(16);
	CHECK_EQ(take(), 0);
	virtqueue_push(&queue, chain.head, 0);
	virtqueue_signal(&queue);
}

static bool goes_on(void)
{
	bool has_gone_on = false;

	CHECK_EQ(virtqueue_place(&queue, &place, &has_gone_on), 0);
	return has_gone_on;
}

static uint64_t calls(void)
{
	uint64_t count = 0;

	return read(place.call_fd, &count, sizeof(count)) < 0 ? 0 : count;
}

TEST(a_ring_that_was_stopped_goes_on_where_it_stood)
{
	open_queue(0);
	serve_one();
	place.base = virtqueue_stop(&queue);

	CHECK(goes_on());
	CHECK_EQ(virtqueue_serve(&queue, &place, 0, NULL, 0), 0);
	serve_one();
	CHECK_EQ(driver.used->idx, 2);
	close_queue();
}

TEST(a_ring_that_differs_in_anything_is_a_new_one)
{
	open_queue(0);
	serve_one();
	place.base = virtqueue_stop(&queue);

	place.base++;
	CHECK(!goes_on());
	CHECK_EQ(virtqueue_serve(&queue, &place, 0, NULL, 0), 0);
	place.base = virtqueue_stop(&queue);
	place.size /= 2;
	CHECK(!goes_on());
	CHECK_EQ(virtqueue_serve(&queue, &place, 0, NULL, 0), 0);
	place.base = virtqueue_stop(&queue);
	driver.used->idx = 0;
	CHECK(!goes_on());
	/* Nor does one that was never served. */
	CHECK(!goes_on());
	close_queue();
}

TEST(a_hostile_guest_cannot_mend_a_broken_ring_by_a_pause)
{
	open_queue(0);
	serve_one();
	offer(0);
	CHECK_EQ(take(), -EBADMSG);
	CHECK_EQ(resets_wanted, 1);
	CHECK_EQ(take(), -EAGAIN);
	CHECK_EQ(resets_wanted, 1);

	place.base = virtqueue_stop(&queue);
	CHECK_EQ(virtqueue_start(&queue, &place, 0, NULL, 0), 0);
	offer(16);
	CHECK_EQ(take(), -EAGAIN);

	/* A driver that sets it up anew does. */
	virtqueue_stop(&queue);
	fake_driver_reset(&driver);
	place.base = 0;
	CHECK_EQ(virtqueue_start(&queue, &place, 0, NULL, 0), 0);
	serve_one();
	close_queue();
}

TEST(kicks_are_refused_until_they_are_wanted)
{
	open_queue(0);
	serve_one();
	CHECK_EQ(driver.used->flags, VRING_USED_F_NO_NOTIFY);

	CHECK(!virtqueue_want_kicks(&queue));
	CHECK_EQ(driver.used->flags, 0);
	serve_one();
	CHECK_EQ(driver.used->flags, VRING_USED_F_NO_NOTIFY);
	offer(16);
	CHECK(virtqueue_want_kicks(&queue));
	CHECK_EQ(driver.used->flags, 0);
	/* Of these too few are known. */
	CHECK_EQ(take(), 0);
	ring_untake(&queue.ring, chain.head);
	CHECK(!virtqueue_want_more(&queue));
	CHECK_EQ(driver.used->flags, 0);
	close_queue();
}

TEST(a_driver_is_interrupted_once_at_the_start_and_then_as_it_wants)
{
	open_queue(EVENT_IDX);
	virtqueue_signal(&queue);
	CHECK_EQ(calls(), 1);
	virtqueue_signal(&queue);
	CHECK_EQ(calls(), 0);

	*fake_driver_used_event(&driver) = 1;
	serve_one();
	CHECK_EQ(calls(), 0);
	serve_one();
	CHECK_EQ(calls(), 1);
	virtqueue_call(&queue, &place);
	CHECK_EQ(calls(), 1);
	close_queue();
}

TEST(a_stopped_queue_interrupts_nobody)
{
	open_queue(0);
	offer(16);
	CHECK_EQ(take(), 0);
	virtqueue_push(&queue, chain.head, 0);
	virtqueue_stop(&queue);

	virtqueue_signal(&queue);
	virtqueue_poke(&queue);
	CHECK_EQ(calls(), 0);
	CHECK(!virtqueue_want_kicks(&queue));
	CHECK(!virtqueue_want_more(&queue));
	close_queue();
}

TEST(a_queue_whose_memory_is_taken_away_goes_on_when_it_is_back)
{
	open_queue(0);
	offer(16);
	guestmem_clear(&memory);
	virtqueue_remap(&queue);
	CHECK(!ring_is_mapped(&queue.ring));
	CHECK_EQ(take(), -EAGAIN);

	fake_driver_map(&driver, &memory);
	virtqueue_remap(&queue);
	CHECK_EQ(take(), 0);
	virtqueue_push(&queue, chain.head, 0);
	CHECK_EQ(driver.used->idx, 1);
	close_queue();
}

TEST(a_hostile_guest_cannot_have_a_ring_outside_of_its_memory_served)
{
	open_queue(0);
	virtqueue_stop(&queue);
	place.used = 0x1000;
	CHECK_EQ(virtqueue_start(&queue, &place, 0, NULL, 0), -EFAULT);
	CHECK(!queue.is_served);
	CHECK_EQ(queue.kick_fd, NO_FD);
	close_queue();
}
