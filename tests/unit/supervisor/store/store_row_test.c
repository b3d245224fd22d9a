/* SPDX-License-Identifier: MIT */
/*
 * Rows as they lie in the file: what is believed of them, and that those of a
 * release are read by every later one. store-N.sql is a store of version N as
 * the release that had it wrote it: once released, it is never changed. A new
 * version begins with a copy of what the test of its own version has written.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/harness.h"
#include "store_rig.h"
#include "supervisor/store/journal.h"

static struct store_rig rig;

/* -- one row of each kind -- */

static const struct attachment_record attachment = {
	.id = 5,
	.partition = "web1",
	.name = "root",
	.file = "/srv/a.img",
	.device = UINT64_MAX,
	.inode = 1ull << 63,
	.size_bytes = 4096,
	.is_created = 1,
	.access = DISK_READ_WRITE_SHARED,
	.type = DISK_TYPE_TAPE,
	.saved_ns = 77,
	.volume_id = 8,
};
static const struct service_record service = {
	.name = "disk0", .role = ROLE_DISK, .standby_count = 1, .restarts = 12
};
static const struct child_record child = { .instance = 3,
					   .start_time = 1ull << 40,
					   .generation = 17,
					   .pid = 4711,
					   .role = ROLE_DISK,
					   .uid = 70000,
					   .is_standby = 1,
					   .name = "disk0",
					   .token = { 0, 1, 255 },
					   .cgroup = "/bulkhead/disk0" };
static const struct switch_record lan = {
	.id = 6, .definition = { .name = "lan", .service = "net0" }
};
static const struct volume_record volume = { .id = 8,
					     .definition = {
						     .name = "quorum",
						     .service = "disk0",
						     .file = "/srv/quorum.img",
						     .size_bytes = 1 << 20,
						     .cache = DISK_DIRECT } };
static const struct nic_record nic = {
	.id = 7,
	.partition = "web1",
	.definition = { .name = "lan0", .network = "lan", .vlans.pvid = 10 }
};
static const struct mirror_record mirror = { .id = 7, .vid = 10 };
static const struct event_row event = { .sequence = 9,
					.time_us = 1ull << 50,
					.level = EVENT_WARNING,
					.subject = "service disk0",
					.text = "it's replaced" };

static struct partition_record make_partition(void)
{
	struct partition_record record = store_rig_partition("web1");

	record.lifecycle.state = PARTITION_SAVED;
	record.lifecycle.before = PARTITION_PAUSED;
	record.engine = ENGINE_KVM;
	record.started_us = 1ull << 51;
	record.stop_by_ns = 4;
	record.is_autostart_due = 1;
	record.image.saved_us = 1ull << 52;
	record.image.bytes = 1ull << 30;
	return record;
}

static void put_everything(void)
{
	const struct partition_record partition = make_partition();
	uint64_t id;

	CHECK_EQ(store_put_partition(rig.store, &partition), 0);
	CHECK_EQ(store_put_attachment(rig.store, &attachment), 0);
	CHECK_EQ(store_put_service(rig.store, &service), 0);
	CHECK_EQ(store_put_child(rig.store, &child), 0);
	CHECK_EQ(store_put_switch(rig.store, &lan), 0);
	CHECK_EQ(store_put_volume(rig.store, &volume), 0);
	CHECK_EQ(store_put_nic(rig.store, &nic), 0);
	CHECK_EQ(store_put_mirror(rig.store, &mirror), 0);
	CHECK_EQ(store_put_fact(rig.store, STORE_KEY, "key", 3), 0);
	CHECK_EQ(journal_intend(rig.store, JOURNAL_UNINSTALL, "web1", "plan", 4,
				&id),
		 0);
	store_defer_event(rig.store, &event);
	CHECK_EQ(store_flush_deferred(rig.store), 0);
}

#define TAKE(noun, type)                                              \
	static int take_##noun(void *context, const struct type *row) \
	{                                                             \
		*(struct type *)context = *row;                       \
		return 0;                                             \
	}
TAKE(switch, switch_record)
TAKE(volume, volume_record)
TAKE(nic, nic_record)
TAKE(mirror, mirror_record)
TAKE(child, child_record)
TAKE(service, service_record)
TAKE(event, event_row)
TAKE(journal, journal_entry)

#define CHECK_SAME(a, b) CHECK_EQ(memcmp(&(a), &(b), sizeof(a)), 0)

