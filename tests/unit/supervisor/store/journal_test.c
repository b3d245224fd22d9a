/* SPDX-License-Identifier: MIT */
#include "supervisor/store/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/harness.h"

static char directory[64];
static struct store *store;
static struct journal_entry last;
static char last_blob[16];
static int visited;

static void open_store(void)
{
	struct partition_record record = {
		.lifecycle.state = PARTITION_UNINSTALLED,
	};
	struct refusal refusal;

	(void)strcpy(directory, "/dev/shm/journal_test_XXXXXX");
	CHECK(mkdtemp(directory) != NULL);
	CHECK_EQ(store_open(&store, directory, &refusal), 0);
	(void)strcpy(record.definition.name, "web1");
	CHECK_EQ(store_put_partition(store, &record), 0);
	(void)strcpy(record.definition.name, "web2");
	CHECK_EQ(store_put_partition(store, &record), 0);
}

static void close_store(void)
{
	char command[96];

	store_close(store);
	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	CHECK_EQ(system(command), 0);
}

static int see(void *context, const struct journal_entry *entry)
{
	last = *entry;
	CHECK(entry->blob.bytes <= sizeof(last_blob));
	memcpy(last_blob, entry->blob.data, entry->blob.bytes);
	visited++;
	return 0;
}

static int end_each(void *context, const struct journal_entry *entry)
{
	visited++;
	return journal_end(store, entry->id);
}

TEST(an_intent_is_found_with_its_last_blob)
{
	uint64_t id;

	open_store();
	CHECK_EQ(journal_intend(store, JOURNAL_INSTALL, "web1", "ab", 2, &id),
		 0);
	CHECK_EQ(journal_update(store, id, "cdef", 4), 0);

	CHECK_EQ(journal_each(store, see, NULL), 0);
	CHECK_EQ(visited, 1);
	CHECK_EQ(last.id, id);
	CHECK_EQ(last.op, JOURNAL_INSTALL);
	CHECK_EQ(strcmp(last.subject, "web1"), 0);
	CHECK_EQ(last.blob.bytes, 4);
	CHECK_EQ(memcmp(last_blob, "cdef", 4), 0);
	close_store();
}

TEST(a_subject_has_one_intent_and_cannot_go_before_it)
{
	uint64_t id;

	open_store();
	CHECK_EQ(journal_intend(store, JOURNAL_INSTALL, "web1", "a", 1, &id),
		 0);
	CHECK_EQ(journal_intend(store, JOURNAL_INSTALL, "web1", "a", 1, &id),
		 -EBUSY);
	CHECK_EQ(store_delete_partition(store, "web1"), -EBUSY);

	CHECK_EQ(journal_end(store, id), 0);
	CHECK_EQ(store_delete_partition(store, "web1"), 0);
	close_store();
}

TEST(an_intent_that_does_not_exist_cannot_be_changed)
{
	open_store();
	CHECK_EQ(journal_update(store, 99, "a", 1), -ENOENT);
	CHECK_EQ(journal_end(store, 99), -ENOENT);
	close_store();
}

TEST(a_visitor_may_end_what_it_sees)
{
	uint64_t id;

	open_store();
	CHECK_EQ(journal_intend(store, JOURNAL_INSTALL, "web1", "a", 1, &id),
		 0);
	CHECK_EQ(journal_intend(store, JOURNAL_UNINSTALL, "web2", "b", 1, &id),
		 0);
	CHECK_EQ(journal_each(store, end_each, NULL), 0);
	CHECK_EQ(visited, 2);

	CHECK_EQ(journal_each(store, see, NULL), 0);
	CHECK_EQ(visited, 2);
	close_store();
}

TEST(an_end_that_is_rolled_back_leaves_the_intent)
{
	uint64_t id;

	open_store();
	CHECK_EQ(journal_intend(store, JOURNAL_INSTALL, "web1", "a", 1, &id),
		 0);
	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(journal_end(store, id), 0);
	store_rollback(store);

	CHECK_EQ(journal_each(store, see, NULL), 0);
	CHECK_EQ(visited, 1);
	close_store();
}
