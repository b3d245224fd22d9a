/* SPDX-License-Identifier: MIT */
/* INQUIRY (SPC-4 6.4) and its vital product data (SPC-4 7.8, SBC-3 6.6). */
#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "scsi/bytes.h"
#include "scsi/handlers.h"
#include "scsi/limits.h"
#include "scsi/unit.h"

#define VENDOR         "BULKHEAD"
#define REVISION       "0001"
#define STANDARD_BYTES 74
#define HEADER_BYTES   4

/* Standard inquiry data. */
#define REMOVABLE     0x80
#define VERSION_SPC4  0x06
#define FORMAT_SPC    0x12 /* HISUP, response data format 2 */
#define COMMAND_QUEUE 0x02

/* Extended inquiry data (SPC-4 7.8.7): task attributes that are honoured; a
 * volatile write cache; and CLEAR ACA's kin are cleared by one nexus only. */
#define ATTRIBUTES_SIMPLE_HEAD_ORDERED 0x07
#define VOLATILE_CACHE                 0x01

static const char *product(const struct scsi_unit *unit)
{
	switch (unit->type) {
	case SCSI_TAPE:
		return "TAPE            ";
	case SCSI_CD:
		return "CD-ROM          ";
	case SCSI_DISK:
		break;
	}
	return "DISK            ";
}

/* SPC-4 table 141: SAM-5, SRP, SPC-4, and the type's own. */
static void put_versions(const struct scsi_unit *unit, uint8_t *ret_bytes)
{
	static const uint16_t common[] = { 0x00a0, 0x0940, 0x0460 };
	uint16_t own = 0x04c0; /* SBC-3 */

	for (size_t i = 0; i < ARRAY_COUNT(common); i++)
		put_be16(ret_bytes + 2 * i, common[i]);
	if (unit->type == SCSI_TAPE)
		own = 0x0480; /* SSC-4 */
	if (unit->type == SCSI_CD)
		own = 0x04e0; /* MMC-6 */
	put_be16(ret_bytes + 2 * ARRAY_COUNT(common), own);
}

static uint32_t standard(const struct scsi_unit *unit, uint8_t *ret_bytes)
{
	ret_bytes[0] = (uint8_t)unit->type;
	ret_bytes[1] = unit->is_removable ? REMOVABLE : 0;
	ret_bytes[2] = VERSION_SPC4;
	ret_bytes[3] = FORMAT_SPC;
	ret_bytes[4] = STANDARD_BYTES - 5;
	ret_bytes[7] = COMMAND_QUEUE;
	memcpy(ret_bytes + 8, VENDOR, 8);
	memcpy(ret_bytes + 16, product(unit), 16);
	memcpy(ret_bytes + 32, REVISION, 4);
	put_versions(unit, ret_bytes + 58);
	return STANDARD_BYTES;
}

/* Pages of vital product data: each returns the bytes after its header. ---- */

static uint32_t serial_number(const struct scsi_unit *unit, uint8_t *ret_bytes)
{
	size_t bytes = strnlen(unit->serial, SCSI_SERIAL_BYTES);

	memcpy(ret_bytes, unit->serial, bytes);
	return (uint32_t)bytes;
}

/* A designator's header (SPC-4 7.8.6.1). */
static uint8_t *put_designator(uint8_t *ret_bytes, uint8_t code_set,
			       uint8_t kind, uint8_t bytes)
{
	ret_bytes[0] = code_set;
	ret_bytes[1] = kind;
	ret_bytes[3] = bytes;
	return ret_bytes + HEADER_BYTES;
}

#define CODE_BINARY      1
#define CODE_ASCII       2
#define BY_T10_VENDOR    0x01
#define BY_NAA           0x03
#define BY_PORT          0x14 /* of the target port: relative port */
#define NAA_LOCAL        0x30
#define T10_VENDOR_BYTES (8 + 32)
#define FIRST_PORT       1
#define PORT_BYTES       4
#define NAA_BYTES        8

/* SPC-4 7.8.6: by T10 vendor, NAA (locally assigned), and the port. */
static uint32_t identification(const struct scsi_unit *unit, uint8_t *ret_bytes)
{
	uint8_t *next =
		put_designator(ret_bytes, CODE_BINARY, BY_NAA, NAA_BYTES);
	char digits[2 * sizeof(unit->uuid) + 1];

	memcpy(next, unit->uuid, NAA_BYTES);
	next[0] = (uint8_t)(NAA_LOCAL | (next[0] & 0x0f));
	next = put_designator(next + NAA_BYTES, CODE_ASCII, BY_T10_VENDOR,
			      T10_VENDOR_BYTES);
	memcpy(next, VENDOR, 8);
	for (size_t i = 0; i < sizeof(unit->uuid); i++)
		snprintf(digits + 2 * i, 3, "%02x", unit->uuid[i]);
	memcpy(next + 8, digits, 2 * sizeof(unit->uuid));
	next = put_designator(next + T10_VENDOR_BYTES, CODE_BINARY, BY_PORT,
			      PORT_BYTES);
	put_be16(next + 2, FIRST_PORT);
	return (uint32_t)(next + PORT_BYTES - ret_bytes);
}

