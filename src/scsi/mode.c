/* SPDX-License-Identifier: MIT */
#include "scsi/mode.h"

#include <errno.h>
#include <string.h>

#include "base/count.h"
#include "scsi/bytes.h"
#include "scsi/handlers.h"
#include "scsi/unit.h"

#define DISK SCSI_TYPE_BIT(SCSI_DISK)
#define CD   SCSI_TYPE_BIT(SCSI_CD)
#define TAPE SCSI_TYPE_BIT(SCSI_TAPE)
#define ALL  (DISK | CD | TAPE)

#define PAGE_BYTES_MAX    20
#define PAGE_HEADER_BYTES 2
#define PAGE_CODE         0x3f
#define ALL_PAGES         0x3f
#define ALL_SUBPAGES      0xff

/* Values that do not change, and the length after the header; ascending. */
static const struct mode_page {
	uint8_t code;
	uint8_t bytes;
	uint32_t types;
	uint8_t values[PAGE_BYTES_MAX];
} pages[] = {
	/* Read-write error recovery (SBC-3 6.5.8): nothing to recover. */
	{ 0x01, 10, DISK, { 0x01, 10 } },
	/* Caching (SBC-3 6.5.5). */
	{ 0x08, 18, DISK, { 0x08, 18 } },
	/* Control (SPC-4 7.5.8): commands of others that are aborted end with
	 * TASK ABORTED; commands may be reordered; BUSY ends at some time. */
	{ 0x0a, 10, ALL, { 0x0a, 10, 0, 0x10, 0, 0x40, 0, 0, 0xff, 0xff } },
	/* Data compression (SSC-4 8.3.2): not capable of it. */
	{ 0x0f, 14, TAPE, { 0x0f, 14 } },
	/* Device configuration (SSC-4 8.3.3): block identifiers are told, and
	 * what is written ends the tape. */
	{ 0x10, 14, TAPE, { 0x10, 14, 0, 0, 0, 0, 0, 0, 0x40, 0, 0x10 } },
	/* Informational exceptions (SPC-4 7.5.12): there are none. */
	{ 0x1c, 10, DISK, { 0x1c, 10, 0x08 } },
	/* Capabilities (MMC-3 5.5.10): reads CD-R, CD-RW and DVD-ROM; a tray
	 * that locks and ejects; 8467 kB/s, which is 48 times a CD. */
	{ 0x2a,
	  18,
	  CD,
	  { 0x2a, 18, 0x0b, 0, 0, 0, 0x29, 0, 0x21, 0x13, 0, 0, 0x02, 0, 0x21,
	    0x13 } },
};

/* What an initiator may change: a bit of a page, and where it is kept. */
static const struct mode_bit {
	uint8_t code;
	uint8_t byte;
	uint8_t bit;
	bool is_inverted;
	size_t place;
} bits[] = {
	{ 0x08, 2, 0x04, true, offsetof(struct scsi_mode, is_write_through) },
	{ 0x0a, 2, 0x04, false,
	  offsetof(struct scsi_mode, has_descriptor_sense) },
	{ 0x0a, 4, 0x08, false,
	  offsetof(struct scsi_mode, is_write_protected) },
};

static const struct mode_page *find_page(const struct scsi_unit *unit,
					 uint8_t code)
{
	for (size_t i = 0; i < ARRAY_COUNT(pages); i++)
		if (pages[i].code == code &&
		    (pages[i].types & SCSI_TYPE_BIT(unit->type)))
			return &pages[i];
	return NULL;
}

/* MODE SENSE (SPC-4 6.11, 6.12). ------------------------------------------- */

enum page_control {
	CONTROL_CURRENT,
	CONTROL_CHANGEABLE,
	CONTROL_DEFAULT,
	CONTROL_SAVED,
};

static uint8_t get_bit(const struct mode_bit *bit, const struct scsi_mode *mode)
{
	bool is_set = ((const uint8_t *)mode)[bit->place] != 0;

	return is_set != bit->is_inverted ? bit->bit : 0;
}

