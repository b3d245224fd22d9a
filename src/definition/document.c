/* SPDX-License-Identifier: MIT */
#include "definition/document.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/count.h"
#include "base/scope.h"
#include "definition/check.h"
#include "definition/schema.h"
#include "definition/value.h"

#define PATH_TEXT_SIZE 64

/*
 * Where in the document the next event lies. Nesting is as deep as this list
 * and no deeper, so there is no stack to bound.
 */
enum place {
	AT_START,
	IN_DOCUMENT, /* the outer map */
	IN_GROUP,    /* cpu: {...} */
	IN_LIST,     /* disks: [...] */
	IN_ELEMENT,  /* one element of it */
	IN_VALUES,   /* tagged: [...] in an element */
	AT_END,
};

struct reading {
	enum place place;
	const struct field *group; /* in IN_GROUP */
	const struct field *list;  /* in IN_LIST and deeper */
	const struct field *field; /* its value comes next; NULL: a key does */
	size_t line;
	uint64_t seen;         /* a bit per row of the document's record */
	uint64_t element_seen; /* the same for the element at hand */
	const struct record_type *record; /* of the document */
	void *document;
	struct refusal *refusal;
};

static bool is_in_element(const struct reading *reading)
{
	return reading->place == IN_ELEMENT || reading->place == IN_VALUES;
}

/* What the field that comes next is a part of. */
static const struct record_type *record_at_hand(const struct reading *reading)
{
	return is_in_element(reading) ? reading->list->element
				      : reading->record;
}

static uint32_t *element_count(const struct reading *reading)
{
	return (void *)((char *)reading->document +
			reading->list->count_offset);
}

static void *owner_at_hand(const struct reading *reading)
{
	if (!is_in_element(reading))
		return reading->document;
	return field_list_at(reading->list, reading->document,
			     *element_count(reading) - 1);
}

/* The field as the user finds it: "disks[1].file". */
static void name_key(const struct reading *reading, const char *key,
		     char name[PATH_TEXT_SIZE])
{
	if (is_in_element(reading))
		(void)snprintf(name, PATH_TEXT_SIZE, "%s[%u].%s",
			       reading->list->path, *element_count(reading) - 1,
			       key);
	else if (reading->place == IN_GROUP)
		(void)snprintf(name, PATH_TEXT_SIZE, "%s.%s",
			       reading->group->path, key);
	else
		(void)snprintf(name, PATH_TEXT_SIZE, "%s", key);
}

static int refuse_field(const struct reading *reading, const char *key,
			const char *why)
{
	char name[PATH_TEXT_SIZE];

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
		      reading->place == IN_LIST ? reading->list->path : "",
		      "%s (line %zu)", why, reading->line);
}

static const struct field *find_key(const struct reading *reading,
				    const char *key)
{
	char path[PATH_TEXT_SIZE];
	int length;

	if (strpbrk(key, ".[]"))
		return NULL;
	length =
		snprintf(path, sizeof(path), "%s%s%s",
			 reading->place == IN_GROUP ? reading->group->path : "",
			 reading->place == IN_GROUP ? "." : "", key);
	if (length < 0 || (size_t)length >= sizeof(path))
		return NULL;
	return record_find(record_at_hand(reading), path);
}

static int check_once(struct reading *reading, const struct field *field)
{
	uint64_t bit = 1ull << (field - record_at_hand(reading)->fields);
	uint64_t *seen = is_in_element(reading) ? &reading->element_seen
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
	char why[PATH_TEXT_SIZE];

	if (!field) {
		(void)snprintf(why, sizeof(why), "is not a field of a %s",
			       reading->record->name);
		return refuse_field(reading, key, why);
	}
	if (field->type == FIELD_REFUSED)
		return refuse_field(reading, key, field->help);
	reading->field = field;
	return check_once(reading, field);
}

