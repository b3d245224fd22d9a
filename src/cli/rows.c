/* SPDX-License-Identifier: MIT */
#include "cli/rows.h"

#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "cli/cli.h"
#include "definition/value.h"
#include "sandbox/sandbox.h"

void json_set_text(json_t *object, const char *key, const char *text)
{
	(void)json_object_set_new(object, key, json_foreign(text));
}

void json_set_number(json_t *object, const char *key, uint64_t value)
{
	(void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

void json_set_flag(json_t *object, const char *key, bool value)
{
	(void)json_object_set_new(object, key, json_boolean(value));
}

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

json_t *json_partition(const struct partition_row *row)
{
	json_t *object = json_object();

	json_set_text(object, "name", row->name);
	json_set_text(object, "state", row->state_name);
	json_set_text(object, "engine", engine_name(row->engine));
	json_set_number(object, "monitor_pid", row->monitor_pid);
	json_set_number(object, "engine_pid", row->engine_pid);
	json_set_number(object, "cpus", row->cpu_count);
	json_set_number(object, "memory_bytes", row->memory_bytes);
	json_set_number(object, "disk_count", row->disk_count);
	json_set_number(object, "disks_up", row->disks_up);
	json_set_number(object, "restarts", row->restarts);
	json_set_number(object, "running_ms", row->running_ms);
	json_set_text(object, "reason", row->reason);
	return object;
}

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

/* The map that the field is in; a group begins with the first of its values. */
static json_t *holder_of(json_t *object, const struct field *field)
{
	size_t bytes = strcspn(field->path, ".");
	char name[NAME_SIZE];
	json_t *group;

	if (!field->path[bytes])
		return object;
	(void)snprintf(name, sizeof(name), "%.*s", (int)bytes, field->path);
	group = json_object_get(object, name);
	if (group)
		return group;
	group = json_object();
	(void)json_object_set_new(object, name, group);
	return group;
}

static json_t *json_list(const struct field *field, const void *base)
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
						  json_list(field, base));
		else if (kind != VALUE_ABSENT)
			(void)json_object_set_new(holder_of(object, field),
						  field_key(field),
						  json_value(kind, text));
	}
	return object;
}

static json_t *json_counters(const struct disk_counters *counters)
{
	json_t *object = json_object();

	json_set_number(object, "reads", counters->reads);
	json_set_number(object, "writes", counters->writes);
	json_set_number(object, "flushes", counters->flushes);
	json_set_number(object, "others", counters->others);
	json_set_number(object, "read_bytes", counters->read_bytes);
	json_set_number(object, "written_bytes", counters->written_bytes);
	json_set_number(object, "errors", counters->errors);
	json_set_number(object, "replayed", counters->replayed);
	json_set_number(object, "outages", counters->outages);
	json_set_number(object, "outage_longest_us",
			counters->outage_longest_us);
	json_set_number(object, "outage_total_us", counters->outage_total_us);
	json_set_number(object, "violations", counters->violations);
	json_set_number(object, "in_flight", counters->in_flight);
	json_set_number(object, "held", counters->held);
	return object;
}

json_t *json_disk(const struct disk_row *row)
{
	json_t *object = json_object();

	json_set_text(object, "partition", row->partition);
	json_set_text(object, "name", row->disk);
	json_set_text(object, "service", row->service);
	json_set_text(object, "file", row->file);
	json_set_text(object, "state", row->state);
	json_set_number(object, "size_bytes", row->size_bytes);
	json_set_flag(object, "read_only", row->read_only);
	json_set_number(object, "instance_pid", row->instance_pid);
	json_set_number(object, "generation", row->counters.generation);
	(void)json_object_set_new(object, "counters",
				  json_counters(&row->counters));
	return object;
}

json_t *json_emulation(const struct emulation *row)
{
	json_t *object = json_object();

	json_set_text(object, "mnemonic", row->mnemonic);
	json_set_number(object, "count", row->count);
	return object;
}

json_t *json_image(const struct image_row *row)
{
	json_t *object = json_object();

	json_set_number(object, "saved_us", row->saved_us);
	json_set_number(object, "bytes", row->bytes);
	return object;
}

json_t *json_image_left(const struct image_left_row *row)
{
	json_t *object = json_object();

	json_set_text(object, "file", row->file);
	json_set_number(object, "size_bytes", row->bytes);
	return object;
}

static json_t *json_layer_names(uint32_t bits)
{
	json_t *names = json_array();

	for (unsigned int i = 0; i < SANDBOX_LAYER_COUNT; i++)
		if (bits & (1u << i))
			(void)json_array_append_new(
				names, json_string(sandbox_layer_name(i)));
	return names;
}

json_t *json_layers(const struct layer_row *row)
{
	json_t *object = json_object();

	json_set_text(object, "process", row->process);
	json_set_number(object, "pid", row->pid);
	(void)json_object_set_new(object, "layers",
				  json_layer_names(row->layers));
	(void)json_object_set_new(object, "missing",
				  json_layer_names(row->missing));
	return object;
}

json_t *json_service(const struct service_row *row)
{
	json_t *object = json_object();

	json_set_text(object, "name", row->name);
	json_set_text(object, "kind", row->kind);
	json_set_text(object, "role", row->state);
	json_set_number(object, "pid", row->pid);
	json_set_number(object, "restarts", row->restarts);
	json_set_number(object, "clients", row->client_count);
	json_set_number(object, "standby_wanted", row->standby_wanted);
	json_set_number(object, "instance", row->instance);
	json_set_number(object, "age_ms", row->age_ms);
	json_set_number(object, "last_outage_us", row->last_outage_us);
	return object;
}

json_t *json_quarantine(const struct quarantine_row *row)
{
	json_t *object = json_object();

	json_set_number(object, "pid", row->pid);
	json_set_text(object, "kind", row->kind);
	json_set_text(object, "name", row->name);
	json_set_number(object, "age_ms", row->age_ms);
	return object;
}

json_t *json_event(const struct event_row *row)
{
	json_t *object = json_object();

	json_set_number(object, "sequence", row->sequence);
	json_set_number(object, "time_us", row->time_us);
	json_set_text(object, "level", event_level_name(row->level));
	json_set_text(object, "subject", row->subject);
	json_set_text(object, "text", row->text);
	return object;
}

json_t *json_supervisor(const struct supervisor_row *row)
{
	json_t *object = json_object();

	json_set_text(object, "version", row->version);
	json_set_number(object, "pid", row->pid);
	json_set_number(object, "keeper_pid", row->keeper_pid);
	json_set_number(object, "age_ms", row->age_ms);
	json_set_number(object, "uid", row->uid);
	json_set_number(object, "adopted", row->adopted);
	json_set_text(object, "engine", row->engine);
	json_set_text(object, "engine_reason", row->engine_reason);
	json_set_text(object, "store_trouble", row->store_trouble);
	json_set_number(object, "quarantined", row->quarantined);
	return object;
}
