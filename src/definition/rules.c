/* SPDX-License-Identifier: MIT */
#include "definition/rules.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 4))) static int
refuse_key(const struct checking *checking, const char *key, const char *format,
	   ...)
{
	char name[FIELD_NAME_SIZE], rule[sizeof(checking->refusal->text)];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(rule, sizeof(rule), format, arguments);
	va_end(arguments);
	(void)snprintf(name, sizeof(name), "%s%s", checking->prefix, key);
	return refuse(checking->refusal, -EINVAL, name, "%s", rule);
}

/* Switches and interfaces. ---------------------------------------------------- */

bool rules_has_vlan(const struct port_vlans *vlans, uint16_t vid)
{
	for (uint16_t i = 0; i < vlans->tagged.count; i++)
		if (vlans->tagged.vids[i] == vid)
			return true;
	return vlans->pvid == vid;
}

static bool is_without(const struct port_vlans *vlans)
{
	return vlans->pvid == 0 && vlans->tagged.count == 0;
}

static int check_vlans(const struct port_vlans *vlans,
		       const struct checking *checking)
{
	if (is_without(vlans))
		return refuse_key(checking, "vlan",
				  "is missing: a port is in one VLAN at least");
	for (uint16_t i = 0; i < vlans->tagged.count; i++)
		if (vlans->tagged.vids[i] == vlans->pvid)
			return refuse_key(
				checking, "tagged",
				"has %u, which is vlan: a port has one VLAN "
				"without tags, and that one only",
				vlans->pvid);
	return 0;
}

void rules_complete_nic(void *record)
{
	struct nic_definition *nic = record;

	/* A trunk is to say which it carries. */
	if (is_without(&nic->vlans) && !(nic->flags & NIC_TRUNK))
		nic->vlans.pvid = 1;
}

int rules_check_nic(const void *record, const struct checking *checking)
{
	const struct nic_definition *nic = record;

	if (is_without(&nic->vlans) && (nic->flags & NIC_TRUNK))
		return refuse_key(checking, "trunk",
				  "wants its VLANs: vlan or tagged");
	return check_vlans(&nic->vlans, checking);
}

void rules_complete_switch(void *record)
{
	struct switch_definition *definition = record;

	if (is_without(&definition->vlans) &&
	    definition->uplink.kind != UPLINK_NONE)
		definition->vlans.pvid = 1;
}

int rules_check_switch(const void *record, const struct checking *checking)
{
	const struct switch_definition *definition = record;

	if (definition->uplink.kind != UPLINK_NONE)
		return check_vlans(&definition->vlans, checking);
	return is_without(&definition->vlans)
		       ? 0
		       : refuse_key(checking, "vlan",
				    "is the uplink's, and there is none");
}

/* Disks. ---------------------------------------------------------------------- */

void rules_complete_disk(void *record)
{
	struct disk_definition *disk = record;

	if (disk->type != DISK_TYPE_DISK)
		disk->bus = DISK_BUS_SCSI;
	if (disk->type == DISK_TYPE_CD)
		disk->access = DISK_READ_ONLY;
}

/* As the field's values mean it; the same both ways. */
bool rules_access_goes_with(uint32_t access, uint32_t other)
{
	static const uint32_t beside[DISK_ACCESS_COUNT] = {
		[DISK_READ_ONLY] = 1u << DISK_READ_ONLY | 1u << DISK_READ_STALE,
		[DISK_READ_WRITE_SHARED] =
			1u << DISK_READ_WRITE_SHARED | 1u << DISK_READ_STALE,
		[DISK_READ_WRITE_PUBLISHED] = 1u << DISK_READ_STALE,
		[DISK_READ_STALE] = 1u << DISK_READ_ONLY |
				    1u << DISK_READ_STALE |
				    1u << DISK_READ_WRITE_SHARED |
				    1u << DISK_READ_WRITE_PUBLISHED,
	};

	return access < DISK_ACCESS_COUNT && other < DISK_ACCESS_COUNT &&
	       (beside[access] & 1u << other);
}

bool rules_access_reads(uint32_t access)
{
	return access == DISK_READ_ONLY || access == DISK_READ_STALE;
}

bool rules_access_is_shared(uint32_t access)
{
	return access == DISK_READ_WRITE_SHARED ||
	       access == DISK_READ_WRITE_PUBLISHED || access == DISK_READ_STALE;
}

void rules_take_volume(struct disk_definition *disk,
		       const struct volume_definition *volume)
{
	memcpy(disk->file, volume->file, sizeof(disk->file));
	memcpy(disk->service, volume->service, sizeof(disk->service));
	disk->size_bytes = volume->size_bytes;
	disk->cache = volume->cache;
}

static int check_access(const struct disk_definition *disk,
			const struct checking *checking)
{
	if (rules_access_is_shared(disk->access) && !disk->volume[0])
		return refuse_key(checking, "access",
				  "must be rw, ro or rw-unfenced for a disk "
				  "without a volume");
	if (disk->access == DISK_READ_WRITE_UNFENCED && disk->volume[0])
		return refuse_key(checking, "access",
				  "cannot be rw-unfenced for a volume");
	if (disk->access == DISK_READ_WRITE_SHARED &&
	    disk->bus != DISK_BUS_SCSI)
		return refuse_key(checking, "access",
				  "is rw-shared, which goes with bus: scsi "
				  "only");
	return 0;
}

