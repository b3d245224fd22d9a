/* SPDX-License-Identifier: MIT */
#include "scsi/ledger.h"

#include <errno.h>
#include <string.h>

#include "lib/harness.h"
#include "scsi/ledger_memory.h"

#define ROWS 8

static const uint8_t volume[SCSI_ID_BYTES] = "a volume";
static const uint8_t other_volume[SCSI_ID_BYTES] = "another volume";
static const uint8_t boot[SCSI_ID_BYTES] = "a boot";
static const uint8_t other_boot[SCSI_ID_BYTES] = "another boot";

static struct ledger_memory memory;
static struct scsi_ledger ledger;

static const uint8_t *port(unsigned number)
{
	static uint8_t name[SCSI_PORT_BYTES];

	memset(name, 0, sizeof(name));
	name[0] = 'p';
	name[1] = (uint8_t)number;
	return name;
}

static uint32_t attach(unsigned number)
{
	uint32_t nexus;

	CHECK_EQ(scsi_ledger_attach(&ledger, port(number), ROWS, &nexus), 0);
	return nexus;
}

static void make(void)
{
	scsi_ledger_make(&ledger, &memory, volume, boot, NULL);
}

static int reopen(void)
{
	return scsi_ledger_open(&ledger, &memory, volume, boot);
}

static struct scsi_origin origin(uint32_t nexus, uint16_t row,
				 uint32_t sequence)
{
	return (struct scsi_origin){
		.nexus = nexus,
		.row_sequence = sequence,
		.row = row,
	};
}

static void enroll(uint32_t nexus)
{
	struct scsi_state *next = scsi_ledger_prepare(&ledger);

	next->reserve.registered |= 1ull << nexus;
	next->reserve.key[nexus] = 7;
	CHECK_EQ(scsi_ledger_commit(&ledger), 0);
}

/* Of a nexus that was told all it had to be. */
static void tell_all(uint32_t nexus)
{
	struct scsi_outcome outcome;
	struct scsi_origin at = origin(nexus, ROWS - 1, 1);

	for (; scsi_ledger_pending(&ledger, nexus) != 0; at.row_sequence++)
		scsi_ledger_tell(&ledger, &at, false, false, &outcome);
}

static enum scsi_row_state look(const struct scsi_origin *at)
{
	struct scsi_row row;

	CHECK_EQ(scsi_row_look(&ledger, at, &row), 0);
	return row.state;
}

static int look_error(uint32_t nexus, uint16_t row, uint32_t sequence)
{
	struct scsi_origin at = origin(nexus, row, sequence);
	struct scsi_row found;

	return scsi_row_look(&ledger, &at, &found);
}

static void begin(const struct scsi_origin *at)
{
	const struct scsi_row row = {
		.code = 0x2a,
		.offset_bytes = 512,
		.length_bytes = 1024,
		.before = 9,
	};

	scsi_row_begin(&ledger, at, &row);
}

/* Lives. ------------------------------------------------------------------- */

TEST(memory_that_was_never_made_is_a_power_on)
{
	CHECK_EQ(reopen(), -ESTALE);
	make();
	CHECK_EQ(reopen(), 0);
	CHECK_EQ(scsi_ledger_open(&ledger, &memory, volume, other_boot),
		 -ESTALE);
	CHECK_EQ(scsi_ledger_open(&ledger, &memory, other_volume, boot),
		 -EUCLEAN);
}

TEST(what_was_committed_is_there_in_the_next_life)
{
	uint32_t nexus;

	make();
	nexus = attach(1);
	enroll(nexus);
	CHECK_EQ(reopen(), 0);
	CHECK_EQ(ledger.state.reserve.registered, 1ull << nexus);
	CHECK_EQ(attach(1), nexus);
	CHECK_EQ(scsi_ledger_pending(&ledger, nexus),
		 ATTENTION_BIT(ATTENTION_POWER_ON));
}

