/* SPDX-License-Identifier: MIT */
#include "supervisor/service/disk.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/scope.h"
#include "channel/channel.h"
#include "supervisor/errand/errand.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/service/placement.h"
#include "supervisor/supervisor.h"

/* Room for 128 requests of the largest chunk; pages cost only when touched. */
#define CHANNEL_SLOTS        256
#define CHANNEL_BUFFER_BYTES (8u << 20)

#define FENCE_POLL_FIRST_MS 1
#define FENCE_POLL_MOST_MS  20
#define FENCE_PATIENCE_NS   (10 * NS_PER_S)
#define RETRY_MS            1000
/* Broken channels in a row after which a disk gets an instance of its own. */
#define BROKEN_CHANNELS_MAX 3
/* A channel that lasted longer ends the row. */
#define CHANNEL_EARLY_NS (60 * NS_PER_S)

static void progress(struct disk *disk);

const char *disk_state_name(enum disk_state state)
{
	static const char *const names[] = {
		[DISK_IS_DETACHED] = "detached",
		[DISK_IS_FENCING] = "fencing",
		[DISK_IS_WAITING] = "waiting",
		[DISK_IS_UP] = "up",
		[DISK_IS_DETACHING] = "detaching",
	};

	return names[state];
}

static struct supervisor *supervisor_of(const struct disk *disk)
{
	return disk->partition->supervisor;
}

static struct service *service_of(const struct disk *disk)
{
	return service_find(supervisor_of(disk), disk->service);
}

int disk_choose_service(struct disk *disk, struct refusal *ret_refusal)
{
	struct service *service;
	int r = placement_find(supervisor_of(disk), disk->definition->service,
			       disk, &service, ret_refusal);

	if (r == 0)
		memcpy(disk->service, service->name, sizeof(disk->service));
	return r;
}

struct disk *disk_find(struct supervisor *supervisor, uint64_t attachment_id)
{
	struct partition *partition;

	TAILQ_FOREACH(partition, &supervisor->partitions, link)
		for (unsigned i = 0; i < partition->disk_count; i++)
			if (partition->disks[i].id == attachment_id)
				return &partition->disks[i];
	return NULL;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	progress(data);
	return 0;
}

static void progress_later(struct disk *disk, uint64_t ms)
{
	sd_event_source_disable_unref(disk->timer);
	disk->timer = NULL;
	(void)sd_event_add_time_relative(supervisor_of(disk)->event,
					 &disk->timer, CLOCK_MONOTONIC,
					 ms * 1000, 100, on_timer, disk);
}

static void tell_monitor_down(struct disk *disk, enum disk_down_cause cause)
{
	struct disk_down down = { .attachment_id = disk->id,
				  .generation = disk->generation,
				  .index = disk->index,
				  .cause = cause };

	if (disk->is_wanted)
		process_tell(disk->partition->monitor, MSG_MONITOR_DISK_DOWN,
			     &down);
}

void disk_changed(struct disk *disk)
{
	const struct disk_settings settings = {
		.attachment_id = disk->id,
		.index = disk->index,
		.outage = disk->definition->outage.policy,
		.outage_ms = disk->definition->outage.ms,
		.hang_ms = disk->definition->hang_ms,
	};

	if (disk->partition->monitor)
		process_tell(disk->partition->monitor, MSG_MONITOR_DISK_SET,
			     &settings);
}

static void begin_fence(struct disk *disk)
{
	disk->state = DISK_IS_FENCING;
	disk->instance = NULL;
	disk->fence_began_ns = clock_now_ns();
	disk->fence_poll_ms = FENCE_POLL_FIRST_MS;
	disk->is_fence_told = false;
}

static void tell_slow_fence(struct disk *disk)
{
	if (disk->is_fence_told ||
	    clock_now_ns() - disk->fence_began_ns < FENCE_PATIENCE_NS)
		return;
	disk->is_fence_told = true;
	partition_event_text(disk->partition, EVENT_ERROR,
			     "disk %s stays stopped: requests of its last "
			     "service are still in the kernel",
			     disk->definition->name);
}

