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
