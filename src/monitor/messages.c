/* SPDX-License-Identifier: MIT */
/* What the supervisor may ask of a monitor, and when. */
#include <errno.h>
#include <string.h>

#include "base/count.h"
#include "base/log.h"
#include "base/scope.h"
#include "control/dispatch.h"
#include "monitor/monitor.h"

/* Handled in one go, so that the engine is not forgotten over messages. */
#define MESSAGES_PER_EVENT 32

#define IN_SETUP   (IN(MONITOR_CONFIGURED))
#define IN_SERVICE (IN(MONITOR_STARTING) | IN(MONITOR_RUNNING))

/* Setting up. --------------------------------------------------------------- */

static int configure(void *process, struct message *message)
{
	struct monitor *monitor = process;

	memcpy(&monitor->settings, message->body, sizeof(monitor->settings));
	if (!engine_find(monitor->settings.engine))
		return -EINVAL;
	monitor_enter(monitor, MONITOR_CONFIGURED);
	return 0;
}

static int keep_fd(void *process, struct message *message)
{
	struct monitor *monitor = process;
	int *const places[] = {
		[MSG_MONITOR_KERNEL] = &monitor->kernel_fd,
		[MSG_MONITOR_INITRD] = &monitor->initrd_fd,
		[MSG_MONITOR_LISTENER] = &monitor->listener_fd,
		[MSG_MONITOR_KVM] = &monitor->kvm_fd,
		[MSG_MONITOR_IMAGE] = &monitor->image_fd,
	};
	int *place = places[message->type];

	close_fd(place);
	*place = take_fd(&message->fds[0]);
	return 0;
}

static int open_console(void *process, struct message *message)
{
	struct monitor *monitor = process;
	struct console_ring ring;

	memcpy(&ring, message->body, sizeof(ring));
	if (monitor->console.is_open)
		return -EBUSY;
	return console_open(&monitor->console, &ring, message->fds);
}

static int plan_disk(void *process, struct message *message)
{
	struct monitor *monitor = process;
	struct monitor_disk settings;
	struct disk_plan *plan;

	memcpy(&settings, message->body, sizeof(settings));
	if (settings.index >= monitor->settings.disk_count)
		return -EINVAL;
	plan = &monitor->plans[settings.index];
	if (plan->is_known)
		return -EEXIST;
	plan->settings = settings;
	plan->witness_fd = take_fd(&message->fds[0]);
	plan->is_known = true;
	return 0;
}

static int note_debt(void *process, struct message *message)
{
	const struct disk_channel *channel = (const void *)message->body;
	struct monitor *monitor = process;

	if (channel->index >= monitor->settings.disk_count ||
	    !monitor->plans[channel->index].is_known)
		return -EINVAL;
	monitor->plans[channel->index].owes_error = true;
	return 0;
}

static int launch(void *process, struct message *message)
{
	int r = monitor_launch(process);

	/* Of an image, of memory: of the link they would mean something else,
	 * and this monitor would wait on. */
	return r == -EBADMSG || r == -EAGAIN ? -EIO : r;
}

/* Disks. --------------------------------------------------------------------- */

struct disk_change {
	struct disk_channel channel;
	struct lane lane;
};

static void bring_up(struct iothread *io, void *argument)
{
	struct disk_change *change = argument;

	disk_up(&io->disks[change->channel.index].disk, &change->lane,
		change->channel.is_alone != 0);
}

static void bring_down(struct iothread *io, void *argument)
{
	const struct disk_down *down = argument;
	struct disk *disk = &io->disks[down->index].disk;

	/* Old news about a generation that is gone already. */
	if (disk->lane.generation == down->generation)
		disk_down(disk, down->cause);
}

static bool is_disk(const struct monitor *monitor, uint32_t index,
		    uint64_t attachment_id)
{
	return index < monitor->settings.disk_count &&
	       monitor->plans[index].settings.attachment_id == attachment_id;
}

