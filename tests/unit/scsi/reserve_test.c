/* SPDX-License-Identifier: MIT */
#include "scsi/reserve.h"

#include <string.h>

#include "base/count.h"
#include "lib/harness.h"
#include "scsi/bytes.h"

#define BIT(nexus) (1ull << (nexus))
#define KEY(nexus) (0x1100000000000000ull + (nexus))
#define SPEC_I_PT  0x08
#define ALL_TG_PT  0x04
#define APTPL      0x01
#define NOBODY     0
#define A          3 /* nexuses */
#define B          9
#define C          63

static struct scsi_reserve reserve;
static struct scsi_reserve_result result;

static const enum scsi_reserve_type all_types[] = {
	RESERVE_WRITE_EXCLUSIVE,
	RESERVE_EXCLUSIVE_ACCESS,
	RESERVE_WRITE_EXCLUSIVE_REGISTRANTS,
	RESERVE_EXCLUSIVE_ACCESS_REGISTRANTS,
	RESERVE_WRITE_EXCLUSIVE_ALL,
	RESERVE_EXCLUSIVE_ACCESS_ALL,
};

/* Through the bytes of CDB and list, as a guest sends them. */
static enum scsi_status out(unsigned nexus, unsigned action, unsigned type,
			    uint64_t key, uint64_t service_key, uint8_t flags)
{
	uint8_t cdb[10] = { 0x5f, (uint8_t)action, (uint8_t)type };
	uint8_t list[SCSI_RESERVE_LIST_BYTES] = { [20] = flags };
	struct scsi_reserve before = reserve;
	struct scsi_reserve_request request;

	put_be64(list, key);
	put_be64(list + 8, service_key);
	scsi_reserve_decode(cdb, list, &request);
	scsi_reserve_out(&reserve, nexus, &request, &result);
	CHECK(scsi_reserve_is_sound(&reserve));
	if (!result.is_changed)
		CHECK(memcmp(&before, &reserve, sizeof(before)) == 0);
	return result.status;
}

static void enroll(unsigned nexus)
{
	CHECK_EQ(out(nexus, RESERVE_REGISTER, 0, 0, KEY(nexus), 0), SCSI_GOOD);
}

static void hold(unsigned nexus, enum scsi_reserve_type type)
{
	CHECK_EQ(out(nexus, RESERVE_RESERVE, type, KEY(nexus), 0, 0),
		 SCSI_GOOD);
}

/* A holds it, B is registered, C is not. */
static void begin(enum scsi_reserve_type type)
{
	memset(&reserve, 0, sizeof(reserve));
	enroll(A);
	enroll(B);
	if (type != RESERVE_NONE)
		hold(A, type);
}

static uint64_t raised(enum scsi_attention attention)
{
	return result.effects.raised[attention];
}

static bool raised_nothing(void)
{
	static const struct scsi_effects none;

	return memcmp(&none, &result.effects, sizeof(none)) == 0;
}

/* Conflicts. --------------------------------------------------------------- */

TEST(every_type_holds_back_what_the_table_of_the_standard_says)
{
	/* SPC-4 table 66 and SBC-3 table 13: may A, B and C read; may they
	 * write. */
	static const struct {
		enum scsi_reserve_type type;
		const char *read, *write;
	} rows[] = {
		{ RESERVE_NONE, "yyy", "yyy" },
		{ RESERVE_WRITE_EXCLUSIVE, "yyy", "ynn" },
		{ RESERVE_EXCLUSIVE_ACCESS, "ynn", "ynn" },
		{ RESERVE_WRITE_EXCLUSIVE_REGISTRANTS, "yyy", "yyn" },
		{ RESERVE_EXCLUSIVE_ACCESS_REGISTRANTS, "yyn", "yyn" },
		{ RESERVE_WRITE_EXCLUSIVE_ALL, "yyy", "yyn" },
		{ RESERVE_EXCLUSIVE_ACCESS_ALL, "yyn", "yyn" },
	};
	static const unsigned nexuses[] = { A, B, C };

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		begin(rows[i].type);
		for (int n = 0; n < 3; n++) {
			CHECK(!scsi_reserve_conflicts(&reserve, nexuses[n],
						      SCSI_ACCESS_ALWAYS));
			CHECK_EQ(scsi_reserve_conflicts(&reserve, nexuses[n],
							SCSI_ACCESS_READ),
				 rows[i].read[n] == 'n');
			CHECK_EQ(scsi_reserve_conflicts(&reserve, nexuses[n],
							SCSI_ACCESS_WRITE),
				 rows[i].write[n] == 'n');
		}
	}
}

