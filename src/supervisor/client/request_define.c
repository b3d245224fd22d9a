/* SPDX-License-Identifier: MIT */
/* What clients may ask for of definitions. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/definition_message.h"
#include "definition/compare.h"
#include "supervisor/client/request_private.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/partition/redefine.h"

static int check_services(struct request *request,
			  const struct partition_definition *definition)
{
	for (uint32_t i = 0; i < definition->disk_count; i++) {
		const struct disk_definition *disk = &definition->disks[i];
		const char *name = disk->service;
		const struct service *service =
			service_find(request->supervisor, name);
		char field[32];

		if (disk->volume[0]) {
			(void)snprintf(field, sizeof(field), "disks[%u].volume",
				       i);
			if (volume_find(request->supervisor, disk->volume))
				continue;
			return refuse(&request->refusal, -EINVAL, field,
				      "there is no volume %s", disk->volume);
		}
		if (service && service->role == ROLE_DISK)
			continue;
		(void)snprintf(field, sizeof(field), "disks[%u].service", i);
		return refuse(&request->refusal, -EINVAL, field,
			      "there is no disk service %s", name);
	}
	return 0;
}

/* Two partitions cannot listen at one path; `self` is the one that changes. */
static int check_socket(struct request *request,
			const struct partition_definition *definition,
			const struct partition *self)
{
	const struct partition *other;

	if (!definition->vhost_user[0])
		return 0;
	TAILQ_FOREACH(other, &request->supervisor->partitions, link)
		if (other != self && strcmp(other->record.definition.vhost_user,
					    definition->vhost_user) == 0)
			return refuse(&request->refusal, -EEXIST, "vhost-user",
				      "is the socket of partition %s",
				      other->record.definition.name);
	return 0;
}

/* Of a new partition, or of one that changes. */
static int check_document(struct request *request,
			  const struct partition_document *document,
			  const struct partition *self)
{
	const struct partition_definition *definition = &document->partition;
	struct supervisor *supervisor = request->supervisor;
	int r = check_services(request, definition);

	if (r == 0)
		r = request_check_nics(request, document, self);
	if (r == 0 && partition_find(supervisor, definition->name) != self)
		r = refuse(&request->refusal, -EEXIST, "partition",
			   "partition %s is already defined", definition->name);
	return r < 0 ? r : check_socket(request, definition, self);
}

static int define(struct request *request,
		  const struct partition_document *document)
{
	struct supervisor *supervisor = request->supervisor;
	struct partition_record record = { .definition = document->partition };
	struct partition *partition;
	int r;

	r = check_document(request, document, NULL);
	if (r == 0)
		r = lifecycle_apply(&record.lifecycle, PARTITION_EVENT_DEFINE);
	if (r < 0)
		return r;
	partition = partition_new(supervisor, &record);
	if (!partition)
		return refuse(&request->refusal, -ENOMEM, "", "out of memory");
	partition_occupy(partition);
	console_log_remove(supervisor, record.definition.name);
	r = partition_set_document(partition, document);
	partition_vacate(partition);
	if (r == 0)
		return 0;
	partition_free(partition);
	return request_refuse_store(request, r);
}

int request_define(void *data, struct message *message)
{
	struct request *request = data;
	struct partition_document document;
	int r = definition_message_take(message, &document, &request->refusal);

	return request_answer(request, r < 0 ? r : define(request, &document));
}

/* What the client changed is what is there still. */
static int check_expected(struct request *request,
			  const struct partition *partition, uint64_t expected)
{
	struct partition_document now;

	partition_document(partition, &now);
	if (!expected || expected == document_digest(&now))
		return 0;
	return refuse(&request->refusal, -EBUSY, "",
		      "partition %s has been changed meanwhile; try again",
		      partition->record.definition.name);
}

int request_redefine(void *data, struct message *message)
{
	const struct definition_head *head = (const void *)message->body;
	struct request *request = data;
	struct partition *partition = request_partition(request);
	struct partition_document document;
	int r;

	if (!partition)
		return 0;
	r = definition_message_take(message, &document, &request->refusal);
	if (r < 0)
		return request_answer(request, r);
	partition_keep_macs(partition, &document);
	r = check_expected(request, partition, head->expected);
	if (r == 0)
		r = check_document(request, &document, partition);
	if (r == 0)
		r = partition_redefine(partition, &document, &request->refusal);
	return request_answer(request, r);
}
