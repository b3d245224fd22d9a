/* SPDX-License-Identifier: MIT */
/* What the store has rows of, and the functions of store.h on them. */
#include <errno.h>
#include <string.h>

#include "base/count.h"
#include "base/scope.h"
#include "definition/schema.h"
#include "supervisor/store/journal.h"
#include "supervisor/store/store_sql.h"

#define OF(type, member)                         \
	.offset = offsetof(struct type, member), \
	.bytes = sizeof(((struct type *)NULL)->member)
#define NUMBER     COLUMN_NUMBER
#define TEXT       COLUMN_TEXT
#define BYTES      COLUMN_BYTES
#define DEFINITION COLUMN_DEFINITION

#define OF_PARTITION   "REFERENCES partition(name)"
#define WITH_PARTITION OF_PARTITION " ON DELETE CASCADE"

/* clang-format off */
static const struct column partition_columns[] = {
	{ "name", TEXT, OF(partition_record, definition.name) },
	{ "definition", DEFINITION, OF(partition_record, definition), .is_fixed = true, .definition = &partition_record },
	{ "state", NUMBER, OF(partition_record, lifecycle.state), .most = PARTITION_STATE_COUNT - 1 },
	{ "before_save", NUMBER, OF(partition_record, lifecycle.before), .most = PARTITION_STATE_COUNT - 1 },
	{ "restarts", NUMBER, OF(partition_record, restarts) },
	{ "engine", NUMBER, OF(partition_record, engine), .most = ENGINE_COUNT - 1 },
	{ "defined_us", NUMBER, OF(partition_record, defined_us) },
	{ "started_us", NUMBER, OF(partition_record, started_us) },
	{ "stop_by_ns", NUMBER, OF(partition_record, stop_by_ns) },
	{ "is_autostart_due", NUMBER, OF(partition_record, is_autostart_due), .most = 1 },
	{ "image_us", NUMBER, OF(partition_record, image.saved_us) },
	{ "image_bytes", NUMBER, OF(partition_record, image.bytes) },
	{ "reason", TEXT, OF(partition_record, reason) },
};

static const struct column attachment_columns[] = {
	{ "id", NUMBER, OF(attachment_record, id) },
	{ "partition", TEXT, OF(attachment_record, partition), .constraint = OF_PARTITION },
	{ "name", TEXT, OF(attachment_record, name) },
	{ "file", TEXT, OF(attachment_record, file) },
	{ "device", NUMBER, OF(attachment_record, device) },
	{ "inode", NUMBER, OF(attachment_record, inode) },
	{ "size_bytes", NUMBER, OF(attachment_record, size_bytes) },
	{ "is_read_only", NUMBER, OF(attachment_record, is_read_only), .most = 1 },
	{ "is_block_device", NUMBER, OF(attachment_record, is_block_device), .most = 1 },
	{ "is_created", NUMBER, OF(attachment_record, is_created), .most = 1 },
	{ "saved_ns", NUMBER, OF(attachment_record, saved_ns) },
	{ "volume_id", NUMBER, OF(attachment_record, volume_id) },
	{ "access", NUMBER, OF(attachment_record, access), .most = DISK_ACCESS_COUNT - 1 },
	{ "type", NUMBER, OF(attachment_record, type), .most = DISK_TYPE_COUNT - 1 },
};

static const struct column switch_columns[] = {
	{ "name", TEXT, OF(switch_record, definition.name) },
	{ "id", NUMBER, OF(switch_record, id), .constraint = "UNIQUE" },
	{ "definition", DEFINITION, OF(switch_record, definition), .definition = &switch_record },
};

static const struct column nic_columns[] = {
	{ "id", NUMBER, OF(nic_record, id) },
	{ "partition", TEXT, OF(nic_record, partition), .constraint = WITH_PARTITION },
	{ "name", TEXT, OF(nic_record, definition.name) },
	{ "definition", DEFINITION, OF(nic_record, definition), .definition = &nic_record },
};

static const struct column mirror_columns[] = {
	{ "id", NUMBER, OF(mirror_record, id), .constraint = "REFERENCES nic(id) ON DELETE CASCADE" },
	{ "from_id", NUMBER, OF(mirror_record, from_id) },
	{ "vid", NUMBER, OF(mirror_record, vid) },
};