static void check_named(void)
{
	const struct partition_record put = make_partition();
	struct partition_record partition;
	struct attachment_record disk = { 0 };
	struct service_record server = { 0 };
	char key[3];

	memset(&partition, 0, sizeof(partition));
	CHECK_EQ(store_get_partition(rig.store, "web1", &partition), 0);
	CHECK_SAME(partition, put);
	CHECK_EQ(store_get_attachment(rig.store, 5, &disk), 0);
	CHECK_SAME(disk, attachment);
	CHECK_EQ(store_each_service(rig.store, take_service, &server), 0);
	CHECK_SAME(server, service);
	CHECK_EQ(store_get_fact(rig.store, STORE_KEY, key, 3), 0);
	CHECK_EQ(memcmp(key, "key", 3), 0);
}

static void check_walked(void)
{
	struct switch_record got_switch = { 0 };
	struct volume_record got_volume = { 0 };
	struct nic_record got_nic = { 0 };
	struct mirror_record got_mirror = { 0 };
	struct child_record got_child = { 0 };
	struct event_row got_event = { 0 };
	struct journal_entry entry = { 0 };
	struct store *store = rig.store;

	CHECK_EQ(store_each_switch(store, take_switch, &got_switch), 0);
	CHECK_SAME(got_switch, lan);
	CHECK_EQ(store_each_volume(store, take_volume, &got_volume), 0);
	CHECK_SAME(got_volume, volume);
	CHECK_EQ(store_each_nic(store, take_nic, &got_nic), 0);
	CHECK_SAME(got_nic, nic);
	CHECK_EQ(store_each_mirror(store, take_mirror, &got_mirror), 0);
	CHECK_SAME(got_mirror, mirror);
	CHECK_EQ(store_each_child(store, take_child, &got_child), 0);
	CHECK_SAME(got_child, child);
	CHECK_EQ(store_each_event(store, 0, 9, take_event, &got_event), 0);
	CHECK_SAME(got_event, event);
	CHECK_EQ(journal_each(store, take_journal, &entry), 0);
	CHECK_EQ(entry.op, JOURNAL_UNINSTALL);
	CHECK_EQ(strcmp(entry.subject, "web1"), 0);
	CHECK_EQ(entry.blob.bytes, 4);
}

/* -- a store as text -- */

static int write_value(FILE *file, const char *separator, sqlite3_value *value)
{
	const unsigned char *bytes = sqlite3_value_blob(value);

	if (sqlite3_value_type(value) == SQLITE_INTEGER)
		return fprintf(file, "%s%lld", separator,
			       sqlite3_value_int64(value));
	if (sqlite3_value_type(value) == SQLITE_TEXT) {
		char *quoted = sqlite3_mprintf("%Q", sqlite3_value_text(value));
		int r = fprintf(file, "%s%s", separator, quoted);

		sqlite3_free(quoted);
		return r;
	}
	(void)fprintf(file, "%sx'", separator);
	for (int i = 0; i < sqlite3_value_bytes(value); i++)
		(void)fprintf(file, "%02x", bytes[i]);
	return fprintf(file, "'");
}

static void write_rows(FILE *file, sqlite3 *database, const char *table)
{
	sqlite3_stmt *rows;
	char sql[96];

	(void)snprintf(sql, sizeof(sql), "SELECT * FROM %s", table);
	CHECK_EQ(sqlite3_prepare_v2(database, sql, -1, &rows, NULL), SQLITE_OK);
	while (sqlite3_step(rows) == SQLITE_ROW) {
		(void)fprintf(file, "INSERT INTO %s VALUES", table);
		for (int i = 0; i < sqlite3_column_count(rows); i++)
			(void)write_value(file, i ? "," : "(",
					  sqlite3_column_value(rows, i));
		(void)fprintf(file, ");\n");
	}
	(void)sqlite3_finalize(rows);
}

