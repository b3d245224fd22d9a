/* SPDX-License-Identifier: MIT */
#include "supervisor/service/placement.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/text.h"
#include "supervisor/errand/errand.h"
#include "supervisor/partition/partition.h"
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
			count += partition->console.binding.instance &&
				 partition->console.binding.instance->service ==
					 service;
	return count < most;
}

/* A service beside one that is full. */
struct beside {
	struct supervisor *supervisor;
	char named[NAME_SIZE];
	char name[NAME_SIZE];
	uint32_t role;
	uint32_t standby_count;
};

static int make(const struct beside *beside, struct service **ret_service)
{
	struct supervisor *supervisor = beside->supervisor;
	int r = service_define(supervisor, beside->name, beside->role,
			       beside->standby_count);
	struct service *service = service_find(supervisor, beside->name);

	/* Someone may have been quicker. */
	if (r == 0 && (!service || service->role != beside->role))
		r = -EEXIST;
	if (r < 0)
		return r;
	supervisor_event(supervisor, EVENT_INFO, beside->name,
			 "is created: %s is full", beside->named);
	service_settle(service);
	*ret_service = service;
	return 0;
}

/* An errand: whoever wants it asks again. */
static void make_aside(void *context)
{
	struct beside *beside = context;
	struct service *service;
	int r = make(beside, &service);

	if (r < 0)
		supervisor_event(beside->supervisor, EVENT_ERROR, beside->name,
				 "cannot be made: %s", strerror(-r));
	beside->supervisor->is_making_service = false;
	free(beside);
}

/* The loop does not wait for the store. */
static int make_later(const struct beside *beside, struct refusal *ret_refusal)
{
	struct supervisor *supervisor = beside->supervisor;
	struct beside *copy;

	if (!supervisor->is_making_service) {
		copy = malloc(sizeof(*copy));
		if (!copy)
			return refuse(ret_refusal, -ENOMEM, "",
				      "out of memory");
		*copy = *beside;
		supervisor->is_making_service = true;
		errand_run(supervisor->errands, make_aside, copy);
	}
	return refuse(ret_refusal, -EAGAIN, "", "a service is being made");
}

static int make_or_wait(const struct service *named, const char *name,
			struct service **ret_service,
			struct refusal *ret_refusal)
{
	struct beside beside = { .supervisor = named->supervisor,
				 .role = named->role,
				 .standby_count = named->standby_count };
	int r;

	(void)text_copy(beside.named, NAME_SIZE, named->name);
	(void)text_copy(beside.name, NAME_SIZE, name);
	if (beside.supervisor->errands && !errand_is_current())
		return make_later(&beside, ret_refusal);
	r = make(&beside, ret_service);
	return r < 0 ? refuse(ret_refusal, r, "",
			      "service %s cannot be made: %s", name,
			      strerror(-r))
		     : 0;
}

static int find_beside(struct service *named, const struct disk *self,
		       struct service **ret_service,
		       struct refusal *ret_refusal)
{
	char name[NAME_SIZE + 2];

	for (int i = BESIDE_FIRST;
	     i <= BESIDE_LAST && strlen(named->name) + 2 < NAME_SIZE; i++) {
		struct service *service;

		(void)snprintf(name, sizeof(name), "%s.%d", named->name, i);
		service = service_find(named->supervisor, name);
		if (!service)
			return make_or_wait(named, name, ret_service,
					    ret_refusal);
		if (service->role != named->role || !has_room(service, self))
			continue;
		*ret_service = service;
		return 0;
	}
	return refuse(ret_refusal, -EBUSY, self ? "disks[].service" : "console",
		      "service %s is full, and so is each one beside it",
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
