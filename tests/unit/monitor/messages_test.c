/* SPDX-License-Identifier: MIT */
/* What a monitor answers, without threads, an engine or a guest. */
#include <errno.h>
#include <string.h>

#include "base/scope.h"
#include "lib/harness.h"
#include "monitor/monitor.h"

static struct monitor monitor;
static struct control supervisor;

/* Of main.c and launch.c. */
void monitor_enter(struct monitor *which, enum monitor_state state)
{
	which->state = state;
}

int monitor_launch(struct monitor *which)
{
	return -ENOSYS;
}

static void open_monitor(void)
{
	memset(&monitor, 0, sizeof(monitor));
	monitor.child.meet_fd = NO_FD;
	CHECK_EQ(control_pair(&supervisor, &monitor.child.link), 0);
	monitor.state = MONITOR_ENDED;
	monitor.guest.state = GUEST_ENGINE_DIED;
}

static void close_monitor(void)
{
	child_close(&monitor.child);
	control_close(&supervisor);
}

static void expect(uint32_t type)
{
	struct message message;

	CHECK_EQ(control_receive(&supervisor, &message), 0);
	CHECK_EQ(message.type, type);
	message_release(&message);
}

/* Nobody runs this I/O thread: who waits for it, waits for ever. */
TEST(a_monitor_whose_io_waits_for_damaged_memory_answers_its_next_supervisor)
{
	open_monitor();
	monitor.io.is_running = true;
	monitor.engine.is_stuck = true;
	monitor.engine.last_words = "the saved image is damaged";
	CHECK_EQ(control_send(&supervisor, MSG_CHILD_WELCOME, 0, NULL, 0, NULL,
			      0),
		 0);
	CHECK_EQ(control_send(&supervisor, MSG_CHILD_PING, 7, NULL, 0, NULL, 0),
		 0);

	CHECK_EQ(monitor_receive(&monitor), 0);

	expect(MSG_CHILD_EVENT);
	expect(MSG_MONITOR_GUEST);
	expect(MSG_CHILD_REPORTED);
	expect(MSG_CHILD_PONG);
	CHECK(monitor.is_guest_reported);
	close_monitor();
}

static int set_disk(uint32_t index, uint64_t attachment_id, uint32_t outage)
{
	const struct disk_settings settings = { .attachment_id = attachment_id,
						.index = index,
						.outage = outage,
						.outage_ms = 7,
						.hang_ms = HANG_MS_MIN };

	CHECK_EQ(control_send(&supervisor, MSG_MONITOR_DISK_SET, 0, &settings,
			      sizeof(settings), NULL, 0),
		 0);
	return monitor_receive(&monitor);
}

TEST(a_monitor_takes_settings_of_the_disks_that_it_has_and_of_no_other)
{
	const struct disk *disk = &monitor.io.disks[0].disk;
	const struct disk *none = &monitor.io.disks[1].disk;

	open_monitor();
	monitor.state = MONITOR_RUNNING;
	monitor.settings.disk_count = 1;
	monitor.plans[0].settings.attachment_id = 5;

	CHECK_EQ(set_disk(0, 6, OUTAGE_FAIL), 0);
	CHECK_EQ(set_disk(1, 0, OUTAGE_FAIL), 0);
	CHECK_EQ(none->settings.outage_ms, 0);
	CHECK_EQ(disk->settings.outage_ms, 0);
	CHECK_EQ(set_disk(0, 5, OUTAGE_FAIL), 0);
	CHECK_EQ(disk->settings.outage, OUTAGE_FAIL);
	CHECK_EQ(disk->settings.outage_ms, 7);
	CHECK_EQ(disk->settings.hang_ms, HANG_MS_MIN);

	(void)set_disk(0, 5, OUTAGE_COUNT);
	CHECK_EQ(disk->settings.outage, OUTAGE_FAIL);
	close_monitor();
}
