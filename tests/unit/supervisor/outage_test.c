/* SPDX-License-Identifier: MIT */
/* A partition whose disk's policy is to pause: partition a of the world. */
#include <string.h>

#include "fuzz/world.h"
#include "lib/harness.h"

static struct world world;

static struct partition *partition_a(void)
{
	return partition_find(&world.supervisor, "a");
}

static enum partition_state state_of_a(void)
{
	return partition_a()->record.lifecycle.state;
}

static bool is_disk_service(const struct player *player)
{
	return player->process->role == ROLE_DISK;
}

/* Those that live die, and those that are started instead say nothing. */
static void lose_disk_services(void)
{
	struct player *player;

	world.is_absent = is_disk_service;
	while ((player = world_player(&world, ROLE_DISK, 0)))
		fake_host_exit(player->process);
	world_settle(&world);
}

static void give_disk_services_back(void)
{
	world.is_absent = NULL;
	world_pass_ms(&world, 1000);
	CHECK_EQ(partition_a()->disks[0].binding.state, BINDING_UP);
}

/* What its monitor says when the outage has lasted as long as it may. */
static void ask_for_pause(const char *name)
{
	const struct disk *disk =
		&partition_find(&world.supervisor, name)->disks[0];
	const struct disk_channel channel = { disk->binding.id,
					      disk->binding.generation,
					      disk->index, 0 };
	unsigned nth = 0;
	struct player *monitor;

	do
		monitor = world_player(&world, ROLE_MONITOR, nth++);
	while (strcmp(monitor->process->name, name) != 0);
	player_say(monitor, MSG_MONITOR_PAUSE_REQUEST, 0, &channel, NULL, 0);
	world_settle(&world);
}

TEST(a_partition_pauses_for_every_outage_and_runs_on_after_it)
{
	world_open(&world);

	for (unsigned outage = 0; outage < 3; outage++) {
		lose_disk_services();
		CHECK_EQ(state_of_a(), PARTITION_RUNNING);
		ask_for_pause("a");
		CHECK_EQ(state_of_a(), PARTITION_PAUSED);

		give_disk_services_back();
		CHECK_EQ(state_of_a(), PARTITION_RUNNING);
	}
	world_close(&world);
}

TEST(a_pause_for_an_outage_outlives_the_supervisor_not_the_outage)
{
	world_open(&world);
	lose_disk_services();
	ask_for_pause("a");

	world_restart(&world, NULL);
	CHECK_EQ(state_of_a(), PARTITION_PAUSED);
	give_disk_services_back();

	CHECK_EQ(state_of_a(), PARTITION_RUNNING);
	world_close(&world);
}

TEST(a_monitor_cannot_pause_its_partition_while_its_disk_is_served)
{
	world_open(&world);

	ask_for_pause("a");

	CHECK_EQ(state_of_a(), PARTITION_RUNNING);
	world_close(&world);
}

TEST(a_partition_whose_disks_hold_is_not_paused_for_an_outage)
{
	world_open(&world);
	lose_disk_services();

	ask_for_pause("b");

	CHECK_EQ(partition_find(&world.supervisor, "b")->record.lifecycle.state,
		 PARTITION_RUNNING);
	give_disk_services_back();
	world_close(&world);
}

TEST(a_partition_that_an_operator_paused_stays_so_when_its_disk_is_back)
{
	struct partition_name name = { .name = "a" };

	world_open(&world);
	lose_disk_services();
	ask_for_pause("a");
	give_disk_services_back();
	(void)control_send(&world.operator, MSG_PARTITION_PAUSE, 1, &name,
			   sizeof(name), NULL, 0);
	world_settle(&world);
	CHECK_EQ(state_of_a(), PARTITION_PAUSED);

	lose_disk_services();
	ask_for_pause("a");
	give_disk_services_back();

	CHECK_EQ(state_of_a(), PARTITION_PAUSED);
	world_close(&world);
}
