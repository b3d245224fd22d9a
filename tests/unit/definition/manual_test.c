/* SPDX-License-Identifier: MIT */
/* The manual pages have every field as the schema has it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "definition/compare.h"
#include "definition/value.h"
#include "lib/harness.h"

static const char *manual(const char *page)
{
	static char text[1 << 16];
	char path[256];
	FILE *in;

	(void)snprintf(path, sizeof(path), "%s/%s", MANUALS, page);
	in = fopen(path, "r");

	CHECK(in != NULL);
	text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
	(void)fclose(in);
	return text;
}

/* "1", "30s", "hold": what an absent field means; empty when nothing. */
static void describe_fallback(const struct field *field, char to[VALUE_SIZE])
{
	static struct partition_document record;

	memset(&record, 0, sizeof(record));
	if (field->fallback)
		value_clear(field, &record);
	if (field->fallback_text)
		(void)snprintf(to, VALUE_SIZE, "%s", field->fallback_text);
	else if (field_value(field, &record, to) == VALUE_ABSENT)
		to[0] = '\0';
}

/* The paragraph about a field. */
static void describe(const struct field *field, const char *prefix, char *to,
		     size_t room)
{
	bool is_refused = field->type == FIELD_REFUSED;
	char range[160], fallback[VALUE_SIZE];

	field_describe_range(field, range, sizeof(range));
	describe_fallback(field, fallback);
	(void)snprintf(to, room, ".It Cm %s%s\n%s\n%s%s%s%s%s%s", prefix,
		       field->path, field->help,
		       is_refused ? "" : "Value: ", is_refused ? "" : range,
		       is_refused ? "" : ".\n",
		       field->is_required && !field->need ? "Required.\n" : "",
		       fallback[0] ? "Default: " : "", fallback);
	if (fallback[0])
		(void)strncat(to, ".\n", room - strlen(to) - 1);
	if (field->type == FIELD_REFUSED || field->type == FIELD_GROUP)
		return;
	(void)snprintf(to + strlen(to), room - strlen(to), "Change: %s.\n",
		       field_change_name(field->change));
}

static size_t count_missing(const char *text, const struct record_type *record,
			    const char *prefix)
{
	char paragraph[600], of_element[32];
	size_t missing = 0;

	for (size_t i = 0; i < record->field_count; i++) {
		const struct field *field = &record->fields[i];

		describe(field, prefix, paragraph, sizeof(paragraph));
		if (!strstr(text, paragraph)) {
			fprintf(stderr, "missing:\n%s", paragraph);
			missing++;
		}
		(void)snprintf(of_element, sizeof(of_element), "%s[].",
			       field->path);
		if (field->element)
			missing +=
				count_missing(text, field->element, of_element);
	}
	return missing;
}

TEST(the_manual_page_has_every_field_with_range_and_default)
{
	CHECK_EQ(count_missing(manual("bulkhead-partition.5"),
			       &partition_record, ""),
		 0);
	CHECK_EQ(count_missing(manual("bulkhead-volume.5"), &volume_record, ""),
		 0);
}

static const struct field *find(const char *path)
{
	if (strncmp(path, "disks[].", 8) == 0)
		return record_find(&disk_record, path + 8);
	if (strncmp(path, "nics[].", 7) == 0)
		return record_find(&nic_record, path + 7);
	return record_find(&partition_record, path);
}

TEST(the_manual_page_has_no_field_that_the_schema_lacks)
{
	char path[64];

	for (const char *at = strstr(manual("bulkhead-partition.5"), ".It Cm ");
	     at; at = strstr(at + 1, ".It Cm ")) {
		CHECK_EQ(sscanf(at, ".It Cm %63s", path), 1);
		if (!find(path))
			fprintf(stderr, "%s is not a field\n", path);
		CHECK(find(path) != NULL);
	}
}

static void check_rows(const struct record_type *record)
{
	uint64_t numbers = 0;

	for (size_t i = 0; i < record->field_count; i++) {
		const struct field *field = &record->fields[i];

		if (field->type == FIELD_GROUP || field->type == FIELD_REFUSED)
			continue;
		CHECK(field->number > 0 && field->number < 64);
		CHECK(!(numbers & 1ull << field->number));
		numbers |= 1ull << field->number;
		CHECK(i == 0 || record == &switch_record ||
		      record == &volume_record ||
		      field->change != CHANGE_NEVER);
	}
}

TEST(every_field_has_a_number_and_says_when_it_may_change)
{
	check_rows(&partition_record);
	check_rows(&disk_record);
	check_rows(&nic_record);
	check_rows(&switch_record);
	check_rows(&volume_record);
	CHECK_EQ(partition_record.fields[0].change, CHANGE_NEVER);
}
