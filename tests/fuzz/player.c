/* SPDX-License-Identifier: MIT */
#include "player.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "sandbox/sandbox.h"

void player_say(const struct player *player, uint32_t type, uint32_t request_id,
		const void *body, const int *fds, size_t fd_count)
{
	(void)control_send(&player->process->control, type, request_id, body,
			   message_shape(type)->body_bytes, fds, fd_count);
}

/* Things. --------------------------------------------------------------------- */

static void drop_thing(struct player *player, struct thing *thing)
{
	for (size_t i = 0; i < 3; i++)
		close_fd(&thing->fds[i]);
	close_fd(&thing->ledger);
	*thing = player->things[--player->thing_count];
}

void player_drop_things(struct player *player)
{
	while (player->thing_count)
		drop_thing(player, &player->things[0]);
}

struct thing *player_find_thing(struct player *player, enum thing_kind kind,
				uint64_t id)
{
	for (size_t i = 0; i < player->thing_count; i++)
		if (player->things[i].kind == kind &&
		    player->things[i].id == id)
			return &player->things[i];
	return NULL;
}

static struct thing *add_thing(struct player *player, enum thing_kind kind,
			       uint64_t id)
{
	struct thing *thing = player_find_thing(player, kind, id);

	if (thing)
		drop_thing(player, thing);
	if (player->thing_count == THINGS_MAX)
		drop_thing(player, &player->things[0]);
	thing = &player->things[player->thing_count++];
	*thing = (struct thing){ .kind = kind,
				 .id = id,
				 .fds = { NO_FD, NO_FD, NO_FD },
				 .ledger = NO_FD };
	return thing;
}

static void set_generation(struct player *player, enum thing_kind kind,
			   uint64_t id, uint64_t generation)
{
	struct thing *thing = player_find_thing(player, kind, id);

	if (thing)
		thing->generation = generation;
}

/* What every child says. ------------------------------------------------------ */

static void say_ready(const struct player *player)
{
	const struct child_ready ready = {
		.layers = (1u << SANDBOX_LAYER_COUNT) - 1
	};

	player_say(player, MSG_CHILD_READY, 0, &ready, NULL, 0);
}

static void take_settings(struct player *player,
			  const struct child_settings *settings)
{
	player->hello.protocol_version = PROTOCOL_VERSION;
	player->hello.role = settings->role;
	memcpy(player->hello.name, settings->name, sizeof(settings->name));
	memcpy(player->hello.token, settings->token, sizeof(settings->token));
	if (settings->role == ROLE_MONITOR)
		return;
	player->is_ready = true;
	say_ready(player);
}

bool player_return(struct player *player, const char *rendezvous)
{
	struct fake_process *process = player->process;

	if (process->is_dead || process->control.fd != NO_FD)
		return false;
	process->control.fd = fake_host_connect(rendezvous, process->pid, 0);
	if (process->control.fd == NO_FD)
		return false;
	player_say(player, MSG_CHILD_HELLO, 0, &player->hello, NULL, 0);
	if (player->is_ready)
		say_ready(player);
	return true;
}

static void report_monitor_thing(const struct player *player,
				 const struct thing *thing)
{
	const struct disk_channel disk = { thing->id, thing->generation,
					   thing->index, 0 };
	const struct nic_channel nic = { thing->id, thing->generation,
					 thing->index, 0 };
	const struct attachment console = { .id = thing->id };

	if (thing->kind == THING_DISK)
		player_say(player, MSG_MONITOR_DISK_HELD, 0, &disk, thing->fds,
			   1);
	else if (thing->kind == THING_NIC)
		player_say(player, MSG_MONITOR_NIC_HELD, 0, &nic, NULL, 0);
	else
		player_say(player, MSG_MONITOR_CONSOLE_HELD, 0, &console,
			   thing->fds, 3);
}

