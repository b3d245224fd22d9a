/* SPDX-License-Identifier: MIT */
/* The keys of --json are a contract with scripts. */
#include "cli/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/count.h"
#include "cli/cli.h"
#include "cli/columns.h"
#include "control/definition_message.h"
#include "control/fields.h"
#include "control/protocol.h"
#include "definition/document.h"
#include "lib/harness.h"

static void check_keys(json_t *object, const char *keys)
{
	char found[512] = "";
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) {
		(void)strcat(found, key);
		(void)strcat(found, " ");
	}
	CHECK_EQ(strcmp(found, keys), 0);
	json_decref(object);
}

TEST(a_service_row_has_its_keys)
{
	const struct service_row row = { .name = "disk0" };

	check_keys(json_row(MSG_SERVICE_ROW, &row),
		   "name kind role pid restarts clients standby_wanted "
		   "instance age_ms last_outage_us ");
}

TEST(an_image_that_is_left_has_its_keys)
{
	const struct image_left_row row = { .file = "/srv/web1.img" };

	check_keys(json_row(MSG_IMAGE_LEFT_ROW, &row), "file size_bytes ");
}

TEST(a_partition_row_has_its_keys)
{
	const struct partition_row row = { .name = "web1" };

	check_keys(json_row(MSG_PARTITION_ROW, &row),
		   "name state engine monitor_pid engine_pid cpus "
		   "memory_bytes disk_count disks_up restarts running_ms "
		   "reason ");
}

TEST(a_disk_row_has_its_keys_and_counters)
{
	const struct disk_row row = { .disk = "root" };
	json_t *disk = json_row(MSG_DISK_ROW, &row);

	check_keys(json_incref(json_object_get(disk, "counters")),
		   "reads writes flushes others read_bytes written_bytes "
		   "errors replayed outages outage_longest_us "
		   "outage_total_us violations in_flight held "
		   "local_reads ");
	check_keys(disk, "partition name service file state size_bytes "
			 "read_only instance_pid generation counters ");
}

TEST(an_image_and_an_emulation_have_their_keys)
{
	const struct emulation emulated = { .mnemonic = "movups" };
	const struct image_row image = { .bytes = 1 };

	check_keys(json_row(MSG_EMULATION_ROW, &emulated), "mnemonic count ");
	check_keys(json_row(MSG_IMAGE_ROW, &image), "saved_us bytes ");
}

TEST(an_event_has_its_keys)
{
	const struct event_row row = { .subject = "partition web1" };

	check_keys(json_row(MSG_EVENT_ROW, &row),
		   "sequence time_us level subject text ");
}

TEST(isolation_names_each_layer)
{
	const struct layer_row row = { .process = "bulkhead-disk [disk0]",
				       .layers = 1u << 12,
				       .missing = 1u << 11 };
	json_t *object = json_row(MSG_LAYER_ROW, &row);
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

static const struct {
	uint32_t type;
	const struct column *columns;
} lists[] = {
	{ MSG_PARTITION_ROW, partition_columns },
	{ MSG_DISK_ROW, disk_columns },
	{ MSG_NIC_ROW, nic_columns },
	{ MSG_LAYER_ROW, process_columns },
	{ MSG_EMULATION_ROW, emulation_columns },
	{ MSG_SERVICE_ROW, service_columns },
	{ MSG_QUARANTINE_ROW, quarantine_columns },
	{ MSG_SWITCH_ROW, switch_columns },
	{ MSG_SWITCH_PORT_ROW, port_columns },
	{ MSG_SWITCH_ENTRY_ROW, entry_columns },
	{ MSG_SWITCH_MIRROR_ROW, mirror_columns },
	{ MSG_SWITCH_DEAD_END_ROW, dead_end_columns },
};

static void fill_texts(const struct body_field *field, uint8_t *body)
{
	for (; field->name; field++)
		if (field->kind == BODY_NESTED)
			fill_texts(field->nested, body + field->offset);
		else if (field->kind == BODY_TEXT)
			memcpy(body + field->offset, "a\033[2J", 5);
}

TEST(a_hostile_peer_cannot_drive_the_terminal_through_a_row)
{
	static struct message row;
	struct rows rows;

	for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
		row = (struct message){ .type = lists[i].type };
		fill_texts(message_shape(row.type)->fields, row.body);
		rows_init(&rows, row.type, lists[i].columns);
		CHECK(rows_take(&rows, &row));
		CHECK_EQ(json_array_size(rows.json), 1);
		CHECK_EQ(rows.table.cell_count, 2 * rows.table.column_count);
		for (size_t cell = 0; cell < rows.table.cell_count; cell++)
			CHECK(!strchr(rows.table.cells[cell], '\033'));
		rows_release(&rows);
	}
}

