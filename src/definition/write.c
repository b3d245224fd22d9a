/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/count.h"
#include "definition/document.h"
#include "definition/value.h"

static bool is_plain(const char *text)
{
	static const char *const words[] = { "null", "true", "false", "yes",
					     "no" };

	for (size_t i = 0; i < ARRAY_COUNT(words); i++)
		if (strcmp(text, words[i]) == 0)
			return false;
	/* A letter or slash first: cannot be taken for a number. */
	return (*text == '/' || (*text >= 'a' && *text <= 'z')) &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") ==
		       strlen(text);
}

static void write_quoted(const char *text, FILE *out)
{
	size_t bytes;

	(void)fputc('"', out);
	for (; *text; text += bytes ? bytes : 1) {
		bytes = text_printable(text);
		if (*text == '"' || *text == '\\')
			(void)fputc('\\', out);
		if (bytes)
			(void)fwrite(text, 1, bytes, out);
		else
			(void)fprintf(out, "\\x%02x", (unsigned char)*text);
	}
	(void)fputc('"', out);
}

/* False when there is nothing to write. */
static bool write_field(const struct field *field, const char *lead,
			const void *base, FILE *out)
{
	char text[VALUE_SIZE];
	enum value_kind kind = field_value(field, base, text);

	if (kind == VALUE_ABSENT)
		return false;
	(void)fprintf(out, "%s%s: ", lead, field_key(field));
	if (kind == VALUE_TEXT && !is_plain(text) &&
	    field->type != FIELD_SIZE && field->type != FIELD_TIME)
		write_quoted(text, out);
	else
		(void)fputs(text, out);
	(void)fputc('\n', out);
	return true;
}

static void write_element(const struct record_type *record, const void *element,
			  FILE *out)
{
	const char *lead = "  - ";

	for (size_t i = 0; i < record->field_count; i++)
		if (write_field(&record->fields[i], lead, element, out))
			lead = "    ";
}

static void write_list(const struct field *field, const void *base, FILE *out)
{
	uint32_t count = field_list_count(field, base);

	if (count)
		(void)fprintf(out, "%s:\n", field->path);
	for (uint32_t i = 0; i < count; i++)
		write_element(field->element, field_list_at(field, base, i),
			      out);
}

/* The group's line goes before the first of its fields that has a value. */
static void write_grouped(const struct field *field, const char **group,
			  const void *base, FILE *out)
{
	char text[VALUE_SIZE];

	if (field_value(field, base, text) == VALUE_ABSENT)
		return;
	if (*group)
		(void)fprintf(out, "%s:\n", *group);
	*group = NULL;
	(void)write_field(field, "  ", base, out);
}

void document_write_record(const struct record_type *record, const void *value,
			   FILE *out)
{
	const char *group = NULL;

	for (size_t i = 0; i < record->field_count; i++) {
		const struct field *field = &record->fields[i];

		if (field->type == FIELD_GROUP)
			group = field->path;
		else if (field->type == FIELD_LIST)
			write_list(field, value, out);
		else if (strchr(field->path, '.'))
			write_grouped(field, &group, value, out);
		else
			(void)write_field(field, "", value, out);
	}
}

void document_write(const struct partition_document *document, FILE *out)
{
	document_write_record(&partition_record, document, out);
}
