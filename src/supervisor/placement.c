/* SPDX-License-Identifier: MIT */
#include "supervisor/placement.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "supervisor/partition.h"
#include "supervisor/supervisor.h"

#define BESIDE_FIRST 2
#define BESIDE_LAST  9

bool placement_fits(const struct service *service, const char *name)
{
	size_t length = strlen(name);
	const char *rest = service->name + length;

	if (strncmp(service->name, name, length) != 0)
		return false;
	return rest[0] == '\0' ||
	       (rest[0] == '.' && rest[1] >= '0' + BESIDE_FIRST &&
		rest[1] <= '0' + BESIDE_LAST && rest[2] == '\0');
}

static unsigned count_disks(const struct partition *partition,
			    const struct service *service,
			    const struct disk *self)
{
	unsigned count = 0;

	for (unsigned i = 0; i < partition->disk_count; i++)
		count +=
			&partition->disks[i] != self &&
			strcmp(partition->disks[i].service, service->name) == 0;
	return count;
}

static bool has_room(const struct service *service, const struct disk *self)
{
	const struct partition *partition;
	unsigned most = service->role == ROLE_DISK ? DISK_SERVICE_DISKS_MAX
						   : CONSOLE_SERVICE_MAX;
	unsigned count = 0;

	if (failpoint("placement.full") || service->is_unwanted)
		return false;
	TAILQ_FOREACH(partition, &service->supervisor->partitions, link)
	if (service->role == ROLE_DISK)
		count += count_disks(partition, service, self);
	else
		count += partition->console.instance &&
			 partition->console.instance->service == service;
	return count < most;
}

static int make(const struct service *named, const char *name,
		struct service **ret_service, struct refusal *ret_refusal)
{
	struct supervisor *supervisor = named->supervisor;
	int r = service_define(supervisor, name, named->role,
			       named->standby_count);

	if (r < 0)
		return refuse(ret_refusal, r, "",
			      "service %s cannot be made: %s", name,
			      strerror(-r));
	*ret_service = service_find(supervisor, name);
	supervisor_event(supervisor, EVENT_INFO, name,
			 "is made: %s serves as many as it can", named->name);
	service_settle(*ret_service);
	return 0;
}

static int find_beside(struct service *named, const struct disk *self,
		       struct service **ret_service,
		       struct refusal *ret_refusal)
{
	char name[NAME_ROOM + 2];

	for (int i = BESIDE_FIRST;
	     i <= BESIDE_LAST && strlen(named->name) + 2 < NAME_ROOM; i++) {
		struct service *service;

		(void)snprintf(name, sizeof(name), "%s.%d", named->name, i);
		service = service_find(named->supervisor, name);
		if (!service)
			return make(named, name, ret_service, ret_refusal);
		if (service->role != named->role || !has_room(service, self))
			continue;
		*ret_service = service;
		return 0;
	}
	return refuse(ret_refusal, -EBUSY, self ? "disks[].service" : "console",
		      "service %s serves as many as it can, and so does each "
		      "beside it",
		      named->name);
}

int placement_find(struct supervisor *supervisor, const char *name,
		   const struct disk *self, struct service **ret_service,
		   struct refusal *ret_refusal)
{
	struct service *named = service_find(supervisor, name);

	if (!has_room(named, self))
		return find_beside(named, self, ret_service, ret_refusal);
	*ret_service = named;
	return 0;
}
