/* SPDX-License-Identifier: MIT */
#include "supervisor/service/disk_private.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/scope.h"
#include "supervisor/errand/errand.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/service/placement.h"
#include "supervisor/service/volume.h"
#include "supervisor/supervisor.h"

#define FENCE_POLL_FIRST_MS 1
#define FENCE_POLL_MOST_MS  20
#define FENCE_PATIENCE_NS   (10 * NS_PER_S)
/* Broken channels in a row after which a disk gets an instance of its own. */
#define BROKEN_CHANNELS_MAX 3
/* A channel that lasted longer ends the row. */
#define CHANNEL_EARLY_NS (60 * NS_PER_S)

static struct service *service_of(const struct disk *disk)
{
	return service_find(disk->binding.supervisor, disk->service);
}

void disk_resolve(struct disk *disk, const struct disk_definition *definition)
{
	disk->volume =
		volume_find(disk->binding.supervisor, definition->volume);
	disk->definition = definition;
	if (!disk->volume)
		return;
	disk->resolved = volume_resolve(disk->binding.supervisor, definition);
	disk->definition = &disk->resolved;
}

/* All disks of a volume are where one is, alone if that one is. */
static int join(void *context, struct disk *sibling)
{
	struct disk *disk = context;

	if (sibling->witness_fd == NO_FD)
		return 0;
	memcpy(disk->service, sibling->service, sizeof(disk->service));
	disk->is_alone = sibling->is_alone;
	return 1;
}

int disk_choose_service(struct disk *disk, struct refusal *ret_refusal)
{
	struct service *service;
	int r;

	if (volume_each_sibling(disk, join, disk))
		return 0;
	r = placement_find(disk->binding.supervisor, disk->definition->service,
			   disk, &service, ret_refusal);

	if (r == 0)
		memcpy(disk->service, service->name, sizeof(disk->service));
	return r;
}

void disk_changed(struct disk *disk)
{
	const struct disk_definition *definition =
		&disk->partition->record.definition.disks[disk->index];
	const struct disk_settings settings = {
		.attachment_id = disk->binding.id,
		.index = disk->index,
		.outage = definition->outage.policy,
		.outage_ms = definition->outage.ms,
		.hang_ms = definition->hang_ms,
	};

	disk_resolve(disk, definition);
	if (disk->partition->monitor)
		process_tell(disk->partition->monitor, MSG_MONITOR_DISK_SET,
			     &settings);
}

/* It is FENCING by now. */
static void begin_fence(struct disk *disk)
{
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
	int lifted = disk->witness_fd == NO_FD
			     ? 1
			     : storage_fence_is_lifted(disk->witness_fd,
						       disk->binding.id,
						       disk->definition);

	if (lifted != 1) {
		tell_slow_fence(disk);
		binding_progress_later(&disk->binding, disk->fence_poll_ms);
		if (disk->fence_poll_ms < FENCE_POLL_MOST_MS)
			disk->fence_poll_ms *= 2;
		return;
	}
	binding_lift(&disk->binding);
	if (!disk->binding.is_wanted)
		disk->owner->released(disk->partition);
}

static int hand_over(struct disk *disk, struct instance *instance)
{
	int r = binding_hand_over(&disk->binding, instance);

	if (r < 0)
		return r;
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
	binding_progress_later(&disk->binding,
			       r < 0 ? BINDING_RETRY_MS : FENCE_POLL_FIRST_MS);
}

/* One that is up says where its volume is. */
static int follow(void *context, struct disk *sibling)
{
	struct disk *disk = context;

	if (sibling->binding.state != BINDING_UP)
		return 0;
	memcpy(disk->service, sibling->binding.instance->service->name,
	       sizeof(disk->service));
	disk->is_alone = sibling->is_alone;
	return 1;
}

static struct instance *instance_of(struct disk *disk)
{
	(void)volume_each_sibling(disk, follow, disk);
	return service_instance_for(service_of(disk), disk);
}