static const struct column volume_columns[] = {
	{ "name", TEXT, OF(volume_record, definition.name) },
	{ "id", NUMBER, OF(volume_record, id), .constraint = "UNIQUE" },
	{ "definition", DEFINITION, OF(volume_record, definition), .definition = &volume_record },
};

static const struct column service_columns[] = {
	{ "name", TEXT, OF(service_record, name) },
	{ "role", NUMBER, OF(service_record, role), .most = ROLE_LAST, .is_fixed = true },
	{ "standby_count", NUMBER, OF(service_record, standby_count), .is_fixed = true },
	{ "restarts", NUMBER, OF(service_record, restarts) },
};

static const struct column child_columns[] = {
	{ "instance", NUMBER, OF(child_record, instance) },
	{ "start_time", NUMBER, OF(child_record, start_time) },
	{ "generation", NUMBER, OF(child_record, generation) },
	{ "pid", NUMBER, OF(child_record, pid), .most = INT32_MAX },
	{ "role", NUMBER, OF(child_record, role), .most = ROLE_LAST },
	{ "uid", NUMBER, OF(child_record, uid) },
	{ "is_standby", NUMBER, OF(child_record, is_standby), .most = 1 },
	{ "name", TEXT, OF(child_record, name) },
	{ "token", BYTES, OF(child_record, token) },
	{ "cgroup", TEXT, OF(child_record, cgroup) },
};

static const struct column event_columns[] = {
	{ "sequence", NUMBER, OF(event_row, sequence) },
	{ "time_us", NUMBER, OF(event_row, time_us) },
	{ "level", NUMBER, OF(event_row, level), .most = EVENT_ERROR },
	{ "subject", TEXT, OF(event_row, subject) },
	{ "text", TEXT, OF(event_row, text) },
};

static const struct column journal_columns[] = {
	{ "id", NUMBER, OF(journal_entry, id) },
	{ "op", NUMBER, OF(journal_entry, op), .most = JOURNAL_UNINSTALL, .is_fixed = true },
	{ "subject", TEXT, OF(journal_entry, subject), .is_fixed = true, .constraint = "UNIQUE " OF_PARTITION },
	{ "blob", COLUMN_BLOB, OF(journal_entry, blob) },
};

static const struct column counter_columns[] = {
	{ "id", NUMBER, OF(counter_record, id), .most = STORE_COUNTER_COUNT - 1 },
	{ "reserved", NUMBER, OF(counter_record, reserved) },
};

static const struct column fact_columns[] = {
	{ "id", NUMBER, OF(fact_record, id), .most = STORE_IS_RECOVERED },
	{ "value", COLUMN_BLOB, OF(fact_record, value) },
};
/* clang-format on */

/* Not any two states go together. */
static int check_partition(void *record)
{
	struct lifecycle *lifecycle =
		&((struct partition_record *)record)->lifecycle;

	return lifecycle_load(lifecycle, lifecycle->state, lifecycle->before) <
			       0
		       ? -EUCLEAN
		       : 0;
}

#define COLUMNS(noun) \
	.columns = noun##_columns, .column_count = ARRAY_COUNT(noun##_columns)
#define RECORDS(noun, type) \
	.table = #noun, COLUMNS(noun), .record_bytes = sizeof(struct type)

const struct row_type store_row_types[ROW_TYPE_COUNT] = {
	[ROW_PARTITION] = { RECORDS(partition, partition_record),
			    .worth = ROW_WORTH_ALL, .check = check_partition },
	[ROW_ATTACHMENT] = { RECORDS(attachment, attachment_record),
			     .constraint = "UNIQUE(partition, name)",
			     .owner = "partition" },
	[ROW_SWITCH] = { RECORDS(switch, switch_record) },
	[ROW_NIC] = { RECORDS(nic, nic_record),
		      .constraint = "UNIQUE(partition, name)" },
	[ROW_MIRROR] = { RECORDS(mirror, mirror_record) },
	[ROW_VOLUME] = { RECORDS(volume, volume_record) },
	[ROW_SERVICE] = { RECORDS(service, service_record),
			  .worth = ROW_WORTH_MORE },
	[ROW_CHILD] = { RECORDS(child, child_record), .worth = ROW_WORTH_MORE },
	[ROW_EVENT] = { RECORDS(event, event_row), .worth = ROW_WORTH_LITTLE },
	[ROW_JOURNAL] = { RECORDS(journal, journal_entry) },
	[ROW_COUNTER] = { RECORDS(counter, counter_record) },
	[ROW_FACT] = { RECORDS(fact, fact_record) },
};

