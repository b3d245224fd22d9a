/* SPDX-License-Identifier: MIT */
#include "machine/small_state.h"

#include <errno.h>

#include "lib/harness.h"

static struct guestmem memory;
static struct virtio_console console;
static struct virtio_rng rng;
static struct virtio_balloon balloon;

static void init_all(void)
{
	virtio_console_init(&console, &memory,
			    &(struct virtio_console_handler){ 0 });
	virtio_rng_init(&rng, &memory);
	virtio_balloon_init(&balloon, &memory, false,
			    &(struct virtio_balloon_handler){ 0 });
}

TEST(chains_in_hand_and_the_balloons_size_are_restored)
{
	struct state_writer writer;
	struct state_reader reader;

	init_all();
	console.small.queues[1].has_chain = true;
	console.small.queues[1].chain.head = 7;
	console.small.queues[1].done_bytes = 99;
	balloon.target_pages = 1234;
	balloon.actual_pages = 1000;
	state_writer_init(&writer);
	virtio_console_save(&console, &writer);
	virtio_rng_save(&rng, &writer);
	virtio_balloon_save(&balloon, &writer);
	CHECK_EQ(state_writer_result(&writer), 0);
	init_all();

	state_reader_init(&reader, writer.bytes, writer.used);
	virtio_console_restore(&console, &reader);
	virtio_rng_restore(&rng, &reader);
	virtio_balloon_restore(&balloon, &reader);

	CHECK_EQ(state_reader_result(&reader), 0);
	CHECK(!console.small.queues[0].is_kept);
	CHECK(console.small.queues[1].is_kept);
	CHECK_EQ(console.small.queues[1].kept_head, 7);
	CHECK_EQ(console.small.queues[1].done_bytes, 99);
	CHECK_EQ(balloon.target_pages, 1234);
	CHECK_EQ(balloon.actual_pages, 1000);
	state_writer_release(&writer);
}

TEST(a_state_that_is_cut_is_refused)
{
	struct state_writer writer;
	struct state_reader reader;

	init_all();
	state_writer_init(&writer);
	virtio_balloon_save(&balloon, &writer);

	for (size_t cut = 0; cut < writer.used; cut++) {
		state_reader_init(&reader, writer.bytes, cut);
		virtio_balloon_restore(&balloon, &reader);
		CHECK_EQ(state_reader_result(&reader), -EBADMSG);
	}
	state_writer_release(&writer);
}
