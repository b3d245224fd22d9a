/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/crc32c.h"
#include "scsi/ledger_memory.h"

#define STATE_SHIFT 32
#define AREA_SHIFT  40

static uint64_t head_of(uint32_t sequence, enum scsi_row_state state,
			unsigned area)
{
	return (uint64_t)area << AREA_SHIFT | (uint64_t)state << STATE_SHIFT |
	       sequence;
}

static enum scsi_row_state state_of(uint64_t head)
{
	return (enum scsi_row_state)(head >> STATE_SHIFT & 0xff);
}

static unsigned area_of(uint64_t head)
{
	return (unsigned)(head >> AREA_SHIFT);
}

static uint32_t begun_crc(const struct ledger_begun *begun)
{
	return crc32c(0, begun, offsetof(struct ledger_begun, crc));
}

static uint32_t ended_crc(const struct ledger_ended *ended)
{
	return crc32c(0, ended, offsetof(struct ledger_ended, crc));
}

static uint32_t area_crc(const struct ledger_area *area)
{
	uint32_t sum = crc32c(0, area, offsetof(struct ledger_area, crc));

	return crc32c(sum, area->data, area->bytes);
}

static bool area_is_of(const struct ledger_area *area, uint32_t nexus,
		       uint32_t row, uint32_t sequence)
{
	return area->nexus == nexus && area->row == row &&
	       area->row_sequence == sequence;
}

/* The row has its area no more, if it had one. */
static void area_release(struct scsi_ledger *ledger, uint32_t nexus,
			 uint32_t row)
{
	uint64_t head = row_of(ledger, nexus, row)->head;
	unsigned index = area_of(head);

	if (state_of(head) == SCSI_ROW_MOVED && index < SCSI_AREA_COUNT &&
	    area_is_of(&memory_of(ledger)->areas[index], nexus, row,
		       (uint32_t)head))
		ledger->areas_taken &= ~(1u << index);
}

void ledger_row_end(struct scsi_ledger *ledger,
		    const struct scsi_origin *origin,
		    const struct scsi_outcome *outcome)
{
	struct ledger_row *row = row_of(ledger, origin->nexus, origin->row);
	struct ledger_ended ended = {
		.outcome = *outcome,
		.sequence = origin->row_sequence,
	};

	ended.crc = ended_crc(&ended);
	ledger_copy(&row->ended, &ended, sizeof(ended));
	area_release(ledger, origin->nexus, origin->row);
	STORE(row->head, head_of(origin->row_sequence, SCSI_ROW_ENDED, 0));
}

void ledger_rows_abort(struct scsi_ledger *ledger, uint32_t nexus)
{
	uint32_t count = ledger->state.ports[nexus].row_count;

	for (uint32_t i = 0; i < count; i++) {
		struct ledger_row *row = row_of(ledger, nexus, i);

		if (state_of(row->head) == SCSI_ROW_BEGUN)
			STORE(row->head, head_of((uint32_t)row->head,
						 SCSI_ROW_ABORTED, 0));
	}
}

void ledger_rows_free(struct scsi_ledger *ledger, uint32_t nexus,
		      uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i++) {
		struct ledger_row *row = row_of(ledger, nexus, i);

		area_release(ledger, nexus, i);
		if (row->head != 0)
			STORE(row->head, 0);
	}
}

/* What was read of a row; false: it does not check. */
static bool read_begun(const struct ledger_row *from, struct scsi_row *row)
{
	struct ledger_begun begun = from->begun;

	row->code = begun.code;
	row->offset_bytes = begun.offset_bytes;
	row->length_bytes = begun.length_bytes;
	row->before = begun.before;
	return begun.sequence == row->sequence &&
	       begun.crc == begun_crc(&begun);
}

static bool read_ended(const struct ledger_row *from, struct scsi_row *row)
{
	struct ledger_ended ended = from->ended;

	row->outcome = ended.outcome;
	(void)read_begun(from, row);
	return ended.sequence == row->sequence &&
	       ended.crc == ended_crc(&ended) &&
	       ended.outcome.sense_bytes <= SCSI_SENSE_BYTES;
}

static bool read_area(const struct scsi_ledger *ledger,
		      const struct scsi_origin *origin, unsigned index,
		      struct scsi_row *row)
{
	struct ledger_area *area;

	if (index >= SCSI_AREA_COUNT)
		return false;
	area = &memory_of(ledger)->areas[index];
	row->data = area->data;
	row->data_bytes = area->bytes;
	return area->bytes <= SCSI_AREA_BYTES && area->crc == area_crc(area) &&
	       area_is_of(area, origin->nexus, origin->row, row->sequence);
}

static bool read_row(const struct scsi_ledger *ledger,
		     const struct scsi_origin *origin, struct scsi_row *row)
{
	const struct ledger_row *from =
		row_of(ledger, origin->nexus, origin->row);
	uint64_t head = from->head;

	*row = (struct scsi_row){
		.state = state_of(head),
		.sequence = (uint32_t)head,
	};
	switch (row->state) {
	case SCSI_ROW_FREE:
		return true;
	case SCSI_ROW_BEGUN:
	case SCSI_ROW_ABORTED:
		return read_begun(from, row);
	case SCSI_ROW_MOVED:
		return read_begun(from, row) &&
		       read_area(ledger, origin, area_of(head), row);
	case SCSI_ROW_ENDED:
		return read_ended(from, row);
	default:
		return false;
	}
}

static void end_as(struct scsi_ledger *ledger, const struct scsi_origin *origin,
		   struct scsi_row *row)
{
	ledger_row_end(ledger, origin, &row->outcome);
	row->state = SCSI_ROW_ENDED;
	row->sequence = origin->row_sequence;
}

