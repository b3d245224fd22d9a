/* SPDX-License-Identifier: MIT */
/* The manual page has every field as the schema has it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "definition/schema.h"
#include "lib/harness.h"

static const char *manual(void)
{
	static char text[1 << 16];
	FILE *in = fopen(MANUAL, "r");

	CHECK(in != NULL);
	text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
	(void)fclose(in);
	return text;
}

/* The paragraph about a field. */
static void describe(const struct field *field, char *to, size_t room)
{
	char range[160], fallback[64];

	field_describe_range(field, range, sizeof(range));
	field_describe_fallback(field, fallback, sizeof(fallback));
	(void)snprintf(to, room, ".It Cm %s\n%s\n%s%s%s%s%s%s", field->path,
		       field->help,
		       field->type == FIELD_REFUSED ? "" : "Value: ",
		       field->type == FIELD_REFUSED ? "" : range,
		       field->type == FIELD_REFUSED ? "" : ".\n",
		       field->is_required ? "Required.\n" : "",
		       fallback[0] ? "Default: " : "", fallback);
	if (fallback[0])
		(void)strncat(to, ".\n", room - strlen(to) - 1);
}

TEST(the_manual_page_has_every_field_with_range_and_default)
{
	size_t count;
	const struct field *fields = schema_fields(&count);
	char paragraph[600];
	size_t missing = 0;

	for (size_t i = 0; i < count; i++) {
		describe(&fields[i], paragraph, sizeof(paragraph));
		if (strstr(manual(), paragraph))
			continue;
		fprintf(stderr, "missing in %s:\n%s", MANUAL, paragraph);
		missing++;
	}

	CHECK_EQ(missing, 0);
}

TEST(the_manual_page_has_no_field_that_the_schema_lacks)
{
	char path[64];

	for (const char *at = strstr(manual(), ".It Cm "); at;
	     at = strstr(at + 1, ".It Cm ")) {
		CHECK_EQ(sscanf(at, ".It Cm %63s", path), 1);
		if (!schema_find(path))
			fprintf(stderr, "%s is not a field\n", path);
		CHECK(schema_find(path) != NULL);
	}
}

TEST(every_field_but_the_name_says_when_it_may_change)
{
	size_t count;
	const struct field *fields = schema_fields(&count);

	for (size_t i = 1; i < count; i++)
		if (fields[i].type != FIELD_GROUP &&
		    fields[i].type != FIELD_REFUSED)
			CHECK(fields[i].change != CHANGE_NEVER);
	CHECK_EQ(fields[0].change, CHANGE_NEVER);
}
