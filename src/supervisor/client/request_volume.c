/* SPDX-License-Identifier: MIT */
/* What clients may ask for of volumes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "control/definition_message.h"
#include "definition/value.h"
#include "supervisor/client/request_private.h"
#include "supervisor/service/volume.h"
#include "supervisor/storage/ledger_file.h"

/* Visit each disk of any partition that names the volume. */
typedef int disk_visitor(void *context, const struct partition *partition,
			 uint32_t index);

static int each_disk(struct supervisor *supervisor, const struct volume *volume,
		     disk_visitor *visit, void *context)
{
	const struct partition *partition;
	int r = 0;

	TAILQ_FOREACH(partition, &supervisor->partitions, link) {
		const struct partition_definition *definition =
			&partition->record.definition;

		for (uint32_t i = 0; r == 0 && i < definition->disk_count; i++)
			if (strcmp(definition->disks[i].volume,
				   volume->record.definition.name) == 0)
				r = visit(context, partition, i);
	}
	return r;
}

/* DETACHED when its partition has no monitor. */
static enum binding_state state_of(const struct partition *partition,
				   uint32_t index)
{
	return index < partition->disk_count
		       ? partition->disks[index].binding.state
		       : BINDING_DETACHED;
}

/* Definition. ----------------------------------------------------------------- */

static int check_service(struct request *request,
			 const struct volume_definition *definition)
{
	const struct service *service =
		service_find(request->supervisor, definition->service);

	if (service && service->role == ROLE_DISK)
		return 0;
	return refuse(&request->refusal, -EINVAL, "service",
		      "there is no disk service %s", definition->service);
}

static int check_new(struct request *request,
		     const struct volume_definition *definition)
{
	const struct volume *volume;
	unsigned count = 0;

	TAILQ_FOREACH(volume, &request->supervisor->volumes, link) {
		const struct volume_definition *other =
			&volume->record.definition;

		count++;
		if (strcmp(other->name, definition->name) == 0)
			return refuse(&request->refusal, -EEXIST, "volume",
				      "volume %s is already defined",
				      definition->name);
		if (strcmp(other->file, definition->file) == 0)
			return refuse(&request->refusal, -EBUSY, "file",
				      "is the file of volume %s", other->name);
	}
	if (count == VOLUME_COUNT_MAX)
		return refuse(&request->refusal, -ENOSPC, "volume",
			      "there are %u volumes already", count);
	return 0;
}

static int define(struct request *request,
		  const struct volume_definition *definition)
{
	struct supervisor *supervisor = request->supervisor;
	struct volume_record record = { .definition = *definition };
	struct volume *volume;
	int r;

	record.id = supervisor_next_attachment(supervisor);
	if (!record.id)
		return request_refuse_store(request, -EIO);
	volume = volume_new(&record);
	if (!volume)
		return refuse(&request->refusal, -ENOMEM, "", "out of memory");
	r = store_put_volume(supervisor->store, &record);
	if (r < 0) {
		free(volume);
		return request_refuse_store(request, r);
	}
	(void)failpoint("volume.stored");
	volume_add(supervisor, volume);
	return 0;
}

int request_volume_define(void *data, struct message *message)
{
	struct request *request = data;
	struct volume_definition definition;
	int r = definition_message_take(message, &definition,
					&request->refusal);

	if (r == 0)
		r = check_service(request, &definition);
	if (r == 0)
		r = check_new(request, &definition);
	if (r == 0)
		r = define(request, &definition);
	return request_answer(request, r);
}

struct volume *request_volume(struct request *request)
{
	const char *name = (const char *)request->message->body;
	struct volume *volume = volume_find(request->supervisor, name);

	if (!volume)
		(void)request_answer(request,
				     refuse(&request->refusal, -ENOENT, "name",
					    "there is no volume %s", name));
	return volume;
}

static int refuse_used(void *context, const struct partition *partition,
		       uint32_t index)
{
	struct request *request = context;
	const struct partition_definition *definition =
		&partition->record.definition;

	return refuse(&request->refusal, -EBUSY, "name",
		      "volume %s is disk %s of partition %s",
		      definition->disks[index].volume,
		      definition->disks[index].name, definition->name);
}

int request_volume_undefine(void *data, struct message *message)
{
	struct request *request = data;
	struct supervisor *supervisor = request->supervisor;
	struct volume *volume = request_volume(request);
	int r;

	if (!volume)
		return 0;
	r = each_disk(supervisor, volume, refuse_used, request);
	if (r < 0)
		return request_answer(request, r);
	r = store_delete_volume(supervisor->store,
				volume->record.definition.name);
	if (r < 0)
		return request_answer(request,
				      request_refuse_store(request, r));
	(void)failpoint("volume.deleted");
	/* Only now: until it is forgotten, its reservations are in force. One
	 * that stays behind is of a number that no other volume gets, and goes
	 * with this life of the host. */
	ledger_file_remove(supervisor->config.runtime_dir, volume->record.id);
	volume_free(supervisor, volume);
	return request_answer(request, 0);
}

/* Rows. ------------------------------------------------------------------------ */

static int count_disk(void *context, const struct partition *partition,
		      uint32_t index)
{
	struct volume_row *row = context;

	row->disk_count++;
	row->disks_up += state_of(partition, index) == BINDING_UP;
	return 0;
}

static void report_volume(struct request *request, const struct volume *volume)
{
	struct volume_row row = { .id = volume->record.id };

	(void)each_disk(request->supervisor, volume, count_disk, &row);
	ticket_definition(request->supervisor, &request->ticket, MSG_VOLUME_ROW,
			  &row, &volume->record.definition);
}

int request_volume_list(void *data, struct message *message)
{
	struct request *request = data;
	const struct volume *volume;

	TAILQ_FOREACH(volume, &request->supervisor->volumes, link)
		report_volume(request, volume);
	return request_answer(request, 0);
}

static int report_disk(void *context, const struct partition *partition,
		       uint32_t index)
{
	const struct disk_definition *disk =
		&partition->record.definition.disks[index];
	struct request *request = context;
	struct volume_disk_row row = { 0 };
	char access[VALUE_SIZE];

	(void)field_value(record_find(&disk_record, "access"), disk, access);
	memcpy(row.partition, partition->record.definition.name,
	       sizeof(row.partition));
	memcpy(row.disk, disk->name, sizeof(row.disk));
	(void)text_copy(row.access, sizeof(row.access), access);
	(void)snprintf(row.state, sizeof(row.state), "%s",
		       binding_state_name(state_of(partition, index)));
	ticket_row(request->supervisor, &request->ticket, MSG_VOLUME_DISK_ROW,
		   &row, NULL);
	return 0;
}

int request_volume_show(void *data, struct message *message)
{
	struct request *request = data;
	const struct volume *volume = request_volume(request);

	if (!volume)
		return 0;
	report_volume(request, volume);
	(void)each_disk(request->supervisor, volume, report_disk, request);
	return request_answer(request, 0);
}
