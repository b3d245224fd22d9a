/* SPDX-License-Identifier: MIT */
/* The messages that set a monitor up; launch.c has the rest of launch.h. */
#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "definition/rules.h"
#include "supervisor/child/engine.h"
#include "supervisor/errand/listener.h"
#include "supervisor/partition/hold.h"
#include "supervisor/partition/launch.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/supervisor.h"

static const struct partition_definition *
definition_of(const struct partition *partition)
{
	return &partition->record.definition;
}

static uint32_t count_units(const struct partition *partition, unsigned before)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < before; i++)
		count +=
			definition_of(partition)->disks[i].bus == DISK_BUS_SCSI;
	return count;
}

static void send_settings(struct partition *partition)
{
	const struct partition_definition *definition =
		definition_of(partition);
	struct monitor_settings settings = {
		.engine = partition->engine,
		.accelerator = partition->accelerator,
		.memory_bytes = definition->memory_bytes,
		.cpu_count = definition->cpu_count,
		.disk_count = definition->disk_count,
		.has_initrd = definition->initrd[0] != '\0',
		.has_huge_pages = definition->huge_pages,
	};

	if (count_units(partition, definition->disk_count))
		settings.scsi_queue_count = definition->scsi_queue_count;
	if (partition->engine == ENGINE_QEMU)
		(void)text_copy(
			settings.qemu, sizeof(settings.qemu),
			engine_probe_wait(partition->supervisor->probe)->qemu);
	memcpy(settings.cmdline, definition->cmdline, sizeof(settings.cmdline));
	process_tell(partition->monitor, MSG_MONITOR_CONFIGURE, &settings);
}

/* What the check has opened, if it has. */
static void hand_over(struct partition *partition, uint32_t type, int *fd)
{
	if (*fd != NO_FD)
		process_send(partition->monitor, type, 0, NULL, 0, fd, 1);
	close_fd(fd);
}

static void send_console(struct partition *partition)
{
	const struct console *console = &partition->console;
	struct console_ring ring = { .attachment = {
					     .id = console->binding.id } };
	const int fds[] = { console->memory, console->to_service,
			    console->to_monitor };

	memcpy(ring.partition, definition_of(partition)->name,
	       sizeof(ring.partition));
	process_send(partition->monitor, MSG_MONITOR_CONSOLE, 0, &ring,
		     sizeof(ring), fds, 3);
}

/* What its service reads is in the host's page cache, and no reservation or unit
 * attention is asked about it. */
static bool can_read_locally(const struct disk_definition *definition)
{
	return definition->local_reads == DISK_LOCAL_READS_ON &&
	       definition->cache == DISK_BUFFERED &&
	       definition->bus == DISK_BUS_BLK;
}

static void send_disk(struct partition *partition, struct disk *disk)
{
	const struct disk_definition *definition = disk->definition;
	struct monitor_disk message = {
		.attachment_id = disk->binding.id,
		.size_bytes = disk->facts.size_bytes,
		.index = disk->index,
		.read_only = rules_access_reads(definition->access),
		.logical_block_bytes = disk->facts.logical_block_bytes,
		.physical_block_bytes = disk->facts.physical_block_bytes,
		.outage = definition->outage.policy,
		.outage_ms = definition->outage.ms,
		.hang_ms = definition->hang_ms,
		.queue_count = definition->queue_count,
		.bus = definition->bus,
		.type = definition->type,
		.local_reads = can_read_locally(definition),
		.is_shared = disk_is_shared(disk),
	};

	if (definition->bus == DISK_BUS_SCSI)
		message.target = count_units(partition, disk->index);
	memcpy(message.name, definition->name, sizeof(message.name));
	(void)snprintf(message.serial, sizeof(message.serial), "bh-%llu",
		       (unsigned long long)disk->binding.id);
	process_send(partition->monitor, MSG_MONITOR_DISK, 0, &message,
		     sizeof(message), &disk->witness_fd, 1);
}

static void send_debt(struct partition *partition, struct disk *disk)
{
	const struct disk_channel channel = { .attachment_id = disk->binding.id,
					      .index = disk->index };

	if (hold_owes_error(disk))
		process_tell(partition->monitor, MSG_MONITOR_DISK_OWES,
			     &channel);
}

/* The socket that a foreign VMM connects to, at the path the user named. */
static int send_listener(struct partition *partition, struct refusal *refusal)
{
	SCOPED(close_fd) int fd = NO_FD;
	int r = listener_open(definition_of(partition)->vhost_user, &fd,
			      refusal);

	if (r == 0)
		hand_over(partition, MSG_MONITOR_LISTENER, &fd);
	return r;
}

int launch_send(struct partition *partition, struct refusal *refusal)
{
	int r = 0;

	send_settings(partition);
	if (partition->engine == ENGINE_FOREIGN)
		r = send_listener(partition, refusal);
	else
		send_console(partition);
	if (r < 0)
		return r;
	hand_over(partition, MSG_MONITOR_KERNEL, &partition->kernel_fd);
	hand_over(partition, MSG_MONITOR_INITRD, &partition->initrd_fd);
	hand_over(partition, MSG_MONITOR_KVM, &partition->kvm_fd);
	hand_over(partition, MSG_MONITOR_IMAGE, &partition->image_fd);
	for (unsigned i = 0; i < partition->disk_count; i++) {
		send_disk(partition, &partition->disks[i]);
		send_debt(partition, &partition->disks[i]);
		hold_listen(&partition->disks[i]);
	}
	for (unsigned i = 0; i < partition->nic_count; i++)
		nic_plan(&partition->nics[i]);
	process_send(partition->monitor, MSG_MONITOR_LAUNCH, 0, NULL, 0, NULL,
		     0);
	return 0;
}