static void poll_fence(struct disk *disk)
{
	/* Without a witness (it was lost while there was no supervisor) the
	 * image is no longer ours to guard. */
	int lifted =
		disk->witness_fd == NO_FD
			? 1
			: storage_fence_is_lifted(disk->witness_fd, disk->id,
						  disk->definition);

	if (lifted != 1) {
		tell_slow_fence(disk);
		progress_later(disk, disk->fence_poll_ms);
		if (disk->fence_poll_ms < FENCE_POLL_MOST_MS)
			disk->fence_poll_ms *= 2;
		return;
	}
	disk->state = disk->is_wanted ? DISK_IS_WAITING : DISK_IS_DETACHED;
	if (!disk->is_wanted)
		disk->owner->released(disk->partition);
}

/* What both ends of a new channel are given; closed at the end of the scope. */
struct handover {
	int file;
	int memory;
	int kick;
	int call;
};

static void handover_release(struct handover *handover)
{
	close_fd(&handover->file);
	close_fd(&handover->memory);
	close_fd(&handover->kick);
	close_fd(&handover->call);
}

static int handover_prepare(struct disk *disk, uint64_t generation,
			    struct handover *handover)
{
	struct channel_shape shape = { .kind = CHANNEL_KIND_DISK,
				       .slot_count = CHANNEL_SLOTS,
				       .buffer_bytes = CHANNEL_BUFFER_BYTES,
				       .generation = (uint32_t)generation };
	int r;

	r = storage_open_generation(disk->witness_fd, disk->id,
				    disk->definition, &handover->file);
	if (r < 0)
		return r;
	r = channel_create(&shape, &handover->memory);
	if (r < 0)
		return r;
	handover->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	handover->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return handover->kick < 0 || handover->call < 0 ? -errno : 0;
}

static void tell_service(struct disk *disk, struct instance *instance,
			 const struct handover *handover)
{
	struct disk_attach attach = {
		.attachment = { .id = disk->id,
				.generation = disk->generation },
		.size_bytes = disk->facts.size_bytes,
		.read_only = disk->definition->access == DISK_READ_ONLY,
		.direct = disk->definition->cache == DISK_DIRECT,
		.logical_block_bytes = disk->facts.logical_block_bytes,
		.is_block_device = disk->facts.is_block_device,
	};
	const int fds[] = { handover->file, handover->memory, handover->kick,
			    handover->call };

	memcpy(attach.partition, disk->partition->record.definition.name,
	       sizeof(attach.partition));
	memcpy(attach.disk, disk->definition->name, sizeof(attach.disk));
	process_send(instance->process, MSG_DISK_ATTACH, 0, &attach,
		     sizeof(attach), fds, 4);
}

static void tell_monitor_up(struct disk *disk, const struct handover *handover)
{
	struct disk_channel channel = { .attachment_id = disk->id,
					.generation = disk->generation,
					.index = disk->index,
					.is_alone = disk->is_alone };
	const int fds[] = { handover->memory, handover->kick, handover->call };

	process_send(disk->partition->monitor, MSG_MONITOR_DISK_UP, 0, &channel,
		     sizeof(channel), fds, 3);
}

static int hand_over(struct disk *disk, struct instance *instance)
{
	SCOPED(handover_release)
	struct handover handover = { NO_FD, NO_FD, NO_FD, NO_FD };
	uint64_t generation = supervisor_next_generation(supervisor_of(disk));
	int r;

	(void)failpoint("recovery.handover.before");
	if (generation == 0)
		return -EIO;
	r = handover_prepare(disk, generation, &handover);
	if (r < 0)
		return r;
	disk->generation = generation;
	tell_service(disk, instance, &handover);
	(void)failpoint("recovery.handover.between");
	tell_monitor_up(disk, &handover);
	disk->state = DISK_IS_UP;
	disk->up_ns = clock_now_ns();
	disk->instance = instance;
	instance_client_came(instance);
	instance_answer_soon(instance, disk->partition->monitor);
	disk->owner->came_up(disk->partition);
	(void)failpoint("recovery.handover.after");
	service_tell_restart(instance->service);
	return 0;
}

