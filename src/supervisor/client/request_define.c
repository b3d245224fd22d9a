/* SPDX-License-Identifier: MIT */
/* What clients may ask for of definitions. */
#include <errno.h>
#include <string.h>

#include "base/scope.h"
#include "definition/check.h"
#include "supervisor/client/request_private.h"
#include "supervisor/partition/check.h"
#include "supervisor/partition/partition_private.h"

static bool has_service(void *context, const char *name)
{
	const struct service *service = service_find(context, name);

	return service && service->role == ROLE_DISK;
}

/* Two partitions cannot listen at one path. */
static int check_socket(struct request *request,
			const struct partition_definition *definition)
{
	const struct partition *other;

	if (!definition->vhost_user[0])
		return 0;
	TAILQ_FOREACH(other, &request->supervisor->partitions, link)
		if (strcmp(other->record.definition.vhost_user,
			   definition->vhost_user) == 0)
			return refuse(&request->refusal, -EEXIST, "vhost-user",
				      "is the socket of partition %s",
				      other->record.definition.name);
	return 0;
}

static int check_document(struct request *request,
			  const struct partition_document *document)
{
	const struct partition_definition *definition = &document->partition;
	struct supervisor *supervisor = request->supervisor;
	int r = definition_check(&partition_record, document, "",
				 &request->refusal);

	if (r == 0)
		r = check_definition_services(definition, has_service,
					      supervisor, &request->refusal);
	if (r == 0)
		r = request_check_nics(request, document);
	if (r == 0 && partition_find(supervisor, definition->name))
		r = refuse(&request->refusal, -EEXIST, "partition",
			   "partition %s is defined already", definition->name);
	return r < 0 ? r : check_socket(request, definition);
}

static int define(struct request *request,
		  const struct partition_document *document)
{
	struct supervisor *supervisor = request->supervisor;
	SCOPED(store_scope_end) struct store_scope scope = { 0 };
	struct partition_record record = { .definition = document->partition };
	struct partition *partition;
	int r;

	r = check_document(request, document);
	if (r == 0)
		r = lifecycle_apply(&record.lifecycle, PARTITION_EVENT_DEFINE);
	if (r < 0)
		return r;
	partition = partition_new(supervisor, &record);
	if (!partition)
		return refuse(&request->refusal, -ENOMEM, "", "out of memory");
	partition_occupy(partition);
	console_log_remove(supervisor, record.definition.name);
	r = store_scope_begin(&scope, supervisor->store);
	if (r == 0)
		r = store_put_partition(supervisor->store, &record);
	for (uint32_t i = 0; r == 0 && i < document->nic_count; i++)
		r = request_add_nic(partition, &document->nics[i]);
	if (r == 0)
		r = store_scope_commit(&scope);
	partition_vacate(partition);
	if (r == 0)
		return 0;
	partition_free(partition);
	return request_refuse_store(request, r);
}

int request_define(void *data, struct message *message)
{
	struct partition_document document = { 0 };

	memcpy(&document.partition, message->body, sizeof(document.partition));
	return request_answer(data, define(data, &document));
}

int request_define_whole(void *data, struct message *message)
{
	struct partition_document document;

	memcpy(&document, message->body, sizeof(document));
	return request_answer(data, define(data, &document));
}
