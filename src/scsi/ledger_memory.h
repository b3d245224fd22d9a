/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a ledger, and how they are written; private to this folder.
 *
 * What comes in two slots is written into the one that does not count. `current`
 * is its sequence then, whose lowest bit says which slot it is in.
 */
#ifndef SCSI_LEDGER_MEMORY_H
#define SCSI_LEDGER_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "scsi/ledger.h"

/* tests/unit/scsi/ledger_crash_test.c dies at each. */
#ifndef STORE_STEP
#define STORE_STEP() ((void)0)
#endif

#define STORE(place, value)                                            \
	do {                                                           \
		__atomic_store_n(&(place), (value), __ATOMIC_RELEASE); \
		STORE_STEP();                                          \
	} while (0)

#define LEDGER_MAGIC   0x31726764656c6b62ull /* "bkledgr1" */
#define LEDGER_VERSION 1u

#define STATE_SLOT_BYTES 0x4000u

struct ledger_header {
	uint64_t magic;
	uint32_t version;
	uint32_t crc; /* of the fields up to `current`, with 0 here */
	uint8_t volume[SCSI_ID_BYTES];
	uint8_t boot[SCSI_ID_BYTES];
	uint8_t reserved[16];
	uint64_t current; /* state; 0: not made yet */
	uint64_t
		settled; /* the last state that nothing follows from any more */
	uint8_t rest[4096 - 80];
};

struct ledger_nexus {
	uint64_t current;
	uint64_t settled; /* told_count of the notes whose row has ended */
	struct scsi_nexus_notes slots[2];
	uint8_t rest[128 - 16 - 2 * sizeof(struct scsi_nexus_notes)];
};

struct ledger_area {
	uint32_t nexus, row_sequence, row, bytes, crc;
	uint8_t rest[4096 - 20];
	uint8_t data[SCSI_AREA_BYTES];
};

struct ledger_begun {
	uint64_t offset_bytes, length_bytes, before;
	uint32_t sequence;
	uint16_t code, reserved[3];
	uint32_t crc;
};

struct ledger_ended {
	struct scsi_outcome outcome;
	uint32_t sequence;
	uint32_t crc;
};

/* `head`: the sequence, above it the state (8 bits) and the area (8 bits). */
struct ledger_row {
	uint64_t head;
	struct ledger_begun begun;
	struct ledger_ended ended;
};

struct ledger_memory {
	struct ledger_header header;
	uint8_t states[2][STATE_SLOT_BYTES];
	struct ledger_nexus nexuses[SCSI_NEXUS_MAX];
	struct ledger_area areas[SCSI_AREA_COUNT];
	struct ledger_row rows[SCSI_NEXUS_MAX][SCSI_ROWS_MAX];
};

_Static_assert(sizeof(struct ledger_header) == 4096, "a page");
_Static_assert(sizeof(struct scsi_state) <= STATE_SLOT_BYTES, "a slot");
_Static_assert(sizeof(struct scsi_state) % 8 == 0, "words");
_Static_assert(sizeof(struct ledger_nexus) == 128, "two cache lines");
_Static_assert(sizeof(struct ledger_area) == 0x9000, "pages");
_Static_assert(sizeof(struct ledger_begun) == 40, "words");
_Static_assert(sizeof(struct ledger_row) == 128, "two cache lines");
_Static_assert(sizeof(struct ledger_memory) == SCSI_LEDGER_BYTES, "all of it");
_Static_assert(offsetof(struct ledger_memory, nexuses) ==
		       SCSI_LEDGER_LOOK_BYTES,
	       "its beginning");

static inline struct ledger_memory *memory_of(const struct scsi_ledger *ledger)
{
	return ledger->memory;
}

static inline struct ledger_row *row_of(const struct scsi_ledger *ledger,
					uint32_t nexus, uint32_t row)
{
	return &memory_of(ledger)->rows[nexus][row];
}

/* Whether commands can have made it. */
bool ledger_state_is_sound(const struct scsi_state *state);

/* Copy whole words, in their order. */
void ledger_copy(void *to, const void *from, size_t bytes);

/* End a row, whatever was in it. */
void ledger_row_end(struct scsi_ledger *ledger,
		    const struct scsi_origin *origin,
		    const struct scsi_outcome *outcome);

/* Abort all rows of a nexus; free some. */
void ledger_rows_abort(struct scsi_ledger *ledger, uint32_t nexus);
void ledger_rows_free(struct scsi_ledger *ledger, uint32_t nexus,
		      uint32_t first, uint32_t end);

/* Which areas are in use. */
void ledger_areas_find(struct scsi_ledger *ledger);

#endif