int rules_check_disk(const void *record, const struct checking *checking)
{
	const struct disk_definition *disk = record;

	if (disk->type != DISK_TYPE_DISK && disk->bus != DISK_BUS_SCSI)
		return refuse_key(checking, "bus",
				  "must be scsi for a cd or a tape");
	if (disk->type == DISK_TYPE_TAPE && disk->cache == DISK_DIRECT)
		return refuse_key(checking, "cache",
				  "must be buffered for a tape, whose blocks "
				  "have any length");
	if (disk->type == DISK_TYPE_CD && disk->access != DISK_READ_ONLY)
		return refuse_key(checking, "access", "must be ro for a cd");
	if (disk->bus == DISK_BUS_SCSI && disk->queue_count != 1)
		return refuse_key(checking, "queues",
				  "goes with bus: blk only; scsi.queues is for "
				  "the controller");
	return check_access(disk, checking);
}

/* Partitions. ----------------------------------------------------------------- */

static int check_disk_pair(const struct partition_definition *definition,
			   uint32_t first, uint32_t second,
			   const struct checking *checking)
{
	const struct disk_definition *a = &definition->disks[first];
	const struct disk_definition *b = &definition->disks[second];

	if (strcmp(a->name, b->name) == 0)
		return refuse_key(checking, "name",
				  "is the name of disks[%u] too", first);
	if (b->volume[0] && strcmp(a->volume, b->volume) == 0 &&
	    !rules_access_goes_with(a->access, b->access))
		return refuse_key(checking, "access",
				  "does not go with that of disks[%u], which "
				  "is of the same volume",
				  first);
	if (b->volume[0] && strcmp(a->volume, b->volume) == 0 &&
	    a->type != b->type)
		return refuse_key(checking, "type",
				  "is not that of disks[%u], which is of the "
				  "same volume",
				  first);
	if (b->file[0] && strcmp(a->file, b->file) == 0 &&
	    (a->access != DISK_READ_ONLY || b->access != DISK_READ_ONLY))
		return refuse_key(checking, "file",
				  "is the file of disks[%u] too", first);
	return 0;
}

bool rules_nics_collide(const struct nic_definition *a,
			const struct nic_definition *b)
{
	static const uint8_t none[6];
	bool is_shared =
		a->vlans.pvid && rules_has_vlan(&b->vlans, a->vlans.pvid);

	for (uint16_t i = 0; i < a->vlans.tagged.count; i++)
		is_shared |= rules_has_vlan(&b->vlans, a->vlans.tagged.vids[i]);
	return is_shared && strcmp(a->network, b->network) == 0 &&
	       memcmp(a->mac, none, sizeof(none)) != 0 &&
	       memcmp(a->mac, b->mac, sizeof(a->mac)) == 0;
}

static int check_nic_pair(const struct partition_document *document,
			  uint32_t first, uint32_t second,
			  const struct checking *checking)
{
	const struct nic_definition *a = &document->nics[first];
	const struct nic_definition *b = &document->nics[second];

	if (strcmp(a->name, b->name) == 0)
		return refuse_key(checking, "name",
				  "is the name of nics[%u] too", first);
	if (rules_nics_collide(a, b))
		return refuse_key(checking, "mac",
				  "is that of nics[%u] in the same VLAN",
				  first);
	return 0;
}

/* Every element against those before it. */
static int check_pairs(const char *list, uint32_t count,
		       const struct partition_document *document,
		       const struct checking *checking)
{
	bool is_disks = strcmp(list, "disks") == 0;
	char prefix[FIELD_NAME_SIZE];
	const struct checking element = { prefix, checking->refusal };
	int r = 0;

	for (uint32_t b = 1; r == 0 && b < count; b++)
		for (uint32_t a = 0; r == 0 && a < b; a++) {
			(void)snprintf(prefix, sizeof(prefix), "%s[%u].", list,
				       b);
			r = is_disks ? check_disk_pair(&document->partition, a,
						       b, &element)
				     : check_nic_pair(document, a, b, &element);
		}
	return r;
}

int rules_check_partition(const void *record, const struct checking *checking)
{
	const struct partition_document *document = record;
	const struct partition_definition *definition = &document->partition;
	int r;

	if (definition->huge_pages &&
	    definition->memory_bytes % HUGE_PAGE_BYTES != 0)
		return refuse_key(checking, "memory.size",
				  "must be a multiple of 2M with huge pages");
	if (definition->engine == ENGINE_FOREIGN &&
	    definition->disk_count + document->nic_count != 1)
		return refuse_key(checking, "disks",
				  "engine: foreign takes exactly one disk or "
				  "one interface");
	if (definition->engine == ENGINE_FOREIGN && definition->disk_count &&
	    definition->disks[0].bus == DISK_BUS_SCSI)
		return refuse_key(checking, "disks[0].bus",
				  "must be blk for engine: foreign");
	r = check_pairs("disks", definition->disk_count, document, checking);
	return r < 0 ? r
		     : check_pairs("nics", document->nic_count, document,
				   checking);
}