TEST(who_outlived_the_host_is_told_of_the_power_on)
{
	struct scsi_state first;

	make();
	enroll(attach(1));
	first = ledger.state;
	first.ports[0].is_attached = false;
	first.reserve.generation = 44;

	scsi_ledger_make(&ledger, &memory, volume, other_boot, &first);
	CHECK_EQ(scsi_ledger_open(&ledger, &memory, volume, other_boot), 0);
	CHECK_EQ(ledger.state.reserve.registered, 1);
	CHECK_EQ(ledger.state.reserve.generation, 0);
	CHECK_EQ(attach(1), 0);
	CHECK_EQ(scsi_ledger_pending(&ledger, 0),
		 ATTENTION_BIT(ATTENTION_POWER_ON));
}

/* Damage. ------------------------------------------------------------------ */

static int reopen_without(uint8_t *byte)
{
	int r;

	*byte ^= 0x40;
	r = reopen();
	*byte ^= 0x40;
	return r;
}

TEST(a_damaged_state_is_never_read_as_no_reservations)
{
	uint8_t *header = (uint8_t *)&memory.header;
	uint8_t *state;

	make();
	enroll(attach(1));
	state = memory.states[memory.header.current & 1];
	for (size_t i = 0; i < sizeof(struct scsi_state); i++)
		CHECK_EQ(reopen_without(state + i), -EUCLEAN);
	for (size_t i = 0; i < offsetof(struct ledger_header, rest); i++)
		CHECK_EQ(reopen_without(header + i), -EUCLEAN);
	memory.header.current = 0;
	CHECK_EQ(reopen(), -EUCLEAN);
	memory.header.current = memory.header.settled;
	CHECK_EQ(reopen(), 0);
	CHECK_EQ(ledger.state.reserve.registered, 1);
}

TEST(a_state_that_no_commands_make_is_damage_although_it_checks)
{
	make();
	enroll(attach(1));
	ledger.state.reserve.holder = 9;
	ledger.state.reserve.type = RESERVE_WRITE_EXCLUSIVE;
	CHECK(scsi_ledger_prepare(&ledger) != NULL);
	CHECK_EQ(scsi_ledger_commit(&ledger), 0);
	CHECK_EQ(reopen(), -EUCLEAN);
}

TEST(a_nexus_whose_notes_are_damaged_is_told_of_a_loss)
{
	struct ledger_nexus *nexus = &memory.nexuses[0];

	make();
	CHECK_EQ(attach(1), 0);
	tell_all(0);
	for (size_t i = 0; i < sizeof(nexus->slots[0]); i++) {
		uint8_t *slot =
			(uint8_t *)&nexus->slots[nexus->current & 1] + i;

		*slot ^= 1;
		CHECK_EQ(reopen(), 0);
		CHECK_EQ(scsi_ledger_pending(&ledger, 0),
			 ATTENTION_BIT(ATTENTION_NEXUS_LOST));
		CHECK_EQ(reopen(), 0);
		tell_all(0);
	}
}

static void check_row_damage(struct scsi_origin *at, size_t from, size_t end)
{
	uint8_t *bytes = (uint8_t *)&memory.rows[at->nexus][at->row];
	struct ledger_row kept = memory.rows[at->nexus][at->row];
	struct scsi_row row;

	for (size_t i = from; i < end; i++) {
		bytes[i] ^= 1;
		CHECK_EQ(scsi_row_look(&ledger, at, &row), 0);
		CHECK_EQ(row.state, SCSI_ROW_ENDED);
		CHECK_EQ(row.outcome.status, SCSI_CHECK_CONDITION);
		CHECK_EQ(row.outcome.sense[12], 0x29);
		CHECK_EQ(row.outcome.sense[13], 0x07);
		CHECK_EQ(look(at), SCSI_ROW_ENDED);
		memory.rows[at->nexus][at->row] = kept;
	}
}