static void find_instance(struct disk *disk)
{
	struct instance *instance = instance_of(disk);
	int r;

	if (!instance)
		return;
	if (instance->client_count >= DISK_SERVICE_DISKS_MAX) {
		move_beside(disk);
		return;
	}
	if (binding_must_wait(&disk->binding))
		return;
	if (volume_must_wait(disk, instance)) {
		binding_progress_later(&disk->binding, FENCE_POLL_MOST_MS / 4);
		return;
	}
	r = hand_over(disk, instance);
	if (r == -EAGAIN) {
		binding_apply(&disk->binding, BINDING_EVENT_BLOCKED);
		begin_fence(disk);
	} else if (r < 0) {
		partition_event_text(disk->partition, EVENT_ERROR,
				     "disk %s cannot be attached to its "
				     "service, retrying: %s",
				     disk->definition->name, strerror(-r));
	}
	if (r < 0)
		binding_progress_later(&disk->binding,
				       r == -EAGAIN ? FENCE_POLL_FIRST_MS
						    : BINDING_RETRY_MS);
}

/* The drain of a disk that nobody uses may hang with its service. */
static void check_drain(struct disk *disk)
{
	instance_check(disk->binding.instance, disk->definition->hang_ms);
	binding_progress_later(&disk->binding, disk->definition->hang_ms);
}

static void progress(struct disk *disk)
{
	disk->binding.timer =
		sd_event_source_disable_unref(disk->binding.timer);
	if (disk->binding.state == BINDING_DETACHING)
		check_drain(disk);
	if (disk->binding.state == BINDING_FENCING)
		poll_fence(disk);
	if (disk->binding.state == BINDING_WAITING && disk->binding.is_wanted)
		find_instance(disk);
}

void disk_may_be_served(struct disk *disk)
{
	if (disk->binding.state != BINDING_DETACHED)
		return;
	binding_apply(&disk->binding, BINDING_EVENT_CLAIM);
	begin_fence(disk);
}

void disk_want(struct disk *disk)
{
	disk->binding.is_wanted = true;
	disk_may_be_served(disk);
	progress(disk);
}

static void tell_leave(struct binding *binding)
{
	disk_tell_service_to_leave(binding);
	check_drain(disk_of(binding));
}

static void on_time(struct binding *binding)
{
	progress(disk_of(binding));
}

void disk_unwant(struct disk *disk)
{
	struct binding *binding = &disk->binding;

	binding_want(binding, false);
	if (binding->state == BINDING_UP)
		binding_leave(binding);
	else if (binding->state == BINDING_DETACHING)
		disk_tell_service_to_leave(binding);
	else if (binding->state == BINDING_FENCING)
		progress(disk);
	else
		disk->owner->released(disk->partition);
}

/* Another disk of its volume for which its instance goes on. */
static int find_alone(void *context, struct disk *sibling)
{
	struct disk **found = context;

	if (sibling->is_alone)
		*found = sibling;
	return sibling->is_alone;
}

void disk_release(struct disk *disk)
{
	struct disk *heir = NULL;

	binding_release(&disk->binding);
	(void)volume_each_sibling(disk, find_alone, &heir);
	if (disk->is_alone && service_of(disk))
		service_rejoin(service_of(disk), disk, heir);
	disk->is_alone = false;
	errand_close(disk->binding.supervisor->errands, &disk->witness_fd);
}

static int set_alone(void *context, struct disk *disk)
{
	disk->is_alone = true;
	return 0;
}

static int leave(void *context, struct disk *disk)
{
	binding_leave(&disk->binding);
	return 0;
}

/* With all of its volume. */
static void move_alone(struct disk *disk)
{
	disk->is_alone = true;
	(void)volume_each_sibling(disk, set_alone, NULL);
	service_settle(service_of(disk));
	(void)volume_each_sibling(disk, leave, NULL);
}

void disk_poisoned(struct disk *disk, uint64_t generation)
{
	if (disk->is_alone)
		return;
	partition_event_text(disk->partition, EVENT_WARNING,
			     "disk %s: %s crashed three times over a request; "
			     "it gets an instance of its own",
			     disk->definition->name, disk->service);
	move_alone(disk);
	binding_leave(&disk->binding);
}

void disk_channel_refused(struct disk *disk, uint64_t generation)
{
	if (!binding_is_up(&disk->binding, generation))
		return;
	partition_event_text(disk->partition, EVENT_WARNING,
			     "disk %s: its monitor cannot open the channel; "
			     "creating another",
			     disk->definition->name);
	binding_note_end(&disk->binding, CHANNEL_EARLY_NS);
	binding_leave(&disk->binding);
}

