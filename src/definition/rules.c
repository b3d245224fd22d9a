/* SPDX-License-Identifier: MIT */
#include "definition/rules.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const struct field *rules_find_missing(uint64_t seen, enum field_owner owner)
{
	size_t count;
	const struct field *fields = schema_fields(&count);

	for (size_t i = 0; i < count; i++)
		if (fields[i].is_required && !(seen & (1ull << i)) &&
		    field_owner(&fields[i]) == owner)
			return &fields[i];
	return NULL;
}

static bool is_given(uint64_t seen, const char *path)
{
	size_t count;

	return seen & (1ull << (schema_find(path) - schema_fields(&count)));
}

static int check_pair(const struct partition_definition *definition,
		      uint32_t first, uint32_t second, struct refusal *refusal)
{
	const struct disk_definition *a = &definition->disks[first];
	const struct disk_definition *b = &definition->disks[second];
	char field[64];

	if (strcmp(a->name, b->name) == 0) {
		(void)snprintf(field, sizeof(field), "disks[%u].name", second);
		return refuse(refusal, -EINVAL, field,
			      "is the name of disks[%u] too", first);
	}
	if (strcmp(a->file, b->file) == 0 &&
	    (a->access != DISK_READ_ONLY || b->access != DISK_READ_ONLY)) {
		(void)snprintf(field, sizeof(field), "disks[%u].file", second);
		return refuse(refusal, -EINVAL, field,
			      "is the file of disks[%u] too", first);
	}
	return 0;
}

static int check_disks(const struct partition_definition *definition,
		       struct refusal *refusal)
{
	int r = 0;

	for (uint32_t b = 1; r == 0 && b < definition->disk_count; b++)
		for (uint32_t a = 0; r == 0 && a < b; a++)
			r = check_pair(definition, a, b, refusal);
	return r;
}

static int check_foreign(struct partition_document *document, uint64_t seen,
			 struct refusal *refusal)
{
	static const char *const not_ours[] = { "boot", "cpu", "memory",
						"console", NULL };
	struct partition_definition *definition = &document->partition;

	for (size_t i = 0; not_ours[i]; i++)
		if (is_given(seen, not_ours[i]))
			return refuse(refusal, -EINVAL, not_ours[i],
				      "does not go with engine: foreign");
	if (!is_given(seen, "vhost-user"))
		return refuse(refusal, -EINVAL, "vhost-user",
			      "is required by engine: foreign");
	if (definition->disk_count + document->nic_count != 1)
		return refuse(refusal, -EINVAL, "disks",
			      "engine: foreign takes exactly one disk or one "
			      "interface");
	definition->cpu_count = 0;
	definition->console_log_bytes = 0;
	return 0;
}

static int check_huge_pages(const struct partition_definition *definition,
			    struct refusal *refusal)
{
	if (!definition->huge_pages)
		return 0;
	if (definition->engine == ENGINE_QEMU)
		return refuse(refusal, -EINVAL, "memory.huge-pages",
			      "goes with the kvm engine only");
	if (definition->memory_bytes % HUGE_PAGE_BYTES != 0)
		return refuse(refusal, -EINVAL, "memory.size",
			      "must be a multiple of 2M with huge pages");
	return 0;
}

static int check_own(const struct partition_definition *definition,
		     uint64_t seen, struct refusal *refusal)
{
	if (is_given(seen, "vhost-user"))
		return refuse(refusal, -EINVAL, "vhost-user",
			      "goes with engine: foreign only");
	if (!is_given(seen, "boot.kernel"))
		return refuse(refusal, -EINVAL, "boot.kernel", "is missing");
	if (!is_given(seen, "memory.size"))
		return refuse(refusal, -EINVAL, "memory.size", "is missing");
	return check_huge_pages(definition, refusal);
}

int rules_check_nic(struct nic_definition *nic, uint64_t seen, const char *name,
		    struct refusal *refusal)
{
	char field[64];

	if (!is_given(seen, "nics[].vlan") && nic->vlans.vid_count == 0) {
		(void)snprintf(field, sizeof(field), "%s.trunk", name);
		if (nic->flags & NIC_TRUNK)
			return refuse(refusal, -EINVAL, field,
				      "wants its VLANs: vlan or tagged");
		nic->vlans.pvid = 1;
	}
	(void)snprintf(field, sizeof(field), "%s.tagged", name);
	for (uint16_t i = 0; i < nic->vlans.vid_count; i++)
		if (nic->vlans.vids[i] == nic->vlans.pvid)
			return refuse(refusal, -EINVAL, field,
				      "has %u, which is vlan: a port has one "
				      "VLAN without tags, and that one only",
				      nic->vlans.pvid);
	return 0;
}

static bool has_vid(const struct nic_definition *nic, uint16_t vid)
{
	for (uint16_t i = 0; i < nic->vlans.vid_count; i++)
		if (nic->vlans.vids[i] == vid)
			return true;
	return nic->vlans.pvid == vid;
}

static bool share_vlan(const struct nic_definition *a,
		       const struct nic_definition *b)
{
	for (uint16_t i = 0; i < a->vlans.vid_count; i++)
		if (has_vid(b, a->vlans.vids[i]))
			return true;
	return a->vlans.pvid && has_vid(b, a->vlans.pvid);
}

static int check_nic_pair(const struct partition_document *document,
			  uint32_t first, uint32_t second,
			  struct refusal *refusal)
{
	static const uint8_t none[6];
	const struct nic_definition *a = &document->nics[first];
	const struct nic_definition *b = &document->nics[second];
	char field[64];

	(void)snprintf(field, sizeof(field), "nics[%u].name", second);
	if (strcmp(a->name, b->name) == 0)
		return refuse(refusal, -EINVAL, field,
			      "is the name of nics[%u] too", first);
	(void)snprintf(field, sizeof(field), "nics[%u].mac", second);
	if (memcmp(a->mac, none, sizeof(none)) != 0 &&
	    memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 &&
	    strcmp(a->network, b->network) == 0 && share_vlan(a, b))
		return refuse(refusal, -EINVAL, field,
			      "is that of nics[%u] in the same VLAN", first);
	return 0;
}

static int check_nics(const struct partition_document *document,
		      struct refusal *refusal)
{
	int r = 0;

	for (uint32_t b = 1; r == 0 && b < document->nic_count; b++)
		for (uint32_t a = 0; r == 0 && a < b; a++)
			r = check_nic_pair(document, a, b, refusal);
	return r;
}

int rules_check(struct partition_document *document, uint64_t seen,
		struct refusal *refusal)
{
	struct partition_definition *definition = &document->partition;
	const struct field *missing = rules_find_missing(seen, OWNER_PARTITION);
	int r;

	if (missing)
		return refuse(refusal, -EINVAL, missing->path, "is missing");
	r = definition->engine == ENGINE_FOREIGN
		    ? check_foreign(document, seen, refusal)
		    : check_own(definition, seen, refusal);
	if (r == 0)
		r = check_disks(definition, refusal);
	return r < 0 ? r : check_nics(document, refusal);
}
