/* SPDX-License-Identifier: MIT */
/* A medium that is put into a drive, or taken out. */
#include "scsi/medium.h"

#include <string.h>

#include "lib/harness.h"
#include "media_rig.h"
#include "scsi/bytes.h"

static struct media_rig rig;

static void open_drive(enum scsi_type type)
{
	media_rig_open(&rig, type);
	CHECK_EQ(scsi_unit_load(&rig.memory.unit, 1, 0), 0);
}

static void close_drive(void)
{
	media_rig_close(&rig);
}

static uint32_t ask(uint32_t nexus)
{
	rig.nexus = nexus;
	if (RUN(&rig, 0x00, 0, 0, 0, 0, 0) == SCSI_GOOD)
		return SENSE_NONE;
	return media_rig_sense(&rig);
}

static void be_told(void)
{
	for (uint32_t nexus = 0; nexus < SCSI_MEMORY_NEXUSES; nexus++)
		(void)ask(nexus);
}

TEST(a_new_medium_is_told_to_every_nexus_once)
{
	open_drive(SCSI_CD);
	be_told();

	CHECK_EQ(scsi_unit_load(&rig.memory.unit, 2, 0), 0);

	for (uint32_t nexus = 0; nexus < SCSI_MEMORY_NEXUSES; nexus++) {
		CHECK_EQ(ask(nexus), SENSE_MEDIUM_CHANGED);
		CHECK_EQ(ask(nexus), SENSE_NONE);
	}

	close_drive();
}

TEST(a_medium_that_is_said_again_is_no_other)
{
	open_drive(SCSI_CD);
	be_told();
	CHECK_EQ(scsi_unit_load(&rig.memory.unit, 2, 0), 0);
	media_rig_revive(&rig);

	CHECK_EQ(scsi_unit_load(&rig.memory.unit, 2, 0), 0);

	CHECK_EQ(ask(0), SENSE_MEDIUM_CHANGED);
	CHECK_EQ(ask(0), SENSE_NONE);

	close_drive();
}

TEST(an_empty_drive_is_not_ready_and_tells_nobody_of_a_change)
{
	open_drive(SCSI_CD);
	be_told();

	rig.memory.unit.block_count = 0;
	CHECK_EQ(scsi_unit_load(&rig.memory.unit, 2, 0), 0);

	CHECK_EQ(ask(0), SENSE_NO_MEDIUM);
	CHECK_EQ(ask(1), SENSE_NO_MEDIUM);

	rig.memory.unit.block_count = RIG_MEDIUM_BYTES / 2048;
	close_drive();
}

TEST(a_medium_that_a_guest_ejected_makes_place_for_another)
{
	open_drive(SCSI_CD);
	be_told();
	CHECK_EQ(RUN(&rig, 0x1b, 0, 0, 0, 2, 0), SCSI_GOOD);
	CHECK_EQ(ask(0), SENSE_NO_MEDIUM);

	CHECK_EQ(scsi_unit_load(&rig.memory.unit, 2, 0), 0);

	CHECK_EQ(ask(0), SENSE_MEDIUM_CHANGED);
	CHECK_EQ(ask(0), SENSE_NONE);

	close_drive();
}

TEST(a_drive_that_is_polled_tells_of_a_new_medium_until_it_was_asked)
{
	open_drive(SCSI_CD);
	be_told();
	CHECK_EQ(scsi_unit_load(&rig.memory.unit, 2, 0), 0);
	rig.nexus = 0;
	rig.data_bytes = 8;

	CHECK_EQ(RUN(&rig, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0), SCSI_GOOD);
	CHECK_EQ(rig.data[4], 2);
	CHECK_EQ(RUN(&rig, 0x46, 0, 0, 0, 0, 0, 0, 0, 8, 0), SCSI_GOOD);
	CHECK_EQ(ask(0), SENSE_MEDIUM_CHANGED);
	CHECK_EQ(RUN(&rig, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0), SCSI_GOOD);
	CHECK_EQ(rig.data[4], 0);

	close_drive();
}

/* A file of another tool, without a mark at its end. */
static const uint8_t foreign[] = { 4, 0, 0, 0, 't', 'e', 'x', 't', 4, 0, 0, 0 };

TEST(a_tape_is_at_its_beginning_and_ends_with_its_file)
{
	open_drive(SCSI_TAPE);
	be_told();
	rig.nexus = 0;
	rig.data_bytes = 4;
	CHECK_EQ(RUN(&rig, 0x0a, 0, 0, 0, 4, 0), SCSI_GOOD);
	memset(rig.memory.image, 0, RIG_MEDIUM_BYTES);
	memcpy(rig.memory.image, foreign, sizeof(foreign));

	CHECK_EQ(scsi_unit_load(&rig.memory.unit, 2, sizeof(foreign)), 0);

	CHECK_EQ(ask(0), SENSE_MEDIUM_CHANGED);
	CHECK_EQ(RUN(&rig, 0x08, 0, 0, 0, 4, 0), SCSI_GOOD);
	CHECK_EQ(memcmp(rig.data, "text", 4), 0);
	(void)RUN(&rig, 0x08, 0, 0, 0, 4, 0);
	CHECK_EQ(media_rig_sense(&rig), SENSE_TAPE_BLANK);

	close_drive();
}
