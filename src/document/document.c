/* SPDX-License-Identifier: MIT */
#include "document/document.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <yaml.h>

#include "base/count.h"
#include "base/scope.h"
#include "document/rules.h"
#include "document/schema.h"
#include "document/value.h"

#define PATH_TEXT_ROOM 64

/*
 * Where in the document the next event lies. Nesting is as deep as this list
 * and no deeper, so there is no stack to bound.
 */
enum place {
	AT_START,
	IN_DOCUMENT, /* the outer map */
	IN_GROUP,    /* cpu: {...} */
	IN_LIST,     /* disks: [...] */
	IN_DISK,     /* one element of it */
	AT_END,
};

struct reading {
	enum place place;
	const struct field *group; /* in IN_GROUP */
	const struct field *field; /* its value comes next; NULL: a key does */
	size_t line;
	uint64_t seen;      /* a bit per row of the schema */
	uint64_t disk_seen; /* the same for the disk at hand */
	struct partition_definition *definition;
	struct refusal *refusal;
};

static struct disk_definition *disk_at_hand(const struct reading *reading)
{
	return &reading->definition->disks[reading->definition->disk_count - 1];
}

/* The field as the user finds it: "disks[1].file". */
static void name_key(const struct reading *reading, const char *key,
		     char name[PATH_TEXT_ROOM])
{
	if (reading->place == IN_DISK)
		(void)snprintf(name, PATH_TEXT_ROOM, "disks[%u].%s",
			       reading->definition->disk_count - 1, key);
	else if (reading->place == IN_GROUP)
		(void)snprintf(name, PATH_TEXT_ROOM, "%s.%s",
			       reading->group->path, key);
	else
		(void)snprintf(name, PATH_TEXT_ROOM, "%s", key);
}

static int refuse_field(const struct reading *reading, const char *key,
			const char *why)
{
	char name[PATH_TEXT_ROOM];

	name_key(reading, key, name);
	return refuse(reading->refusal, -EINVAL, name, "%s (line %zu)", why,
		      reading->line);
}

static int refuse_here(const struct reading *reading, const char *why)
{
	if (reading->field)
		return refuse_field(reading, field_key(reading->field), why);
	if (reading->place == IN_GROUP)
		return refuse(reading->refusal, -EINVAL, reading->group->path,
			      "%s (line %zu)", why, reading->line);
	return refuse(reading->refusal, -EINVAL,
		      reading->place == IN_LIST ? "disks" : "", "%s (line %zu)",
		      why, reading->line);
}

static const struct field *find_key(const struct reading *reading,
				    const char *key)
{
	char path[PATH_TEXT_ROOM];
	int length;

	if (strpbrk(key, ".[]"))
		return NULL;
	length = snprintf(path, sizeof(path), "%s%s%s",
			  reading->place == IN_DISK    ? "disks[]"
			  : reading->place == IN_GROUP ? reading->group->path
						       : "",
			  reading->place == IN_DOCUMENT ? "" : ".", key);
	if (length < 0 || (size_t)length >= sizeof(path))
		return NULL;
	return schema_find(path);
}

static int check_once(struct reading *reading, const struct field *field)
{
	size_t count;
	uint64_t bit = 1ull << (field - schema_fields(&count));
	uint64_t *seen = reading->place == IN_DISK ? &reading->disk_seen
						   : &reading->seen;

	if (*seen & bit)
		return refuse_field(reading, field_key(field),
				    "is given twice");
	*seen |= bit;
	return 0;
}

static int read_key(struct reading *reading, const char *key)
{
	const struct field *field = find_key(reading, key);

	if (!field)
		return refuse_field(reading, key,
				    "is not a field of a partition");
	if (field->type == FIELD_REFUSED)
		return refuse_field(reading, key, field->help);
	reading->field = field;
	return check_once(reading, field);
}

static int read_value(struct reading *reading, const struct scalar *scalar)
{
	const struct field *field = reading->field;
	char name[PATH_TEXT_ROOM];

	if (field->type == FIELD_GROUP)
		return refuse_here(reading, "wants a map of fields");
	if (field->type == FIELD_LIST)
		return refuse_here(reading, "wants a list of maps");
	name_key(reading, field_key(field), name);
	reading->field = NULL;
	return value_store(field, name, scalar, reading->definition,
			   reading->place == IN_DISK ? disk_at_hand(reading)
						     : NULL,
			   reading->refusal);
}

static int on_scalar(struct reading *reading, const yaml_event_t *event)
{
	const struct scalar scalar = {
		.text = (const char *)event->data.scalar.value,
		.bytes = event->data.scalar.length,
		.is_quoted =
			event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE,
		.line = reading->line,
	};

	if (event->data.scalar.anchor || event->data.scalar.tag)
		return refuse_here(reading, "has an anchor or a tag");
	if (reading->place == AT_START)
		return refuse_here(reading, "a document is a map of fields");
	if (reading->place == IN_LIST)
		return refuse_here(reading, "wants a map for each disk");
	if (reading->field)
		return read_value(reading, &scalar);
	return read_key(reading, scalar.text);
}

