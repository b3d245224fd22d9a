/* SPDX-License-Identifier: MIT */
/* What is lost and made anew again and again, for ten seconds of the world. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/world.h"
#include "lib/harness.h"
#include "supervisor/network/network.h"
#include "supervisor/network/nic.h"

#define STEP_MS 10
#define STEPS   1000

static struct world world;

static struct partition *partition_a(void)
{
	return partition_find(&world.supervisor, "a");
}

TEST(a_console_whose_hand_over_fails_is_handed_over_soon_after)
{
	const struct binding *console;
	char path[32];
	int fd;

	world_open(&world);
	console = &partition_a()->console.binding;
	/* A file that cannot be removed: it fails until there is nothing in it. */
	fd = memfd_create("failpoint", MFD_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK_EQ(setenv("BULKHEAD_FAILPOINT_FILE", path, 1), 0);
	CHECK_EQ(dprintf(fd, "console.handover=fail"), 21);
	fake_host_exit(world_player(&world, ROLE_CONSOLE, 0)->process);
	world_pass_ms(&world, 5000);
	CHECK_EQ(console->state, BINDING_WAITING);
	CHECK_EQ(ftruncate(fd, 0), 0);
	world_pass_ms(&world, 2000);

	CHECK_EQ(console->state, BINDING_UP);
	(void)close(fd);
	world_close(&world);
}

/* How often there was something to lose. */
static unsigned count_losses(bool (*lose)(void))
{
	unsigned losses = 0;

	world_open(&world);
	for (unsigned i = 0; i < STEPS; i++) {
		losses += lose();
		world_pass_ms(&world, STEP_MS);
	}
	world_close(&world);
	return losses;
}

static bool lose_disk_services(void)
{
	struct player *player;
	bool was_there = false;

	while ((player = world_player(&world, ROLE_DISK, 0))) {
		fake_host_exit(player->process);
		was_there = true;
	}
	return was_there;
}

static bool lose_standby(void)
{
	struct player *player = world_player(&world, ROLE_DISK, 1);

	if (player)
		fake_host_exit(player->process);
	return player;
}

static bool lose_channel(void)
{
	struct disk *disk = &partition_a()->disks[0];

	if (disk->binding.state != BINDING_UP)
		return false;
	disk_channel_refused(disk, disk->binding.generation);
	return true;
}

static bool lose_rings(void)
{
	struct nic *nic = &partition_a()->nics[0];

	if (nic->binding.state != BINDING_UP)
		return false;
	nic_broken(nic, nic->binding.generation);
	return true;
}

static bool lose_uplink(void)
{
	const struct network *lan = network_find(&world.supervisor, "lan");
	const struct attachment uplink = { lan->record.id,
					   lan->binding.generation };

	if (lan->binding.state != BINDING_UP)
		return false;
	player_say(world_player(&world, ROLE_NET, 0), MSG_NET_UPLINK_LOST, 0,
		   &uplink, NULL, 0);
	return true;
}

/* Three at once, then after 100 ms, 200 ms and so on. */
static void check_pauses(unsigned losses)
{
	CHECK(losses >= 6);
	CHECK(losses <= 14);
}

TEST(a_service_that_exits_early_is_started_with_growing_pauses_and_for_ever)
{
	check_pauses(count_losses(lose_disk_services));
}

TEST(a_standby_that_exits_early_is_started_with_growing_pauses_and_for_ever)
{
	check_pauses(count_losses(lose_standby));
}

TEST(a_channel_that_is_refused_is_replaced_with_growing_pauses_and_for_ever)
{
	check_pauses(count_losses(lose_channel));
}

TEST(rings_that_break_are_replaced_with_growing_pauses_and_for_ever)
{
	check_pauses(count_losses(lose_rings));
}

TEST(an_uplink_that_ends_is_made_anew_with_growing_pauses_and_for_ever)
{
	check_pauses(count_losses(lose_uplink));
}