static uint32_t put_page(const struct mode_page *page,
			 const struct scsi_mode *mode,
			 enum page_control control, uint8_t *ret_bytes)
{
	static const struct scsi_mode defaults;

	memcpy(ret_bytes, page->values, PAGE_HEADER_BYTES + page->bytes);
	if (control == CONTROL_CHANGEABLE)
		memset(ret_bytes + PAGE_HEADER_BYTES, 0, page->bytes);
	for (size_t i = 0; i < ARRAY_COUNT(bits); i++) {
		if (bits[i].code != page->code)
			continue;
		ret_bytes[bits[i].byte] |=
			control == CONTROL_CHANGEABLE
				? bits[i].bit
				: get_bit(&bits[i], control == CONTROL_DEFAULT
							    ? &defaults
							    : mode);
	}
	return PAGE_HEADER_BYTES + page->bytes;
}

#define BLOCK_DESCRIPTOR_BYTES 8
#define WRITE_PROTECT          0x80
#define DPO_AND_FUA            0x10
#define BUFFERED_MODE          0x10 /* of a tape */
#define NO_DESCRIPTORS         0x08

/* SBC-3 6.5.2.3: too many blocks for the field are all ones. */
static void put_block_descriptor(const struct scsi_unit *unit,
				 const struct scsi_mode *mode,
				 uint8_t *ret_bytes)
{
	uint64_t count = unit->block_count;

	memset(ret_bytes, 0, BLOCK_DESCRIPTOR_BYTES);
	if (unit->type == SCSI_TAPE) {
		ret_bytes[0] = TAPE_DENSITY;
		put_be32(ret_bytes + 4, mode->tape_block_bytes);
		return;
	}
	put_be32(ret_bytes, count > UINT32_MAX ? UINT32_MAX : (uint32_t)count);
	put_be32(ret_bytes + 4, unit->block_bytes);
}

static uint8_t device_specific(const struct scsi_unit *unit,
			       const struct scsi_nexus *nexus)
{
	static const uint8_t values[] = { [SCSI_DISK] = DPO_AND_FUA,
					  [SCSI_TAPE] = BUFFERED_MODE,
					  [SCSI_CD] = 0 };
	uint8_t value = values[unit->type];

	if (unit->type != SCSI_CD && scsi_unit_is_protected(unit, nexus))
		value |= WRITE_PROTECT;
	return value;
}

/* Whether it is the long one of the two that MODE SENSE and MODE SELECT are. */
static bool is_long(const struct scsi_task *task)
{
	return task->command->cdb_bytes == 10;
}

static uint32_t header_bytes(const struct scsi_task *task)
{
	return is_long(task) ? 8 : 4;
}

static void put_header(const struct scsi_unit *unit,
		       const struct scsi_task *task, uint32_t bytes,
		       uint32_t descriptor_bytes)
{
	uint8_t *header = task->scratch;
	uint8_t specific = device_specific(unit, task->nexus);

	memset(header, 0, header_bytes(task));
	if (is_long(task)) {
		put_be16(header, (uint16_t)(bytes - 2));
		header[3] = specific;
		put_be16(header + 6, (uint16_t)descriptor_bytes);
		return;
	}
	header[0] = (uint8_t)(bytes - 1);
	header[2] = specific;
	header[3] = (uint8_t)descriptor_bytes;
}

static uint32_t put_pages(const struct scsi_unit *unit,
			  const struct scsi_task *task, uint8_t *ret_bytes)
{
	const struct scsi_mode *mode = scsi_unit_mode(unit);
	enum page_control control = (enum page_control)(task->cdb[2] >> 6);
	uint8_t code = task->cdb[2] & PAGE_CODE;
	uint32_t bytes = 0;

	for (size_t i = 0; i < ARRAY_COUNT(pages); i++)
		if ((pages[i].types & SCSI_TYPE_BIT(unit->type)) &&
		    (code == ALL_PAGES || code == pages[i].code))
			bytes += put_page(&pages[i], mode, control,
					  ret_bytes + bytes);
	return bytes;
}