static void report_thing(const struct player *player, const struct thing *thing)
{
	static const uint32_t types[] = {
		[THING_DISK] = MSG_DISK_HELD,
		[THING_NIC] = MSG_NET_HELD,
		[THING_CONSOLE] = MSG_CONSOLE_HELD,
	};
	const struct attachment attachment = { thing->id, thing->generation };

	if (player->process->role == ROLE_MONITOR)
		report_monitor_thing(player, thing);
	else
		player_say(player, types[thing->kind], 0, &attachment, NULL, 0);
}

static void say_guest(struct player *player, uint32_t state)
{
	const struct guest_change change = { .state = state };

	player->guest_state = state;
	player_say(player, MSG_MONITOR_GUEST, 0, &change, NULL, 0);
}

static void report_all(struct player *player)
{
	if (player->process->role == ROLE_MONITOR)
		say_guest(player, player->guest_state);
	for (size_t i = 0; i < player->thing_count; i++)
		report_thing(player, &player->things[i]);
	player_say(player, MSG_CHILD_REPORTED, 0, NULL, NULL, 0);
}

/* A monitor. ------------------------------------------------------------------ */

static void say_done(struct player *player, const struct message *message)
{
	const struct monitor_result result = { .status = 0 };

	player->last_request_id = message->request_id;
	player_say(player, MSG_MONITOR_DONE, message->request_id, &result, NULL,
		   0);
}

static void take_disk(struct player *player, struct message *message)
{
	const struct monitor_disk *disk = (const void *)message->body;
	struct thing *thing =
		add_thing(player, THING_DISK, disk->attachment_id);

	thing->index = disk->index;
	thing->disk = *disk;
	thing->fds[0] = take_fd(&message->fds[0]);
}

static void take_nic(struct player *player, const struct message *message)
{
	const struct monitor_nic *nic = (const void *)message->body;

	add_thing(player, THING_NIC, nic->attachment_id)->index = nic->index;
}

static void take_console(struct player *player, struct message *message)
{
	const struct console_ring *ring = (const void *)message->body;
	struct thing *thing =
		add_thing(player, THING_CONSOLE, ring->attachment.id);

	for (size_t i = 0; i < 3; i++)
		thing->fds[i] = take_fd(&message->fds[i]);
}

static void take_disk_channel(struct player *player,
			      const struct message *message, bool is_up)
{
	const struct disk_channel *channel = (const void *)message->body;

	set_generation(player, THING_DISK, channel->attachment_id,
		       is_up ? channel->generation : 0);
}

static void take_nic_channel(struct player *player,
			     const struct message *message, bool is_up)
{
	const struct nic_channel *channel = (const void *)message->body;

	set_generation(player, THING_NIC, channel->attachment_id,
		       is_up ? channel->generation : 0);
}

static void run_verb(struct player *player, const struct message *message)
{
	if (message->type == MSG_MONITOR_RESUME)
		say_guest(player, GUEST_RUNNING);
	if (message->type == MSG_MONITOR_PAUSE)
		say_guest(player, GUEST_PAUSED);
	say_done(player, message);
	if (message->type == MSG_MONITOR_POWERDOWN)
		say_guest(player, GUEST_OFF);
}

static bool serve_monitor(struct player *player, struct message *message)
{
	switch (message->type) {
	case MSG_MONITOR_DISK:
		take_disk(player, message);
		break;
	case MSG_MONITOR_NIC:
		take_nic(player, message);
		break;
	case MSG_MONITOR_CONSOLE:
		take_console(player, message);
		break;
	case MSG_MONITOR_LAUNCH:
		say_guest(player, GUEST_PAUSED);
		player->is_ready = true;
		say_ready(player);
		break;
	case MSG_MONITOR_DISK_UP:
	case MSG_MONITOR_DISK_DOWN:
		take_disk_channel(player, message,
				  message->type == MSG_MONITOR_DISK_UP);
		break;
	case MSG_MONITOR_NIC_UP:
	case MSG_MONITOR_NIC_DOWN:
		take_nic_channel(player, message,
				 message->type == MSG_MONITOR_NIC_UP);
		break;
	case MSG_MONITOR_RESUME:
	case MSG_MONITOR_PAUSE:
	case MSG_MONITOR_RESET:
	case MSG_MONITOR_POWERDOWN:
	case MSG_MONITOR_COUNT:
	case MSG_MONITOR_SAVE:
	case MSG_MONITOR_BALLOON:
		run_verb(player, message);
		break;
	default:
		return false;
	}
	return true;
}