/* A channel that comes before the launch waits for it. */
static int plan_channel(struct channel_plan *plan, uint64_t generation,
			bool is_alone, struct message *message)
{
	if (plan->is_known)
		return -EEXIST;
	plan->generation = generation;
	plan->is_alone = is_alone;
	plan->is_known = true;
	for (int i = 0; i < 3; i++)
		plan->fds[i] = take_fd(&message->fds[i]);
	return 0;
}

/* The service had its memory first, so what is wrong with a channel is not the
 * supervisor's fault. */
static int give_back(struct monitor *monitor, uint32_t type,
		     const void *channel, size_t bytes)
{
	log_warn("channel refused type=%u", type);
	(void)child_send(&monitor->child, type, 0, channel, bytes);
	return 0;
}

static int take_disk_up(void *process, struct message *message)
{
	struct monitor *monitor = process;
	struct disk_change change = { 0 };
	const struct disk_channel *channel = &change.channel;
	int r;

	memcpy(&change.channel, message->body, sizeof(change.channel));
	if (!is_disk(monitor, channel->index, channel->attachment_id))
		return -EINVAL;
	if (monitor->state == MONITOR_CONFIGURED)
		return plan_channel(&monitor->plans[channel->index].channel,
				    channel->generation, channel->is_alone != 0,
				    message);
	r = lane_open(
		&change.lane,
		disk_channel_kind(&monitor->plans[channel->index].settings),
		channel->generation, message->fds);
	if (r < 0)
		return give_back(monitor, MSG_MONITOR_DISK_REFUSED, channel,
				 sizeof(*channel));
	iothread_call(&monitor->io, bring_up, &change);
	return 0;
}

static int take_disk_down(void *process, struct message *message)
{
	struct monitor *monitor = process;
	struct disk_down down;

	memcpy(&down, message->body, sizeof(down));
	if (!is_disk(monitor, down.index, down.attachment_id))
		return -EINVAL;
	iothread_call(&monitor->io, bring_down, &down);
	return 0;
}

static void set_disk(struct iothread *io, void *argument)
{
	const struct disk_settings *settings = argument;

	disk_set(&io->disks[settings->index].disk, settings);
}

static int take_disk_settings(void *process, struct message *message)
{
	struct monitor *monitor = process;
	struct disk_settings settings;

	memcpy(&settings, message->body, sizeof(settings));
	if (!is_disk(monitor, settings.index, settings.attachment_id))
		return -EINVAL;
	iothread_call(&monitor->io, set_disk, &settings);
	return 0;
}

/* Interfaces. ------------------------------------------------------------------ */

/* They are told in order: how many there are is how many were told. */
static int plan_nic(void *process, struct message *message)
{
	struct monitor *monitor = process;
	struct monitor_nic settings;

	memcpy(&settings, message->body, sizeof(settings));
	if (monitor->nic_count == NIC_COUNT_MAX ||
	    settings.index != monitor->nic_count)
		return -EINVAL;
	monitor->nic_plans[monitor->nic_count++].settings = settings;
	return 0;
}

struct nic_move {
	struct nic_channel channel;
	struct nic_link link;
};

static void bring_nic_up(struct iothread *io, void *argument)
{
	struct nic_move *change = argument;

	nic_up(&io->nics[change->channel.index], &change->link);
}

static void bring_nic_down(struct iothread *io, void *argument)
{
	const struct nic_channel *channel = argument;
	struct nic *nic = &io->nics[channel->index];

	/* Old news about a generation that is gone already. */
	if (nic->link.generation == channel->generation)
		nic_down(nic);
}

static bool is_nic(const struct monitor *monitor,
		   const struct nic_channel *channel)
{
	return channel->index < monitor->nic_count &&
	       monitor->nic_plans[channel->index].settings.attachment_id ==
		       channel->attachment_id;
}