TEST(an_older_reservation_holds_back_everybody_else)
{
	memset(&reserve, 0, sizeof(reserve));
	scsi_reserve_spc2(&reserve, A, &result);

	CHECK_EQ(result.status, SCSI_GOOD);
	CHECK(result.is_changed && !result.needs_plate);
	CHECK(!scsi_reserve_conflicts(&reserve, A, SCSI_ACCESS_WRITE));
	CHECK(scsi_reserve_conflicts(&reserve, B, SCSI_ACCESS_READ));
	CHECK(!scsi_reserve_conflicts(&reserve, B, SCSI_ACCESS_ALWAYS));
}

/* Register. ---------------------------------------------------------------- */

TEST(a_key_is_needed_to_change_a_registration)
{
	memset(&reserve, 0, sizeof(reserve));
	CHECK_EQ(out(A, RESERVE_REGISTER, 0, 1, KEY(A), 0),
		 SCSI_RESERVATION_CONFLICT);
	enroll(A);
	CHECK_EQ(out(A, RESERVE_REGISTER, 0, 0, 5, 0),
		 SCSI_RESERVATION_CONFLICT);
	CHECK_EQ(out(A, RESERVE_REGISTER, 0, KEY(A), 5, 0), SCSI_GOOD);
	CHECK_EQ(reserve.key[A], 5);
	CHECK_EQ(out(A, RESERVE_REGISTER, 0, 5, 0, 0), SCSI_GOOD);
	CHECK_EQ(reserve.registered, 0);
	CHECK_EQ(reserve.generation, 3);
}

TEST(to_register_and_ignore_needs_no_key)
{
	begin(RESERVE_NONE);
	CHECK_EQ(out(A, RESERVE_REGISTER_AND_IGNORE, 0, 77, 5, 0), SCSI_GOOD);
	CHECK_EQ(reserve.key[A], 5);
	CHECK_EQ(out(C, RESERVE_REGISTER_AND_IGNORE, 0, 77, 6, 0), SCSI_GOOD);
	CHECK_EQ(reserve.registered, BIT(A) | BIT(B) | BIT(C));
	CHECK_EQ(out(C, RESERVE_REGISTER_AND_IGNORE, 0, 77, 0, 0), SCSI_GOOD);
	CHECK_EQ(reserve.registered, BIT(A) | BIT(B));
}

TEST(to_register_nobody_without_a_key_changes_nothing)
{
	memset(&reserve, 0, sizeof(reserve));
	CHECK_EQ(out(A, RESERVE_REGISTER, 0, 0, 0, 0), SCSI_GOOD);
	CHECK(!result.is_changed);
	CHECK_EQ(out(A, RESERVE_REGISTER_AND_IGNORE, 0, 0, 0, 0), SCSI_GOOD);
	CHECK(!result.is_changed);
}

TEST(the_generation_counts_what_changes_registrations)
{
	begin(RESERVE_NONE);
	CHECK_EQ(reserve.generation, 2);
	hold(A, RESERVE_WRITE_EXCLUSIVE);
	CHECK_EQ(out(A, RESERVE_RELEASE, RESERVE_WRITE_EXCLUSIVE, KEY(A), 0, 0),
		 SCSI_GOOD);
	CHECK_EQ(reserve.generation, 2);
	CHECK_EQ(out(A, RESERVE_PREEMPT, 1, KEY(A), KEY(B), 0), SCSI_GOOD);
	CHECK_EQ(reserve.generation, 3);
	CHECK_EQ(out(A, RESERVE_CLEAR, 0, KEY(A), 0, 0), SCSI_GOOD);
	CHECK_EQ(reserve.generation, 4);
}