TEST(a_command_whose_row_is_damaged_is_told_of_a_loss)
{
	struct scsi_outcome outcome = { .status = SCSI_GOOD };
	struct scsi_origin at;

	make();
	at = origin(attach(1), 2, 5);
	begin(&at);
	check_row_damage(&at, offsetof(struct ledger_row, begun),
			 offsetof(struct ledger_row, ended));
	scsi_row_end(&ledger, &at, &outcome);
	check_row_damage(&at, offsetof(struct ledger_row, ended),
			 sizeof(struct ledger_row));
	/* A state that there is not. */
	memory.rows[at.nexus][at.row].head |= 0x77ull << 32;
	check_row_damage(&at, 0, 1);
}

TEST(data_that_was_damaged_is_not_written)
{
	const uint8_t data[100] = "data";
	struct scsi_origin at;
	uint8_t *kept;

	make();
	at = origin(attach(1), 2, 5);
	begin(&at);
	CHECK_EQ(scsi_row_move(&ledger, &at, data, sizeof(data), &kept), 0);
	CHECK_EQ(look(&at), SCSI_ROW_MOVED);
	kept[50] ^= 1;
	CHECK_EQ(look(&at), SCSI_ROW_ENDED);
}

/* Nexuses. ----------------------------------------------------------------- */

TEST(a_nexus_has_its_index_in_every_life)
{
	uint32_t nexus;

	make();
	CHECK_EQ(scsi_ledger_attach(&ledger, port(1), 0, &nexus), -EINVAL);
	CHECK_EQ(
		scsi_ledger_attach(&ledger, port(1), SCSI_ROWS_MAX + 1, &nexus),
		-EINVAL);
	CHECK_EQ(scsi_ledger_attach(&ledger, (uint8_t[SCSI_PORT_BYTES]){ 0 },
				    ROWS, &nexus),
		 -EINVAL);
	CHECK_EQ(attach(1), 0);
	CHECK_EQ(attach(2), 1);
	scsi_ledger_detach(&ledger, 0);
	CHECK_EQ(attach(1), 0);
	CHECK_EQ(reopen(), 0);
	CHECK_EQ(attach(2), 1);
}

TEST(more_nexuses_than_there_is_room_for_are_refused)
{
	uint32_t nexus;

	make();
	for (unsigned i = 0; i < SCSI_NEXUS_MAX; i++)
		CHECK_EQ(attach(i), i);
	CHECK_EQ(scsi_ledger_attach(&ledger, port(200), ROWS, &nexus), -ENOSPC);
	enroll(5);
	scsi_ledger_detach(&ledger, 5);
	CHECK_EQ(scsi_ledger_attach(&ledger, port(200), ROWS, &nexus), -ENOSPC);
	scsi_ledger_detach(&ledger, 6);
	CHECK_EQ(attach(200), 6);
	CHECK_EQ(attach(5), 5);
}

TEST(a_new_nexus_finds_nothing_of_the_old_one)
{
	struct scsi_outcome outcome = { .status = SCSI_GOOD };
	struct scsi_origin at;

	make();
	at = origin(attach(1), 2, 5);
	begin(&at);
	scsi_row_end(&ledger, &at, &outcome);
	scsi_ledger_raise(&ledger, UINT64_MAX, ATTENTION_MODE_CHANGED);
	scsi_ledger_detach(&ledger, 0);
	for (unsigned i = 2; i <= SCSI_NEXUS_MAX; i++)
		(void)attach(i);
	CHECK_EQ(attach(100), 0);
	CHECK_EQ(look(&at), SCSI_ROW_FREE);
	CHECK_EQ(scsi_ledger_pending(&ledger, 0),
		 ATTENTION_BIT(ATTENTION_POWER_ON));
}

