/* SPDX-License-Identifier: MIT */
/* How a service is removed: only one that nothing needs. And children of no
 * service of ours. */
#include <errno.h>
#include <string.h>

#include "base/count.h"
#include "supervisor/child/quarantine.h"
#include "supervisor/client/request_private.h"

/* Made again when they are missing. */
static const char *const defaults[] = { DEFAULT_DISK_SERVICE, CONSOLE_SERVICE,
					DEFAULT_NET_SERVICE };

static bool is_default(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(defaults); i++)
		if (strcmp(defaults[i], name) == 0)
			return true;
	return false;
}

static bool has_disk_at(const struct partition *partition, const char *service)
{
	const struct partition_definition *definition =
		&partition->record.definition;

	for (uint32_t i = 0; i < definition->disk_count; i++)
		if (strcmp(definition->disks[i].service, service) == 0)
			return true;
	/* Those beside another are named by nobody. */
	for (unsigned i = 0; i < partition->disk_count; i++)
		if (strcmp(partition->disks[i].service, service) == 0)
			return true;
	return false;
}

static int check_unused(struct request *request, const struct service *service)
{
	struct supervisor *supervisor = request->supervisor;
	const struct partition *partition;
	const struct instance *instance;
	const struct network *network;
	const struct volume *volume;

	TAILQ_FOREACH(partition, &supervisor->partitions, link)
		if (has_disk_at(partition, service->name))
			return refuse(&request->refusal, -EBUSY, "name",
				      "partition %s has a disk that service %s "
				      "serves",
				      partition->record.definition.name,
				      service->name);
	TAILQ_FOREACH(volume, &supervisor->volumes, link)
		if (strcmp(volume->record.definition.service, service->name) ==
		    0)
			return refuse(&request->refusal, -EBUSY, "name",
				      "volume %s is served by service %s",
				      volume->record.definition.name,
				      service->name);
	TAILQ_FOREACH(network, &supervisor->networks, link)
		if (strcmp(network->record.definition.service, service->name) ==
		    0)
			return refuse(&request->refusal, -EBUSY, "name",
				      "switch %s is a part of service %s",
				      network->record.definition.name,
				      service->name);
	TAILQ_FOREACH(instance, &service->instances, link)
		if (instance->client_count > 0)
			return refuse(&request->refusal, -EBUSY, "name",
				      "service %s has clients", service->name);
	return 0;
}

static int check_removal(struct request *request, const struct service *service)
{
	if (is_default(service->name))
		return refuse(&request->refusal, -EBUSY, "name",
			      "service %s is a default, which is always there",
			      service->name);
	if (service->restart_ticket.client)
		return refuse(&request->refusal, -EBUSY, "name",
			      "a restart of %s is in progress", service->name);
	return check_unused(request, service);
}

int request_service_remove(void *data, struct message *message)
{
	struct request *request = data;
	struct supervisor *supervisor = request->supervisor;
	struct service *service = request_service(request);
	int r;

	if (!service)
		return 0;
	r = check_removal(request, service);
	if (r < 0)
		return request_answer(request, r);
	service->is_unwanted = true;
	r = store_delete_service(supervisor->store, service->name);
	service->is_unwanted = false;
	if (r < 0 && r != -ENOENT)
		return request_answer(request,
				      request_refuse_store(request, r));
	service_remove(service, &request->ticket);
	return 0;
}

int request_quarantine_list(void *data, struct message *message)
{
	struct request *request = data;

	quarantine_report(request->supervisor, &request->ticket);
	return request_answer(request, 0);
}

int request_quarantine_end(void *data, struct message *message)
{
	const struct quarantine_end *end = (const void *)message->body;
	struct request *request = data;

	return request_answer(request, quarantine_end(request->supervisor,
						      (pid_t)end->pid,
						      &request->refusal));
}
