/* SPDX-License-Identifier: MIT */
/*
 * The fence (I4), seen from outside: real processes over a device that keeps
 * an old request in the kernel while newer ones pass it. Whatever dies, is
 * reset or started anew in between, the newer write is what stays on the
 * medium, and a late read reaches no memory that the guest uses again.
 *
 * Runs natively as root, otherwise in tests/rig; see tests/rig/lists/fence.
 * The tests named ..._needs_the_fence switch it off and see the old write
 * land on the newer one, so that the others prove something.
 */
#include <linux/virtio_blk.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "lib/harness.h"
#include "slow_disk.h"

#define TEST_SECONDS  120
#define FAIL_AFTER_MS 300
#define NO_FENCE      "fence.skip=fail"
#define OLD           'a'
#define NEW           'b'
#define GUESTS_OWN    0x5a
#define RETRY_US      20000

static struct slow_disk disk;
static struct host host;

static void set_up(enum disk_cache cache, uint32_t fail_after_ms,
		   const char *failpoints)
{
	(void)alarm(TEST_SECONDS);
	slow_disk_open(&disk);
	host_start(&host, failpoints);
	host_serve(&host, &disk, cache, fail_after_ms);
	guest_connect(&host);
}

static void tear_down(void)
{
	host_end(&host);
	slow_disk_close(&disk);
}

/* A request of the old life is in the kernel; newer ones will not wait. */
static void leave_in_kernel(enum slow_kind kind)
{
	slow_disk_hold(&disk, kind);
	if (kind == SLOW_WRITES)
		(void)guest_write(&host, disk.old_at, OLD);
	else
		(void)guest_read(&host, disk.old_at);
	slow_disk_wait_begun(&disk);
	slow_disk_pass(&disk);
}

static uint8_t write_new(void)
{
	(void)guest_write(&host, disk.new_at, NEW);
	return guest_answer(&host);
}

static uint8_t what_stays(void)
{
	slow_disk_wait_idle(&disk);
	return slow_disk_medium(&disk);
}

/* A service's death. ------------------------------------------------------ */

static uint8_t stays_after_death(enum disk_cache cache, const char *failpoints)
{
	uint8_t stays;

	set_up(cache, 0, failpoints);
	leave_in_kernel(SLOW_WRITES);
	host_kill_service(&host);

	CHECK_EQ(guest_answer(&host), VIRTIO_BLK_S_OK);
	CHECK_EQ(write_new(), VIRTIO_BLK_S_OK);
	stays = what_stays();
	tear_down();
	return stays;
}

TEST(a_killed_service_leaves_no_direct_write_to_land_late)
{
	CHECK_EQ(stays_after_death(DISK_DIRECT, NULL), NEW);
}

TEST(a_killed_service_leaves_no_buffered_write_to_land_late)
{
	CHECK_EQ(stays_after_death(DISK_BUFFERED, NULL), NEW);
}

TEST(a_killed_service_needs_the_fence)
{
	if (slow_disk_is_dm())
		test_skip(
			"what is replayed there is slow too: no order to see");
	CHECK_EQ(stays_after_death(DISK_DIRECT, NO_FENCE), OLD);
}

/* A guest's reset. -------------------------------------------------------- */

static uint8_t stays_after_reset(enum disk_cache cache, const char *failpoints)
{
	uint8_t stays;

	set_up(cache, 0, failpoints);
	leave_in_kernel(SLOW_WRITES);
	CHECK_EQ(fakeguest_reset(&host.guest), 0);

	CHECK_EQ(write_new(), VIRTIO_BLK_S_OK);
	stays = what_stays();
	tear_down();
	return stays;
}

TEST(a_reset_guest_leaves_no_direct_write_to_land_late)
{
	CHECK_EQ(stays_after_reset(DISK_DIRECT, NULL), NEW);
}

TEST(a_reset_guest_leaves_no_buffered_write_to_land_late)
{
	CHECK_EQ(stays_after_reset(DISK_BUFFERED, NULL), NEW);
}

TEST(a_reset_guest_needs_the_fence)
{
	CHECK_EQ(stays_after_reset(DISK_DIRECT, NO_FENCE), OLD);
}

/* Stop and start. --------------------------------------------------------- */

static uint8_t stays_after_stop(enum disk_cache cache)
{
	uint8_t stays;

	set_up(cache, 0, NULL);
	leave_in_kernel(SLOW_WRITES);
	host_stop_partition(&host);
	host_start_partition(&host);
	guest_connect(&host);

	CHECK_EQ(write_new(), VIRTIO_BLK_S_OK);
	stays = what_stays();
	tear_down();
	return stays;
}

