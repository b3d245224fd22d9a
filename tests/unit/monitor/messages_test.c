/* SPDX-License-Identifier: MIT */
/* What a monitor answers, without threads, an engine or a guest. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/count.h"
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

/* A configured monitor with one disk and one interface announced. */
#define DISK_ID 5
#define NIC_ID  6

static const struct monitor_disk disk_settings = {
	.attachment_id = DISK_ID,
	.size_bytes = 1u << 20,
	.logical_block_bytes = 512,
	.physical_block_bytes = 512,
	.hang_ms = HANG_MS_MIN,
	.queue_count = 1,
	.name = "root",
	.serial = "serial-1",
};

static const struct monitor_nic nic_settings = {
	.attachment_id = NIC_ID,
	.queue_pair_count = 1,
	.mtu = 1500,
	.mac = { 2, 0, 0, 0, 0, 1 },
	.hang_ms = HANG_MS_MIN,
	.name = "lan0",
};

/* What the engine was asked last, and what it says to that. */
static struct {
	enum engine_verb verb;
	int count;
	int result;
	int nics_started;
} engine;

static int play_command(struct engine *which, enum engine_verb verb,
			uint32_t request_id,
			const struct engine_argument *argument)
{
	engine.verb = verb;
	engine.count++;
	return engine.result;
}

static void play_nic_started(struct engine *which, uint32_t index)
{
	engine.nics_started++;
}

static const struct engine_ops foreign_ops = {
	.command = play_command,
	.nic_started = play_nic_started,
};

