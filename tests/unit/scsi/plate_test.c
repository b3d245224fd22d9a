/* SPDX-License-Identifier: MIT */
#include "scsi/plate.h"

#include <errno.h>
#include <string.h>

#include "lib/harness.h"

static const uint8_t volume[SCSI_ID_BYTES] = "a volume";
static const uint8_t other_volume[SCSI_ID_BYTES] = "another volume";

static uint8_t file[SCSI_PLATE_BYTES];
static struct scsi_state state, found;
static uint64_t sequence;

static void write_slot(uint64_t number)
{
	uint8_t slot[SCSI_PLATE_SLOT_BYTES];
	uint64_t offset;

	scsi_plate_encode(&state, number, volume, slot, &offset);
	CHECK(offset + sizeof(slot) <= sizeof(file));
	memcpy(file + offset, slot, sizeof(slot));
}

/* A plate as it is made, and then a registration that is to last. */
static void write_registration(uint64_t key)
{
	state = (struct scsi_state){ .saved_mode.is_write_through = 1 };
	write_slot(0);
	write_slot(1);
	state.reserve.registered = 1 << 5;
	state.reserve.key[5] = key;
	state.reserve.is_aptpl = 1;
	state.reserve.type = RESERVE_WRITE_EXCLUSIVE;
	state.reserve.holder = 5;
	memset(state.ports[5].name, 0xaa, SCSI_PORT_BYTES);
	state.ports[5].row_count = 256;
	state.ports[5].is_attached = true;
	state.ports[6] = state.ports[5];
	write_slot(2);
}

static int decode(void)
{
	return scsi_plate_decode(file, volume, &found, &sequence);
}

TEST(registrations_and_saved_modes_outlive_the_host)
{
	write_registration(77);

	CHECK_EQ(decode(), 0);
	CHECK_EQ(sequence, 2);
	CHECK_EQ(found.reserve.registered, 1 << 5);
	CHECK_EQ(found.reserve.key[5], 77);
	CHECK_EQ(found.reserve.type, RESERVE_WRITE_EXCLUSIVE);
	CHECK_EQ(found.ports[5].name[0], 0xaa);
	CHECK(!found.ports[5].is_attached);
	CHECK_EQ(found.ports[6].row_count, 0);
	CHECK_EQ(found.mode.is_write_through, 1);
	CHECK_EQ(found.saved_mode.is_write_through, 1);
}

TEST(registrations_that_need_not_last_do_not)
{
	write_registration(77);
	state.reserve.is_aptpl = 0;
	write_slot(3);

	CHECK_EQ(decode(), 0);
	CHECK_EQ(found.reserve.registered, 0);
	CHECK_EQ(found.reserve.type, RESERVE_NONE);
	CHECK_EQ(found.saved_mode.is_write_through, 1);
}

TEST(a_slot_written_in_part_is_one_that_nobody_was_told_of)
{
	uint8_t before[sizeof(file)];

	write_registration(77);
	memcpy(before, file, sizeof(file));
	state.reserve.key[5] = 88;
	write_slot(3);
	for (size_t cut = 0; cut < SCSI_PLATE_SLOT_BYTES; cut++) {
		uint8_t *at = file + SCSI_PLATE_SLOT_BYTES + cut;

		CHECK_EQ(decode(), 0);
		/* From here on it is as it was. */
		*at = before[at - file];
	}
	CHECK_EQ(decode(), 0);
	CHECK_EQ(found.reserve.key[5], 77);
}

TEST(a_damaged_plate_is_never_read_as_no_reservations)
{
	write_registration(77);
	file[SCSI_PLATE_SLOT_BYTES + 99] ^= 1;
	CHECK_EQ(decode(), 0);
	CHECK_EQ(found.reserve.key[5], 77);
	file[99] ^= 1;
	CHECK_EQ(decode(), -EUCLEAN);
	memset(file, 0, sizeof(file));
	CHECK_EQ(decode(), -EUCLEAN);
	write_registration(77);
	CHECK_EQ(scsi_plate_decode(file, other_volume, &found, &sequence),
		 -EUCLEAN);
}

TEST(what_no_commands_make_is_damage_although_it_checks)
{
	write_registration(77);
	state.reserve.holder = 6;
	write_slot(3);
	CHECK_EQ(decode(), 0);
	CHECK_EQ(sequence, 2);
	write_registration(77);
	memset(state.ports[5].name, 0, SCSI_PORT_BYTES);
	write_slot(2);
	CHECK_EQ(decode(), -EUCLEAN);
}
