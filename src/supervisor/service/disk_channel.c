/* SPDX-License-Identifier: MIT */
/* A channel of a disk, and what its two ends are told of it. */
#include <string.h>

#include "base/failpoint.h"
#include "channel/channel.h"
#include "supervisor/partition/partition.h"
#include "supervisor/service/disk_private.h"

/* Room for 128 requests of the largest chunk; pages cost only when touched. */
#define CHANNEL_SLOTS        256
#define CHANNEL_BUFFER_BYTES (8u << 20)

void disk_tell_down(struct disk *disk, enum disk_down_cause cause)
{
	struct disk_down down = { .attachment_id = disk->binding.id,
				  .generation = disk->binding.generation,
				  .index = disk->index,
				  .cause = cause };

	if (disk->binding.is_wanted)
		process_tell(disk->partition->monitor, MSG_MONITOR_DISK_DOWN,
			     &down);
}

int disk_prepare(struct binding *binding, uint64_t generation,
		 struct handover *handover)
{
	struct disk *disk = disk_of(binding);
	struct channel_shape shape = { .kind = CHANNEL_KIND_DISK,
				       .slot_count = CHANNEL_SLOTS,
				       .buffer_bytes = CHANNEL_BUFFER_BYTES,
				       .generation = (uint32_t)generation };
	int r;

	(void)failpoint("recovery.handover.before");
	r = storage_open_generation(disk->witness_fd, binding->id,
				    disk->definition, &handover->file);
	if (r < 0)
		return r;
	r = channel_create(&shape, &handover->ends[0]);
	return r < 0 ? r : handover_make_events(handover);
}

static void tell_service(struct disk *disk, struct instance *instance,
			 const struct handover *handover)
{
	struct disk_attach attach = {
		.attachment = binding_attachment(&disk->binding),
		.size_bytes = disk->facts.size_bytes,
		.read_only = disk->definition->access == DISK_READ_ONLY,
		.direct = disk->definition->cache == DISK_DIRECT,
		.logical_block_bytes = disk->facts.logical_block_bytes,
		.is_block_device = disk->facts.is_block_device,
	};
	const int fds[] = { handover->file, handover->ends[0],
			    handover->ends[1], handover->ends[2] };

	memcpy(attach.partition, disk->partition->record.definition.name,
	       sizeof(attach.partition));
	memcpy(attach.disk, disk->definition->name, sizeof(attach.disk));
	process_send(instance->process, MSG_DISK_ATTACH, 0, &attach,
		     sizeof(attach), fds, 4);
}

static void tell_monitor_up(struct disk *disk, const struct handover *handover)
{
	struct disk_channel channel = { .attachment_id = disk->binding.id,
					.generation = disk->binding.generation,
					.index = disk->index,
					.is_alone = disk->is_alone };

	process_send(disk->partition->monitor, MSG_MONITOR_DISK_UP, 0, &channel,
		     sizeof(channel), handover->ends, 3);
}

void disk_tell_both(struct binding *binding, struct instance *instance,
		    const struct handover *handover)
{
	tell_service(disk_of(binding), instance, handover);
	(void)failpoint("recovery.handover.between");
	tell_monitor_up(disk_of(binding), handover);
}

void disk_tell_leaving(struct binding *binding)
{
	disk_tell_down(disk_of(binding), DISK_DOWN_LEAVING);
}

/* One that nobody wants is closed next. */
void disk_tell_service_to_leave(struct binding *binding)
{
	binding_tell(binding,
		     binding->is_wanted ? MSG_DISK_DETACH : MSG_DISK_RELEASE);
}
