/* SPDX-License-Identifier: MIT */
#include "supervisor/service/volume.h"

#include <stdlib.h>
#include <string.h>

#include "definition/rules.h"
#include "supervisor/storage/storage.h"
#include "supervisor/supervisor.h"

struct volume *volume_new(const struct volume_record *record)
{
	struct volume *volume = calloc(1, sizeof(*volume));

	if (!volume)
		return NULL;
	volume->record = *record;
	(void)pthread_mutex_init(&volume->opening, NULL);
	return volume;
}

void volume_add(struct supervisor *supervisor, struct volume *volume)
{
	TAILQ_INSERT_TAIL(&supervisor->volumes, volume, link);
}

void volume_free(struct supervisor *supervisor, struct volume *volume)
{
	TAILQ_REMOVE(&supervisor->volumes, volume, link);
	free(volume);
}

void volumes_free(struct supervisor *supervisor)
{
	struct volume *volume;

	while ((volume = TAILQ_FIRST(&supervisor->volumes)))
		volume_free(supervisor, volume);
}

struct volume *volume_find(struct supervisor *supervisor, const char *name)
{
	struct volume *volume;

	TAILQ_FOREACH(volume, &supervisor->volumes, link)
		if (strcmp(volume->record.definition.name, name) == 0)
			return volume;
	return NULL;
}

struct disk_definition volume_resolve(struct supervisor *supervisor,
				      const struct disk_definition *disk)
{
	struct disk_definition resolved = *disk;
	const struct volume *volume = volume_find(supervisor, disk->volume);

	if (volume)
		rules_take_volume(&resolved, &volume->record.definition);
	return resolved;
}

bool volume_is_shared_by(const struct disk *a, const struct disk *b)
{
	return a == b || (a && b && a->volume && a->volume == b->volume);
}

static int visit_disks(struct partition *partition, const struct disk *disk,
		       int (*visit)(void *context, struct disk *sibling),
		       void *context)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < partition->disk_count; i++) {
		struct disk *other = &partition->disks[i];

		if (other != disk && volume_is_shared_by(other, disk))
			r = visit(context, other);
	}
	return r;
}

int volume_each_sibling(const struct disk *disk,
			int (*visit)(void *context, struct disk *sibling),
			void *context)
{
	struct partition *partition;
	int r = 0;

	if (!disk->volume)
		return 0;
	TAILQ_FOREACH(partition, &disk->binding.supervisor->partitions, link) {
		r = visit_disks(partition, disk, visit, context);
		if (r != 0)
			break;
	}
	return r;
}

/* A disk that is about to come up, and with whom. */
struct arrival {
	const struct disk *disk;
	const struct instance *instance;
};

static int is_in_the_way(void *context, struct disk *sibling)
{
	const struct arrival *arrival = context;
	const struct binding *binding = &sibling->binding;

	if (binding->instance)
		return binding->state != BINDING_UP ||
		       binding->instance != arrival->instance;
	/* Not loaded: whose fence it is cannot be known. */
	if (!binding->id)
		return true;
	/* By a description that the arrival's own fence is asked with. */
	return storage_fence_is_lifted(arrival->disk->witness_fd, binding->id,
				       sibling->definition) != 1;
}

bool volume_must_wait(const struct disk *disk, const struct instance *instance)
{
	struct arrival arrival = { disk, instance };

	return volume_each_sibling(disk, is_in_the_way, &arrival) != 0;
}