/*
 * Which end is the hostile one cannot be known: neither is ended for it. The
 * disk alone waits, longer each time, and soon has an instance of its own.
 */
void disk_channel_broken(struct disk *disk, uint64_t generation,
			 const char *by_whom)
{
	if (!binding_is_up(&disk->binding, generation))
		return;
	partition_event_text(disk->partition, EVENT_WARNING,
			     "disk %s: its %s violated the channel protocol; "
			     "creating a new one",
			     disk->definition->name, by_whom);
	binding_note_end(&disk->binding, CHANNEL_EARLY_NS);
	if (disk->binding.back_off.early_exits >= BROKEN_CHANNELS_MAX &&
	    !disk->is_alone)
		move_alone(disk);
	binding_leave(&disk->binding);
}

static struct binding *find(struct supervisor *supervisor, uint64_t id)
{
	struct partition *partition;

	TAILQ_FOREACH(partition, &supervisor->partitions, link)
		for (unsigned i = 0; i < partition->disk_count; i++)
			if (partition->disks[i].binding.id == id)
				return &partition->disks[i].binding;
	return NULL;
}

static void disks_progress(struct supervisor *supervisor)
{
	struct partition *partition, *next;

	for (partition = TAILQ_FIRST(&supervisor->partitions); partition;
	     partition = next) {
		next = TAILQ_NEXT(partition, link);
		for (unsigned i = 0; i < partition->disk_count; i++) {
			struct disk *disk = &partition->disks[i];

			if (disk->binding.state == BINDING_FENCING ||
			    disk->binding.state == BINDING_WAITING)
				progress(disk);
		}
	}
}

static void doomed(struct binding *binding)
{
	disk_tell_down(disk_of(binding), DISK_DOWN_HUNG);
}

static void lost(struct binding *binding, enum binding_loss loss)
{
	struct disk *disk = disk_of(binding);

	if (loss == BINDING_DIED && binding->is_wanted)
		loan_make(disk->partition->monitor, LOAN_MS);
	if (loss == BINDING_DRAINED)
		disk_tell_down(disk, DISK_DOWN_DRAINED);
	else
		disk_tell_down(disk, binding->instance->process->has_crashed
					     ? DISK_DOWN_CRASHED
					     : DISK_DOWN_KILLED);
	binding_lose(binding);
	begin_fence(disk);
	progress(disk);
}

static void peer_broken(struct binding *binding)
{
	disk_channel_broken(disk_of(binding), binding->generation, "monitor");
}

static bool fits(const struct binding *binding, const struct service *service)
{
	return placement_fits(service, disk_of(binding)->definition->service);
}

static void found(struct binding *binding, struct instance *instance,
		  uint64_t generation)
{
	memcpy(disk_of(binding)->service, instance->service->name, NAME_SIZE);
	binding_found(binding, instance, generation);
}

const struct binding_ops disk_binding = {
	.prepare = disk_prepare,
	.tell_both = disk_tell_both,
	.tell_leaving = disk_tell_leaving,
	.tell_leave = tell_leave,
	.progress = on_time,
	.fits = fits,
	.found = found,
	.doomed = doomed,
	.lost = lost,
	.peer_broken = peer_broken,
};

static bool disks_are_settled(struct supervisor *supervisor,
			      const struct service *service)
{
	const struct partition *partition;

	TAILQ_FOREACH(partition, &supervisor->partitions, link)
		for (unsigned i = 0; i < partition->disk_count; i++) {
			const struct disk *disk = &partition->disks[i];

			if (disk->binding.is_wanted &&
			    disk->binding.state != BINDING_UP &&
			    strcmp(disk->service, service->name) == 0)
				return false;
		}
	return true;
}

static const struct message_rule rules[] = {
	/* type               allowed in                   handler */
	{ MSG_DISK_DETACHED, IN_ANY_STATE, instance_take_detached },
	{ MSG_DISK_PEER_BROKEN, IN_ANY_STATE, instance_take_peer_broken },
	{ MSG_DISK_HELD, IN(PROCESS_EXPECTED), instance_take_held },
};

const struct attachment_ops disk_attachments = {
	.role = ROLE_DISK,
	.instance = INSTANCE_OPS(rules, LOAN_MS),
	.detach = MSG_DISK_DETACH,
	.find = find,
	.progress = disks_progress,
	.must_keep = true,
	.is_settled = disks_are_settled,
};