static int take_nic_up(void *process, struct message *message)
{
	struct monitor *monitor = process;
	struct nic_move change = { 0 };
	const struct nic_channel *channel = &change.channel;
	int r;

	memcpy(&change.channel, message->body, sizeof(change.channel));
	if (!is_nic(monitor, channel))
		return -EINVAL;
	if (monitor->state == MONITOR_CONFIGURED)
		return plan_channel(&monitor->nic_plans[channel->index].channel,
				    channel->generation, false, message);
	r = nic_link_open(&change.link, channel->generation, message->fds);
	if (r < 0)
		return give_back(monitor, MSG_MONITOR_NIC_BROKEN, channel,
				 sizeof(*channel));
	iothread_call(&monitor->io, bring_nic_up, &change);
	return 0;
}

static int take_nic_down(void *process, struct message *message)
{
	struct monitor *monitor = process;
	struct nic_channel channel;

	memcpy(&channel, message->body, sizeof(channel));
	if (!is_nic(monitor, &channel))
		return -EINVAL;
	iothread_call(&monitor->io, bring_nic_down, &channel);
	return 0;
}

static int count(void *process, struct message *message)
{
	struct monitor *monitor = process;

	report_counters(monitor);
	report_done(monitor, message->request_id, 0, NULL);
	return 0;
}

/* Verbs. --------------------------------------------------------------------- */

static int tell_engine(struct monitor *monitor, const struct message *message,
		       enum engine_verb verb,
		       const struct engine_argument *argument)
{
	int r = monitor->engine.ops->command(&monitor->engine, verb,
					     message->request_id, argument);

	if (r < 0)
		report_done(monitor, message->request_id, r, NULL);
	return r;
}

static int ask_engine(void *process, struct message *message)
{
	static const enum engine_verb verbs[] = {
		[MSG_MONITOR_RESUME] = ENGINE_RESUME,
		[MSG_MONITOR_PAUSE] = ENGINE_PAUSE,
		[MSG_MONITOR_POWERDOWN] = ENGINE_POWERDOWN,
		[MSG_MONITOR_RESET] = ENGINE_RESET,
	};
	const struct engine_argument none = { .image_fd = NO_FD };

	(void)tell_engine(process, message, verbs[message->type], &none);
	return 0;
}

static int save_guest(void *process, struct message *message)
{
	const struct engine_argument argument = { .image_fd = message->fds[0] };

	if (tell_engine(process, message, ENGINE_SAVE, &argument) == 0)
		message->fds[0] = NO_FD;
	return 0;
}

static int set_balloon(void *process, struct message *message)
{
	struct monitor *monitor = process;
	struct engine_argument argument = { .image_fd = NO_FD };
	struct monitor_balloon balloon;

	memcpy(&balloon, message->body, sizeof(balloon));
	if (balloon.memory_bytes > monitor->settings.memory_bytes)
		return -ERANGE;
	argument.memory_bytes = balloon.memory_bytes;
	(void)tell_engine(monitor, message, ENGINE_BALLOON, &argument);
	return 0;
}

/* Every child. ---------------------------------------------------------------- */

static int report_all(void *process, struct message *message)
{
	report_held(process);
	return 0;
}

static int quit(void *process, struct message *message)
{
	struct monitor *monitor = process;

	return sd_event_exit(monitor->event, 0);
}

/* The loop that does the work is the I/O thread's: ask it too. */
static void nothing(struct iothread *io, void *argument)
{
}

static int pong(void *process, struct message *message)
{
	struct monitor *monitor = process;

	if (monitor_has_io(monitor))
		iothread_call(&monitor->io, nothing, NULL);
	(void)child_send(&monitor->child, MSG_CHILD_PONG, message->request_id,
			 NULL, 0);
	return 0;
}