static int begin_disk(struct reading *reading)
{
	if (reading->definition->disk_count == DISK_COUNT_MAX)
		return refuse_here(reading, "holds more than 8 disks");
	reading->definition->disk_count++;
	reading->disk_seen = 0;
	value_set_disk_fallbacks(disk_at_hand(reading));
	reading->place = IN_DISK;
	return 0;
}

static int on_map(struct reading *reading, const yaml_event_t *event)
{
	if (event->data.mapping_start.anchor || event->data.mapping_start.tag)
		return refuse_here(reading, "has an anchor or a tag");
	if (reading->place == IN_LIST)
		return begin_disk(reading);
	if (reading->place == AT_START) {
		reading->place = IN_DOCUMENT;
		return 0;
	}
	if (!reading->field)
		return refuse_here(reading,
				   "has a map where a field's name belongs");
	if (reading->field->type != FIELD_GROUP)
		return refuse_here(reading, "does not take a map");
	reading->place = IN_GROUP;
	reading->group = reading->field;
	reading->field = NULL;
	return 0;
}

static int on_list(struct reading *reading, const yaml_event_t *event)
{
	if (event->data.sequence_start.anchor || event->data.sequence_start.tag)
		return refuse_here(reading, "has an anchor or a tag");
	if (reading->place == AT_START)
		return refuse_here(reading, "a document is a map of fields");
	if (!reading->field || reading->field->type != FIELD_LIST)
		return refuse_here(reading, "does not take a list");
	reading->place = IN_LIST;
	reading->field = NULL;
	return 0;
}

static int end_map(struct reading *reading)
{
	char missing[PATH_TEXT_ROOM];
	const struct field *field;

	if (reading->place == IN_DISK) {
		field = rules_find_missing(reading->disk_seen, true);
		if (field) {
			name_key(reading, field_key(field), missing);
			return refuse(reading->refusal, -EINVAL, missing,
				      "is missing (disk ends in line %zu)",
				      reading->line);
		}
	}
	reading->place = reading->place == IN_DISK    ? IN_LIST
			 : reading->place == IN_GROUP ? IN_DOCUMENT
						      : AT_END;
	return 0;
}

static int read_event(struct reading *reading, const yaml_event_t *event)
{
	reading->line = event->start_mark.line + 1;
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(reading, event);
	case YAML_MAPPING_START_EVENT:
		return on_map(reading, event);
	case YAML_SEQUENCE_START_EVENT:
		return on_list(reading, event);
	case YAML_MAPPING_END_EVENT:
		return end_map(reading);
	case YAML_SEQUENCE_END_EVENT:
		reading->place = IN_DOCUMENT;
		return 0;
	case YAML_ALIAS_EVENT:
		return refuse_here(reading, "has an alias");
	case YAML_DOCUMENT_START_EVENT:
		if (reading->place == AT_START)
			return 0;
		return refuse_here(reading, "a second document begins");
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return 0;
	}
	return 0;
}

static int refuse_syntax(const yaml_parser_t *parser, struct refusal *refusal)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	return refuse(refusal, -EINVAL, "", "not YAML or JSON: %s (line %zu)",
		      parser->problem ? parser->problem : "cannot be read",
		      parser->problem_mark.line + 1);
}

static int read_events(struct reading *reading, yaml_parser_t *parser)
{
	yaml_event_type_t type = YAML_NO_EVENT;
	yaml_event_t event;
	int r = 0;

	while (r == 0 && type != YAML_STREAM_END_EVENT) {
		if (!yaml_parser_parse(parser, &event))
			return refuse_syntax(parser, reading->refusal);
		type = event.type;
		r = read_event(reading, &event);
		yaml_event_delete(&event);
	}
	return r;
}

static int read_text(struct reading *reading, const char *text, size_t bytes)
{
	SCOPED(yaml_parser_delete) yaml_parser_t parser;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text,
				     bytes);
	return read_events(reading, &parser);
}

int document_parse(const char *text, size_t bytes,
		   struct partition_definition *ret_definition,
		   struct refusal *ret_refusal)
{
	struct partition_definition definition = { 0 };
	struct reading reading = {
		.definition = &definition,
		.refusal = ret_refusal,
	};
	int r;

	if (bytes > DOCUMENT_BYTES_MAX)
		return refuse(ret_refusal, -EINVAL, "",
			      "a document is at most %d bytes long",
			      DOCUMENT_BYTES_MAX);
	value_set_fallbacks(&definition);
	r = read_text(&reading, text, bytes);
	if (r == 0 && reading.place != AT_END)
		r = refuse(ret_refusal, -EINVAL, "", "the document is empty");
	if (r == 0)
		r = rules_check(&definition, reading.seen, ret_refusal);
	if (r == 0)
		*ret_definition = definition;
	return r;
}