/* A message with `fd_count` descriptors, and what the monitor makes of it. */
static int ask(uint32_t type, uint32_t request_id, const void *body,
	       size_t bytes, uint32_t fd_count)
{
	int fds[3] = { NO_FD, NO_FD, NO_FD };

	for (uint32_t i = 0; i < fd_count; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK_EQ(control_send(&supervisor, type, request_id, body, bytes, fds,
			      fd_count),
		 0);
	for (uint32_t i = 0; i < fd_count; i++)
		close_fd(&fds[i]);
	return monitor_receive(&monitor);
}

static void open_in(enum monitor_state state)
{
	open_monitor();
	memset(&engine, 0, sizeof(engine));
	monitor.engine.ops = &foreign_ops;
	monitor.engine.last_words = "";
	monitor.guest.state = GUEST_PAUSED;
	monitor.state = state;
	monitor.settings.disk_count = 1;
	monitor.plans[0].witness_fd = NO_FD;
	for (int i = 0; i < 3; i++) {
		monitor.plans[0].channel.fds[i] = NO_FD;
		monitor.nic_plans[0].channel.fds[i] = NO_FD;
	}
	CHECK_EQ(iothread_init(&monitor.io), 0);
}

/* Its devices are with the I/O thread, which does not run: what it is asked is
 * done at once. */
static void open_running(void)
{
	open_in(MONITOR_RUNNING);
	monitor.plans[0].settings = disk_settings;
	monitor.nic_plans[0].settings = nic_settings;
	monitor.nic_count = 1;
	CHECK_EQ(iothread_add_disk(&monitor.io, &disk_settings, 0,
				   eventfd(0, EFD_CLOEXEC)),
		 0);
	CHECK_EQ(iothread_add_nic(&monitor.io, &nic_settings, true), 0);
}

static void close_all(void)
{
	close_fd(&monitor.plans[0].witness_fd);
	for (int i = 0; i < 3; i++) {
		close_fd(&monitor.plans[0].channel.fds[i]);
		close_fd(&monitor.nic_plans[0].channel.fds[i]);
	}
	iothread_stop(&monitor.io);
	close_monitor();
}

static void expect_done(uint32_t request_id, int status)
{
	struct monitor_result result;
	struct message message;

	CHECK_EQ(control_receive(&supervisor, &message), 0);
	CHECK_EQ(message.type, MSG_MONITOR_DONE);
	CHECK_EQ(message.request_id, request_id);
	memcpy(&result, message.body, sizeof(result));
	CHECK_EQ(result.status, status);
	message_release(&message);
}

static void expect_silence(void)
{
	struct message message;

	CHECK_EQ(control_receive(&supervisor, &message), -EAGAIN);
}

TEST(a_disk_is_announced_once_and_only_where_there_is_one)
{
	struct monitor_disk other = disk_settings;

	open_in(MONITOR_CONFIGURED);
	CHECK_EQ(ask(MSG_MONITOR_DISK, 0, &disk_settings, sizeof(disk_settings),
		     1),
		 0);
	CHECK(monitor.plans[0].is_known);
	CHECK(monitor.plans[0].witness_fd > 0);

	CHECK_EQ(ask(MSG_MONITOR_DISK, 0, &disk_settings, sizeof(disk_settings),
		     1),
		 -EEXIST);
	other.index = 1;
	CHECK_EQ(ask(MSG_MONITOR_DISK, 0, &other, sizeof(other), 1), -EINVAL);
	CHECK(!monitor.plans[1].is_known);
	close_all();
}

TEST(what_the_machine_is_made_of_is_kept_for_the_launch)
{
	struct {
		uint32_t type;
		int *place;
	} parts[] = {
		{ MSG_MONITOR_KERNEL, &monitor.kernel_fd },
		{ MSG_MONITOR_INITRD, &monitor.initrd_fd },
		{ MSG_MONITOR_LISTENER, &monitor.listener_fd },
		{ MSG_MONITOR_KVM, &monitor.kvm_fd },
		{ MSG_MONITOR_IMAGE, &monitor.image_fd },
	};

	open_in(MONITOR_CONFIGURED);
	for (uint32_t i = 0; i < ARRAY_COUNT(parts); i++) {
		*parts[i].place = NO_FD;
		/* The later one counts. */
		CHECK_EQ(ask(parts[i].type, 0, NULL, 0, 1), 0);
		CHECK_EQ(ask(parts[i].type, 0, NULL, 0, 1), 0);
		CHECK(*parts[i].place > 0);
		close_fd(parts[i].place);
	}
	close_all();
}

TEST(a_debt_is_noted_of_a_disk_that_was_announced)
{
	struct disk_channel debt = { .attachment_id = DISK_ID };

	open_in(MONITOR_CONFIGURED);
	CHECK_EQ(ask(MSG_MONITOR_DISK_OWES, 0, &debt, sizeof(debt), 0),
		 -EINVAL);
	monitor.plans[0].is_known = true;
	CHECK_EQ(ask(MSG_MONITOR_DISK_OWES, 0, &debt, sizeof(debt), 0), 0);
	CHECK(monitor.plans[0].owes_error);
	debt.index = 1;
	CHECK_EQ(ask(MSG_MONITOR_DISK_OWES, 0, &debt, sizeof(debt), 0),
		 -EINVAL);
	close_all();
}

TEST(interfaces_are_announced_in_their_order)
{
	struct monitor_nic nic = nic_settings;

	open_in(MONITOR_CONFIGURED);
	nic.index = 1;
	CHECK_EQ(ask(MSG_MONITOR_NIC, 0, &nic, sizeof(nic), 0), -EINVAL);
	for (nic.index = 0; nic.index < NIC_COUNT_MAX; nic.index++)
		CHECK_EQ(ask(MSG_MONITOR_NIC, 0, &nic, sizeof(nic), 0), 0);
	CHECK_EQ(monitor.nic_count, NIC_COUNT_MAX);
	(void)ask(MSG_MONITOR_NIC, 0, &nic, sizeof(nic), 0);
	CHECK_EQ(monitor.nic_count, NIC_COUNT_MAX);
	close_all();
}

TEST(a_channel_that_comes_before_the_launch_is_kept_once)
{
	const struct disk_channel disk = { .attachment_id = DISK_ID,
					   .generation = 3,
					   .is_alone = 1 };
	const struct nic_channel nic = { .attachment_id = NIC_ID,
					 .generation = 4 };

	open_in(MONITOR_CONFIGURED);
	monitor.plans[0].settings = disk_settings;
	monitor.nic_plans[0].settings = nic_settings;
	monitor.nic_count = 1;
	CHECK_EQ(ask(MSG_MONITOR_DISK_UP, 0, &disk, sizeof(disk), 3), 0);
	CHECK_EQ(ask(MSG_MONITOR_NIC_UP, 0, &nic, sizeof(nic), 3), 0);
	CHECK(monitor.plans[0].channel.is_known);
	CHECK(monitor.plans[0].channel.is_alone);
	CHECK_EQ(monitor.plans[0].channel.generation, 3);
	CHECK(monitor.plans[0].channel.fds[2] > 0);
	CHECK_EQ(monitor.nic_plans[0].channel.generation, 4);
	CHECK(monitor.nic_plans[0].channel.fds[2] > 0);

	CHECK_EQ(ask(MSG_MONITOR_DISK_UP, 0, &disk, sizeof(disk), 3), -EEXIST);
	CHECK_EQ(ask(MSG_MONITOR_NIC_UP, 0, &nic, sizeof(nic), 3), -EEXIST);
	close_all();
}

TEST(a_channel_that_cannot_be_opened_is_given_back_and_the_guest_goes_on)
{
	const struct disk_channel disk = { .attachment_id = DISK_ID,
					   .generation = 3 };
	const struct nic_channel nic = { .attachment_id = NIC_ID,
					 .generation = 4 };

	open_running();
	CHECK_EQ(ask(MSG_MONITOR_DISK_UP, 0, &disk, sizeof(disk), 3), 0);
	expect(MSG_MONITOR_DISK_REFUSED);
	CHECK(!disk_is_served(&monitor.io.disks[0].disk));
	CHECK_EQ(ask(MSG_MONITOR_NIC_UP, 0, &nic, sizeof(nic), 3), 0);
	expect(MSG_MONITOR_NIC_BROKEN);
	CHECK(!monitor.io.nics[0].link.is_open);
	CHECK(child_fd(&monitor.child) != NO_FD);
	close_all();
}

TEST(a_channel_of_another_attachment_is_not_taken)
{
	const struct disk_channel disk = { .attachment_id = NIC_ID };
	const struct nic_channel nic = { .attachment_id = NIC_ID, .index = 1 };
	const struct disk_down down = { .attachment_id = NIC_ID,
					.cause = DISK_DOWN_KILLED };

	open_running();
	CHECK_EQ(ask(MSG_MONITOR_DISK_UP, 0, &disk, sizeof(disk), 3), 0);
	CHECK_EQ(ask(MSG_MONITOR_NIC_UP, 0, &nic, sizeof(nic), 3), 0);
	CHECK_EQ(ask(MSG_MONITOR_DISK_DOWN, 0, &down, sizeof(down), 0), 0);
	CHECK_EQ(ask(MSG_MONITOR_NIC_DOWN, 0, &nic, sizeof(nic), 0), 0);
	expect_silence();
	close_all();
}

TEST(the_end_of_an_older_service_takes_nothing_from_the_newer)
{
	const struct disk_down disk = { .attachment_id = DISK_ID,
					.generation = 1,
					.cause = DISK_DOWN_KILLED };
	const struct nic_channel nic = { .attachment_id = NIC_ID,
					 .generation = 1 };
	struct disk *served;

	open_running();
	served = &monitor.io.disks[0].disk;
	served->lane.generation = monitor.io.nics[0].link.generation = 2;
	served->counters.outages = 0;
	CHECK_EQ(ask(MSG_MONITOR_DISK_DOWN, 0, &disk, sizeof(disk), 0), 0);
	CHECK_EQ(ask(MSG_MONITOR_NIC_DOWN, 0, &nic, sizeof(nic), 0), 0);
	CHECK_EQ(served->lane.generation, 2);
	CHECK_EQ(monitor.io.nics[0].link.generation, 2);
	close_all();
}

TEST(verbs_are_the_engines_and_its_refusal_is_answered)
{
	static const struct {
		uint32_t type;
		enum engine_verb verb;
	} verbs[] = {
		{ MSG_MONITOR_RESUME, ENGINE_RESUME },
		{ MSG_MONITOR_PAUSE, ENGINE_PAUSE },
		{ MSG_MONITOR_POWERDOWN, ENGINE_POWERDOWN },
		{ MSG_MONITOR_RESET, ENGINE_RESET },
	};

	open_running();
	for (uint32_t i = 0; i < ARRAY_COUNT(verbs); i++) {
		CHECK_EQ(ask(verbs[i].type, 7, NULL, 0, 0), 0);
		CHECK_EQ(engine.verb, verbs[i].verb);
		expect_silence();
	}
	engine.result = -EOPNOTSUPP;
	CHECK_EQ(ask(MSG_MONITOR_SAVE, 8, NULL, 0, 1), 0);
	CHECK_EQ(engine.verb, ENGINE_SAVE);
	expect_done(8, -EOPNOTSUPP);
	close_all();
}

TEST(a_verb_out_of_turn_is_answered_and_nothing_is_done)
{
	open_running();
	monitor.state = MONITOR_STARTING;
	CHECK_EQ(ask(MSG_MONITOR_RESUME, 7, NULL, 0, 0), 0);
	expect_done(7, -EBUSY);
	CHECK_EQ(engine.count, 0);
	close_all();
}

TEST(a_balloon_beyond_the_guests_memory_is_refused)
{
	struct monitor_balloon balloon = { .memory_bytes = 2u << 20 };

	open_running();
	monitor.settings.memory_bytes = 1u << 20;
	CHECK_EQ(ask(MSG_MONITOR_BALLOON, 7, &balloon, sizeof(balloon), 0), 0);
	expect_done(7, -ERANGE);
	CHECK_EQ(engine.count, 0);
	balloon.memory_bytes = 1u << 20;
	CHECK_EQ(ask(MSG_MONITOR_BALLOON, 7, &balloon, sizeof(balloon), 0), 0);
	CHECK_EQ(engine.verb, ENGINE_BALLOON);
	close_all();
}

TEST(a_hostile_peer_cannot_end_a_running_guest_by_a_broken_message)
{
	open_running();
	CHECK_EQ(ask(MSG_MONITOR_DISK_UP, 0, "short", 5, 3), 0);
	CHECK_EQ(child_fd(&monitor.child), NO_FD);
	CHECK_EQ(monitor.state, MONITOR_RUNNING);
	close_all();
}

TEST(counters_come_for_every_device_before_the_answer)
{
	open_running();
	CHECK_EQ(ask(MSG_MONITOR_COUNT, 7, NULL, 0, 0), 0);
	expect(MSG_MONITOR_COUNTERS);
	expect(MSG_MONITOR_NIC_COUNTERS);
	expect_done(7, 0);
	close_all();
}

/* By the I/O thread, to whoever it is that we answer to. */
TEST(what_the_io_thread_notices_is_told_in_its_own_words)
{
	static const struct {
		enum notice_kind kind;
		uint32_t type;
	} told[] = {
		{ NOTICE_SUSPECT, MSG_MONITOR_SUSPECT },
		{ NOTICE_BROKEN, MSG_MONITOR_BROKEN },
		{ NOTICE_POISON, MSG_MONITOR_POISON },
		{ NOTICE_PAUSE_REQUEST, MSG_MONITOR_PAUSE_REQUEST },
		{ NOTICE_CONNECTED, MSG_MONITOR_GUEST },
		{ NOTICE_DISCONNECTED, MSG_MONITOR_GUEST },
		{ NOTICE_EVENT, MSG_CHILD_EVENT },
		{ NOTICE_NIC_EVENT, MSG_CHILD_EVENT },
		{ NOTICE_NIC_SUSPECT, MSG_MONITOR_NIC_SUSPECT },
		{ NOTICE_NIC_BROKEN, MSG_MONITOR_NIC_BROKEN },
	};

	open_running();
	for (uint32_t i = 0; i < ARRAY_COUNT(told); i++) {
		notices_put(&monitor.io.notices,
			    &(struct notice){ .kind = told[i].kind,
					      .text = "it is so" });
		report_notices(&monitor);
		expect(told[i].type);
		expect_silence();
	}
	notices_put(&monitor.io.notices,
		    &(struct notice){ .kind = NOTICE_NIC_STARTED });
	report_notices(&monitor);
	CHECK_EQ(engine.nics_started, 1);
	CHECK_EQ(monitor.guest.state, GUEST_DISCONNECTED);
	close_all();
}

TEST(an_engine_that_ends_its_own_guest_reports_no_front_end_that_goes)
{
	static const struct engine_ops own = { .has_guest = true };

	open_running();
	monitor.engine.ops = &own;
	notices_put(&monitor.io.notices,
		    &(struct notice){ .kind = NOTICE_DISCONNECTED });
	report_notices(&monitor);
	expect_silence();
	close_all();
}

TEST(a_supervisor_that_adopts_is_told_all_that_is_held)
{
	struct disk_channel disk;
	struct message message;

	open_running();
	CHECK_EQ(iothread_start(&monitor.io), 0);
	CHECK_EQ(ask(MSG_CHILD_WELCOME, 0, NULL, 0, 0), 0);
	expect(MSG_MONITOR_GUEST);
	CHECK_EQ(control_receive(&supervisor, &message), 0);
	CHECK_EQ(message.type, MSG_MONITOR_DISK_HELD);
	memcpy(&disk, message.body, sizeof(disk));
	CHECK_EQ(disk.attachment_id, DISK_ID);
	CHECK_EQ(disk.generation, 0);
	CHECK_EQ(message.fd_count, 1); /* its witness */
	message_release(&message);
	/* Its driver has chosen nothing yet. */
	expect(MSG_MONITOR_NIC_HELD);
	expect(MSG_CHILD_REPORTED);
	CHECK_EQ(ask(MSG_CHILD_PING, 9, NULL, 0, 0), 0);
	expect(MSG_CHILD_PONG);
	close_all();
}
