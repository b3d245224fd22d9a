/* SPDX-License-Identifier: MIT */
/* Who is heard at the supervisor's two sockets, by the uid of the kernel. */
#include <errno.h>
#include <string.h>

#include "fuzz/world.h"
#include "lib/harness.h"
#include "supervisor/child/rendezvous.h"

#define ANYBODY 65534
/* Of no child: those are numbered in the order of their start. */
#define STRANGER  2000000
#define CHILD_UID 0x42480000u

static struct world world;

/* The first answer's type, or a negative errno. */
static int hear(struct control *link)
{
	struct message message;
	int r;

	world_settle(&world);
	r = control_receive(link, &message);
	if (r < 0)
		return r;
	message_release(&message);
	return (int)message.type;
}

static int ask_as(uid_t uid)
{
	struct control link;
	int r;

	link.fd = fake_host_connect(world_socket(), STRANGER, uid);
	CHECK(link.fd >= 0);
	(void)control_send(&link, MSG_SUPERVISOR_SHOW, 1, NULL, 0, NULL, 0);
	r = hear(&link);
	control_close(&link);
	return r;
}

TEST(without_a_group_nobody_but_root_may_ask)
{
	world_open(&world);

	CHECK_EQ(ask_as(0), MSG_SUPERVISOR_ROW);
	CHECK_EQ(ask_as(ANYBODY), -EPIPE);
	CHECK_EQ(ask_as(CHILD_UID), -EPIPE);
	world_close(&world);
}

/* What a reply says to a client that no command made. */
static void ask_wrongly(uint32_t type, const void *body, size_t bytes,
			struct reply *ret_reply)
{
	struct control link;
	struct message message;

	link.fd = fake_host_connect(world_socket(), STRANGER, 0);
	CHECK(link.fd >= 0);
	(void)control_send(&link, type, 1, body, bytes, NULL, 0);
	world_settle(&world);
	CHECK_EQ(control_receive(&link, &message), 0);
	CHECK_EQ(message.type, MSG_REPLY);
	memcpy(ret_reply, message.body, sizeof(*ret_reply));
	control_close(&link);
}

TEST(a_hostile_client_is_refused_by_field)
{
	const struct partition_stop stop = { .name = "b", .is_forced = 2 };
	const struct service_settings monitors = { .name = "monitors",
						   .role = ROLE_MONITOR };
	struct partition_name name;
	struct reply reply;

	memset(&name, 'b', sizeof(name));
	world_open(&world);

	ask_wrongly(MSG_PARTITION_STOP, &stop, sizeof(stop), &reply);
	CHECK_EQ(reply.status, -EINVAL);
	CHECK_EQ(reply.refused, 1);
	CHECK_EQ(strcmp(reply.field, "is_forced"), 0);
	CHECK_EQ(strcmp(reply.text, "must be between 0 and 1"), 0);
	ask_wrongly(MSG_SERVICE_SET, &monitors, sizeof(monitors), &reply);
	CHECK_EQ(strcmp(reply.field, "role"), 0);
	ask_wrongly(MSG_PARTITION_RESET, &name, sizeof(name), &reply);
	CHECK_EQ(strcmp(reply.field, "name"), 0);
	CHECK_EQ(strcmp(reply.text, TEXT_NAME_RULE), 0);
	ask_wrongly(MSG_PARTITION_RESET, &name, sizeof(name) - 1, &reply);
	CHECK_EQ(reply.status, -EOPNOTSUPP);
	world_close(&world);
}

static int say_hello_as(const struct player *player, uid_t uid)
{
	struct control link;
	int r;

	link.fd = fake_host_connect(world_rendezvous(), player->process->pid,
				    uid);
	CHECK(link.fd >= 0);
	(void)control_send(&link, MSG_CHILD_HELLO, 0, &player->hello,
			   sizeof(player->hello), NULL, 0);
	r = hear(&link);
	control_close(&link);
	return r;
}

static bool is_monitor(const struct player *player)
{
	return player->process->role == ROLE_MONITOR;
}

/* One that the store does not know, with another's uid: it is kept, and has no
 * answer. Who cannot be a child is sent away. */
TEST(a_process_of_a_uid_that_no_child_has_is_not_heard)
{
	struct player *orphan;

	world_open(&world);
	world.is_absent = is_monitor;
	orphan = world_player(&world, ROLE_MONITOR, 0);
	store_defer_child_gone(
		world.supervisor.store,
		partition_find(&world.supervisor, "a")->monitor->id);
	world_pass_ms(&world, 100);
	world_restart(&world, NULL);

	CHECK_EQ(say_hello_as(orphan, ANYBODY), -EPIPE);
	CHECK_EQ(say_hello_as(orphan, CHILD_UID + 0x10000), -EPIPE);
	CHECK_EQ(say_hello_as(orphan, CHILD_UID - 1), -EPIPE);
	CHECK_EQ(say_hello_as(orphan, CHILD_UID), -EAGAIN);
	CHECK_EQ(world.supervisor.quarantine_count, 1);
	world_close(&world);
}

TEST(a_child_that_comes_back_under_a_wrong_uid_is_not_heard)
{
	struct player *monitor;
	uint64_t id;

	world_open(&world);
	world.is_absent = is_monitor;
	monitor = world_player(&world, ROLE_MONITOR, 0);
	id = partition_find(&world.supervisor, "a")->monitor->id;
	world_restart(&world, NULL);

	CHECK_EQ(say_hello_as(monitor, ANYBODY), -EPIPE);
	CHECK_EQ(say_hello_as(monitor, CHILD_UID + (uint32_t)(id % 0x10000)),
		 MSG_CHILD_WELCOME);
	world_close(&world);
}