/* After a supervisor's death more may come to a service than it had, because
 * those beside it are gone. */
static void move_beside(struct disk *disk)
{
	struct refusal refusal = { 0 };
	int r = disk_choose_service(disk, &refusal);

	if (r < 0 && r != -EAGAIN && !disk->is_place_told)
		partition_event_text(disk->partition, EVENT_ERROR,
				     "disk %s waits: %s",
				     disk->definition->name, refusal.text);
	disk->is_place_told = r < 0 && r != -EAGAIN;
	progress_later(disk, r < 0 ? RETRY_MS : FENCE_POLL_FIRST_MS);
}

static void find_instance(struct disk *disk)
{
	struct instance *instance =
		service_instance_for(service_of(disk), disk);
	uint64_t wait_ms =
		back_off_wait_ms(&disk->channel_back_off, clock_now_ns());
	int r;

	if (!instance)
		return;
	if (instance->client_count >= DISK_SERVICE_DISKS_MAX) {
		move_beside(disk);
		return;
	}
	if (wait_ms) {
		progress_later(disk, wait_ms);
		return;
	}
	r = hand_over(disk, instance);
	if (r == -EAGAIN)
		begin_fence(disk);
	else if (r < 0)
		partition_event_text(disk->partition, EVENT_ERROR,
				     "disk %s cannot be handed to its service, "
				     "trying again: %s",
				     disk->definition->name, strerror(-r));
	if (r < 0)
		progress_later(disk,
			       r == -EAGAIN ? FENCE_POLL_FIRST_MS : RETRY_MS);
}

/* The drain of a disk that nobody uses may hang with its service. */
static void check_drain(struct disk *disk)
{
	instance_check(disk->instance, disk->definition->hang_ms);
	progress_later(disk, disk->definition->hang_ms);
}

static void progress(struct disk *disk)
{
	sd_event_source_disable_unref(disk->timer);
	disk->timer = NULL;
	if (disk->state == DISK_IS_DETACHING)
		check_drain(disk);
	if (disk->state == DISK_IS_FENCING)
		poll_fence(disk);
	if (disk->state == DISK_IS_WAITING && disk->is_wanted)
		find_instance(disk);
}

void disk_want(struct disk *disk)
{
	disk->is_wanted = true;
	if (disk->state == DISK_IS_DETACHED)
		begin_fence(disk);
	progress(disk);
}

void disk_may_be_served(struct disk *disk)
{
	if (disk->state == DISK_IS_DETACHED)
		begin_fence(disk);
}

/* One that nobody wants is closed next. */
static void tell_service_to_leave(struct disk *disk)
{
	struct attachment attachment = { .id = disk->id,
					 .generation = disk->generation };

	process_tell(disk->instance->process,
		     disk->is_wanted ? MSG_DISK_DETACH : MSG_DISK_RELEASE,
		     &attachment);
}

void disk_leave(struct disk *disk)
{
	if (disk->state != DISK_IS_UP)
		return;
	tell_monitor_down(disk, DISK_DOWN_LEAVING);
	disk->state = DISK_IS_DETACHING;
	tell_service_to_leave(disk);
	check_drain(disk);
}

void disk_unwant(struct disk *disk)
{
	bool is_free = disk->state == DISK_IS_DETACHED ||
		       disk->state == DISK_IS_WAITING;

	disk->is_wanted = false;
	if (disk->state == DISK_IS_UP)
		disk_leave(disk);
	else if (disk->state == DISK_IS_DETACHING)
		tell_service_to_leave(disk);
	else if (disk->state == DISK_IS_FENCING)
		progress(disk);
	else if (is_free) {
		disk->state = DISK_IS_DETACHED;
		disk->owner->released(disk->partition);
	}
}