TEST(a_hostile_guest_cannot_crowd_others_out_of_registrations)
{
	memset(&reserve, 0, sizeof(reserve));
	CHECK_EQ(out(A, RESERVE_REGISTER, 0, 0, KEY(A), SPEC_I_PT),
		 SCSI_CHECK_CONDITION);
	CHECK_EQ(result.code, SENSE_BAD_LIST_FIELD);
	CHECK_EQ(result.field_byte, 20);
	CHECK_EQ(result.field_bit, 3);
	CHECK_EQ(out(A, RESERVE_REGISTER, 0, 0, KEY(A), ALL_TG_PT),
		 SCSI_CHECK_CONDITION);
	for (uint64_t i = 1; i < 200; i++)
		CHECK_EQ(out(A, RESERVE_REGISTER_AND_IGNORE, 0, 0, i, 0),
			 SCSI_GOOD);
	CHECK_EQ(reserve.registered, BIT(A));
	for (unsigned i = 0; i < SCSI_NEXUS_MAX; i++)
		if (i != A)
			enroll(i);
	CHECK_EQ(reserve.registered, UINT64_MAX);
}

TEST(a_holder_who_unregisters_releases_and_registrants_are_told)
{
	for (size_t i = 0; i < ARRAY_COUNT(all_types); i++) {
		enum scsi_reserve_type type = all_types[i];
		bool is_of_registrants =
			type == RESERVE_WRITE_EXCLUSIVE_REGISTRANTS ||
			type == RESERVE_EXCLUSIVE_ACCESS_REGISTRANTS;

		begin(type);
		CHECK_EQ(out(A, RESERVE_REGISTER, 0, KEY(A), 0, 0), SCSI_GOOD);
		CHECK_EQ(raised(ATTENTION_RELEASED_RESERVATION),
			 is_of_registrants ? BIT(B) : NOBODY);
		CHECK_EQ(reserve.type, type >= RESERVE_WRITE_EXCLUSIVE_ALL
					       ? type
					       : RESERVE_NONE);
	}
}

TEST(the_last_of_all_registrants_releases)
{
	begin(RESERVE_WRITE_EXCLUSIVE_ALL);
	CHECK_EQ(out(A, RESERVE_REGISTER, 0, KEY(A), 0, 0), SCSI_GOOD);
	CHECK_EQ(reserve.type, RESERVE_WRITE_EXCLUSIVE_ALL);
	CHECK_EQ(out(B, RESERVE_REGISTER, 0, KEY(B), 0, 0), SCSI_GOOD);
	CHECK_EQ(reserve.type, RESERVE_NONE);
	CHECK(raised_nothing());
}

/* Reserve and release. ----------------------------------------------------- */

TEST(only_a_registered_nexus_with_its_key_reserves)
{
	begin(RESERVE_NONE);
	for (unsigned action = RESERVE_RESERVE;
	     action <= RESERVE_PREEMPT_AND_ABORT; action++) {
		CHECK_EQ(out(C, action, 1, 0, KEY(A), 0),
			 SCSI_RESERVATION_CONFLICT);
		CHECK_EQ(out(A, action, 1, KEY(B), KEY(A), 0),
			 SCSI_RESERVATION_CONFLICT);
	}
}

TEST(to_reserve_again_is_good_if_it_is_the_same)
{
	begin(RESERVE_WRITE_EXCLUSIVE);
	hold(A, RESERVE_WRITE_EXCLUSIVE);
	CHECK(!result.is_changed);
	CHECK_EQ(
		out(A, RESERVE_RESERVE, RESERVE_EXCLUSIVE_ACCESS, KEY(A), 0, 0),
		SCSI_RESERVATION_CONFLICT);
	CHECK_EQ(out(B, RESERVE_RESERVE, RESERVE_WRITE_EXCLUSIVE, KEY(B), 0, 0),
		 SCSI_RESERVATION_CONFLICT);

	begin(RESERVE_EXCLUSIVE_ACCESS_ALL);
	hold(B, RESERVE_EXCLUSIVE_ACCESS_ALL);
}

