/* SPDX-License-Identifier: MIT */
#include "cli/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/count.h"
#include "cli/cli.h"
#include "control/definition_message.h"
#include "control/drops.h"
#include "control/fields.h"
#include "definition/units.h"
#include "definition/value.h"
#include "sandbox/sandbox.h"

/* Names. ----------------------------------------------------------------------- */

const char *engine_name(uint32_t engine)
{
	const struct field *field = record_find(&partition_record, "engine");

	return engine < ENGINE_COUNT ? field->choices[engine] : "?";
}

const char *event_level_name(uint32_t level)
{
	static const char *const names[] = { "info", "warning", "error" };

	return level < ARRAY_COUNT(names) ? names[level] : "?";
}

static const char *const drop_names[] = {
#define DROP_NAME(id, name, text) [DROP_##id] = (name),
	SWITCH_DROPS(DROP_NAME)
#undef DROP_NAME
};

/* JSON. ------------------------------------------------------------------------ */

static json_t *json_layers(uint64_t bits)
{
	json_t *names = json_array();

	for (unsigned int i = 0; i < SANDBOX_LAYER_COUNT; i++)
		if (bits & (1u << i))
			(void)json_array_append_new(
				names, json_string(sandbox_layer_name(i)));
	return names;
}

/* A body says how many of its list are in use; that was checked. */
static json_t *json_list(const struct body_field *field, const uint8_t *body)
{
	json_t *array = json_array();
	uint16_t count, value;

	memcpy(&count, body + field->count_offset, sizeof(count));
	for (size_t i = 0; i < count; i++) {
		memcpy(&value, body + field->offset + i * sizeof(value),
		       sizeof(value));
		(void)json_array_append_new(array, json_integer(value));
	}
	return array;
}

static json_t *json_drops(const uint8_t *at)
{
	json_t *drops = json_object();
	uint64_t count;

	for (size_t i = 0; i < ARRAY_COUNT(drop_names); i++) {
		memcpy(&count, at + i * sizeof(count), sizeof(count));
		(void)json_object_set_new(drops, drop_names[i],
					  json_integer((json_int_t)count));
	}
	return drops;
}

static json_t *json_mac(const uint8_t *at)
{
	char mac[MAC_SIZE];

	mac_write(mac, at);
	return json_string(mac);
}

static json_t *json_field(const struct body_field *field, const uint8_t *body)
{
	uint64_t number =
		field->kind <= BODY_LAST_NUMBER ? body_number(field, body) : 0;

	switch (field->kind) {
	case BODY_NUMBER:
		return json_integer((json_int_t)number);
	case BODY_FLAG:
		return json_boolean(number);
	case BODY_ENGINE:
		return json_string(engine_name((uint32_t)number));
	case BODY_LEVEL:
		return json_string(event_level_name((uint32_t)number));
	case BODY_LAYERS:
		return json_layers(number);
	case BODY_TEXT:
	case BODY_NAME:
		return json_foreign((const char *)body + field->offset);
	case BODY_MAC:
		return json_mac(body + field->offset);
	case BODY_LIST:
		return json_list(field, body);
	case BODY_DROPS:
		return json_drops(body + field->offset);
	case BODY_ZERO:
	case BODY_BYTES:
	case BODY_NESTED:
	case BODY_ATTRIBUTES:
		break;
	}
	return NULL;
}

/* The map that a path is in; a group begins with the first of its values. */
static json_t *holder_of(json_t *object, const char *path)
{
	size_t bytes = strcspn(path, ".");
	char name[NAME_SIZE];
	json_t *group;

	if (!path[bytes])
		return object;
	(void)snprintf(name, sizeof(name), "%.*s", (int)bytes, path);
	group = json_object_get(object, name);
	if (group)
		return group;
	group = json_object();
	(void)json_object_set_new(object, name, group);
	return group;
}

static void set_field(json_t *object, const struct body_field *field,
		      const uint8_t *body)
{
	const char *dot = strchr(field->key, '.');

	(void)json_object_set_new(holder_of(object, field->key),
				  dot ? dot + 1 : field->key,
				  json_field(field, body));
}

static void set_fields(json_t *object, const struct body_field *field,
		       const uint8_t *body)
{
	for (; field->name; field++)
		if (field->kind == BODY_NESTED)
			set_fields(object, field->nested, body + field->offset);
		else if (field->key[0])
			set_field(object, field, body);
}

/* The keys of the record behind a body go beside the body's. */
static void set_record(json_t *object, const struct record_type *record,
		       uint32_t type, const void *body)
{
	struct partition_document value; /* the largest of all */
	struct refusal refusal;
	json_t *keys;

	if (definition_message_read(type, body, &value, &refusal) < 0)
		return;
	keys = json_record(record, &value);
	(void)json_object_update(object, keys);
	json_decref(keys);
}

json_t *json_row(uint32_t type, const void *body)
{
	const struct body_field *fields = message_shape(type)->fields;
	const struct body_field *behind = body_attributes(fields);
	json_t *object = json_object();

	set_fields(object, fields, body);
	if (behind)
		set_record(object, behind->record, type, body);
	return object;
}

/* Definitions. ----------------------------------------------------------------- */