TEST(a_nexus_that_is_lost_loses_what_it_reserved_and_is_told)
{
	struct scsi_reserve_result result;
	uint32_t nexus;

	make();
	nexus = attach(1);
	tell_all(nexus);
	scsi_reserve_spc2(&scsi_ledger_prepare(&ledger)->reserve, nexus,
			  &result);
	ledger.next.medium.preventing = 1ull << nexus;
	CHECK_EQ(scsi_ledger_commit(&ledger), 0);
	scsi_ledger_detach(&ledger, nexus);
	CHECK_EQ(ledger.state.reserve.spc2_holder_plus_1, 0);
	CHECK_EQ(ledger.state.medium.preventing, 0);
	CHECK_EQ(attach(1), nexus);
	CHECK_EQ(scsi_ledger_pending(&ledger, nexus),
		 ATTENTION_BIT(ATTENTION_NEXUS_LOST));
}

/* State. ------------------------------------------------------------------- */

TEST(one_state_is_prepared_at_a_time)
{
	make();
	(void)attach(1);
	CHECK(scsi_ledger_prepare(&ledger) != NULL);
	CHECK(scsi_ledger_prepare(&ledger) == NULL);
	(void)attach(2);
	CHECK_EQ(scsi_ledger_commit(&ledger), -EAGAIN);
	CHECK(scsi_ledger_prepare(&ledger) != NULL);
	scsi_ledger_drop(&ledger);
	CHECK(scsi_ledger_prepare(&ledger) != NULL);
}

/* Rows. -------------------------------------------------------------------- */

TEST(a_row_is_known_until_its_next_command)
{
	struct scsi_outcome outcome = { .status = SCSI_GOOD,
					.transferred_bytes = 77 };
	struct scsi_origin at;
	struct scsi_row row;

	make();
	at = origin(attach(1), 2, UINT32_MAX);
	CHECK_EQ(look(&at), SCSI_ROW_FREE);
	begin(&at);
	CHECK_EQ(scsi_row_look(&ledger, &at, &row), 0);
	CHECK_EQ(row.state, SCSI_ROW_BEGUN);
	CHECK_EQ(row.offset_bytes, 512);
	CHECK_EQ(row.length_bytes, 1024);
	CHECK_EQ(row.code, 0x2a);
	scsi_row_end(&ledger, &at, &outcome);
	CHECK_EQ(scsi_row_look(&ledger, &at, &row), 0);
	CHECK_EQ(row.state, SCSI_ROW_ENDED);
	CHECK_EQ(row.outcome.transferred_bytes, 77);
	CHECK_EQ(row.before, 9);

	/* The next one leaves nothing that a far later one could be taken
	 * for, when sequences have come round. */
	at.row_sequence = 0;
	CHECK_EQ(look(&at), SCSI_ROW_FREE);
	at.row_sequence = UINT32_MAX;
	CHECK_EQ(look(&at), SCSI_ROW_FREE);
}

TEST(a_hostile_peer_cannot_reuse_a_row_that_is_begun)
{
	const uint8_t data[8] = "data";
	struct scsi_origin at;
	uint8_t *kept;

	make();
	at = origin(attach(1), 2, 5);
	begin(&at);
	CHECK_EQ(look_error(0, 2, 6), -EPROTO);
	CHECK_EQ(look_error(0, 2, 4), -EPROTO);
	CHECK_EQ(scsi_row_move(&ledger, &at, data, sizeof(data), &kept), 0);
	CHECK_EQ(look_error(0, 2, 6), -EPROTO);
	CHECK_EQ(look(&at), SCSI_ROW_MOVED);
}

TEST(a_row_whose_command_has_ended_takes_any_other)
{
	static const uint32_t others[] = { 4, 6, 5 + 0x80000000u };
	struct scsi_outcome outcome = { .status = SCSI_GOOD };
	struct scsi_origin at;

	for (int i = 0; i < 3; i++) {
		make();
		at = origin(attach(1), 2, 5);
		begin(&at);
		scsi_row_end(&ledger, &at, &outcome);

		CHECK_EQ(look_error(0, 2, others[i]), 0);
	}
}

TEST(a_row_whose_command_was_aborted_takes_another_though_nobody_asked)
{
	struct scsi_origin at;

	make();
	at = origin(attach(1), 2, 5);
	begin(&at);
	scsi_row_abort(&ledger, &at);

	CHECK_EQ(look_error(0, 2, 6), 0);
}

