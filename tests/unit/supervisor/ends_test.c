/* SPDX-License-Identifier: MIT */
/* How a partition ends and is saved, whatever its monitor does meanwhile:
 * partition a of the world, whose engine is said to be kvm. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/world.h"
#include "lib/harness.h"

#define CLIENT 2000000

static struct world world;
static struct control client;

static struct partition *partition_a(void)
{
	return partition_find(&world.supervisor, "a");
}

static enum partition_state state_of_a(void)
{
	return partition_a()->record.lifecycle.state;
}

static bool is_monitor(const struct player *player)
{
	return player->process->role == ROLE_MONITOR;
}

static struct player *monitor_of_a(void)
{
	struct player *player;
	unsigned nth = 0;

	do
		player = world_player(&world, ROLE_MONITOR, nth++);
	while (player && strcmp(player->process->name, "a") != 0);
	CHECK(player != NULL);
	return player;
}

static void open_world(void)
{
	world_open(&world);
	partition_a()->engine = ENGINE_KVM;
	client.fd = fake_host_connect(world_socket(), CLIENT, 0);
	CHECK(client.fd >= 0);
}

static void close_world(void)
{
	control_close(&client);
	world_close(&world);
}

static void ask(uint32_t type, const void *body, size_t bytes)
{
	CHECK_EQ(control_send(&client, type, 1, body, bytes, NULL, 0), 0);
	world_settle(&world);
}

static void ask_for(uint32_t type)
{
	const struct partition_name name = { .name = "a" };

	ask(type, &name, sizeof(name));
}

/* Its monitor says no more than the test does. */
static void begin_save(void)
{
	open_world();
	world.is_absent = is_monitor;
	ask_for(MSG_PARTITION_SAVE);
	CHECK_EQ(state_of_a(), PARTITION_SAVING);
}

static void answer(uint32_t request_id, int status)
{
	const struct monitor_result result = { .status = status };

	player_say(monitor_of_a(), MSG_MONITOR_DONE, request_id, &result, NULL,
		   0);
	world_settle(&world);
}

/* To what it was asked last. */
static void answer_step(int status)
{
	answer(partition_a()->verb_id, status);
}

static struct reply hear_reply(void)
{
	struct message message;
	struct reply reply;

	do {
		CHECK_EQ(control_receive(&client, &message), 0);
		memcpy(&reply, message.body, sizeof(reply));
		message_release(&message);
	} while (message.type != MSG_REPLY);
	return reply;
}

TEST(a_save_goes_on_only_by_answers_to_its_own_questions)
{
	begin_save();
	CHECK_EQ(partition_a()->save.step, SAVE_PAUSING);

	answer(partition_a()->verb_id + 1, 0);
	answer(0, 0);
	CHECK_EQ(partition_a()->save.step, SAVE_PAUSING);
	answer_step(0);
	CHECK_EQ(partition_a()->save.step, SAVE_WRITING);
	answer(partition_a()->verb_id - 1, 0);
	CHECK_EQ(partition_a()->save.step, SAVE_WRITING);

	close_world();
}

TEST(a_save_whose_image_is_recorded_is_carried_through)
{
	begin_save();
	answer_step(0);
	answer_step(0);
	CHECK(partition_a()->record.image.saved_us != 0);
	answer(partition_a()->verb_id, -EIO);

	fake_host_exit(monitor_of_a()->process);
	world.is_absent = NULL;
	world_pass_ms(&world, 1000);

	CHECK_EQ(state_of_a(), PARTITION_SAVED);
	CHECK_EQ(hear_reply().status, 0);
	close_world();
}

TEST(a_save_that_its_monitor_refuses_is_taken_back)
{
	struct reply reply;

	begin_save();
	answer_step(0);

	answer_step(-ENOSPC);
	CHECK_EQ(partition_a()->save.step, SAVE_TAKING_BACK);
	answer_step(0);

	CHECK_EQ(state_of_a(), PARTITION_RUNNING);
	reply = hear_reply();
	CHECK_EQ(reply.status, -ENOSPC);
	CHECK_EQ(reply.refused, 0);
	CHECK_EQ(partition_a()->record.image.saved_us, 0);
	close_world();
}

TEST(a_hostile_monitor_cannot_keep_its_partition_saving)
{
	begin_save();
	answer_step(0);

	world_pass_ms(&world, world.supervisor.config.save_ms + 1);
	CHECK_EQ(partition_a()->save.step, SAVE_TAKING_BACK);
	world_pass_ms(&world, world.supervisor.config.save_ms + 1);

	CHECK_EQ(hear_reply().status, -EIO);
	CHECK(state_of_a() != PARTITION_SAVING);
	close_world();
}

TEST(a_monitor_that_dies_while_it_saves_leaves_no_image)
{
	begin_save();
	answer_step(0);

	fake_host_exit(monitor_of_a()->process);
	world_settle(&world);

	CHECK_EQ(state_of_a(), PARTITION_STARTING);
	CHECK_EQ(partition_a()->record.image.saved_us, 0);
	CHECK(hear_reply().status < 0);
	close_world();
}

static void start_without_monitor(void)
{
	const struct partition_stop stop = { .name = "a", .is_forced = 1 };

	open_world();
	ask(MSG_PARTITION_STOP, &stop, sizeof(stop));
	CHECK_EQ(hear_reply().status, 0);
	CHECK_EQ(state_of_a(), PARTITION_STOPPED);
	world.is_absent = is_monitor;
	ask_for(MSG_PARTITION_START);
	CHECK_EQ(state_of_a(), PARTITION_STARTING);
}

static void fail_start(const char *field, const char *text)
{
	struct child_event event = { .level = EVENT_ERROR };

	(void)text_copy(event.field, sizeof(event.field), field);
	(void)text_copy(event.text, sizeof(event.text), text);
	player_say(monitor_of_a(), MSG_CHILD_EVENT, 0, &event, NULL, 0);
	fake_host_exit(monitor_of_a()->process);
	world_settle(&world);
}

TEST(a_start_that_fails_for_a_field_is_refused_with_it)
{
	struct reply reply;

	start_without_monitor();

	fail_start("boot.kernel", "is none");

	reply = hear_reply();
	CHECK_EQ(reply.refused, 1);
	CHECK_EQ(strcmp(reply.field, "boot.kernel"), 0);
	CHECK_EQ(strcmp(reply.text, "is none"), 0);
	CHECK_EQ(strcmp(partition_a()->record.reason, "boot.kernel: is none"),
		 0);
	CHECK_EQ(state_of_a(), PARTITION_STOPPED);
	close_world();
}

TEST(a_field_is_not_told_of_a_later_failure)
{
	struct reply reply;

	start_without_monitor();
	fail_start("boot.kernel", "is none");
	(void)hear_reply();
	ask_for(MSG_PARTITION_START);

	fail_start("", "no memory");

	reply = hear_reply();
	CHECK_EQ(reply.refused, 0);
	CHECK_EQ(reply.field[0], 0);
	CHECK_EQ(strcmp(reply.text, "no memory"), 0);
	close_world();
}

TEST(a_hostile_monitor_cannot_write_to_a_terminal_by_a_field)
{
	struct reply reply;

	start_without_monitor();

	fail_start("\033[2Jboot", "is none");

	reply = hear_reply();
	CHECK(strstr(reply.field, "[2Jboot") != NULL);
	CHECK(strchr(reply.field, '\033') == NULL);
	CHECK(strchr(partition_a()->record.reason, '\033') == NULL);
	close_world();
}