struct scsi_step scsi_mode_sense(struct scsi_unit *unit, struct scsi_task *task,
				 int result)
{
	uint8_t code = task->cdb[2] & PAGE_CODE, subpage = task->cdb[3];
	uint32_t bytes = header_bytes(task), descriptor_bytes = 0;

	if (task->cdb[2] >> 6 == CONTROL_SAVED)
		return scsi_refuse(unit, task, SENSE_NO_SAVING);
	if (code != ALL_PAGES && !find_page(unit, code))
		return scsi_refuse_cdb(unit, task, 2, 5);
	if (subpage != 0 && subpage != ALL_SUBPAGES)
		return scsi_refuse_cdb(unit, task, 3, -1);
	if (!(task->cdb[1] & NO_DESCRIPTORS)) {
		descriptor_bytes = BLOCK_DESCRIPTOR_BYTES;
		put_block_descriptor(unit, scsi_unit_mode(unit),
				     task->scratch + bytes);
	}
	bytes += descriptor_bytes;
	bytes += put_pages(unit, task, task->scratch + bytes);
	put_header(unit, task, bytes, descriptor_bytes);
	return scsi_answer_data(task, bytes,
				is_long(task) ? get_be16(task->cdb + 7)
					      : task->cdb[4]);
}

/* MODE SELECT (SPC-4 6.9, 6.10). ------------------------------------------- */

/* A page of the list, at this offset, is to change no more than it may.
 * False: the task has ended. */
static bool apply_page(struct scsi_unit *unit, struct scsi_task *task,
		       const struct mode_page *page, uint32_t offset,
		       struct scsi_mode *mode)
{
	uint8_t current[PAGE_BYTES_MAX], may[PAGE_BYTES_MAX];
	const uint8_t *asked = task->scratch + offset;

	put_page(page, mode, CONTROL_CURRENT, current);
	put_page(page, mode, CONTROL_CHANGEABLE, may);
	for (uint8_t i = PAGE_HEADER_BYTES; i < PAGE_HEADER_BYTES + page->bytes;
	     i++) {
		uint8_t wrong = (asked[i] ^ current[i]) & (uint8_t)~may[i];

		if (wrong == 0)
			continue;
		scsi_refuse_list(unit, task, (uint16_t)(offset + i),
				 (int8_t)(31 - __builtin_clz(wrong)));
		return false;
	}
	for (size_t i = 0; i < ARRAY_COUNT(bits); i++) {
		bool is_set = (asked[bits[i].byte] & bits[i].bit) != 0;

		if (bits[i].code == page->code)
			((uint8_t *)mode)[bits[i].place] =
				is_set != bits[i].is_inverted;
	}
	return true;
}

static bool refuse_list(struct scsi_unit *unit, struct scsi_task *task,
			uint32_t offset)
{
	scsi_refuse_list(unit, task, (uint16_t)offset, -1);
	return false;
}

static bool apply_pages(struct scsi_unit *unit, struct scsi_task *task,
			uint32_t offset, struct scsi_mode *mode)
{
	const struct mode_page *page;

	while (offset < task->list_bytes) {
		/* Neither a subpage format nor a reserved bit; PS is. */
		page = find_page(unit, task->scratch[offset] & 0x7f);
		if (!page)
			return refuse_list(unit, task, offset);
		if (task->list_bytes - offset < PAGE_HEADER_BYTES ||
		    task->list_bytes - offset <
			    PAGE_HEADER_BYTES + (uint32_t)page->bytes) {
			scsi_refuse(unit, task, SENSE_BAD_LIST_LENGTH);
			return false;
		}
		if (task->scratch[offset + 1] != page->bytes)
			return refuse_list(unit, task, offset + 1);
		if (!apply_page(unit, task, page, offset, mode))
			return false;
		offset += PAGE_HEADER_BYTES + page->bytes;
	}
	return true;
}