/* -- the functions of each -- */

#define PUT(noun, row)                                           \
	int store_put_##noun(struct store *store,                \
			     const struct noun##_record *record) \
	{                                                        \
		return store_write(store, ROW_PUT, row, record); \
	}
#define EACH_OF(noun, row, owner)                                       \
	struct noun##_record record = { 0 };                            \
	int r;                                                          \
                                                                        \
	while ((r = store_next_row(store, row, owner, &record)) == 0) { \
		r = visit(context, &record);                            \
		if (r != 0)                                             \
			return r;                                       \
	}                                                               \
	return r == -ENOENT ? 0 : r;
#define EACH(noun, row)                                           \
	int store_each_##noun(                                    \
		struct store *store,                              \
		int (*visit)(void *context,                       \
			     const struct noun##_record *record), \
		void *context)                                    \
	{                                                         \
		EACH_OF(noun, row, NULL)                          \
	}
#define GET(noun, row, key_type, at)                              \
	int store_get_##noun(struct store *store, key_type key,   \
			     struct noun##_record *ret_record)    \
	{                                                         \
		return store_get(store, row, at key, ret_record); \
	}
#define DELETE(noun, row, key_type, at)                            \
	int store_delete_##noun(struct store *store, key_type key) \
	{                                                          \
		return store_delete(store, row, at key);           \
	}

PUT(partition, ROW_PARTITION)
GET(partition, ROW_PARTITION, const char *, )
DELETE(partition, ROW_PARTITION, const char *, )
EACH(partition, ROW_PARTITION)

PUT(attachment, ROW_ATTACHMENT)
GET(attachment, ROW_ATTACHMENT, uint64_t, &)

PUT(switch, ROW_SWITCH)
DELETE(switch, ROW_SWITCH, const char *, )
EACH(switch, ROW_SWITCH)

PUT(nic, ROW_NIC)
DELETE(nic, ROW_NIC, uint64_t, &)
EACH(nic, ROW_NIC)

PUT(mirror, ROW_MIRROR)
EACH(mirror, ROW_MIRROR)

PUT(volume, ROW_VOLUME)
GET(volume, ROW_VOLUME, const char *, )
DELETE(volume, ROW_VOLUME, const char *, )
EACH(volume, ROW_VOLUME)

PUT(service, ROW_SERVICE)
DELETE(service, ROW_SERVICE, const char *, )
EACH(service, ROW_SERVICE)

PUT(child, ROW_CHILD)
EACH(child, ROW_CHILD)

int store_put_partition_state(struct store *store,
			      const struct partition_record *record)
{
	return store_write(store, ROW_UPDATE, ROW_PARTITION, record);
}

int store_delete_attachments(struct store *store, const char *partition)
{
	return store_delete_owned(store, ROW_ATTACHMENT, partition);
}

int store_each_attachment(struct store *store, const char *partition,
			  int (*visit)(void *context,
				       const struct attachment_record *record),
			  void *context)
{
	EACH_OF(attachment, ROW_ATTACHMENT, partition)
}

/* -- single facts -- */

int store_put_fact(struct store *store, enum store_fact fact, const void *value,
		   size_t bytes)
{
	const struct fact_record record = { .id = fact,
					    .value = { (void *)value, bytes } };
	int r = store_write(store, bytes ? ROW_PUT : ROW_DELETE, ROW_FACT,
			    &record);

	return r == -ENOENT ? 0 : r;
}

int store_get_fact(struct store *store, enum store_fact fact, void *ret_value,
		   size_t bytes)
{
	struct fact_record record = { 0 };
	SCOPED(free_pointer) void *value = NULL;
	int r = store_get(store, ROW_FACT, &(uint64_t){ fact }, &record);

	value = record.value.data;
	if (r == 0 && record.value.bytes != bytes)
		r = -EUCLEAN;
	if (r == 0)
		memcpy(ret_value, value, bytes);
	return r;
}