static void print_as_line(const char *text)
{
	cli_print_line("%s", text);
}

static void print_as_json(const char *text)
{
	cli_print_json(json_pack("[o]", json_foreign(text)));
}

/* What is printed into a file in the place of stdout. */
static void print(char *to, size_t room, void (*as)(const char *text),
		  const char *text)
{
	FILE *file = tmpfile(), *before = stdout;

	CHECK(file != NULL);
	stdout = file;
	as(text);
	stdout = before;
	rewind(file);
	to[fread(to, 1, room - 1, file)] = '\0';
	(void)fclose(file);
}

TEST(a_hostile_peer_cannot_drive_the_terminal_through_a_line)
{
	char line[64];

	print(line, sizeof(line), print_as_line, "it's \"a\"\n\033[2J");
	CHECK_EQ(strcmp(line, "it's \"a\"\\x0a\\x1b[2J\n"), 0);
}

TEST(a_hostile_peer_cannot_drive_the_terminal_through_json)
{
	char line[64];

	print(line, sizeof(line), print_as_json,
	      "\xc2\x9b"
	      "2J\033");
	CHECK_EQ(strcmp(line, "[\"\\u009B2J\\u001B\"]\n"), 0);
}

static void check_json(json_t *object, const char *json)
{
	char *text = json_dumps(object, JSON_COMPACT);

	CHECK_EQ(strcmp(text, json), 0);
	free(text);
	json_decref(object);
}

TEST(a_switch_row_has_the_keys_of_its_definition)
{
	const struct switch_definition definition = {
		.name = "lan",
		.service = "net0",
		.uplink = { "br0", UPLINK_BRIDGE },
		.vlans = { 1, { 2, { 10, 20 } } },
	};
	const struct switch_row row = {
		.uplink_state = "up",
		.interface = "bulkhead0",
		.port_count = 3,
		.instance_pid = 7,
	};
	struct definition_message body;

	CHECK(definition_message_make(MSG_SWITCH_ROW, &row, &definition,
				      &body) > 0);
	check_json(json_row(MSG_SWITCH_ROW, &body),
		   "{\"state\":\"up\",\"interface\":\"bulkhead0\","
		   "\"ports\":3,\"instance_pid\":7,"
		   "\"name\":\"lan\",\"service\":\"net0\","
		   "\"uplink\":\"bridge:br0\",\"vlan\":1,"
		   "\"tagged\":[10,20]}");
}

TEST(an_address_row_has_its_mac_and_flag)
{
	const struct net_entry row = { .network = "lan",
				       .nic = "eth0",
				       .mac = { 2, 0, 0, 0, 0, 1 },
				       .vid = 5,
				       .is_static = 1 };

	check_json(json_row(MSG_SWITCH_ENTRY_ROW, &row),
		   "{\"vlan\":5,\"mac\":\"02:00:00:00:00:01\","
		   "\"partition\":\"\",\"nic\":\"eth0\",\"is_static\":true,"
		   "\"age_ms\":0}");
}

TEST(a_row_of_another_type_is_not_taken)
{
	static const struct message row = { .type = MSG_DISK_ROW };
	struct rows rows;

	rows_init(&rows, MSG_NIC_ROW, nic_columns);
	CHECK(!rows_take(&rows, &row));
	CHECK_EQ(json_array_size(rows.json), 0);
	rows_release(&rows);
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