/* A row that does not check ends whatever command comes in it. */
static int look_at_damage(struct scsi_ledger *ledger,
			  const struct scsi_origin *origin,
			  struct scsi_row *row)
{
	scsi_attention_outcome(ATTENTION_NEXUS_LOST,
			       ledger->state.mode.has_descriptor_sense, false,
			       &row->outcome);
	row->data = NULL;
	end_as(ledger, origin, row);
	return 0;
}

/*
 * Another command in a row that was written: one that has ended makes room, and
 * one that was aborted, whose initiator may have forgotten it. How far the
 * sequence is ahead says nothing: it grows with commands too that are not
 * written here, and wraps.
 */
static int look_at_other(struct scsi_ledger *ledger,
			 const struct scsi_origin *origin, struct scsi_row *row)
{
	if (row->state != SCSI_ROW_ENDED && row->state != SCSI_ROW_ABORTED)
		return -EPROTO;
	STORE(row_of(ledger, origin->nexus, origin->row)->head, 0);
	*row = (struct scsi_row){ .sequence = origin->row_sequence };
	return 0;
}

int scsi_row_look(struct scsi_ledger *ledger, const struct scsi_origin *origin,
		  struct scsi_row *ret_row)
{
	if (origin->row >= ledger->state.ports[origin->nexus].row_count)
		return -EPROTO;
	if (!read_row(ledger, origin, ret_row))
		return look_at_damage(ledger, origin, ret_row);
	if (ret_row->state == SCSI_ROW_FREE)
		return 0;
	if (ret_row->sequence != origin->row_sequence)
		return look_at_other(ledger, origin, ret_row);
	if (ret_row->state == SCSI_ROW_ABORTED) {
		ret_row->outcome =
			(struct scsi_outcome){ .status = SCSI_TASK_ABORTED };
		end_as(ledger, origin, ret_row);
	}
	return 0;
}

void scsi_row_begin(struct scsi_ledger *ledger,
		    const struct scsi_origin *origin,
		    const struct scsi_row *row)
{
	struct ledger_row *to = row_of(ledger, origin->nexus, origin->row);
	struct ledger_begun begun = {
		.offset_bytes = row->offset_bytes,
		.length_bytes = row->length_bytes,
		.before = row->before,
		.sequence = origin->row_sequence,
		.code = row->code,
	};

	begun.crc = begun_crc(&begun);
	ledger_copy(&to->begun, &begun, sizeof(begun));
	STORE(to->head, head_of(begun.sequence, SCSI_ROW_BEGUN, 0));
}

int scsi_row_move(struct scsi_ledger *ledger, const struct scsi_origin *origin,
		  const void *data, uint32_t bytes, uint8_t **ret_data)
{
	unsigned index = (unsigned)__builtin_ctz(~ledger->areas_taken);
	struct ledger_area *area;

	assert(bytes <= SCSI_AREA_BYTES);
	if (index >= SCSI_AREA_COUNT)
		return -EBUSY;
	area = &memory_of(ledger)->areas[index];
	area->nexus = origin->nexus;
	area->row_sequence = origin->row_sequence;
	area->row = origin->row;
	area->bytes = bytes;
	STORE_STEP();
	memcpy(area->data, data, bytes);
	STORE_STEP();
	area->crc = area_crc(area);
	STORE_STEP();
	ledger->areas_taken |= 1u << index;
	STORE(row_of(ledger, origin->nexus, origin->row)->head,
	      head_of(origin->row_sequence, SCSI_ROW_MOVED, index));
	*ret_data = area->data;
	return 0;
}

void scsi_row_end(struct scsi_ledger *ledger, const struct scsi_origin *origin,
		  struct scsi_outcome *outcome)
{
	uint64_t head = row_of(ledger, origin->nexus, origin->row)->head;

	if (state_of(head) == SCSI_ROW_ABORTED)
		*outcome = (struct scsi_outcome){ .status = SCSI_TASK_ABORTED };
	ledger_row_end(ledger, origin, outcome);
}

void scsi_row_abort(struct scsi_ledger *ledger,
		    const struct scsi_origin *origin)
{
	struct ledger_row *row = row_of(ledger, origin->nexus, origin->row);

	if (state_of(row->head) == SCSI_ROW_BEGUN)
		STORE(row->head,
		      head_of((uint32_t)row->head, SCSI_ROW_ABORTED, 0));
}

/* The next row of those in use. */
static bool step(const struct scsi_ledger *ledger, struct scsi_origin *origin)
{
	while (origin->nexus < SCSI_NEXUS_MAX &&
	       origin->row >= ledger->state.ports[origin->nexus].row_count) {
		origin->nexus++;
		origin->row = 0;
	}
	return origin->nexus < SCSI_NEXUS_MAX;
}

bool scsi_row_next(struct scsi_ledger *ledger, struct scsi_origin *origin,
		   struct scsi_row *ret_row)
{
	for (; step(ledger, origin); origin->row++) {
		if (!ledger->state.ports[origin->nexus].is_attached)
			continue;
		if (read_row(ledger, origin, ret_row) &&
		    (ret_row->state == SCSI_ROW_BEGUN ||
		     ret_row->state == SCSI_ROW_MOVED)) {
			origin->row_sequence = ret_row->sequence;
			return true;
		}
	}
	return false;
}

void ledger_areas_find(struct scsi_ledger *ledger)
{
	struct scsi_origin origin = { 0 };
	struct scsi_row row;

	ledger->areas_taken = 0;
	for (; scsi_row_next(ledger, &origin, &row); origin.row++)
		if (row.state == SCSI_ROW_MOVED)
			ledger->areas_taken |=
				1u << area_of(
					row_of(ledger, origin.nexus, origin.row)
						->head);
}