TEST(a_hostile_peer_cannot_name_a_row_it_has_not)
{
	make();
	CHECK_EQ(attach(1), 0);
	CHECK_EQ(look_error(0, ROWS - 1, 1), 0);
	CHECK_EQ(look_error(0, ROWS, 1), -EPROTO);
	CHECK_EQ(look_error(0, UINT16_MAX, 1), -EPROTO);
}

TEST(a_row_that_is_aborted_does_not_go_on)
{
	struct scsi_outcome outcome = { .status = SCSI_GOOD };
	struct scsi_origin at, second;
	struct scsi_row row;

	make();
	at = origin(attach(1), 2, 5);
	second = origin(0, 3, 5);
	begin(&at);
	begin(&second);
	scsi_row_abort(&ledger, &at);
	scsi_row_abort(&ledger, &second);
	CHECK_EQ(scsi_row_look(&ledger, &at, &row), 0);
	CHECK_EQ(row.state, SCSI_ROW_ENDED);
	CHECK_EQ(row.outcome.status, SCSI_TASK_ABORTED);
	scsi_row_end(&ledger, &second, &outcome);
	CHECK_EQ(outcome.status, SCSI_TASK_ABORTED);
}

TEST(what_has_moved_is_completed_although_it_is_aborted)
{
	struct scsi_outcome outcome = { .status = SCSI_GOOD };
	const uint8_t data[8] = "data";
	struct scsi_origin at;
	uint8_t *kept;

	make();
	at = origin(attach(1), 2, 5);
	begin(&at);
	CHECK_EQ(scsi_row_move(&ledger, &at, data, sizeof(data), &kept), 0);
	scsi_row_abort(&ledger, &at);
	scsi_row_end(&ledger, &at, &outcome);
	CHECK_EQ(outcome.status, SCSI_GOOD);
}

TEST(areas_are_given_back_and_remembered)
{
	struct scsi_outcome outcome = { .status = SCSI_GOOD };
	const uint8_t data[8] = "data";
	struct scsi_origin at;
	uint8_t *kept;

	make();
	at = origin(attach(1), 0, 1);
	for (; at.row <= SCSI_AREA_COUNT; at.row++) {
		begin(&at);
		CHECK_EQ(scsi_row_move(&ledger, &at, data, sizeof(data), &kept),
			 at.row < SCSI_AREA_COUNT ? 0 : -EBUSY);
	}
	CHECK_EQ(reopen(), 0);
	at.row = SCSI_AREA_COUNT;
	CHECK_EQ(scsi_row_move(&ledger, &at, data, sizeof(data), &kept),
		 -EBUSY);
	at.row = 1;
	scsi_row_end(&ledger, &at, &outcome);
	at.row = SCSI_AREA_COUNT;
	CHECK_EQ(scsi_row_move(&ledger, &at, data, sizeof(data), &kept), 0);
	scsi_ledger_detach(&ledger, 0);
	CHECK_EQ(ledger.areas_taken, 0);
}

TEST(the_rows_that_are_out_are_found)
{
	struct scsi_outcome outcome = { .status = SCSI_GOOD };
	struct scsi_origin first, second, third, at = { 0 };
	struct scsi_row row;

	make();
	first = origin(attach(1), 2, 5);
	second = origin(attach(2), ROWS - 1, 6);
	third = origin(attach(3), 0, 7);
	begin(&first);
	begin(&second);
	begin(&third);
	scsi_row_end(&ledger, &third, &outcome);

	CHECK(scsi_row_next(&ledger, &at, &row));
	CHECK(at.nexus == 0 && at.row == 2 && at.row_sequence == 5);
	CHECK_EQ(row.offset_bytes, 512);
	at.row++;
	CHECK(scsi_row_next(&ledger, &at, &row));
	CHECK(at.nexus == 1 && at.row == ROWS - 1 && at.row_sequence == 6);
	at.row++;
	CHECK(!scsi_row_next(&ledger, &at, &row));
}
