/* SPDX-License-Identifier: MIT */
/*
 * A ledger in use and a plate, changed as the input says, checksums included if
 * it says so: they are refused, or opened and used, and what was opened and
 * used is opened again as it was.
 *
 * The input: a byte whose lowest bit makes checksums fit, then changes of 4
 * bytes: place (enum place), offset (2, little endian), value.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "scsi/ledger_memory.h"
#include "scsi/plate.h"

#define NEXUSES      3
#define ROWS         4
#define CHANGE_BYTES 4

enum place { HEADER, STATES, NOTES, ROW, AREA, PLATE, PLACE_COUNT };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const uint8_t volume[SCSI_ID_BYTES] = "a volume";
static const uint8_t boot[SCSI_ID_BYTES] = "a boot";

static struct ledger_memory memory;
static uint8_t plate[SCSI_PLATE_BYTES];
static struct scsi_ledger ledger;

static void insist(int condition)
{
	if (!condition)
		abort();
}

static void attach(uint8_t number)
{
	const uint8_t port[SCSI_PORT_BYTES] = { 1, number };
	uint32_t nexus;

	(void)scsi_ledger_attach(&ledger, port, ROWS, &nexus);
}

/* A row in each state, two registrations, and attentions told and not told. */
static void use(void)
{
	const struct scsi_row row = { .code = 1, .length_bytes = 512 };
	struct scsi_origin origin = { .row_sequence = 5 };
	struct scsi_outcome outcome = { 0 };
	struct scsi_state *next;
	uint8_t *kept;

	for (; origin.nexus < NEXUSES; origin.nexus++) {
		attach((uint8_t)origin.nexus);
		for (origin.row = 0; origin.row < 3; origin.row++)
			scsi_row_begin(&ledger, &origin, &row);
		scsi_row_end(&ledger, &origin, &outcome);
		origin.row = 1;
		(void)scsi_row_move(&ledger, &origin, "data", 4, &kept);
	}
	next = scsi_ledger_prepare(&ledger);
	next->reserve.registered = 3;
	next->reserve.key[0] = next->reserve.key[1] = 1;
	next->reserve.type = RESERVE_WRITE_EXCLUSIVE;
	next->reserve.is_aptpl = 1;
	origin = (struct scsi_origin){ .row_sequence = 6, .row = 3 };
	scsi_ledger_record(&ledger, &origin, &outcome, NULL);
	(void)scsi_ledger_commit(&ledger);
	scsi_ledger_tell(&ledger, &origin, false, false, &outcome);
}

static void make(void)
{
	uint64_t offset;

	memset(&memory.header, 0, offsetof(struct ledger_memory, areas));
	for (int i = 0; i < NEXUSES; i++)
		memset(memory.rows[i], 0, ROWS * sizeof(memory.rows[i][0]));
	scsi_ledger_make(&ledger, &memory, volume, boot, NULL);
	use();
	for (uint64_t i = 0; i < 2; i++)
		scsi_plate_encode(&ledger.state, i, volume,
				  plate + i * SCSI_PLATE_SLOT_BYTES, &offset);
}

static void change(const uint8_t *how)
{
	const struct {
		void *first;
		size_t bytes;
	} places[PLACE_COUNT] = {
		[HEADER] = { &memory.header,
			     offsetof(struct ledger_header, rest) },
		[STATES] = { memory.states, sizeof(memory.states) },
		[NOTES] = { memory.nexuses,
			    NEXUSES * sizeof(memory.nexuses[0]) },
		[ROW] = { memory.rows[how[1] % NEXUSES],
			  ROWS * sizeof(memory.rows[0][0]) },
		[AREA] = { &memory.areas[0],
			   offsetof(struct ledger_area, rest) },
		[PLATE] = { plate, sizeof(plate) },
	};
	size_t offset = (size_t)(how[1] | how[2] << 8);
	uint8_t *first = places[how[0] % PLACE_COUNT].first;

	first[offset % places[how[0] % PLACE_COUNT].bytes] = how[3];
}