static int read_value(struct reading *reading, const struct scalar *scalar)
{
	const struct field *field = reading->field;
	char name[PATH_TEXT_SIZE];

	if (field->type == FIELD_GROUP)
		return refuse_here(reading, "wants a map of fields");
	if (field->type == FIELD_LIST)
		return refuse_here(reading, "wants a list of maps");
	if (field_is_list(field) && reading->place != IN_VALUES)
		return refuse_here(reading, "wants a list");
	name_key(reading, field_key(field), name);
	if (reading->place != IN_VALUES)
		reading->field = NULL;
	return value_store(field, name, scalar, owner_at_hand(reading),
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
		return refuse(reading->refusal, -EINVAL, reading->list->path,
			      "wants a map for each %s (line %zu)",
			      reading->list->element->name, reading->line);
	if (reading->field)
		return read_value(reading, &scalar);
	return read_key(reading, scalar.text);
}

static int begin_element(struct reading *reading)
{
	if (*element_count(reading) == reading->list->most)
		return refuse(reading->refusal, -EINVAL, reading->list->path,
			      "holds more than %llu %ss (line %zu)",
			      (unsigned long long)reading->list->most,
			      reading->list->element->name, reading->line);
	++*element_count(reading);
	reading->element_seen = 0;
	reading->place = IN_ELEMENT;
	return 0;
}

static int on_map(struct reading *reading, const yaml_event_t *event)
{
	if (event->data.mapping_start.anchor || event->data.mapping_start.tag)
		return refuse_here(reading, "has an anchor or a tag");
	if (reading->place == IN_LIST)
		return begin_element(reading);
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
	if (reading->place == IN_ELEMENT && reading->field &&
	    field_is_list(reading->field)) {
		reading->place = IN_VALUES;
		return 0;
	}
	if (!reading->field || reading->field->type != FIELD_LIST)
		return refuse_here(reading, "does not take a list");
	reading->place = IN_LIST;
	reading->list = reading->field;
	reading->field = NULL;
	return 0;
}

/* Of one that is complete now; the rules between elements come last. */
static int end_element(struct reading *reading)
{
	const struct record_type *element = record_at_hand(reading);
	void *owner = owner_at_hand(reading);
	char prefix[PATH_TEXT_SIZE];
	struct refusal found;
	int r;

	name_key(reading, "", prefix);
	record_set_fallbacks(element, owner, reading->element_seen);
	if (element->complete)
		element->complete(owner);
	reading->place = IN_LIST;
	r = definition_check(element, owner, prefix, &found);
	return r < 0 ? refuse(reading->refusal, r, found.field,
			      "%s (%s ends in line %zu)", found.text,
			      element->name, reading->line)
		     : 0;
}

static int end_map(struct reading *reading)
{
	if (reading->place == IN_ELEMENT)
		return end_element(reading);
	reading->place = reading->place == IN_GROUP ? IN_DOCUMENT : AT_END;
	return 0;
}

static int end_list(struct reading *reading)
{
	if (reading->place == IN_VALUES) {
		reading->place = IN_ELEMENT;
		reading->field = NULL;
		return 0;
	}
	reading->place = IN_DOCUMENT;
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
		return end_list(reading);
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

/*
 * What begins like JSON is to be JSON in this as well: YAML would take a comma
 * before a closing bracket. Returns its line; 0: there is none.
 */
static size_t find_trailing_comma(const char *text, size_t bytes)
{
	size_t line = 1;
	char quote = '\0';
	char last = '\0';

	for (size_t i = 0; i < bytes; i++) {
		char c = text[i];

		line += c == '\n';
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			continue;
		if (!last && c != '{')
			return 0;
		if (quote && c == '\\' && quote == '"')
			i++;
		else if (quote)
			quote = c == quote ? '\0' : quote;
		else if (c == '"' || c == '\'')
			quote = c;
		else if (last == ',' && (c == '}' || c == ']'))
			return line;
		last = quote ? quote : c;
	}
	return 0;
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

static int parse(struct reading *reading, const char *text, size_t bytes)
{
	const struct record_type *record = reading->record;
	int r = read_text(reading, text, bytes);

	if (r == 0 && reading->place != AT_END)
		r = refuse(reading->refusal, -EINVAL, "",
			   "the document is empty");
	if (r < 0)
		return r;
	record_set_fallbacks(record, reading->document, reading->seen);
	return definition_check(record, reading->document, "",
				reading->refusal);
}

int document_parse_record(const struct record_type *record, const char *text,
			  size_t bytes, void *ret_value,
			  struct refusal *ret_refusal)
{
	SCOPED(free_pointer) void *value = calloc(1, record->bytes);
	struct reading reading = {
		.record = record,
		.document = value,
		.refusal = ret_refusal,
	};
	size_t comma;
	int r;

	if (!value)
		return -ENOMEM;
	if (bytes > DOCUMENT_BYTES_MAX)
		return refuse(ret_refusal, -EINVAL, "",
			      "a document is at most %d bytes long",
			      DOCUMENT_BYTES_MAX);
	comma = find_trailing_comma(text, bytes);
	if (comma)
		return refuse(ret_refusal, -EINVAL, "",
			      "not JSON: a comma before a closing bracket "
			      "(line %zu)",
			      comma);
	r = parse(&reading, text, bytes);
	if (r == 0)
		memcpy(ret_value, value, record->bytes);
	return r;
}

int document_parse(const char *text, size_t bytes,
		   struct partition_document *ret_document,
		   struct refusal *ret_refusal)
{
	return document_parse_record(&partition_record, text, bytes,
				     ret_document, ret_refusal);
}
