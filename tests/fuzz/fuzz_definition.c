/* SPDX-License-Identifier: MIT */
/*
 * A definition as a hostile client may send it. One that passes must be safe to
 * use: every text ends, every count and enum is in range.
 */
#include <assert.h>
#include <string.h>

#include "definition/check.h"
#include "supervisor/partition/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void use_disk(const struct disk_definition *disk)
{
	assert(text_is_name(disk->name, sizeof(disk->name)));
	assert(text_is_name(disk->service, sizeof(disk->service)));
	assert(disk->file[0] == '/');
	assert(strlen(disk->file) < sizeof(disk->file));
	assert(disk->access < DISK_ACCESS_COUNT);
	assert(disk->cache < DISK_CACHE_COUNT);
	assert(disk->outage.policy < OUTAGE_COUNT);
	assert(disk->queue_count >= 1 && disk->queue_count <= QUEUE_COUNT_MAX);
	assert(disk->size_bytes % 512 == 0);
}

static void use(const struct partition_definition *definition)
{
	assert(text_is_name(definition->name, sizeof(definition->name)));
	assert(strlen(definition->kernel) < sizeof(definition->kernel));
	assert(strlen(definition->initrd) < sizeof(definition->initrd));
	assert(strlen(definition->cmdline) < sizeof(definition->cmdline));
	assert(strlen(definition->vhost_user) < sizeof(definition->vhost_user));
	assert(definition->class < CLASS_COUNT);
	assert(definition->engine < ENGINE_COUNT);
	assert(definition->restart < RESTART_COUNT);
	assert(definition->cpu_count <= CPU_COUNT_MAX);
	assert(definition->disk_count <= DISK_COUNT_MAX);
	for (uint32_t i = 0; i < definition->disk_count; i++)
		use_disk(&definition->disks[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct partition_document document;
	struct service_settings settings;
	struct refusal refusal;

	/* The dispatcher lets only the exact length through. */
	memset(&document, 0, sizeof(document));
	memcpy(&document, data,
	       bytes < sizeof(document) ? bytes : sizeof(document));
	if (definition_check(&partition_record, &document, "", &refusal) == 0)
		use(&document.partition);
	memset(&settings, 0, sizeof(settings));
	memcpy(&settings, data,
	       bytes < sizeof(settings) ? bytes : sizeof(settings));
	(void)check_service_settings(&settings, &refusal);
	return 0;
}