/* clang-format off */
static const struct message_rule from_supervisor[] = {
	/* type                  allowed in              handler */
	{ MSG_MONITOR_CONFIGURE, IN(MONITOR_FRESH),      configure },
	{ MSG_MONITOR_KERNEL,    IN_SETUP,               keep_fd },
	{ MSG_MONITOR_INITRD,    IN_SETUP,               keep_fd },
	{ MSG_MONITOR_LISTENER,  IN_SETUP,               keep_fd },
	{ MSG_MONITOR_KVM,       IN_SETUP,               keep_fd },
	{ MSG_MONITOR_IMAGE,     IN_SETUP,               keep_fd },
	{ MSG_MONITOR_CONSOLE,   IN_SETUP,               open_console },
	{ MSG_MONITOR_DISK,      IN_SETUP,               plan_disk },
	{ MSG_MONITOR_DISK_OWES, IN_SETUP,               note_debt },
	{ MSG_MONITOR_NIC,       IN_SETUP,               plan_nic },
	{ MSG_MONITOR_LAUNCH,    IN_SETUP,               launch },
	{ MSG_MONITOR_DISK_UP,   IN_SETUP | IN_SERVICE,  take_disk_up },
	{ MSG_MONITOR_DISK_DOWN, IN_SERVICE,             take_disk_down },
	{ MSG_MONITOR_DISK_SET,  IN_SERVICE,             take_disk_settings },
	{ MSG_MONITOR_NIC_UP,    IN_SETUP | IN_SERVICE,  take_nic_up },
	{ MSG_MONITOR_NIC_DOWN,  IN_SERVICE,             take_nic_down },
	{ MSG_MONITOR_COUNT,     IN_SERVICE,             count },
	{ MSG_MONITOR_RESUME,    IN(MONITOR_RUNNING),    ask_engine },
	{ MSG_MONITOR_PAUSE,     IN(MONITOR_RUNNING),    ask_engine },
	{ MSG_MONITOR_POWERDOWN, IN(MONITOR_RUNNING),    ask_engine },
	{ MSG_MONITOR_RESET,     IN(MONITOR_RUNNING),    ask_engine },
	{ MSG_MONITOR_SAVE,      IN(MONITOR_RUNNING),    save_guest },
	{ MSG_MONITOR_BALLOON,   IN(MONITOR_RUNNING),    set_balloon },
	{ MSG_CHILD_WELCOME,     IN_ANY_STATE,           report_all },
	{ MSG_CHILD_PING,        IN_ANY_STATE,           pong },
	{ MSG_CHILD_QUIT,        IN_ANY_STATE,           quit },
};
/* clang-format on */

static void forget_message(struct message *message)
{
	message_release(message);
}

/* A verb that is not possible now is answered; anything else that is wrong
 * with a message is the supervisor's fault, and while setting up also the end
 * of this monitor. */
static int handle(struct monitor *monitor, struct message *message)
{
	int r;

	r = message_dispatch(from_supervisor, ARRAY_COUNT(from_supervisor),
			     monitor->state, monitor, message);
	if (r >= 0)
		return 0;
	log_warn("message refused type=%u error=%d", message->type, -r);
	if (message->request_id != 0) {
		report_done(monitor, message->request_id, r, NULL);
		return 0;
	}
	if (monitor->state <= MONITOR_STARTING)
		return r;
	if (r == -EBADMSG)
		child_drop(&monitor->child);
	return 0;
}

static int receive_one(struct monitor *monitor)
{
	SCOPED(forget_message) struct message message;
	int r;

	for (int i = 0; i < CONTROL_FD_MAX; i++)
		message.fds[i] = NO_FD;
	r = child_receive(&monitor->child, &message);
	if (r < 0) {
		message.fd_count = 0;
		return r;
	}
	return handle(monitor, &message);
}

int monitor_receive(struct monitor *monitor)
{
	int r = 0;

	for (int i = 0; i < MESSAGES_PER_EVENT && r == 0; i++)
		r = receive_one(monitor);
	/* Without a supervisor, a monitor that does not run yet is no use. */
	if (r == -EAGAIN && child_fd(&monitor->child) == NO_FD &&
	    monitor->state < MONITOR_STARTING)
		return -EPIPE;
	return r == -EAGAIN || r == -EBADMSG ? 0 : r;
}