TEST(a_kind_of_reservation_that_does_not_exist_is_refused)
{
	static const unsigned wrong[] = { 0, 2, 4, 9, 0xf, 0x11, 0x2f };

	begin(RESERVE_NONE);
	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
		CHECK_EQ(out(A, RESERVE_RESERVE, wrong[i], KEY(A), 0, 0),
			 SCSI_CHECK_CONDITION);
		CHECK_EQ(result.code, SENSE_BAD_CDB_FIELD);
		CHECK_EQ(result.field_byte, 2);
	}
	for (unsigned action = RESERVE_OUT_COUNT; action < 32; action++) {
		CHECK_EQ(out(A, action, 1, KEY(A), 0, 0), SCSI_CHECK_CONDITION);
		CHECK_EQ(result.code, SENSE_BAD_CDB_FIELD);
		CHECK_EQ(result.field_byte, 1);
	}
}

TEST(a_release_tells_registrants_of_types_that_are_theirs)
{
	for (size_t i = 0; i < ARRAY_COUNT(all_types); i++) {
		begin(all_types[i]);
		CHECK_EQ(out(A, RESERVE_RELEASE, all_types[i], KEY(A), 0, 0),
			 SCSI_GOOD);
		CHECK_EQ(reserve.type, RESERVE_NONE);
		CHECK_EQ(raised(ATTENTION_RELEASED_RESERVATION),
			 all_types[i] >= RESERVE_WRITE_EXCLUSIVE_REGISTRANTS
				 ? BIT(B)
				 : NOBODY);
	}
}

TEST(a_release_by_who_does_not_hold_does_nothing)
{
	begin(RESERVE_WRITE_EXCLUSIVE);
	CHECK_EQ(out(B, RESERVE_RELEASE, RESERVE_WRITE_EXCLUSIVE, KEY(B), 0, 0),
		 SCSI_GOOD);
	CHECK(!result.is_changed);
	CHECK_EQ(
		out(A, RESERVE_RELEASE, RESERVE_EXCLUSIVE_ACCESS, KEY(A), 0, 0),
		SCSI_CHECK_CONDITION);
	CHECK_EQ(result.code, SENSE_BAD_RELEASE);
	CHECK_EQ(reserve.type, RESERVE_WRITE_EXCLUSIVE);
}

TEST(to_clear_takes_all_and_tells_the_others)
{
	begin(RESERVE_EXCLUSIVE_ACCESS);
	CHECK_EQ(out(B, RESERVE_CLEAR, 0, KEY(B), 0, 0), SCSI_GOOD);
	CHECK_EQ(reserve.registered, 0);
	CHECK_EQ(reserve.type, RESERVE_NONE);
	CHECK_EQ(raised(ATTENTION_PREEMPTED_RESERVATION), BIT(A));
}

/* Preempt. ----------------------------------------------------------------- */

TEST(to_preempt_the_holder_takes_its_reservation)
{
	begin(RESERVE_EXCLUSIVE_ACCESS);
	CHECK_EQ(out(B, RESERVE_PREEMPT, RESERVE_EXCLUSIVE_ACCESS, KEY(B),
		     KEY(A), 0),
		 SCSI_GOOD);
	CHECK_EQ(reserve.registered, BIT(B));
	CHECK_EQ(reserve.holder, B);
	CHECK_EQ(raised(ATTENTION_PREEMPTED_REGISTRATION), BIT(A));
	CHECK_EQ(raised(ATTENTION_RELEASED_RESERVATION), NOBODY);
	CHECK_EQ(result.effects.aborted, NOBODY);
}

