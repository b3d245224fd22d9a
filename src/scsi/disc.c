/* SPDX-License-Identifier: MIT */
/*
 * A drive for discs that are only read (MMC-6): an ISO image shows itself as a
 * disc with one session and one data track, a CD-ROM up to the size of one and
 * a DVD-ROM above.
 */
#include <string.h>

#include "base/count.h"
#include "scsi/bytes.h"
#include "scsi/handlers.h"
#include "scsi/unit.h"

#define FRAMES_PER_SECOND 75u
#define FRAMES_BEFORE     150u /* in front of block 0 */
/* Addresses in minutes, seconds and frames end after 99 minutes. */
#define CD_BLOCKS_MAX (100u * 60 * FRAMES_PER_SECOND - FRAMES_BEFORE)

#define PROFILE_CD  0x0008
#define PROFILE_DVD 0x0010

static uint16_t profile_of(const struct scsi_unit *unit)
{
	if (!scsi_unit_has_medium(unit))
		return 0;
	return unit->block_count <= CD_BLOCKS_MAX ? PROFILE_CD : PROFILE_DVD;
}

/* GET CONFIGURATION (MMC-6 6.5). */

#define FEATURES_HEADER   8
#define FEATURES_NOW      1 /* only those that are current */
#define FEATURES_ONE      2 /* only the one that is named */
#define FEATURES_RESERVED 3

#define FEATURE_IS_CURRENT 0x01

/* With which profile a feature is current. */
#define ALWAYS   0
#define ANY_DISC 0xffff

/* clang-format off */
static const struct feature {
	uint16_t code;
	uint16_t profile;
	uint8_t flags; /* its version, and 2 if it is always current */
	uint8_t bytes;
	uint8_t data[8];
} features[] = {
	/* Profile list, in which the current one is marked. */
	{ 0x0000, ALWAYS, 0x02, 8, { 0, PROFILE_DVD, 0, 0,
				     0, PROFILE_CD, 0, 0 } },
	/* Core: on SCSI, and INQUIRY has all its bytes. */
	{ 0x0001, ALWAYS, 0x0a, 8, { 0, 0, 0, 1, 0x02 } },
	/* Removable medium: a tray that locks, opens and closes. */
	{ 0x0003, ALWAYS, 0x0a, 4, { 0x39 } },
	/* Random readable: one block of 2048 bytes at a time. */
	{ 0x0010, ANY_DISC, 0x00, 8, { 0, 0, 0x08, 0, 0, 1 } },
	{ 0x001e, PROFILE_CD, 0x08, 4, { 0 } },
	{ 0x001f, PROFILE_DVD, 0x08, 4, { 0 } },
};
/* clang-format on */

static bool is_current(const struct feature *feature, uint16_t profile)
{
	if (feature->profile == ANY_DISC)
		return profile != 0;
	return feature->profile == ALWAYS || feature->profile == profile;
}

static bool is_wanted(const struct feature *feature, const uint8_t *cdb,
		      uint16_t profile)
{
	uint16_t first = get_be16(cdb + 2);

	switch (cdb[1]) {
	case FEATURES_ONE:
		return feature->code == first;
	case FEATURES_NOW:
		return feature->code >= first && is_current(feature, profile);
	default:
		return feature->code >= first;
	}
}

static uint32_t put_feature(uint8_t *at, const struct feature *feature,
			    uint16_t profile)
{
	put_be16(at, feature->code);
	at[2] = feature->flags;
	if (is_current(feature, profile))
		at[2] |= FEATURE_IS_CURRENT;
	at[3] = feature->bytes;
	memcpy(at + 4, feature->data, feature->bytes);
	/* In the profile list, the one that is current. */
	for (uint32_t i = 0; feature->code == 0 && i < feature->bytes; i += 4) {
		if (get_be16(at + 4 + i) == profile)
			at[4 + i + 2] = FEATURE_IS_CURRENT;
	}
	return 4u + feature->bytes;
}

struct scsi_step scsi_get_configuration(struct scsi_unit *unit,
					struct scsi_task *task, int result)
{
	uint16_t profile = profile_of(unit);
	uint8_t *answer = task->scratch;
	uint32_t bytes = FEATURES_HEADER;

	if (task->cdb[1] == FEATURES_RESERVED)
		return scsi_refuse_cdb(unit, task, 1, 1);
	memset(answer, 0, FEATURES_HEADER);
	for (size_t i = 0; i < ARRAY_COUNT(features); i++)
		if (is_wanted(&features[i], task->cdb, profile))
			bytes += put_feature(answer + bytes, &features[i],
					     profile);
	put_be32(answer, bytes - 4);
	put_be16(answer + 6, profile);
	return scsi_answer_data(task, bytes, get_be16(task->cdb + 7));
}

/* GET EVENT STATUS NOTIFICATION (MMC-6 6.6). */

#define EVENTS_POLLED    0x01
#define EVENTS_NONE      0x80 /* of the classes that were asked for */
#define EVENTS_OF_MEDIUM 4u
#define EVENT_NEW_MEDIUM 0x02
#define MEDIUM_PRESENT   0x02
#define TRAY_OPEN        0x01

