/* SPDX-License-Identifier: MIT */
/* The keys of --json are a contract with scripts. */
#include "cli/rows.h"

#include <string.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "definition/document.h"
#include "lib/harness.h"

static void check_keys(json_t *object, const char *keys)
{
	char found[512] = "";
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		(void)strcat(found, key);
		(void)strcat(found, " ");
	}
	CHECK_EQ(strcmp(found, keys), 0);
	json_decref(object);
}

TEST(a_service_row_has_its_keys)
{
	const struct service_row row = { .name = "disk0" };

	check_keys(json_service(&row),
		   "name kind role pid restarts clients standby_wanted "
		   "instance age_ms last_outage_us ");
}

TEST(an_image_that_is_left_has_its_keys)
{
	const struct image_left_row row = { .file = "/srv/web1.img" };

	check_keys(json_image_left(&row), "file size_bytes ");
}

TEST(a_partition_row_has_its_keys)
{
	const struct partition_row row = { .name = "web1" };

	check_keys(json_partition(&row),
		   "name state engine monitor_pid engine_pid cpus "
		   "memory_bytes disk_count disks_up restarts running_ms "
		   "reason ");
}

TEST(a_disk_row_has_its_keys_and_counters)
{
	const struct disk_row row = { .disk = "root" };
	json_t *disk = json_disk(&row);

	check_keys(json_incref(json_object_get(disk, "counters")),
		   "reads writes flushes others read_bytes written_bytes "
		   "errors replayed outages outage_longest_us "
		   "outage_total_us violations in_flight held ");
	check_keys(disk, "partition name service file state size_bytes "
			 "read_only instance_pid generation counters ");
}

TEST(an_image_and_an_emulation_have_their_keys)
{
	const struct emulation emulated = { .mnemonic = "movups" };
	const struct image_row image = { .bytes = 1 };

	check_keys(json_emulation(&emulated), "mnemonic count ");
	check_keys(json_image(&image), "saved_us bytes ");
}

TEST(an_event_has_its_keys)
{
	const struct event_row row = { .subject = "partition web1" };

	check_keys(json_event(&row), "sequence time_us level subject text ");
}

TEST(isolation_names_each_layer)
{
	const struct layer_row row = { .process = "bulkhead-disk [disk0]",
				       .layers = 1u << 12,
				       .missing = 1u << 11 };
	json_t *object = json_layers(&row);
	const json_t *missing = json_object_get(object, "missing");

	CHECK_EQ(json_array_size(missing), 1);
	CHECK_EQ(strcmp(json_string_value(json_array_get(missing, 0)),
			"landlock"),
		 0);
	check_keys(object, "process pid layers missing ");
}

TEST(a_definition_is_the_document_that_define_takes)
{
	static const char text[] =
		"partition: web1\nboot: {kernel: /k}\nmemory: {size: 1G}\n"
		"disks: [{name: a, file: /a, on-outage: \"fail: 3s\"}]\n";
	struct partition_document before, after;
	struct refusal refusal;
	json_t *object;
	char *again;

	CHECK_EQ(document_parse(text, strlen(text), &before, &refusal), 0);
	object = json_record(&partition_record, &before);
	again = json_dumps(object, 0);
	CHECK_EQ(document_parse(again, strlen(again), &after, &refusal), 0);

	CHECK_EQ(memcmp(&before, &after, sizeof(before)), 0);

	free(again);
	json_decref(object);
}

TEST(foreign_text_that_is_not_utf8_is_escaped)
{
	json_t *text = json_foreign("a\xff");

	CHECK_EQ(strcmp(json_string_value(text), "a\\xff"), 0);

	json_decref(text);
}

TEST(an_engine_or_level_that_is_not_known_is_a_question_mark)
{
	CHECK_EQ(strcmp(engine_name(99), "?"), 0);
	CHECK_EQ(strcmp(event_level_name(99), "?"), 0);
}

TEST(a_hostile_guest_cannot_drive_the_terminal_through_a_table)
{
	static const char *const headings[] = { "REASON", NULL };
	struct table table;

	table_init(&table, headings);
	table_add(&table, "%s", "a\033[2Jb");

	CHECK_EQ(strcmp(table.cells[1], "a\\x1b[2Jb"), 0);

	table_release(&table);
}
