/* SPDX-License-Identifier: MIT */
#include "store_rig.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "lib/harness.h"

void store_rig_make_directory(struct store_rig *rig)
{
	(void)strcpy(rig->directory, "/tmp/store_test_XXXXXX");
	CHECK(mkdtemp(rig->directory) != NULL);
}

void store_rig_remove(struct store_rig *rig)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", rig->directory);
	CHECK_EQ(system(command), 0);
}

void store_rig_open(struct store_rig *rig)
{
	if (!rig->directory[0])
		store_rig_make_directory(rig);
	CHECK_EQ(store_open(&rig->store, rig->directory, &rig->refusal), 0);
}

void store_rig_reopen(struct store_rig *rig)
{
	store_close(rig->store);
	store_rig_open(rig);
}

void store_rig_close(struct store_rig *rig)
{
	store_close(rig->store);
	rig->store = NULL;
	store_rig_remove(rig);
}

struct partition_record store_rig_partition(const char *name)
{
	struct partition_record record = { .restarts = 3,
					   .defined_us = 1ull << 50 };

	(void)text_copy(record.definition.name, NAME_SIZE, name);
	record.definition.cpu_count = 7;
	record.lifecycle.state = PARTITION_UNINSTALLED;
	(void)text_copy(record.reason, sizeof(record.reason), "because");
	return record;
}

static int count_partition(void *context, const struct partition_record *record)
{
	++*(int *)context;
	return 0;
}

static int count_child(void *context, const struct child_record *record)
{
	++*(int *)context;
	return 0;
}

int store_rig_children(struct store_rig *rig)
{
	int count = 0;

	CHECK_EQ(store_each_child(rig->store, count_child, &count), 0);
	return count;
}

int store_rig_partitions(struct store_rig *rig)
{
	int count = 0;

	CHECK_EQ(store_each_partition(rig->store, count_partition, &count), 0);
	return count;
}

void store_rig_sql(struct store_rig *rig, const char *sql)
{
	char path[96];
	sqlite3 *database;

	(void)snprintf(path, sizeof(path), "%s/store.db", rig->directory);
	CHECK_EQ(sqlite3_open(path, &database), SQLITE_OK);
	CHECK_EQ(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
	CHECK_EQ(sqlite3_close(database), SQLITE_OK);
}