TEST(to_preempt_and_abort_names_whose_tasks_end)
{
	begin(RESERVE_WRITE_EXCLUSIVE_REGISTRANTS);
	enroll(C);
	CHECK_EQ(out(B, RESERVE_PREEMPT_AND_ABORT, RESERVE_WRITE_EXCLUSIVE,
		     KEY(B), KEY(A), 0),
		 SCSI_GOOD);
	CHECK_EQ(result.effects.aborted, BIT(A));
	CHECK_EQ(raised(ATTENTION_PREEMPTED_REGISTRATION), BIT(A));
	/* The type is another one now. */
	CHECK_EQ(raised(ATTENTION_RELEASED_RESERVATION), BIT(C));
}

TEST(to_preempt_another_takes_its_registration_alone)
{
	begin(RESERVE_WRITE_EXCLUSIVE);
	enroll(C);
	CHECK_EQ(out(C, RESERVE_PREEMPT, RESERVE_EXCLUSIVE_ACCESS, KEY(C),
		     KEY(B), 0),
		 SCSI_GOOD);
	CHECK_EQ(reserve.registered, BIT(A) | BIT(C));
	CHECK_EQ(reserve.holder, A);
	CHECK_EQ(reserve.type, RESERVE_WRITE_EXCLUSIVE);
	CHECK_EQ(raised(ATTENTION_PREEMPTED_REGISTRATION), BIT(B));
}

TEST(to_preempt_all_registrants_takes_all_with_key_zero)
{
	begin(RESERVE_WRITE_EXCLUSIVE_ALL);
	enroll(C);
	CHECK_EQ(out(B, RESERVE_PREEMPT, RESERVE_WRITE_EXCLUSIVE, KEY(B), 0, 0),
		 SCSI_GOOD);
	CHECK_EQ(reserve.registered, BIT(B));
	CHECK_EQ(reserve.holder, B);
	CHECK_EQ(reserve.type, RESERVE_WRITE_EXCLUSIVE);
	CHECK_EQ(raised(ATTENTION_PREEMPTED_REGISTRATION), BIT(A) | BIT(C));
}

TEST(to_preempt_nobody_is_a_conflict)
{
	begin(RESERVE_WRITE_EXCLUSIVE);
	CHECK_EQ(out(B, RESERVE_PREEMPT, 1, KEY(B), 4711, 0),
		 SCSI_RESERVATION_CONFLICT);
	CHECK_EQ(out(B, RESERVE_PREEMPT, 1, KEY(B), 0, 0),
		 SCSI_CHECK_CONDITION);
	CHECK_EQ(result.code, SENSE_BAD_LIST_FIELD);
	CHECK_EQ(result.field_byte, 8);
}

TEST(to_preempt_oneself_changes_the_type)
{
	begin(RESERVE_WRITE_EXCLUSIVE);
	CHECK_EQ(out(A, RESERVE_PREEMPT, RESERVE_EXCLUSIVE_ACCESS, KEY(A),
		     KEY(A), 0),
		 SCSI_GOOD);
	CHECK_EQ(reserve.registered, BIT(A) | BIT(B));
	CHECK_EQ(reserve.holder, A);
	CHECK_EQ(reserve.type, RESERVE_EXCLUSIVE_ACCESS);
	CHECK_EQ(raised(ATTENTION_RELEASED_RESERVATION), BIT(B));
}

/* Both kinds. -------------------------------------------------------------- */

TEST(the_kinds_of_reservations_exclude_each_other)
{
	memset(&reserve, 0, sizeof(reserve));
	scsi_reserve_spc2(&reserve, A, &result);
	CHECK_EQ(out(A, RESERVE_REGISTER, 0, 0, KEY(A), 0),
		 SCSI_RESERVATION_CONFLICT);
	CHECK(scsi_reserve_in_conflicts(&reserve));

	begin(RESERVE_NONE);
	CHECK(!scsi_reserve_in_conflicts(&reserve));
	scsi_reserve_spc2(&reserve, A, &result);
	CHECK_EQ(result.status, SCSI_RESERVATION_CONFLICT);
	scsi_release_spc2(&reserve, A, &result);
	CHECK_EQ(result.status, SCSI_RESERVATION_CONFLICT);
}

