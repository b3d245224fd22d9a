/* SPDX-License-Identifier: MIT */
/*
 * A definition as a hostile client may send it. What can be decoded is safe to
 * print, and what passes the check is safe to use and comes back the same. The
 * first byte says of which record it is.
 */
#include <assert.h>
#include <string.h>

#include "definition/attributes.h"
#include "definition/check.h"
#include "definition/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void print(const struct record_type *record, const void *value)
{
	char text[VALUE_SIZE];

	for (size_t i = 0; i < record->field_count; i++) {
		const struct field *field = &record->fields[i];

		if (field->type != FIELD_LIST) {
			(void)field_value(field, value, text);
			continue;
		}
		for (uint32_t n = 0; n < field_list_count(field, value); n++)
			print(field->element, field_list_at(field, value, n));
	}
}

static void use_disk(const struct disk_definition *disk)
{
	assert(text_is_name(disk->name, sizeof(disk->name)));
	assert(disk->volume[0] ||
	       text_is_name(disk->service, sizeof(disk->service)));
	assert((disk->file[0] == '/') == !disk->volume[0]);
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

static void check_same(const struct record_type *record, const void *value)
{
	struct partition_document again;
	uint8_t stream[ATTRIBUTES_MAX];
	struct refusal refusal;
	int written = definition_encode(record, value, stream, sizeof(stream));

	assert(written > 0);
	assert(definition_decode(record, stream, (size_t)written, &again,
				 &refusal) == 0);
	assert(memcmp(&again, value, record->bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct record_type *const records[] = {
		&partition_record, &disk_record, &nic_record, &switch_record,
		&volume_record
	};
	const struct record_type *record = records[bytes ? data[0] % 5 : 0];
	struct partition_document value;
	struct refusal refusal;

	if (bytes == 0 || definition_decode(record, data + 1, bytes - 1, &value,
					    &refusal) < 0)
		return 0;
	print(record, &value);
	if (definition_check(record, &value, "", &refusal) < 0)
		return 0;
	if (record == &partition_record)
		use(&value.partition);
	check_same(record, &value);
	return 0;
}