TEST(a_stopped_partition_leaves_no_direct_write_to_land_late)
{
	CHECK_EQ(stays_after_stop(DISK_DIRECT), NEW);
}

TEST(a_stopped_partition_leaves_no_buffered_write_to_land_late)
{
	CHECK_EQ(stays_after_stop(DISK_BUFFERED), NEW);
}

/* An answer after an outage. ---------------------------------------------- */

static uint8_t stays_after_failure(enum disk_cache cache)
{
	uint8_t failed, stays;

	set_up(cache, FAIL_AFTER_MS, NULL);
	leave_in_kernel(SLOW_WRITES);
	host_kill_service(&host);
	failed = guest_answer(&host);
	while (write_new() != VIRTIO_BLK_S_OK)
		(void)usleep(RETRY_US);

	stays = what_stays();
	tear_down();
	/* A service in a blocking write, which dm-delay wants too, dies only
	 * after it: no outage. */
	if (cache == DISK_DIRECT && !slow_disk_is_dm())
		CHECK_EQ(failed, VIRTIO_BLK_S_IOERR);
	return stays;
}

TEST(a_failed_direct_write_never_lands_late)
{
	CHECK_EQ(stays_after_failure(DISK_DIRECT), NEW);
}

TEST(a_failed_buffered_write_never_lands_late)
{
	CHECK_EQ(stays_after_failure(DISK_BUFFERED), NEW);
}

/* A monitor's death. ------------------------------------------------------ */

static uint8_t stays_after_monitor(enum disk_cache cache)
{
	uint8_t stays;

	set_up(cache, 0, NULL);
	leave_in_kernel(SLOW_WRITES);
	host_kill_monitor(&host);

	CHECK_EQ(guest_answer(&host), VIRTIO_BLK_S_OK);
	CHECK_EQ(write_new(), VIRTIO_BLK_S_OK);
	stays = what_stays();
	tear_down();
	return stays;
}

TEST(a_killed_monitor_leaves_no_direct_write_to_land_late)
{
	CHECK_EQ(stays_after_monitor(DISK_DIRECT), NEW);
}

TEST(a_killed_monitor_leaves_no_buffered_write_to_land_late)
{
	CHECK_EQ(stays_after_monitor(DISK_BUFFERED), NEW);
}

/* Late reads. ------------------------------------------------------------- */

static bool holds(const uint8_t *data, uint8_t byte)
{
	for (uint32_t i = 0; i < HOST_BLOCK; i++)
		if (data[i] != byte)
			return false;
	return true;
}

static void own_all_memory(void)
{
	for (uint32_t i = 0; i < host.guest.settings.slot_count; i++)
		memset(fakeguest_data(&host.guest, i), GUESTS_OWN, HOST_BLOCK);
}

static bool owns_all_memory(void)
{
	for (uint32_t i = 0; i < host.guest.settings.slot_count; i++)
		if (!holds(fakeguest_data(&host.guest, i), GUESTS_OWN))
			return false;
	return true;
}

static void read_again(void)
{
	uint32_t slot = guest_read(&host, disk.new_at);

	CHECK_EQ(guest_answer(&host), VIRTIO_BLK_S_OK);
	CHECK(holds(fakeguest_data(&host.guest, slot), OLD));
}

static void late_read_after_death(enum disk_cache cache)
{
	set_up(cache, 0, NULL);
	slow_disk_fill(&disk, OLD);
	leave_in_kernel(SLOW_READS);
	host_kill_service(&host);
	CHECK_EQ(guest_answer(&host), VIRTIO_BLK_S_OK);
	own_all_memory();

	slow_disk_wait_idle(&disk);
	CHECK(owns_all_memory());
	read_again();
	tear_down();
}

TEST(a_late_direct_read_of_a_killed_service_reaches_no_guest_memory)
{
	late_read_after_death(DISK_DIRECT);
}

TEST(a_late_buffered_read_of_a_killed_service_reaches_no_guest_memory)
{
	late_read_after_death(DISK_BUFFERED);
}

static void late_read_after_reset(enum disk_cache cache)
{
	set_up(cache, 0, NULL);
	slow_disk_fill(&disk, OLD);
	leave_in_kernel(SLOW_READS);
	CHECK_EQ(fakeguest_reset(&host.guest), 0);
	own_all_memory();

	slow_disk_wait_idle(&disk);
	(void)usleep(RETRY_US);
	CHECK(owns_all_memory());
	read_again();
	tear_down();
}

TEST(a_late_direct_read_of_a_reset_guest_reaches_no_guest_memory)
{
	late_read_after_reset(DISK_DIRECT);
}

TEST(a_late_buffered_read_of_a_reset_guest_reaches_no_guest_memory)
{
	late_read_after_reset(DISK_BUFFERED);
}