TEST(who_holds_a_persistent_one_reserves_and_releases_in_vain)
{
	for (size_t i = 0; i < ARRAY_COUNT(all_types); i++) {
		enum scsi_status of_b =
			all_types[i] >= RESERVE_WRITE_EXCLUSIVE_REGISTRANTS
				? SCSI_GOOD
				: SCSI_RESERVATION_CONFLICT;

		begin(all_types[i]);
		scsi_reserve_spc2(&reserve, A, &result);
		CHECK_EQ(result.status, SCSI_GOOD);
		CHECK(!result.is_changed);
		scsi_reserve_spc2(&reserve, B, &result);
		CHECK_EQ(result.status, of_b);
		scsi_release_spc2(&reserve, B, &result);
		CHECK_EQ(result.status, of_b);
		scsi_reserve_spc2(&reserve, C, &result);
		CHECK_EQ(result.status, SCSI_RESERVATION_CONFLICT);
		CHECK_EQ(reserve.spc2_holder_plus_1, 0);
	}
}

TEST(an_older_reservation_ends_by_its_holder_a_loss_or_a_reset)
{
	memset(&reserve, 0, sizeof(reserve));
	scsi_reserve_spc2(&reserve, A, &result);
	scsi_reserve_spc2(&reserve, A, &result);
	CHECK_EQ(result.status, SCSI_GOOD);
	CHECK(!result.is_changed);
	scsi_reserve_spc2(&reserve, B, &result);
	CHECK_EQ(result.status, SCSI_RESERVATION_CONFLICT);
	scsi_release_spc2(&reserve, B, &result);
	CHECK_EQ(result.status, SCSI_GOOD);
	CHECK(!result.is_changed);
	scsi_release_spc2(&reserve, A, &result);
	CHECK(result.is_changed);
	scsi_reserve_spc2(&reserve, B, &result);
	CHECK_EQ(result.status, SCSI_GOOD);
	scsi_reserve_lose(&reserve, A);
	CHECK(scsi_reserve_conflicts(&reserve, A, SCSI_ACCESS_READ));
	scsi_reserve_lose(&reserve, B);
	CHECK(!scsi_reserve_conflicts(&reserve, A, SCSI_ACCESS_READ));
	scsi_reserve_spc2(&reserve, B, &result);
	scsi_reserve_reset(&reserve);
	CHECK(!scsi_reserve_conflicts(&reserve, A, SCSI_ACCESS_READ));
}

/* Through a loss of power. ------------------------------------------------- */

TEST(what_outlives_the_host_goes_to_the_plate_first)
{
	begin(RESERVE_NONE);
	CHECK(!result.needs_plate);
	CHECK_EQ(out(A, RESERVE_REGISTER, 0, KEY(A), KEY(A), APTPL), SCSI_GOOD);
	CHECK(result.needs_plate);
	hold(A, RESERVE_WRITE_EXCLUSIVE);
	CHECK(result.needs_plate);
	hold(A, RESERVE_WRITE_EXCLUSIVE);
	CHECK(!result.needs_plate);
	/* What was there has to go from it. */
	CHECK_EQ(out(A, RESERVE_REGISTER, 0, KEY(A), KEY(A), 0), SCSI_GOOD);
	CHECK(result.needs_plate);
	CHECK_EQ(out(A, RESERVE_REGISTER, 0, KEY(A), KEY(A), 0), SCSI_GOOD);
	CHECK(!result.needs_plate);
}

/* PERSISTENT RESERVE IN. --------------------------------------------------- */

static uint8_t ports[SCSI_NEXUS_MAX][SCSI_PORT_BYTES];
static uint8_t answer[SCSI_RESERVE_IN_MAX];

TEST(keys_are_read_with_their_generation)
{
	begin(RESERVE_WRITE_EXCLUSIVE);
	CHECK_EQ(scsi_reserve_in(&reserve, RESERVE_READ_KEYS, true, ports,
				 answer),
		 24);
	CHECK_EQ(get_be32(answer), 2);
	CHECK_EQ(get_be32(answer + 4), 16);
	CHECK_EQ(get_be64(answer + 8), KEY(A));
	CHECK_EQ(get_be64(answer + 16), KEY(B));
}