void disk_release(struct disk *disk)
{
	sd_event_source_disable_unref(disk->timer);
	disk->timer = NULL;
	if (disk->instance)
		instance_client_left(disk->instance);
	disk->instance = NULL;
	if (disk->is_alone && service_of(disk))
		service_rejoin(service_of(disk), disk);
	disk->is_alone = false;
	disk->state = DISK_IS_DETACHED;
	errand_close(supervisor_of(disk)->errands, &disk->witness_fd);
}

void disk_found(struct disk *disk, struct instance *instance,
		uint64_t generation)
{
	disk->instance = instance;
	memcpy(disk->service, instance->service->name, sizeof(disk->service));
	disk->up_ns = clock_now_ns();
	instance_client_came(instance);
	disk->state = DISK_IS_UP;
	/* Different lives, or no monitor: take it back and begin anew. */
	if (!disk->is_wanted || disk->generation != generation) {
		disk->generation = generation;
		disk_leave(disk);
	}
}

void disk_suspected(struct disk *disk, uint64_t generation)
{
	if (disk->state == DISK_IS_UP && disk->generation == generation)
		instance_check(disk->instance, disk->definition->hang_ms / 2);
}

void disk_poisoned(struct disk *disk, uint64_t generation)
{
	if (disk->is_alone)
		return;
	disk->is_alone = true;
	partition_event_text(disk->partition, EVENT_WARNING,
			     "disk %s: %s crashed three times over a request; "
			     "it gets an instance of its own",
			     disk->definition->name, disk->service);
	service_settle(service_of(disk));
	disk_leave(disk);
}

static void note_channel_end(struct disk *disk)
{
	back_off_note(&disk->channel_back_off, disk->up_ns, CHANNEL_EARLY_NS,
		      clock_now_ns());
}

void disk_channel_refused(struct disk *disk, uint64_t generation)
{
	if (disk->state != DISK_IS_UP || disk->generation != generation)
		return;
	partition_event_text(disk->partition, EVENT_WARNING,
			     "disk %s: its monitor cannot open the channel; it "
			     "gets another",
			     disk->definition->name);
	note_channel_end(disk);
	disk_leave(disk);
}

/*
 * Which end is the hostile one cannot be known: neither is ended for it. The
 * disk alone waits, longer each time, and soon has an instance of its own.
 */
void disk_channel_broken(struct disk *disk, uint64_t generation,
			 const char *by_whom)
{
	if (disk->state != DISK_IS_UP || disk->generation != generation)
		return;
	partition_event_text(disk->partition, EVENT_WARNING,
			     "disk %s: its %s broke the channel; it gets a new "
			     "one",
			     disk->definition->name, by_whom);
	note_channel_end(disk);
	if (disk->channel_back_off.early_exits >= BROKEN_CHANNELS_MAX &&
	    !disk->is_alone) {
		disk->is_alone = true;
		service_settle(service_of(disk));
	}
	disk_leave(disk);
}

/* Every disk of every partition that has a monitor or is being drained. */
static void each_disk(struct supervisor *supervisor,
		      void (*visit)(struct disk *disk, void *context),
		      void *context)
{
	struct partition *partition, *next;

	for (partition = TAILQ_FIRST(&supervisor->partitions); partition;
	     partition = next) {
		next = TAILQ_NEXT(partition, link);
		for (unsigned i = 0; i < partition->disk_count; i++)
			visit(&partition->disks[i], context);
	}
}

static void visit_progress(struct disk *disk, void *context)
{
	if (disk->state == DISK_IS_FENCING || disk->state == DISK_IS_WAITING)
		progress(disk);
}

static void disks_progress(struct supervisor *supervisor)
{
	each_disk(supervisor, visit_progress, NULL);
}

static void visit_doomed(struct disk *disk, void *context)
{
	if (disk->instance == context)
		tell_monitor_down(disk, DISK_DOWN_HUNG);
}

static void disks_instance_doomed(struct supervisor *supervisor,
				  struct instance *instance)
{
	each_disk(supervisor, visit_doomed, instance);
}