static uint32_t extended(const struct scsi_unit *unit, uint8_t *ret_bytes)
{
	ret_bytes[5 - HEADER_BYTES] = ATTRIBUTES_SIMPLE_HEAD_ORDERED;
	if (unit->type == SCSI_DISK)
		ret_bytes[6 - HEADER_BYTES] = VOLATILE_CACHE;
	return 60;
}

/* SBC-3 6.6.4. */
static uint32_t block_limits(const struct scsi_unit *unit, uint8_t *ret_bytes)
{
	uint8_t *page = ret_bytes - HEADER_BYTES;
	uint32_t block = unit->block_bytes;

	page[4] = unit->is_thin ? 1 : 0; /* WSNZ */
	page[5] = (uint8_t)(SCSI_COMPARE_MAX / block);
	put_be16(page + 6, (uint16_t)(unit->physical_block_bytes / block));
	put_be32(page + 8, SCSI_TRANSFER_MAX / block);
	put_be32(page + 12, SCSI_TRANSFER_OPTIMAL / block);
	if (unit->is_thin) {
		put_be32(page + 20, SCSI_UNMAP_MAX / block);
		put_be32(page + 24, SCSI_UNMAP_RANGES);
		put_be32(page + 28, unit->physical_block_bytes / block);
		put_be32(page + 32, 1U << 31); /* UGAVALID: aligned at 0 */
	}
	put_be64(page + 36, SCSI_WRITE_SAME_MAX / block);
	return 60;
}

/* SBC-3 6.6.3: a medium that does not rotate. */
static uint32_t characteristics(const struct scsi_unit *unit,
				uint8_t *ret_bytes)
{
	put_be16(ret_bytes, 1);
	return 60;
}

/* SBC-3 6.6.5: UNMAP and both WRITE SAME free blocks, which then read as
 * zeroes. */
static uint32_t provisioning(const struct scsi_unit *unit, uint8_t *ret_bytes)
{
	if (unit->is_thin) {
		ret_bytes[1] = 0x80 | 0x40 | 0x20 | 0x04;
		ret_bytes[2] = 0x02; /* thin */
	}
	return 4;
}

static uint32_t supported_pages(const struct scsi_unit *unit,
				uint8_t *ret_bytes);

#define DISK SCSI_TYPE_BIT(SCSI_DISK)
#define ALL  (DISK | SCSI_TYPE_BIT(SCSI_CD) | SCSI_TYPE_BIT(SCSI_TAPE))

/* Ascending, as page 00h has to list them. */
static const struct page {
	uint8_t code;
	uint32_t types;
	uint32_t (*put)(const struct scsi_unit *unit, uint8_t *ret_bytes);
} pages[] = {
	{ 0x00, ALL, supported_pages }, { 0x80, ALL, serial_number },
	{ 0x83, ALL, identification },  { 0x86, ALL, extended },
	{ 0xb0, DISK, block_limits },   { 0xb1, DISK, characteristics },
	{ 0xb2, DISK, provisioning },
};

static uint32_t supported_pages(const struct scsi_unit *unit,
				uint8_t *ret_bytes)
{
	uint32_t count = 0;

	for (size_t i = 0; i < ARRAY_COUNT(pages); i++)
		if (pages[i].types & SCSI_TYPE_BIT(unit->type))
			ret_bytes[count++] = pages[i].code;
	return count;
}

static const struct page *find_page(const struct scsi_unit *unit, uint8_t code)
{
	for (size_t i = 0; i < ARRAY_COUNT(pages); i++)
		if (pages[i].code == code &&
		    (pages[i].types & SCSI_TYPE_BIT(unit->type)))
			return &pages[i];
	return NULL;
}

#define EVPD              0x01
#define INQUIRY_BYTES_MAX 256

struct scsi_step scsi_inquiry(struct scsi_unit *unit, struct scsi_task *task,
			      int result)
{
	bool is_vital = (task->cdb[1] & EVPD) != 0;
	const struct page *page = find_page(unit, task->cdb[2]);
	uint32_t bytes;

	if (is_vital ? !page : task->cdb[2] != 0)
		return scsi_refuse_cdb(unit, task, 2, -1);
	memset(task->scratch, 0, INQUIRY_BYTES_MAX);
	if (is_vital) {
		bytes = page->put(unit, task->scratch + HEADER_BYTES);
		task->scratch[0] = (uint8_t)unit->type;
		task->scratch[1] = page->code;
		put_be16(task->scratch + 2, (uint16_t)bytes);
		bytes += HEADER_BYTES;
	} else {
		bytes = standard(unit, task->scratch);
	}
	return scsi_answer_data(task, bytes, get_be16(task->cdb + 3));
}