struct scsi_step scsi_get_events(struct scsi_unit *unit, struct scsi_task *task,
				 int result)
{
	bool is_asked = task->cdb[4] & 1u << EVENTS_OF_MEDIUM;
	uint8_t *answer = task->scratch;

	/* There is nothing to wait for: a notification would never come. */
	if (!(task->cdb[1] & EVENTS_POLLED))
		return scsi_refuse_cdb(unit, task, 1, 0);
	memset(answer, 0, 8);
	put_be16(answer, is_asked ? 6 : 2);
	answer[2] = is_asked ? EVENTS_OF_MEDIUM : EVENTS_NONE;
	answer[3] = 1u << EVENTS_OF_MEDIUM;
	if (scsi_ledger_pending(unit->ledger, task->nexus->index) &
	    ATTENTION_BIT(ATTENTION_MEDIUM_CHANGED))
		answer[4] = EVENT_NEW_MEDIUM;
	answer[5] = scsi_unit_has_medium(unit) ? MEDIUM_PRESENT : TRAY_OPEN;
	return scsi_answer_data(task, is_asked ? 8 : 4,
				get_be16(task->cdb + 7));
}

/* READ TOC/PMA/ATIP (MMC-6 6.22). */

#define TOC_TRACKS  0
#define TOC_SESSION 1
#define TOC_FULL    2
#define TOC_AS_MSF  0x02

#define DATA_TRACK  0x14 /* ADR 1, a data track that is not to be copied */
#define FIRST_TRACK 1
#define LEAD_OUT    0xaa

static void put_msf(uint8_t *at, uint64_t block)
{
	uint64_t frames = block + FRAMES_BEFORE;
	uint64_t minutes = frames / FRAMES_PER_SECOND / 60;

	at[0] = 0;
	at[1] = (uint8_t)min_u64(minutes, UINT8_MAX);
	at[2] = (uint8_t)(frames / FRAMES_PER_SECOND % 60);
	at[3] = (uint8_t)(frames % FRAMES_PER_SECOND);
}

static void put_address(const struct scsi_task *task, uint8_t *at,
			uint64_t block)
{
	if (task->cdb[1] & TOC_AS_MSF)
		put_msf(at, block);
	else
		put_be32(at, (uint32_t)min_u64(block, UINT32_MAX));
}

static uint32_t put_track(const struct scsi_task *task, uint8_t *at,
			  uint8_t track, uint64_t block)
{
	memcpy(at, (uint8_t[]){ 0, DATA_TRACK, track, 0 }, 4);
	put_address(task, at + 4, block);
	return 8;
}

/* The first track of the last session has the form of a track. */
static uint32_t put_tracks(const struct scsi_unit *unit,
			   const struct scsi_task *task, uint8_t *at)
{
	bool is_session = task->cdb[2] == TOC_SESSION;
	uint32_t bytes = 0;

	if (is_session || task->cdb[6] <= FIRST_TRACK)
		bytes += put_track(task, at, FIRST_TRACK, 0);
	if (!is_session)
		bytes += put_track(task, at + bytes, LEAD_OUT,
				   unit->block_count);
	return bytes;
}

/* A session's entries: its first and last track, its lead-out, its track. */
static uint32_t put_full(const struct scsi_unit *unit, uint8_t *at)
{
	static const uint8_t points[] = { 0xa0, 0xa1, 0xa2, FIRST_TRACK };

	for (size_t i = 0; i < ARRAY_COUNT(points); i++, at += 11) {
		memset(at, 0, 11);
		memcpy(at, (uint8_t[]){ 1, DATA_TRACK, 0, points[i] }, 4);
		if (points[i] == 0xa0 || points[i] == 0xa1)
			at[8] = FIRST_TRACK;
		else
			put_msf(at + 7,
				points[i] == 0xa2 ? unit->block_count : 0);
	}
	return 11 * ARRAY_COUNT(points);
}

struct scsi_step scsi_read_toc(struct scsi_unit *unit, struct scsi_task *task,
			       int result)
{
	uint8_t format = task->cdb[2], track = task->cdb[6];
	uint8_t *answer = task->scratch;
	uint32_t bytes = 4;

	if (format > TOC_FULL)
		return scsi_refuse_cdb(unit, task, 2, 3);
	/* A track, or with the full table a session. */
	if (track > FIRST_TRACK && (format == TOC_FULL || track != LEAD_OUT))
		return scsi_refuse_cdb(unit, task, 6, 7);
	bytes += format == TOC_FULL ? put_full(unit, answer + 4)
				    : put_tracks(unit, task, answer + 4);
	put_be16(answer, (uint16_t)(bytes - 2));
	answer[2] = answer[3] = FIRST_TRACK;
	return scsi_answer_data(task, bytes, get_be16(task->cdb + 7));
}

/* READ DISC INFORMATION (MMC-6 6.21): all is recorded and closed, and may be
 * used without restriction. */
struct scsi_step scsi_read_disc_information(struct scsi_unit *unit,
					    struct scsi_task *task, int result)
{
	static const uint8_t closed[] = { 0,           32,  0x0e,
					  FIRST_TRACK, 1,   FIRST_TRACK,
					  FIRST_TRACK, 0x20 };

	if (task->cdb[1] != 0)
		return scsi_refuse_cdb(unit, task, 1, 2);
	memset(task->scratch, 0, 34);
	memcpy(task->scratch, closed, sizeof(closed));
	return scsi_answer_data(task, 34, get_be16(task->cdb + 7));
}

/* MECHANISM STATUS (MMC-6 6.11): a drive without a changer. */
struct scsi_step scsi_mechanism_status(struct scsi_unit *unit,
				       struct scsi_task *task, int result)
{
	memset(task->scratch, 0, 8);
	if (!scsi_unit_has_medium(unit))
		task->scratch[1] = 0x10; /* the door is open */
	task->scratch[5] = 1;            /* slots */
	return scsi_answer_data(task, 8, get_be16(task->cdb + 8));
}