static void write_tables(const char *path)
{
	FILE *file = fopen(path, "w");
	char store[96];
	sqlite3_stmt *tables;
	sqlite3 *database;

	CHECK(file != NULL);
	(void)fprintf(file, "-- SPDX-License-Identifier: MIT\n");
	(void)snprintf(store, sizeof(store), "%s/store.db", rig.directory);
	CHECK_EQ(sqlite3_open(store, &database), SQLITE_OK);
	CHECK_EQ(sqlite3_prepare_v2(database,
				    "SELECT name, sql FROM sqlite_schema"
				    " WHERE type = 'table'",
				    -1, &tables, NULL),
		 SQLITE_OK);
	while (sqlite3_step(tables) == SQLITE_ROW) {
		(void)fprintf(file, "%s;\n", sqlite3_column_text(tables, 1));
		write_rows(file, database,
			   (const char *)sqlite3_column_text(tables, 0));
	}
	(void)fprintf(file,
		      "PRAGMA application_id = 0x42756c6b;\n"
		      "PRAGMA user_version = %d;\n",
		      STORE_SCHEMA_VERSION);
	(void)sqlite3_finalize(tables);
	CHECK_EQ(sqlite3_close(database), SQLITE_OK);
	CHECK_EQ(fclose(file), 0);
}

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t bytes = 0;

	CHECK(file != NULL);
	CHECK(getdelim(&text, &bytes, '\0', file) > 0);
	CHECK_EQ(fclose(file), 0);
	return text;
}

TEST(a_store_is_written_as_the_release_of_its_version_wrote_it)
{
	char *written, *released;
	char path[96];

	store_rig_open(&rig);
	put_everything();
	store_close(rig.store);
	/* They begin at random. */
	store_rig_sql(&rig, "UPDATE counter SET reserved = 1000 * (id + 1)");
	(void)snprintf(path, sizeof(path), "%s/store.sql", rig.directory);
	write_tables(path);

	written = read_file(path);
	released = read_file(STORES "/store-1.sql");
	if (strcmp(written, released) != 0)
		(void)fprintf(stderr, "what is written now is in %s\n", path);
	CHECK_EQ(strcmp(written, released), 0);
	free(written);
	free(released);
	store_rig_remove(&rig);
}

TEST(a_store_of_the_first_release_is_read)
{
	char *released = read_file(STORES "/store-1.sql");
	uint64_t number;

	store_rig_make_directory(&rig);
	store_rig_sql(&rig, released);
	free(released);
	store_rig_open(&rig);

	check_named();
	check_walked();
	CHECK_EQ(store_next(rig.store, STORE_GENERATION, &number), 0);
	CHECK_EQ(number, 2001);
	store_rig_close(&rig);
}

/* -- what is not believed -- */

static int read_everything(void)
{
	struct partition_record partition;
	struct attachment_record disk;
	struct child_record got_child;
	struct nic_record got_nic;
	struct event_row got_event;
	int r = store_get_partition(rig.store, "web1", &partition);

	if (r == 0)
		r = store_get_attachment(rig.store, 5, &disk);
	if (r == 0)
		r = store_each_child(rig.store, take_child, &got_child);
	if (r == 0)
		r = store_each_nic(rig.store, take_nic, &got_nic);
	return r == 0 ? store_each_event(rig.store, 0, 9, take_event,
					 &got_event)
		      : r;
}

TEST(a_row_that_could_not_have_been_written_is_not_believed)
{
	static const char *const damages[] = {
		"UPDATE partition SET state = 99",
		"UPDATE partition SET before_save = 7",
		"UPDATE partition SET engine = 4",
		"UPDATE partition SET is_autostart_due = 2",
		"UPDATE partition SET restarts = 4294967296",
		"UPDATE partition SET restarts = -1",
		"UPDATE partition SET reason = printf('%0200d', 1)",
		"UPDATE partition SET reason = 'a' || char(0) || 'b'",
		"UPDATE partition SET definition = x'00'",
		"UPDATE attachment SET is_created = 2",
		"UPDATE child SET pid = -2",
		"UPDATE child SET role = 9",
		"UPDATE child SET token = x'0001'",
		"UPDATE nic SET name = 'lan1'",
		"UPDATE event SET level = 3",
	};

	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		rig.directory[0] = '\0';
		store_rig_open(&rig);
		put_everything();
		CHECK_EQ(read_everything(), 0);
		store_close(rig.store);
		store_rig_sql(&rig, damages[i]);

		store_rig_open(&rig);
		if (read_everything() != -EUCLEAN)
			(void)fprintf(stderr, "believed: %s\n", damages[i]);
		CHECK_EQ(read_everything(), -EUCLEAN);
		CHECK(strstr(store_error(rig.store), "malformed") != NULL);
		store_rig_close(&rig);
	}
}
