/* SPDX-License-Identifier: MIT */
#include "definition/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "definition/document.h"

/* Two records of one type, and what goes before the names of their fields. */
struct comparison {
	const struct record_type *record;
	const void *now;
	const void *then;
	const char *prefix;
	difference_visitor *visit;
	void *context;
};

static int visit_if_other(const struct comparison *comparison,
			  const struct difference *difference)
{
	return strcmp(difference->now, difference->then) == 0
		       ? 0
		       : comparison->visit(comparison->context, difference);
}

static void read_value(const struct field *field, const void *base,
		       char text[VALUE_SIZE])
{
	if (field_value(field, base, text) == VALUE_ABSENT)
		text[0] = '\0';
}

static int compare_value(const struct comparison *comparison,
			 struct difference *difference)
{
	read_value(difference->field, comparison->now, difference->now);
	read_value(difference->field, comparison->then, difference->then);
	if (difference->field->type == FIELD_MAC && !difference->then[0])
		return 0;
	return visit_if_other(comparison, difference);
}

/* Every element begins with its name. */
static void join_names(const struct field *list, const void *base,
		       char text[VALUE_SIZE])
{
	size_t used = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < field_list_count(list, base); i++)
		used += (size_t)snprintf(text + used, VALUE_SIZE - used,
					 "%s%.*s", i ? ", " : "", NAME_SIZE - 1,
					 (char *)field_list_at(list, base, i));
}

void *field_list_find(const struct field *list, const void *base,
		      const char *name)
{
	for (uint32_t i = 0; i < field_list_count(list, base); i++) {
		void *element = field_list_at(list, base, i);

		if (strncmp(element, name, NAME_SIZE) == 0)
			return element;
	}
	return NULL;
}

static int compare_records(const struct comparison *comparison);

static int compare_list(const struct comparison *comparison,
			struct difference *difference)
{
	const struct field *list = difference->field;
	struct comparison elements = *comparison;
	char prefix[FIELD_NAME_SIZE];
	int r;

	join_names(list, comparison->now, difference->now);
	join_names(list, comparison->then, difference->then);
	r = visit_if_other(comparison, difference);
	elements.record = list->element;
	elements.prefix = prefix;
	for (uint32_t i = 0;
	     r == 0 && i < field_list_count(list, comparison->then); i++) {
		(void)snprintf(prefix, sizeof(prefix), "%s[%u].", list->path,
			       i);
		elements.then = field_list_at(list, comparison->then, i);
		elements.now =
			field_list_find(list, comparison->now, elements.then);
		r = elements.now ? compare_records(&elements) : 0;
	}
	return r;
}

static int compare_records(const struct comparison *comparison)
{
	const struct record_type *record = comparison->record;
	int r = 0;

	for (size_t i = 0; r == 0 && i < record->field_count; i++) {
		struct difference difference = { .field = &record->fields[i] };

		(void)snprintf(difference.name, sizeof(difference.name), "%s%s",
			       comparison->prefix, difference.field->path);
		r = difference.field->type == FIELD_LIST
			    ? compare_list(comparison, &difference)
			    : compare_value(comparison, &difference);
	}
	return r;
}

int document_compare(const struct partition_document *now,
		     const struct partition_document *then,
		     difference_visitor *visit, void *context)
{
	const struct comparison comparison = {
		.record = &partition_record,
		.now = now,
		.then = then,
		.prefix = "",
		.visit = visit,
		.context = context,
	};

	return compare_records(&comparison);
}

const char *field_change_name(enum field_change change)
{
	static const char *const names[] = {
		[CHANGE_NEVER] = "never",
		[CHANGE_UNINSTALLED] = "uninstalled",
		[CHANGE_STOPPED] = "stopped",
		[CHANGE_RUNNING] = "running",
	};

	return names[change];
}

uint64_t document_digest(const struct partition_document *document)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return 0;
	document_write(document, out);
	if (fclose(out) != 0)
		bytes = 0;
	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ (uint8_t)text[i]) * 1099511628211u;
	free(text);
	return bytes ? hash | 1 : 0;
}
