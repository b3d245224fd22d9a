/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "base/count.h"
#include "definition/document.h"
#include "definition/schema.h"
#include "definition/units.h"

static uint32_t read_u32(const char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t read_u64(const char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static const char *choice_name(const struct field *field, uint32_t value)
{
	for (uint32_t i = 0; field->choices[i]; i++)
		if (i == value)
			return field->choices[i];
	return NULL;
}

static enum value_kind outage_value(const struct disk_definition *disk,
				    char text[VALUE_SIZE])
{
	char time[UNIT_SIZE];

	assert(disk != NULL);
	time_write(time, disk->outage.ms);
	if (disk->outage.policy == OUTAGE_FAIL ||
	    disk->outage.policy == OUTAGE_PAUSE)
		(void)snprintf(text, VALUE_SIZE, "%s: %s",
			       disk->outage.policy == OUTAGE_FAIL ? "fail"
								  : "pause",
			       time);
	else
		(void)snprintf(text, VALUE_SIZE, "hold");
	return VALUE_TEXT;
}

static enum value_kind number_value(const struct field *field, const char *at,
				    char text[VALUE_SIZE])
{
	const char *choice;
	uint64_t bytes;

	if (field->type == FIELD_SIZE) {
		bytes = read_u64(at);
		size_write(text, bytes);
		/* Below its least a size says "not given". */
		return bytes < field->least ? VALUE_ABSENT : VALUE_TEXT;
	}
	if (field->type == FIELD_TIME) {
		time_write(text, read_u32(at));
		return VALUE_TEXT;
	}
	if (field->type == FIELD_COUNT) {
		(void)snprintf(text, VALUE_SIZE, "%u", read_u32(at));
		return read_u32(at) < field->least ? VALUE_ABSENT
						   : VALUE_NUMBER;
	}
	if (field->type == FIELD_SWITCH) {
		(void)snprintf(text, VALUE_SIZE, "%s",
			       read_u32(at) ? "true" : "false");
		return VALUE_SWITCH;
	}
	choice = choice_name(field, read_u32(at));
	(void)snprintf(text, VALUE_SIZE, "%s", choice ? choice : "");
	return choice ? VALUE_TEXT : VALUE_ABSENT;
}

static enum value_kind flag_value(const struct field *field, const char *at,
				  char text[VALUE_SIZE])
{
	bool is_set = (read_u32(at) & field->unit) != 0;

	(void)snprintf(text, VALUE_SIZE, "%s", is_set ? "true" : "false");
	return VALUE_SWITCH;
}

static enum value_kind mac_value(const char *at, char text[VALUE_SIZE])
{
	static const uint8_t none[6];

	mac_write(text, (const uint8_t *)at);
	return memcmp(at, none, sizeof(none)) == 0 ? VALUE_ABSENT : VALUE_TEXT;
}

static enum value_kind vlan_value(const char *at, char text[VALUE_SIZE])
{
	uint16_t vid;

	memcpy(&vid, at, sizeof(vid));
	(void)snprintf(text, VALUE_SIZE, "%u", vid);
	return vid ? VALUE_NUMBER : VALUE_ABSENT;
}

static enum value_kind vlans_value(const struct nic_definition *nic,
				   char text[VALUE_SIZE])
{
	size_t used = 0;

	for (uint16_t i = 0; i < nic->vlans.vid_count && i < NIC_VID_MAX; i++)
		used += (size_t)snprintf(text + used, VALUE_SIZE - used, "%s%u",
					 i ? ", " : "[", nic->vlans.vids[i]);
	(void)snprintf(text + used, VALUE_SIZE - used, "]");
	return used ? VALUE_LIST : VALUE_ABSENT;
}

static enum value_kind rate_value(const struct nic_definition *nic,
				  char text[VALUE_SIZE])
{
	rate_write(text, nic->rate.credit_bytes, nic->rate.period_us);
	return nic->rate.credit_bytes ? VALUE_TEXT : VALUE_ABSENT;
}

static size_t append_address(char text[VALUE_SIZE], size_t used, int family,
			     const void *address)
{
	char one[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(family, address, one, sizeof(one));
	return used + (size_t)snprintf(text + used, VALUE_SIZE - used,
				       "%s\"%s\"", used ? ", " : "[", one);
}

static enum value_kind addresses_value(const struct nic_definition *nic,
				       char text[VALUE_SIZE])
{
	size_t used = 0;

	for (uint32_t i = 0;
	     i < nic->addresses.ipv4_count && i < NIC_ADDRESS_MAX; i++)
		used = append_address(text, used, AF_INET,
				      nic->addresses.ipv4[i]);
	for (uint32_t i = 0;
	     i < nic->addresses.ipv6_count && i < NIC_ADDRESS_MAX; i++)
		used = append_address(text, used, AF_INET6,
				      nic->addresses.ipv6[i]);
	(void)snprintf(text + used, VALUE_SIZE - used, "]");
	return used ? VALUE_LIST : VALUE_ABSENT;
}

static bool is_without(const struct field *field,
		       const struct partition_definition *definition)
{
	return definition->engine == ENGINE_FOREIGN &&
	       (strcmp(field->path, "console.log") == 0 ||
		strcmp(field->path, "memory.huge-pages") == 0);
}

enum value_kind field_value(const struct field *field,
			    const struct partition_definition *definition,
			    const void *element, char ret_text[VALUE_SIZE])
{
	const char *base = element ? element : (const char *)definition;

	switch (field->type) {
	case FIELD_NAME:
	case FIELD_TEXT:
	case FIELD_PATH:
		(void)snprintf(ret_text, VALUE_SIZE, "%.*s",
			       (int)field->room - 1, base + field->offset);
		return ret_text[0] ? VALUE_TEXT : VALUE_ABSENT;
	case FIELD_OUTAGE:
		return outage_value(element, ret_text);
	case FIELD_FLAG:
		return flag_value(field, base + field->offset, ret_text);
	case FIELD_MAC:
		return mac_value(base + field->offset, ret_text);
	case FIELD_VLAN:
		return vlan_value(base + field->offset, ret_text);
	case FIELD_VLANS:
		return vlans_value(element, ret_text);
	case FIELD_RATE:
		return rate_value(element, ret_text);
	case FIELD_ADDRESSES:
		return addresses_value(element, ret_text);
	case FIELD_COUNT:
	case FIELD_SIZE:
	case FIELD_TIME:
	case FIELD_CHOICE:
	case FIELD_SWITCH:
		if (is_without(field, definition))
			return VALUE_ABSENT;
		return number_value(field, base + field->offset, ret_text);
	case FIELD_GROUP:
	case FIELD_LIST:
	case FIELD_REFUSED:
		break;
	}
	return VALUE_ABSENT;
}

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
	(void)fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			(void)fputc('\\', out);
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			(void)fprintf(out, "\\x%02x", (unsigned char)*text);
		else
			(void)fputc(*text, out);
	}
	(void)fputc('"', out);
}

static bool write_field(const struct field *field, const char *lead,
			const struct partition_definition *definition,
			const void *element, FILE *out)
{
	char text[VALUE_SIZE];
	enum value_kind kind = field_value(field, definition, element, text);

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

static void write_element(const struct partition_document *document,
			  enum field_owner owner, const void *element,
			  FILE *out)
{
	size_t count;
	const struct field *fields = schema_fields(&count);
	const char *lead = "  - ";

	for (size_t i = 0; i < count; i++)
		if (field_owner(&fields[i]) == owner &&
		    write_field(&fields[i], lead, &document->partition, element,
				out))
			lead = "    ";
}

static void write_disks(const struct partition_document *document, FILE *out)
{
	const struct partition_definition *definition = &document->partition;

	if (definition->disk_count)
		(void)fputs("disks:\n", out);
	for (uint32_t i = 0; i < definition->disk_count && i < DISK_COUNT_MAX;
	     i++)
		write_element(document, OWNER_DISK, &definition->disks[i], out);
}

static void write_nics(const struct partition_document *document, FILE *out)
{
	if (document->nic_count)
		(void)fputs("nics:\n", out);
	for (uint32_t i = 0; i < document->nic_count && i < NIC_COUNT_MAX; i++)
		write_element(document, OWNER_NIC, &document->nics[i], out);
}

/* The group's line goes before the first of its fields that has a value. */
static void write_grouped(const struct field *field, const char **group,
			  const struct partition_definition *definition,
			  FILE *out)
{
	char text[VALUE_SIZE];

	if (field_value(field, definition, NULL, text) == VALUE_ABSENT)
		return;
	if (*group)
		(void)fprintf(out, "%s:\n", *group);
	*group = NULL;
	(void)write_field(field, "  ", definition, NULL, out);
}

void document_write(const struct partition_document *document, FILE *out)
{
	const struct partition_definition *definition = &document->partition;
	size_t count;
	const struct field *fields = schema_fields(&count);
	const char *group = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct field *field = &fields[i];

		if (field_owner(field) != OWNER_PARTITION)
			continue;
		if (field->type == FIELD_GROUP)
			group = field->path;
		else if (field->type == FIELD_LIST)
			strcmp(field->path, "disks") == 0
				? write_disks(document, out)
				: write_nics(document, out);
		else if (strchr(field->path, '.'))
			write_grouped(field, &group, definition, out);
		else
			(void)write_field(field, "", definition, NULL, out);
	}
}