static json_t *json_value(enum value_kind kind, const char *text)
{
	if (kind == VALUE_NUMBER)
		return json_integer(strtoll(text, NULL, 10));
	if (kind == VALUE_SWITCH)
		return json_boolean(strcmp(text, "true") == 0);
	if (kind == VALUE_LIST)
		return json_loads(text, 0, NULL);
	return json_foreign(text);
}

static json_t *json_elements(const struct field *field, const void *base)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < field_list_count(field, base); i++)
		(void)json_array_append_new(
			list, json_record(field->element,
					  field_list_at(field, base, i)));
	return list;
}

json_t *json_record(const struct record_type *record, const void *base)
{
	json_t *object = json_object();
	char text[VALUE_SIZE];

	for (size_t i = 0; i < record->field_count; i++) {
		const struct field *field = &record->fields[i];
		enum value_kind kind = field_value(field, base, text);

		if (field->type == FIELD_LIST)
			(void)json_object_set_new(object, field->path,
						  json_elements(field, base));
		else if (kind != VALUE_ABSENT)
			(void)json_object_set_new(
				holder_of(object, field->path),
				field_key(field), json_value(kind, text));
	}
	return object;
}

/* Tables. ---------------------------------------------------------------------- */

static const json_t *find(json_t *row, const char *key)
{
	const char *dot = strchr(key, '.');

	return json_object_get(holder_of(row, key), dot ? dot + 1 : key);
}

/* "landlock,seccomp"; the layers that are missing may be none. */
static void write_words(char *to, size_t room, const json_t *words)
{
	size_t i, used = 0;
	json_t *word;

	(void)snprintf(to, room, "none");
	json_array_foreach((json_t *)words, i, word)
		used += (size_t)snprintf(to + used, room - used, "%s%s",
					 used ? "," : "",
					 json_string_value(word));
}

/* "bad-source 3, no-buffer 1" */
static void write_counts(char *to, size_t room, const json_t *counts)
{
	const char *name;
	size_t used = 0;
	json_t *count;

	to[0] = '\0';
	json_object_foreach((json_t *)counts, name, count)
		if (json_integer_value(count) && used < room)
			used += (size_t)snprintf(to + used, room - used,
						 "%s%s %lld", used ? ", " : "",
						 name,
						 json_integer_value(count));
}

/* "10 20t 30t" */
static void write_vlans(char *to, size_t room, json_t *row)
{
	json_int_t pvid = json_integer_value(find(row, "vlan"));
	size_t i, used = 0;
	json_t *vid;

	to[0] = '\0';
	if (pvid)
		used = (size_t)snprintf(to, room, "%lld", pvid);
	json_array_foreach((json_t *)find(row, "tagged"), i, vid)
		used += (size_t)snprintf(to + used, room - used, "%s%lldt",
					 used ? " " : "",
					 json_integer_value(vid));
}

void port_write(char *to, size_t room, const char *partition, const char *nic)
{
	if (partition[0])
		(void)snprintf(to, room, "%s/%s", partition, nic);
	else
		(void)snprintf(to, room, "uplink");
}

static void write_cell(char *to, size_t room, const struct column *column,
		       json_t *row)
{
	const json_t *value = find(row, column->key);

	if (column->style == CELL_SIZE)
		size_write(to, (uint64_t)json_integer_value(value));
	else if (column->style == CELL_SECONDS)
		(void)snprintf(to, room, "%lld s",
			       json_integer_value(value) / 1000);
	else if (column->style == CELL_VLANS)
		write_vlans(to, room, row);
	else if (column->style == CELL_PORT)
		port_write(to, room, json_string_value(value),
			   json_string_value(find(row, "nic")));
	else if (json_is_string(value))
		(void)snprintf(to, room, "%s", json_string_value(value));
	else if (json_is_integer(value))
		(void)snprintf(to, room, "%lld", json_integer_value(value));
	else if (json_is_boolean(value))
		(void)snprintf(to, room, "%s",
			       json_is_true(value) ? "yes" : "");
	else if (json_is_array(value))
		write_words(to, room, value);
	else
		write_counts(to, room, value);
}

void rows_init(struct rows *rows, uint32_t type, const struct column *columns)
{
	const char *headings[TABLE_COLUMN_MAX + 1] = { NULL };

	for (size_t i = 0; columns[i].heading; i++)
		headings[i] = columns[i].heading;
	*rows = (struct rows){ .type = type,
			       .columns = columns,
			       .json = json_array() };
	table_init(&rows->table, headings);
}

void rows_release(struct rows *rows)
{
	table_release(&rows->table);
	json_decref(rows->json);
	rows->json = NULL;
}

bool rows_take(struct rows *rows, const struct message *row)
{
	char cell[TABLE_CELL_SIZE];
	json_t *object;

	if (row->type != rows->type)
		return false;
	object = json_row(row->type, row->body);
	for (const struct column *column = rows->columns; column->heading;
	     column++) {
		if (column->write)
			column->write(cell, sizeof(cell), row->body);
		else
			write_cell(cell, sizeof(cell), column, object);
		table_add(&rows->table, "%s", cell);
	}
	(void)json_array_append_new(rows->json, object);
	return true;
}

void rows_print(const struct rows *rows, const struct cli *cli)
{
	if (cli->is_json)
		cli_print_json(json_incref(rows->json));
	else
		table_print(&rows->table);
}

void rows_print_if_any(const struct rows *rows)
{
	if (json_array_size(rows->json) == 0)
		return;
	(void)puts("");
	table_print(&rows->table);
}