TEST(the_longest_answers_fit)
{
	memset(&reserve, 0, sizeof(reserve));
	for (unsigned i = 0; i < SCSI_NEXUS_MAX; i++)
		enroll(i);
	CHECK_EQ(scsi_reserve_in(&reserve, RESERVE_READ_KEYS, true, ports,
				 answer),
		 8 + 64 * 8);
	CHECK_EQ(scsi_reserve_in(&reserve, RESERVE_READ_FULL_STATUS, true,
				 ports, answer),
		 SCSI_RESERVE_IN_MAX);
}

TEST(a_reservation_is_read_with_its_holders_key)
{
	begin(RESERVE_NONE);
	CHECK_EQ(scsi_reserve_in(&reserve, RESERVE_READ_RESERVATION, true,
				 ports, answer),
		 8);
	CHECK_EQ(get_be32(answer + 4), 0);
	for (size_t i = 0; i < ARRAY_COUNT(all_types); i++) {
		begin(all_types[i]);
		CHECK_EQ(scsi_reserve_in(&reserve, RESERVE_READ_RESERVATION,
					 true, ports, answer),
			 24);
		CHECK_EQ(get_be32(answer + 4), 16);
		CHECK_EQ(get_be64(answer + 8),
			 all_types[i] >= RESERVE_WRITE_EXCLUSIVE_ALL ? 0
								     : KEY(A));
		CHECK_EQ(answer[21], all_types[i]);
	}
}

TEST(capabilities_are_those_that_there_are)
{
	static const uint8_t want[8] = { 0, 8, 0x11, 0x80, 0xea, 0x01 };

	begin(RESERVE_NONE);
	CHECK_EQ(scsi_reserve_in(&reserve, RESERVE_REPORT_CAPABILITIES, true,
				 ports, answer),
		 8);
	CHECK(memcmp(answer, want, sizeof(want)) == 0);
	(void)scsi_reserve_in(&reserve, RESERVE_REPORT_CAPABILITIES, false,
			      ports, answer);
	CHECK_EQ(answer[2], 0x10);
	CHECK_EQ(out(A, RESERVE_REGISTER, 0, KEY(A), KEY(A), APTPL), SCSI_GOOD);
	(void)scsi_reserve_in(&reserve, RESERVE_REPORT_CAPABILITIES, true,
			      ports, answer);
	CHECK_EQ(answer[3], 0x81);
}

TEST(the_full_status_names_each_port_as_srp_does)
{
	memset(ports[A], 0xaa, SCSI_PORT_BYTES);
	memset(ports[B], 0xbb, SCSI_PORT_BYTES);
	begin(RESERVE_EXCLUSIVE_ACCESS);
	CHECK_EQ(scsi_reserve_in(&reserve, RESERVE_READ_FULL_STATUS, true,
				 ports, answer),
		 8 + 2 * 48);
	CHECK_EQ(get_be64(answer + 8), KEY(A));
	CHECK_EQ(answer[8 + 12], 1);
	CHECK_EQ(answer[8 + 13], RESERVE_EXCLUSIVE_ACCESS);
	CHECK_EQ(get_be16(answer + 8 + 18), 1);
	CHECK_EQ(get_be32(answer + 8 + 20), 24);
	CHECK_EQ(answer[8 + 24], 4);
	CHECK(memcmp(answer + 8 + 32, ports[A], SCSI_PORT_BYTES) == 0);
	CHECK_EQ(get_be64(answer + 56), KEY(B));
	CHECK_EQ(answer[56 + 12], 0);
	CHECK(memcmp(answer + 56 + 32, ports[B], SCSI_PORT_BYTES) == 0);

	begin(RESERVE_EXCLUSIVE_ACCESS_ALL);
	(void)scsi_reserve_in(&reserve, RESERVE_READ_FULL_STATUS, true, ports,
			      answer);
	CHECK_EQ(answer[56 + 12], 1);
}