static void visit_died(struct disk *disk, void *context)
{
	const struct instance *instance = context;

	if (disk->instance != instance)
		return;
	if (disk->is_wanted)
		loan_make(disk->partition->monitor, LOAN_MS);
	tell_monitor_down(disk, instance->process->has_crashed
					? DISK_DOWN_CRASHED
					: DISK_DOWN_KILLED);
	begin_fence(disk);
	progress(disk);
}

static void disks_instance_died(struct supervisor *supervisor,
				struct instance *instance)
{
	each_disk(supervisor, visit_died, instance);
}

static void visit_leave(struct disk *disk, void *context)
{
	if (disk->instance == context)
		disk_leave(disk);
}

static void disks_leave(struct supervisor *supervisor,
			struct instance *instance)
{
	each_disk(supervisor, visit_leave, instance);
}

struct settled_query {
	const struct service *service;
	bool is_settled;
};

static void visit_settled(struct disk *disk, void *context)
{
	struct settled_query *query = context;

	if (disk->is_wanted && disk->state != DISK_IS_UP &&
	    strcmp(disk->service, query->service->name) == 0)
		query->is_settled = false;
}

static bool disks_are_settled(struct supervisor *supervisor,
			      const struct service *service)
{
	struct settled_query query = { service, true };

	each_disk(supervisor, visit_settled, &query);
	return query.is_settled;
}

/* Messages of a disk service. */

static struct disk *find_attachment(struct process *process,
				    const struct attachment *attachment)
{
	struct instance *instance = process->owner;
	struct disk *disk = disk_find(process->supervisor, attachment->id);

	if (!disk || disk->instance != instance ||
	    disk->generation != attachment->generation)
		return NULL;
	return disk;
}

static int take_detached(void *data, struct message *message)
{
	struct disk *disk = find_attachment(data, (void *)message->body);
	struct instance *instance;

	if (!disk || disk->state != DISK_IS_DETACHING)
		return 0;
	instance = disk->instance;
	tell_monitor_down(disk, DISK_DOWN_DRAINED);
	begin_fence(disk);
	instance_client_left(instance);
	progress(disk);
	return 0;
}

static int take_peer_broken(void *data, struct message *message)
{
	struct disk *disk = find_attachment(data, (void *)message->body);

	if (disk)
		disk_channel_broken(disk, disk->generation, "monitor");
	return 0;
}

static int take_held(void *data, struct message *message)
{
	const struct attachment *attachment = (const void *)message->body;
	struct process *process = data;

	return instance_note_held(process->owner, attachment);
}

static const struct message_rule rules[] = {
	/* type               allowed in                   handler */
	{ MSG_DISK_DETACHED, IN_ANY_STATE, take_detached },
	{ MSG_DISK_PEER_BROKEN, IN_ANY_STATE, take_peer_broken },
	{ MSG_DISK_HELD, IN(PROCESS_EXPECTED), take_held },
};

static const struct process_ops instance_ops = {
	.rules = rules,
	.rule_count = sizeof(rules) / sizeof(rules[0]),
	.ready = instance_ready,
	.died = instance_died,
	.pong = instance_pong,
	.birth_ms = LOAN_MS,
};

static void found(struct supervisor *supervisor, struct instance *instance,
		  const struct attachment *attachment)
{
	struct disk *disk = disk_find(supervisor, attachment->id);

	if (!disk && instance_serves_kept(instance))
		return;
	if (disk &&
	    !placement_fits(instance->service, disk->definition->service)) {
		process_kill(instance->process,
			     "it claimed a disk of another service");
		return;
	}
	if (disk && !disk->instance) {
		disk_found(disk, instance, attachment->generation);
		return;
	}
	/* Of two who claim it, one lies: it is taken from both. */
	if (disk && disk->instance != instance)
		disk_leave(disk);
	process_tell(instance->process, MSG_DISK_DETACH, attachment);
}

const struct attachment_ops disk_attachments = {
	.role = ROLE_DISK,
	.instance = &instance_ops,
	.progress = disks_progress,
	.leave = disks_leave,
	.doomed = disks_instance_doomed,
	.died = disks_instance_died,
	.found = found,
	.is_settled = disks_are_settled,
};