/* The checksum at `at` of all the other bytes of these. */
static void fit(void *first, size_t bytes, size_t at)
{
	uint8_t *all = first;
	uint32_t sum = crc32c(0, all, at);

	sum = crc32c(sum, all + at + sizeof(sum), bytes - at - sizeof(sum));
	memcpy(all + at, &sum, sizeof(sum));
}

static void fit_rows(void)
{
	for (int i = 0; i < NEXUSES * ROWS; i++) {
		struct ledger_row *row = &memory.rows[i / ROWS][i % ROWS];

		row->begun.crc = crc32c(0, &row->begun,
					offsetof(struct ledger_begun, crc));
		row->ended.crc = crc32c(0, &row->ended,
					offsetof(struct ledger_ended, crc));
	}
}

static void fit_checksums(void)
{
	struct ledger_header *header = &memory.header;

	header->crc = 0;
	header->crc =
		crc32c(0, header, offsetof(struct ledger_header, current));
	for (int i = 0; i < 2; i++) {
		fit(memory.states[i], sizeof(struct scsi_state),
		    offsetof(struct scsi_state, crc));
		fit(plate + i * SCSI_PLATE_SLOT_BYTES, SCSI_PLATE_SLOT_BYTES,
		    12);
	}
	for (int i = 0; i < 2 * NEXUSES; i++)
		fit(&memory.nexuses[i / 2].slots[i % 2],
		    sizeof(memory.nexuses[0].slots[0]),
		    offsetof(struct scsi_nexus_notes, crc));
	fit_rows();
}

/* Every command that may come again, and one that is new. */
static void look_at_rows(void)
{
	struct scsi_origin origin = { 0 };
	struct scsi_row row;

	for (; origin.nexus < NEXUSES; origin.nexus++)
		for (origin.row = 0; origin.row < ROWS; origin.row++)
			for (origin.row_sequence = 4; origin.row_sequence < 8;
			     origin.row_sequence++)
				if (scsi_row_look(&ledger, &origin, &row) == 0)
					insist(row.outcome.sense_bytes <=
					       SCSI_SENSE_BYTES);
	origin = (struct scsi_origin){ 0 };
	for (; scsi_row_next(&ledger, &origin, &row); origin.row++)
		insist(row.data_bytes <= SCSI_AREA_BYTES);
}

static void tell_all(void)
{
	struct scsi_origin origin = { .row_sequence = 9 };
	struct scsi_outcome outcome;

	for (; origin.nexus < NEXUSES; origin.nexus++)
		while (scsi_ledger_pending(&ledger, origin.nexus) != 0)
			scsi_ledger_tell(&ledger, &origin, true, true,
					 &outcome);
}

static void open_and_use(void)
{
	struct scsi_state kept;

	if (scsi_ledger_open(&ledger, &memory, volume, boot) < 0)
		return;
	look_at_rows();
	for (uint8_t i = 0; i < NEXUSES; i++)
		attach(i);
	tell_all();
	scsi_ledger_detach(&ledger, 1);
	kept = ledger.state;
	insist(scsi_ledger_open(&ledger, &memory, volume, boot) == 0);
	insist(memcmp(&kept, &ledger.state, sizeof(kept)) == 0);
}

static void power_on(void)
{
	struct scsi_state first;
	uint64_t sequence;

	if (scsi_plate_decode(plate, volume, &first, &sequence) < 0)
		return;
	scsi_ledger_make(&ledger, &memory, volume, boot, &first);
	insist(scsi_ledger_open(&ledger, &memory, volume, boot) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	make();
	for (size_t at = 1; at + CHANGE_BYTES <= bytes; at += CHANGE_BYTES)
		change(data + at);
	if (bytes > 0 && (data[0] & 1) != 0)
		fit_checksums();
	open_and_use();
	power_on();
	return 0;
}
