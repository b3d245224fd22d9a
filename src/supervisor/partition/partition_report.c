/* SPDX-License-Identifier: MIT */
#include "supervisor/partition/partition_report.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "definition/rules.h"
#include "supervisor/partition/redefine.h"
#include "supervisor/partition/save.h"
#include "supervisor/service/volume.h"
#include "supervisor/supervisor.h"

/* What a state and its reason do not say. */
static void tell_pending(const struct partition *partition,
			 struct partition_row *row)
{
	const char *text = NULL;

	if (partition->end.is_pending)
		text = "waiting for I/O of its disks to leave the kernel";
	else if (partition->uninstall)
		text = "is being uninstalled";
	else if (partition->is_half_uninstalled)
		text = "partly uninstalled; uninstall it again";
	if (text)
		(void)snprintf(row->reason, sizeof(row->reason), "%s", text);
}

/* Until its processors run it takes no verb, and is not called running. */
static enum partition_state state_to_tell(const struct partition *partition)
{
	return restore_is_unfinished(partition)
		       ? PARTITION_RESTORING
		       : partition->record.lifecycle.state;
}

void report_partition(const struct partition *partition,
		      const struct ticket *ticket)
{
	const struct partition_definition *definition =
		&partition->record.definition;
	enum partition_state state = state_to_tell(partition);
	struct partition_row row = {
		.state = state,
		.engine = partition->engine,
		.engine_pid = partition->engine_pid,
		.cpu_count = definition->cpu_count,
		.disk_count = definition->disk_count,
		.restarts = partition->record.restarts,
		.memory_bytes = definition->memory_bytes,
	};

	if (partition->monitor) {
		row.monitor_pid = (uint32_t)partition->monitor->pid;
		row.running_ms =
			(clock_now_ns() - partition->monitor->started_ns) /
			NS_PER_MS;
	}
	for (unsigned i = 0; i < partition->disk_count; i++)
		row.disks_up += partition->disks[i].binding.state == BINDING_UP;
	memcpy(row.name, definition->name, sizeof(row.name));
	(void)snprintf(row.state_name, sizeof(row.state_name), "%s",
		       partition_state_name(state));
	memcpy(row.reason, partition->record.reason, sizeof(row.reason));
	tell_pending(partition, &row);
	ticket_row(partition->supervisor, ticket, MSG_PARTITION_ROW, &row,
		   NULL);
}

void report_definition(const struct partition *partition,
		       const struct ticket *ticket)
{
	struct partition_document document;
	static const struct definition_head head;

	partition_document(partition, &document);
	ticket_definition(partition->supervisor, ticket, MSG_PARTITION_DEFINED,
			  &head, &document);
}

static void fill_live(struct disk_row *row, const struct disk *disk)
{
	row->counters = disk->counters;
	row->counters.generation = disk->binding.generation;
	row->counters.attachment_id = disk->binding.id;
	row->counters.index = disk->index;
	row->counters.is_up = disk->binding.state == BINDING_UP;
	row->size_bytes = disk->facts.size_bytes;
	if (disk->binding.instance)
		row->instance_pid =
			(uint32_t)disk->binding.instance->process->pid;
}

void report_disks(const struct partition *partition,
		  const struct ticket *ticket)
{
	const struct partition_definition *definition =
		&partition->record.definition;
	enum partition_state state = partition->record.lifecycle.state;

	if (state == PARTITION_UNINSTALLED)
		return;
	for (unsigned i = 0; i < definition->disk_count; i++) {
		const struct disk_definition resolved = volume_resolve(
			partition->supervisor, &definition->disks[i]);
		const struct disk_definition *disk = &resolved;
		struct disk_row row = {
			.size_bytes = disk->size_bytes,
			.read_only = rules_access_reads(disk->access),
		};
		enum binding_state disk_state = BINDING_DETACHED;

		memcpy(row.partition, definition->name, sizeof(row.partition));
		memcpy(row.disk, disk->name, sizeof(row.disk));
		memcpy(row.service, disk->service, sizeof(row.service));
		memcpy(row.file, disk->file, sizeof(row.file));
		if (i < partition->disk_count) {
			disk_state = partition->disks[i].binding.state;
			memcpy(row.service, partition->disks[i].service,
			       sizeof(row.service));
			fill_live(&row, &partition->disks[i]);
		}
		(void)snprintf(row.state, sizeof(row.state), "%s",
			       binding_state_name(disk_state));
		ticket_row(partition->supervisor, ticket, MSG_DISK_ROW, &row,
			   NULL);
	}
}

static void report_nics(const struct partition *partition,
			const struct ticket *ticket)
{
	for (unsigned i = 0; i < partition->nic_count; i++) {
		const struct nic *nic = &partition->nics[i];
		struct nic_row row = { .counters = nic->counters };

		memcpy(row.partition, partition->record.definition.name,
		       sizeof(row.partition));
		(void)snprintf(row.state, sizeof(row.state), "%s",
			       binding_state_name(nic->binding.state));
		row.counters.attachment_id = nic->binding.id;
		row.counters.generation = nic->binding.generation;
		row.counters.index = nic->index;
		row.counters.is_up = nic->binding.state == BINDING_UP;
		ticket_definition(partition->supervisor, ticket, MSG_NIC_ROW,
				  &row, &nic->definition);
	}
}

static bool concerns(const struct process *process,
		     const struct partition *partition)
{
	if (!partition || process == partition->monitor)
		return true;
	if (binding_is_with(&partition->console.binding, process))
		return true;
	for (unsigned i = 0; i < partition->disk_count; i++)
		if (binding_is_with(&partition->disks[i].binding, process))
			return true;
	for (unsigned i = 0; i < partition->nic_count; i++)
		if (binding_is_with(&partition->nics[i].binding, process))
			return true;
	return false;
}

void report_layers(struct supervisor *supervisor,
		   const struct partition *partition,
		   const struct ticket *ticket)
{
	struct process *process;

	TAILQ_FOREACH(process, &supervisor->processes, link) {
		struct layer_row row = { .pid = (uint32_t)process->pid,
					 .layers = process->layers,
					 .missing = process->missing };

		if (!concerns(process, partition))
			continue;
		process_title(process, row.process, sizeof(row.process));
		ticket_row(supervisor, ticket, MSG_LAYER_ROW, &row, NULL);
	}
}

static void report_emulations(const struct partition *partition,
			      const struct ticket *ticket)
{
	for (unsigned i = 0; i < partition->emulation_count; i++)
		ticket_row(partition->supervisor, ticket, MSG_EMULATION_ROW,
			   &partition->emulations[i], NULL);
}

static void report_image(const struct partition *partition,
			 const struct ticket *ticket)
{
	const struct saved_image *image = &partition->record.image;
	const struct image_row row = { .saved_us = image->saved_us,
				       .bytes = image->bytes };

	if (image->saved_us)
		ticket_row(partition->supervisor, ticket, MSG_IMAGE_ROW, &row,
			   NULL);
}

void report_show(const struct partition *partition, struct ticket *ticket)
{
	report_partition(partition, ticket);
	report_definition(partition, ticket);
	report_disks(partition, ticket);
	report_nics(partition, ticket);
	report_layers(partition->supervisor, partition, ticket);
	report_emulations(partition, ticket);
	report_image(partition, ticket);
	ticket_done(partition->supervisor, ticket);
}