/* A service. ------------------------------------------------------------------ */

/* The bodies of all ATTACH messages begin with the attachment. */
static void attach(struct player *player, enum thing_kind kind,
		   struct message *message)
{
	const struct attachment *attachment = (const void *)message->body;
	struct thing *thing = add_thing(player, kind, attachment->id);

	thing->generation = attachment->generation;
	thing->fds[0] = take_fd(&message->fds[0]);
}

static void attach_unit(struct player *player, struct message *message)
{
	const struct disk_attach *unit = (const void *)message->body;
	struct thing *thing;

	attach(player, THING_DISK, message);
	thing = player_find_thing(player, THING_DISK, unit->attachment.id);
	thing->unit = *unit;
	thing->ledger = take_fd(&message->fds[4]);
}

/* What has an answer is answered, also when there was nothing to detach. */
static void detach(struct player *player, enum thing_kind kind,
		   const struct message *message, uint32_t answer)
{
	const struct attachment *attachment = (const void *)message->body;
	struct thing *thing = player_find_thing(player, kind, attachment->id);

	if (thing)
		drop_thing(player, thing);
	if (answer)
		player_say(player, answer, 0, attachment, NULL, 0);
}

static void answer_report(const struct player *player,
			  const struct message *message)
{
	const struct net_report over = { .is_over = 1 };

	player_say(player, MSG_NET_REPORTED, message->request_id, &over, NULL,
		   0);
}

static bool serve_service(struct player *player, struct message *message)
{
	switch (message->type) {
	case MSG_DISK_ATTACH:
		attach(player, THING_DISK, message);
		break;
	case MSG_DISK_ATTACH_UNIT:
		attach_unit(player, message);
		break;
	case MSG_DISK_DETACH:
	case MSG_DISK_RELEASE:
		detach(player, THING_DISK, message, MSG_DISK_DETACHED);
		break;
	case MSG_CONSOLE_ATTACH:
		attach(player, THING_CONSOLE, message);
		break;
	case MSG_CONSOLE_DETACH:
		detach(player, THING_CONSOLE, message, 0);
		break;
	case MSG_NET_ATTACH:
	case MSG_NET_UPLINK:
		attach(player, THING_NIC, message);
		break;
	case MSG_NET_DETACH:
		detach(player, THING_NIC, message, MSG_NET_DETACHED);
		break;
	case MSG_NET_REPORT:
		answer_report(player, message);
		break;
	default:
		return false;
	}
	return true;
}

/* Any child. ------------------------------------------------------------------ */

static void serve(struct player *player, struct message *message)
{
	switch (message->type) {
	case MSG_CHILD_SETTINGS:
		take_settings(player, (const void *)message->body);
		return;
	case MSG_CHILD_WELCOME:
		report_all(player);
		return;
	case MSG_CHILD_PING:
		player_say(player, MSG_CHILD_PONG, 0, NULL, NULL, 0);
		return;
	case MSG_CHILD_QUIT:
		player_drop_things(player);
		fake_host_exit(player->process);
		return;
	default:
		break;
	}
	if (player->process->role == ROLE_MONITOR)
		(void)serve_monitor(player, message);
	else
		(void)serve_service(player, message);
}

unsigned player_serve(struct player *player, unsigned most)
{
	struct control *control = &player->process->control;
	struct message message;
	unsigned count = 0;
	int r = 0;

	while (count < most && !player->process->is_dead &&
	       control->fd != NO_FD) {
		r = control_receive(control, &message);
		if (r < 0)
			break;
		count++;
		serve(player, &message);
		message_release(&message);
	}
	if (r == -EPIPE)
		control_close(control);
	return count;
}
