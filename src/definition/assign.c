/* SPDX-License-Identifier: MIT */
#include "definition/assign.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "definition/compare.h"

/* One assignment, taken apart. */
struct assignment {
	char name[FIELD_NAME_SIZE]; /* as it was given */
	const struct field *field;
	void *base; /* the record that it belongs to */
};

/* By its name, or else by its number; NULL when there is none. */
static void *find_element(const struct field *list, const void *base,
			  const char *wanted)
{
	void *found = field_list_find(list, base, wanted);
	uint64_t index;

	if (!found && text_parse_u64(wanted, UINT32_MAX, &index) == 0 &&
	    index < field_list_count(list, base))
		found = field_list_at(list, base, (uint32_t)index);
	return found;
}

/* "disks[data].hang"; false: there is no such field. */
static bool find_in_element(struct partition_document *document,
			    const char *open, struct assignment *assignment)
{
	const char *name = assignment->name;
	const char *close = strstr(open, "].");
	char element[FIELD_NAME_SIZE];
	char list_name[FIELD_NAME_SIZE];
	const struct field *list;

	(void)snprintf(list_name, sizeof(list_name), "%.*s", (int)(open - name),
		       name);
	list = record_find(&partition_record, list_name);
	if (!close || !list || list->type != FIELD_LIST)
		return false;
	(void)snprintf(element, sizeof(element), "%.*s",
		       (int)(close - open - 1), open + 1);
	assignment->field = record_find(list->element, close + 2);
	assignment->base = find_element(list, document, element);
	return assignment->field != NULL;
}

static bool find_field(struct partition_document *document,
		       struct assignment *assignment)
{
	const char *open = strchr(assignment->name, '[');

	if (open)
		return find_in_element(document, open, assignment);
	assignment->field = record_find(&partition_record, assignment->name);
	assignment->base = document;
	return assignment->field != NULL;
}

static int check_field(const struct assignment *assignment,
		       struct refusal *refusal)
{
	const struct field *field = assignment->field;

	if (field->type == FIELD_REFUSED)
		return refuse(refusal, -EINVAL, assignment->name, "%s",
			      field->help);
	if (field->type == FIELD_GROUP || field->type == FIELD_LIST)
		return refuse(refusal, -EINVAL, assignment->name,
			      "has fields of its own: name one of them, or "
			      "use redefine");
	if (!assignment->base)
		return refuse(refusal, -EINVAL, assignment->name,
			      "the partition has no such element");
	if (!field_is_needed(field, assignment->base))
		return refuse(refusal, -EINVAL, assignment->name, "%s",
			      field->need->rule);
	return 0;
}

int document_assign(struct partition_document *document, const char *given,
		    struct refusal *ret_refusal)
{
	struct partition_document changed = *document;
	struct assignment assignment = { .name = "" };
	const char *equals = strchr(given, '=');
	int r;

	if (!equals || (size_t)(equals - given) >= sizeof(assignment.name))
		return refuse(ret_refusal, -EINVAL, "",
			      "%.64s is not FIELD=VALUE", given);
	memcpy(assignment.name, given, (size_t)(equals - given));
	if (!find_field(&changed, &assignment))
		return refuse(ret_refusal, -EINVAL, assignment.name,
			      "is not a field of a partition; one of a disk or "
			      "an interface is disks[NAME].FIELD or "
			      "nics[NAME].FIELD");
	r = check_field(&assignment, ret_refusal);
	if (r == 0)
		r = value_assign(assignment.field, assignment.name, equals + 1,
				 assignment.base, ret_refusal);
	if (r == 0)
		*document = changed;
	return r;
}
