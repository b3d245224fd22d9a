/* SPDX-License-Identifier: MIT */
#include "verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STAMP_MAGIC  0x62756c6b68656164ull
#define SECTOR_WORDS (VERIFY_SECTOR / sizeof(uint64_t))
#define HEADER_WORDS 4
#define PATTERN_STEP 0x9e3779b97f4a7c15ull
#define NO_VERSION   UINT64_MAX

int verify_init(struct verify *verify, uint64_t cell_count, uint32_t cell_bytes,
		uint64_t run)
{
	*verify = (struct verify){ .cell_count = cell_count,
				   .cell_bytes = cell_bytes,
				   .run = run };
	verify->cells = calloc(cell_count, sizeof(*verify->cells));
	return verify->cells ? 0 : -ENOMEM;
}

void verify_release(struct verify *verify)
{
	free(verify->cells);
	verify->cells = NULL;
}

bool verify_may_write(const struct verify *verify, uint64_t cell)
{
	return !verify->cells[cell].is_writing;
}

static uint64_t sector_number(const struct verify *verify, uint64_t cell,
			      uint32_t index)
{
	return cell * (verify->cell_bytes / VERIFY_SECTOR) + index;
}

static uint64_t pattern_seed(const struct verify *verify, uint64_t sector,
			     uint64_t version)
{
	return (verify->run ^ (sector << 24) ^ version) * PATTERN_STEP;
}

static void stamp_sector(const struct verify *verify, uint64_t *words,
			 uint64_t sector, uint64_t version)
{
	uint64_t pattern = pattern_seed(verify, sector, version);

	words[0] = STAMP_MAGIC;
	words[1] = verify->run;
	words[2] = sector;
	words[3] = version;
	for (uint32_t i = HEADER_WORDS; i < SECTOR_WORDS; i++) {
		words[i] = pattern;
		pattern += PATTERN_STEP;
	}
}

void verify_begin_write(struct verify *verify, uint64_t cell, void *data)
{
	struct verify_cell *state = &verify->cells[cell];
	uint64_t *words = data;

	state->is_writing = true;
	state->issued++;
	for (uint32_t i = 0; i < verify->cell_bytes / VERIFY_SECTOR; i++)
		stamp_sector(verify, words + i * SECTOR_WORDS,
			     sector_number(verify, cell, i), state->issued);
}

void verify_end_write(struct verify *verify, uint64_t cell, bool is_ok)
{
	struct verify_cell *state = &verify->cells[cell];

	state->is_writing = false;
	if (is_ok)
		state->acked = state->issued;
}

uint32_t verify_begin_read(const struct verify *verify, uint64_t cell)
{
	return verify->cells[cell].acked;
}

/* The version an intact sector of this run and place carries, or NO_VERSION. */
static uint64_t sector_version(const struct verify *verify,
			       const uint64_t *words, uint64_t sector)
{
	uint64_t pattern = pattern_seed(verify, sector, words[3]);
	uint64_t differ = (words[0] ^ STAMP_MAGIC) | (words[1] ^ verify->run) |
			  (words[2] ^ sector);

	for (uint32_t i = HEADER_WORDS; i < SECTOR_WORDS; i++) {
		differ |= words[i] ^ pattern;
		pattern += PATTERN_STEP;
	}
	return differ ? NO_VERSION : words[3];
}

static void count_old_version(struct verify *verify,
			      const struct verify_cell *state, uint64_t version)
{
	if (version < state->seen)
		verify->duplicated++;
	else
		verify->lost++;
}

/* True when the sector is what it may be; else counted. */
static bool sector_is_legal(struct verify *verify, struct verify_cell *state,
			    uint32_t floor, uint64_t version)
{
	bool was_racing = state->issued != floor;

	if (version == NO_VERSION) {
		/* Before our first write anything may be there. */
		if (was_racing || floor == 0)
			return true;
		verify->corrupt++;
		return false;
	}
	if (version > state->issued) {
		verify->corrupt++;
		return false;
	}
	if (version < floor) {
		count_old_version(verify, state, version);
		return false;
	}
	if (version <= state->acked && version > state->seen)
		state->seen = (uint32_t)version;
	return true;
}

/* One verdict per cell: the first bad sector counts, the rest is the same. */
void verify_end_read(struct verify *verify, uint64_t cell, uint32_t floor,
		     const void *data)
{
	struct verify_cell *state = &verify->cells[cell];
	const uint64_t *words = data;

	verify->checked++;
	for (uint32_t i = 0; i < verify->cell_bytes / VERIFY_SECTOR; i++) {
		uint64_t sector = sector_number(verify, cell, i);
		uint64_t version = sector_version(
			verify, words + i * SECTOR_WORDS, sector);

		if (!sector_is_legal(verify, state, floor, version))
			return;
	}
}
