/* SPDX-License-Identifier: MIT */
/* What a disk service says of the disks that it serves, and what of it the
 * supervisor believes. */
#include "base/scope.h"
#include "fuzz/world.h"
#include "lib/harness.h"

static struct world world;

static struct disk *disk_of_a(void)
{
	return &partition_find(&world.supervisor, "a")->disks[0];
}

#define STANDBY_MS 1000 /* more than a standby waits to be started */

static void open_with_standby(void)
{
	world_open(&world);
	world_pass_ms(&world, STANDBY_MS);
	CHECK(world_player(&world, ROLE_DISK, 1));
}

static void claim(struct player *player, uint64_t id, uint64_t generation)
{
	player->things[player->thing_count++] =
		(struct thing){ .kind = THING_DISK,
				.id = id,
				.generation = generation,
				.fds = { NO_FD, NO_FD, NO_FD },
				.ledger = NO_FD };
}

TEST(a_service_cannot_say_of_a_disk_in_use_that_it_is_detached)
{
	struct attachment attachment;
	uint64_t generation;

	world_open(&world);
	generation = disk_of_a()->binding.generation;
	attachment = (struct attachment){ disk_of_a()->binding.id, generation };

	player_say(world_player(&world, ROLE_DISK, 0), MSG_DISK_DETACHED, 0,
		   &attachment, NULL, 0);
	world_settle(&world);

	CHECK_EQ(disk_of_a()->binding.state, BINDING_UP);
	CHECK_EQ(disk_of_a()->binding.generation, generation);
	world_close(&world);
}

TEST(a_disk_that_is_taken_back_is_served_again_once_it_is_detached)
{
	uint64_t generation;

	world_open(&world);
	generation = disk_of_a()->binding.generation;

	disk_channel_refused(disk_of_a(), generation);
	CHECK_EQ(disk_of_a()->binding.state, BINDING_DETACHING);
	world_pass_ms(&world, 100);

	CHECK_EQ(disk_of_a()->binding.state, BINDING_UP);
	CHECK(disk_of_a()->binding.generation > generation);
	world_close(&world);
}

TEST(a_disk_that_one_service_holds_keeps_its_channel_over_a_restart)
{
	uint64_t generation;

	world_open(&world);
	generation = disk_of_a()->binding.generation;

	world_restart(&world, NULL);
	world_pass_ms(&world, 100);

	CHECK_EQ(disk_of_a()->binding.state, BINDING_UP);
	CHECK_EQ(disk_of_a()->binding.generation, generation);
	world_close(&world);
}

static struct player *liar;

static bool is_liar(const struct player *player)
{
	return player == liar;
}

/* The one that serves it comes back first. */
TEST(a_disk_that_two_services_claim_is_taken_from_both)
{
	uint64_t id, generation;

	open_with_standby();
	id = disk_of_a()->binding.id;
	generation = disk_of_a()->binding.generation;
	liar = world_player(&world, ROLE_DISK, 1);
	CHECK_EQ(liar->thing_count, 0);
	claim(liar, id, generation);

	world.is_absent = is_liar;
	world_restart(&world, NULL);
	world.is_absent = NULL;
	world_pass_ms(&world, 100);

	CHECK_EQ(disk_of_a()->binding.state, BINDING_UP);
	CHECK(disk_of_a()->binding.generation > generation);
	CHECK_EQ(partition_find(&world.supervisor, "b")->disks[0].binding.state,
		 BINDING_UP);
	world_close(&world);
}