/* A tape's blocks may have another length from now on; the density is the one
 * there is, by any of the names that it has (SSC-4 8.2.5). */
static bool apply_tape_descriptor(struct scsi_unit *unit,
				  struct scsi_task *task, uint32_t offset,
				  struct scsi_mode *mode)
{
	uint8_t density = task->scratch[offset];
	uint32_t block_bytes = get_be24(task->scratch + offset + 5);

	if (density != TAPE_DENSITY && density != TAPE_DENSITY_DEFAULT &&
	    density != TAPE_DENSITY_SAME)
		return refuse_list(unit, task, offset);
	if (block_bytes > SCSI_TRANSFER_MAX)
		return refuse_list(unit, task, offset + 5);
	mode->tape_block_bytes = block_bytes;
	return true;
}

/* A block descriptor of others may say what is so. */
static bool apply_descriptor(struct scsi_unit *unit, struct scsi_task *task,
			     uint32_t offset, struct scsi_mode *mode)
{
	uint32_t count = get_be32(task->scratch + offset);
	uint32_t block_bytes = get_be24(task->scratch + offset + 5);
	uint64_t blocks = min_u64(unit->block_count, UINT32_MAX);

	if (unit->type == SCSI_TAPE)
		return apply_tape_descriptor(unit, task, offset, mode);
	if (count != 0 && count != UINT32_MAX && count != blocks)
		return refuse_list(unit, task, offset);
	if (block_bytes != unit->block_bytes)
		return refuse_list(unit, task, offset + 5);
	return true;
}

/* The whole list. False: the task has ended. */
static bool apply_list(struct scsi_unit *unit, struct scsi_task *task,
		       struct scsi_mode *mode)
{
	uint32_t offset = header_bytes(task), descriptor_bytes;

	if (task->list_bytes == 0)
		return true;
	if (task->list_bytes < offset) {
		scsi_refuse(unit, task, SENSE_BAD_LIST_LENGTH);
		return false;
	}
	descriptor_bytes =
		is_long(task) ? get_be16(task->scratch + 6) : task->scratch[3];
	if (descriptor_bytes != 0 && descriptor_bytes != BLOCK_DESCRIPTOR_BYTES)
		return refuse_list(unit, task, is_long(task) ? 6 : 3);
	if (task->list_bytes - offset < descriptor_bytes) {
		scsi_refuse(unit, task, SENSE_BAD_LIST_LENGTH);
		return false;
	}
	if (descriptor_bytes != 0 &&
	    !apply_descriptor(unit, task, offset, mode))
		return false;
	return apply_pages(unit, task, offset + descriptor_bytes, mode);
}

struct scsi_step scsi_mode_select(struct scsi_unit *unit,
				  struct scsi_task *task, int result)
{
	struct scsi_mode mode = *scsi_unit_mode(unit);
	struct scsi_state *next;
	uint32_t bytes = is_long(task) ? get_be16(task->cdb + 7) : task->cdb[4];

	if (task->stage == 0) {
		if (!scsi_take_list(task, bytes))
			return scsi_refuse(unit, task, SENSE_BAD_LIST_LENGTH);
		task->stage = 1;
	} else if (result != -EAGAIN) {
		return scsi_answer(task);
	}
	if (!apply_list(unit, task, &mode))
		return (struct scsi_step){ .kind = SCSI_STEP_ANSWER };
	if (memcmp(&mode, scsi_unit_mode(unit), sizeof(mode)) == 0)
		return scsi_answer(task);
	next = scsi_ledger_prepare(unit->ledger);
	if (!next)
		return scsi_answer_status(task, SCSI_BUSY);
	next->mode = mode;
	return scsi_commit_for_others(unit, task, ATTENTION_MODE_CHANGED);
}
