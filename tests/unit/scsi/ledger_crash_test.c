/* SPDX-License-Identifier: MIT */
/*
 * Death at every store of a ledger.
 *
 * The code under test is compiled into this file with a mark after each store
 * into memory that outlives a process. Three initiators send commands to one
 * volume, their steps interleaved by a seeded scheduler. A run is stopped at
 * each of its stores, and its successor, which shares nothing with the dead but
 * ledger and volume, again. Commands are replayed, or their initiator has died
 * as well. A model that executes each command at once, and once, says what is
 * to be answered and what is to be left.
 */
static void at_store(void);
#define STORE_STEP() at_store()

/* clang-format off */
#include "scsi/ledger.c"     /* NOLINT(bugprone-suspicious-include) */
#include "scsi/ledger_row.c" /* NOLINT(bugprone-suspicious-include) */
/* clang-format on */

#include <setjmp.h>
#include <stdlib.h>

#include "base/count.h"
#include "lib/harness.h"

#define CLIENTS   3
#define COMMANDS  8 /* of each client */
#define ROWS      2
#define BLOCKS    2
#define LIVES_MAX 8
#define NEVER     0
#define NOBODY    (-1)
#define NO_LOCK   BLOCKS

enum kind { WRITE, COMPARE_AND_WRITE, RESERVE_OUT, RESERVE, RELEASE, RESET };

struct command {
	enum kind kind;
	uint32_t block;
	uint64_t expected, value;
	struct scsi_reserve_request request;
};

static const uint8_t volume_id[SCSI_ID_BYTES] = "a volume";
static const uint8_t boot_id[SCSI_ID_BYTES] = "a boot";

/* What outlives a service. */
static struct ledger_memory memory;
static uint64_t volume[BLOCKS];

/* The initiators, and the model of each. */
static struct client {
	struct command commands[COMMANDS];
	unsigned next; /* which is being executed */
	bool is_executed, may_be_aborted, is_dead;
	struct scsi_outcome expected;
} clients[CLIENTS];

static struct model {
	uint64_t volume[BLOCKS];
	struct scsi_reserve reserve;
	uint32_t pending[CLIENTS];
} model;

/* One life of a service. */
static struct scsi_ledger ledger;
static struct progress {
	enum { NEW, BEGUN, WRITTEN, MOVED } stage;
	uint32_t locked;
	bool is_aborted;
	uint8_t *data;
} progress[CLIENTS];

static jmp_buf death;
static uint32_t stores, deadly[2];
static uint64_t chance;

static void at_store(void)
{
	stores++;
	if (stores == deadly[0] || stores == deadly[1])
		longjmp(death, 1);
}

static uint32_t draw(uint32_t below)
{
	chance = chance * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(chance >> 33) % below;
}

static struct scsi_origin origin_of(uint32_t client)
{
	unsigned next = clients[client].next;

	return (struct scsi_origin){
		.nexus = client,
		.row = next % ROWS,
		.row_sequence = UINT32_MAX - 1 + next / ROWS, /* it wraps */
	};
}

static const struct command *command_of(uint32_t client)
{
	return &clients[client].commands[clients[client].next];
}

/* The model. --------------------------------------------------------------- */

static void model_raise(const struct scsi_effects *effects)
{
	for (uint32_t i = 0; i < CLIENTS; i++) {
		for (int j = 0; j < ATTENTION_COUNT; j++)
			if ((effects->raised[j] >> i & 1) != 0)
				model.pending[i] |= ATTENTION_BIT(j);
		if ((effects->aborted >> i & 1) != 0)
			clients[i].may_be_aborted = true;
	}
}

static void reset_effects(struct scsi_effects *effects)
{
	*effects = (struct scsi_effects){ .aborted = UINT64_MAX };
	effects->raised[ATTENTION_RESET] = UINT64_MAX;
}

/* What a command of state does to it. */
static void apply(struct scsi_reserve *reserve, uint32_t client,
		  struct scsi_reserve_result *result)
{
	const struct command *command = command_of(client);

	*result = (struct scsi_reserve_result){ .is_changed = true };
	if (command->kind == RESERVE_OUT) {
		scsi_reserve_out(reserve, client, &command->request, result);
	} else if (command->kind == RESERVE) {
		scsi_reserve_spc2(reserve, client, result);
	} else if (command->kind == RELEASE) {
		scsi_release_spc2(reserve, client, result);
	} else {
		scsi_reserve_reset(reserve);
		reset_effects(&result->effects);
	}
}

/* Whether its effect is not in the ledger's state. */
static bool is_of_data(const struct command *command)
{
	return command->kind == WRITE || command->kind == COMPARE_AND_WRITE;
}

/* Execute it, once. */
static void model_execute(uint32_t i)
{
	struct client *client = &clients[i];
	const struct command *command = command_of(i);
	uint64_t *block = &model.volume[command->block];
	struct scsi_reserve_result result = { 0 };

	CHECK(!client->is_executed);
	client->is_executed = true;
	client->expected = (struct scsi_outcome){ .status = SCSI_GOOD };
	if (command->kind == COMPARE_AND_WRITE && *block != command->expected) {
		client->expected.status = SCSI_CHECK_CONDITION;
	} else if (is_of_data(command)) {
		*block = command->value;
	} else {
		apply(&model.reserve, i, &result);
		client->expected.status = (uint8_t)result.status;
		model_raise(&result.effects);
	}
}

static void model_tell(uint32_t i)
{
	enum scsi_attention attention = scsi_attention_first(model.pending[i]);

	CHECK(!clients[i].is_executed);
	clients[i].is_executed = true;
	model.pending[i] &= ~ATTENTION_BIT(attention);
	scsi_attention_outcome(attention, false, false, &clients[i].expected);
}

/* A life. ------------------------------------------------------------------ */

static void answer(uint32_t i, const struct scsi_outcome *outcome)
{
	struct client *client = &clients[i];

	if (outcome->status == SCSI_TASK_ABORTED) {
		CHECK(client->may_be_aborted);
	} else {
		CHECK(client->is_executed);
		CHECK_EQ(outcome->status, client->expected.status);
		CHECK(memcmp(outcome->sense, client->expected.sense,
			     sizeof(outcome->sense)) == 0);
	}
	client->next++;
	client->is_executed = client->may_be_aborted = false;
	progress[i] = (struct progress){ .locked = NO_LOCK };
}

/* Run what is out into its abort, as the task set does. */
static void abort_tasks(const struct scsi_effects *effects)
{
	for (uint32_t i = 0; i < CLIENTS; i++)
		if ((effects->aborted >> i & 1) != 0 &&
		    (progress[i].stage == BEGUN ||
		     progress[i].stage == WRITTEN))
			progress[i].is_aborted = true;
}

static void change_state(uint32_t i)
{
	struct scsi_origin origin = origin_of(i);
	struct scsi_state *next = scsi_ledger_prepare(&ledger);
	struct scsi_reserve_result result;
	struct scsi_outcome outcome = { 0 };

	apply(&next->reserve, i, &result);
	outcome.status = (uint8_t)result.status;
	if (result.is_changed) {
		scsi_ledger_record(&ledger, &origin, &outcome, &result.effects);
		CHECK_EQ(scsi_ledger_commit(&ledger), 0);
	} else {
		scsi_ledger_drop(&ledger);
	}
	model_execute(i);
	abort_tasks(&result.effects);
	answer(i, &outcome);
}

static bool is_locked(uint32_t block)
{
	for (int i = 0; i < CLIENTS; i++)
		if (progress[i].locked == block)
			return true;
	return false;
}

static void begin_data(uint32_t i)
{
	struct scsi_origin origin = origin_of(i);
	struct scsi_row row = {
		.code = (uint16_t)command_of(i)->kind,
		.offset_bytes = command_of(i)->block,
		.length_bytes = 1,
	};

	if (is_locked(command_of(i)->block))
		return;
	progress[i].locked = command_of(i)->block;
	scsi_row_begin(&ledger, &origin, &row);
	progress[i].stage = BEGUN;
}

static void begin(uint32_t i)
{
	enum scsi_access access = is_of_data(command_of(i))
					  ? SCSI_ACCESS_WRITE
					  : SCSI_ACCESS_ALWAYS;
	struct scsi_outcome outcome = { .status = SCSI_RESERVATION_CONFLICT };
	struct scsi_origin origin = origin_of(i);

	if (scsi_reserve_conflicts(&ledger.state.reserve, i, access)) {
		CHECK(scsi_reserve_conflicts(&model.reserve, i, access));
		clients[i].is_executed = true;
		clients[i].expected = outcome;
		answer(i, &outcome);
	} else if (scsi_ledger_pending(&ledger, i) != 0) {
		scsi_ledger_tell(&ledger, &origin, false, false, &outcome);
		model_tell(i);
		answer(i, &outcome);
	} else if (is_of_data(command_of(i))) {
		begin_data(i);
	} else {
		change_state(i);
	}
}

static void end(uint32_t i, enum scsi_status status)
{
	struct scsi_origin origin = origin_of(i);
	struct scsi_outcome outcome = { .status = (uint8_t)status };

	scsi_row_end(&ledger, &origin, &outcome);
	answer(i, &outcome);
}

static void write_block(uint32_t i, uint64_t value)
{
	volume[command_of(i)->block] = value;
	progress[i].stage = WRITTEN;
	at_store();
}

static void compare(uint32_t i)
{
	const struct command *command = command_of(i);
	struct scsi_origin origin = origin_of(i);

	if (volume[command->block] != command->expected) {
		if (!clients[i].is_executed)
			model_execute(i);
		end(i, SCSI_CHECK_CONDITION);
		return;
	}
	CHECK_EQ(scsi_row_move(&ledger, &origin, &command->value,
			       sizeof(command->value), &progress[i].data),
		 0);
	model_execute(i);
	progress[i].stage = MOVED;
}

/* One step of a client's command. */
static void advance(uint32_t i)
{
	uint64_t value;

	if (progress[i].is_aborted) {
		end(i, SCSI_GOOD);
	} else if (progress[i].stage == NEW) {
		begin(i);
	} else if (progress[i].stage == MOVED) {
		memcpy(&value, progress[i].data, sizeof(value));
		write_block(i, value);
	} else if (progress[i].stage == WRITTEN) {
		end(i, SCSI_GOOD);
	} else if (command_of(i)->kind == COMPARE_AND_WRITE) {
		compare(i);
	} else {
		if (!clients[i].is_executed)
			model_execute(i);
		write_block(i, command_of(i)->value);
	}
}

/* What happened just before the service died, which the model has not heard of:
 * what is in the ledger now is what counts. */
static void catch_up(uint32_t i)
{
	struct scsi_origin origin = origin_of(i);
	struct scsi_row row;

	CHECK_EQ(scsi_row_look(&ledger, &origin, &row), 0);
	if (clients[i].is_executed)
		return;
	if (row.state == SCSI_ROW_MOVED)
		model_execute(i);
	else if (row.state == SCSI_ROW_ENDED &&
		 row.outcome.status != SCSI_TASK_ABORTED)
		(model.pending[i] != 0 ? model_tell : model_execute)(i);
}

/* What the ledger tells of a command that was out when its service died. */
static void replay(uint32_t i)
{
	struct scsi_origin origin = origin_of(i);
	struct scsi_row row;

	CHECK_EQ(scsi_row_look(&ledger, &origin, &row), 0);
	if (row.state == SCSI_ROW_ENDED) {
		answer(i, &row.outcome);
	} else if (row.state == SCSI_ROW_MOVED) {
		progress[i].stage = MOVED;
		progress[i].data = row.data;
		CHECK_EQ(row.data_bytes, sizeof(uint64_t));
	} else {
		/* It may have been written, before the row could say so. */
		CHECK(row.state == SCSI_ROW_BEGUN || !clients[i].is_executed);
		progress[i].stage = row.state == SCSI_ROW_BEGUN ? BEGUN : NEW;
	}
}

/* Its initiator died as well: what it sent is completed or forgotten. */
static void bury(uint32_t i)
{
	struct scsi_origin origin = origin_of(i);
	struct scsi_row row;
	uint32_t nexus;

	CHECK_EQ(scsi_row_look(&ledger, &origin, &row), 0);
	if (row.state == SCSI_ROW_MOVED) {
		memcpy(&volume[command_of(i)->block], row.data,
		       sizeof(volume[0]));
		at_store();
	}
	scsi_ledger_detach(&ledger, i);
	CHECK_EQ(scsi_ledger_attach(&ledger, (uint8_t[16]){ (uint8_t)(i + 1) },
				    ROWS, &nexus),
		 0);
	CHECK_EQ(nexus, i);
	scsi_reserve_lose(&model.reserve, i);
	model.pending[i] |= ATTENTION_BIT(ATTENTION_NEXUS_LOST);
	progress[i] = (struct progress){ .locked = NO_LOCK };
	clients[i].next++;
	clients[i].is_executed = clients[i].may_be_aborted = false;
	clients[i].is_dead = false;
}

/* The locks of what had begun, before anything else is served. */
static void rebuild_locks(void)
{
	struct scsi_origin origin = { 0 };
	struct scsi_row row;

	for (; scsi_row_next(&ledger, &origin, &row); origin.row++)
		progress[origin.nexus].locked = (uint32_t)row.offset_bytes;
}

static bool is_out(uint32_t i)
{
	return clients[i].next < COMMANDS;
}

static void check_state(void)
{
	CHECK(memcmp(&ledger.state.reserve, &model.reserve,
		     sizeof(model.reserve)) == 0);
	for (uint32_t i = 0; i < CLIENTS; i++)
		CHECK_EQ(scsi_ledger_pending(&ledger, i), model.pending[i]);
}

static void be_born(void)
{
	for (uint32_t i = 0; i < CLIENTS; i++)
		progress[i] = (struct progress){ .locked = NO_LOCK };
	CHECK_EQ(scsi_ledger_open(&ledger, &memory, volume_id, boot_id), 0);
	rebuild_locks();
	for (uint32_t i = 0; i < CLIENTS; i++)
		if (is_out(i))
			catch_up(i);
	for (uint32_t i = 0; i < CLIENTS; i++)
		if (is_out(i))
			(clients[i].is_dead ? bury : replay)(i);
	check_state();
}

static void live(void)
{
	be_born();
	for (uint32_t i = draw(CLIENTS); is_out(0) || is_out(1) || is_out(2);
	     i = draw(CLIENTS))
		if (is_out(i))
			advance(i);
}

/* The world. --------------------------------------------------------------- */

static void make_command(struct command *command, uint32_t client)
{
	*command = (struct command){
		.kind = (enum kind)draw(RESET + 4),
		.block = draw(BLOCKS),
		.expected = draw(2),
		.value = draw(2),
	};
	if (command->kind > RESET)
		command->kind = RESERVE_OUT;
	command->request = (struct scsi_reserve_request){
		.action = (uint8_t)draw(RESERVE_OUT_COUNT),
		.type = (uint8_t)(5 + draw(4)),
		.key = client + 1,
		.service_key = draw(CLIENTS) + 1,
	};
	if (command->request.action == RESERVE_REGISTER ||
	    command->request.action == RESERVE_REGISTER_AND_IGNORE)
		command->request.service_key = client + 1;
}

static void make_world(uint64_t seed)
{
	uint32_t nexus;

	chance = seed;
	memset(&memory.header, 0, offsetof(struct ledger_memory, areas));
	memset(&model, 0, sizeof(model));
	memset(volume, 0, sizeof(volume));
	memset(clients, 0, sizeof(clients));
	stores = 0;
	deadly[0] = deadly[1] = NEVER;
	scsi_ledger_make(&ledger, &memory, volume_id, boot_id, NULL);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		for (uint32_t j = 0; j < SCSI_ROWS_MAX && j < ROWS; j++)
			memset(row_of(&ledger, i, j), 0,
			       sizeof(struct ledger_row));
		CHECK_EQ(scsi_ledger_attach(&ledger,
					    (uint8_t[16]){ (uint8_t)(i + 1) },
					    ROWS, &nexus),
			 0);
		for (int j = 0; j < COMMANDS; j++)
			make_command(&clients[i].commands[j], i);
		model.pending[i] = ATTENTION_BIT(ATTENTION_POWER_ON);
	}
	stores = 0;
}

/* The number of stores it took. */
static uint32_t run(uint64_t seed, uint32_t first_death, uint32_t second_death,
		    int victim)
{
	static volatile uint32_t life;

	make_world(seed);
	deadly[0] = first_death;
	deadly[1] = second_death;
	for (life = 0; is_out(0) || is_out(1) || is_out(2); life++) {
		CHECK(life < LIVES_MAX);
		if (life == 1 && victim != NOBODY && is_out((uint32_t)victim))
			clients[victim].is_dead = true;
		if (setjmp(death) == 0)
			live();
	}
	be_born();
	CHECK(memcmp(volume, model.volume, sizeof(volume)) == 0);
	return stores;
}

TEST(death_at_any_store_loses_and_repeats_no_command)
{
	for (uint64_t seed = 1; seed <= 3; seed++) {
		uint32_t total = run(seed, NEVER, NEVER, NOBODY);

		CHECK(total > CLIENTS * COMMANDS * 10);
		for (uint32_t at = 1; at <= total; at++)
			(void)run(seed, at, NEVER, NOBODY);
	}
}

TEST(a_second_death_while_the_first_is_repaired_does_no_harm)
{
	for (uint64_t seed = 1; seed <= 4000; seed++) {
		uint32_t total = run(seed, NEVER, NEVER, NOBODY);
		uint32_t first = 1 + draw(total);

		(void)run(seed, first, first + 1 + draw(60), NOBODY);
	}
}

TEST(commands_of_a_dead_initiator_are_completed_or_forgotten)
{
	for (uint64_t seed = 1; seed <= 4000; seed++) {
		uint32_t total = run(seed, NEVER, NEVER, NOBODY);
		uint32_t first = 1 + draw(total);

		(void)run(seed, first, first + 1 + draw(2000),
			  (int)(seed % CLIENTS));
	}
}

/* Made by somebody who died, and again, over one of another boot or none. */
static void die_making(uint32_t at, const uint8_t boot[SCSI_ID_BYTES])
{
	stores = 0;
	deadly[0] = at;
	deadly[1] = NEVER;
	if (setjmp(death) == 0)
		scsi_ledger_make(&ledger, &memory, volume_id, boot, NULL);
	deadly[0] = NEVER;
}

TEST(a_ledger_made_in_part_is_made_again)
{
	static const uint8_t next_boot[SCSI_ID_BYTES] = "the next boot";
	uint32_t total;
	int r = -ESTALE;

	make_world(1);
	die_making(NEVER, next_boot);
	total = stores;
	for (uint32_t at = 1; at <= total; at++) {
		make_world(1);
		die_making(at, next_boot);
		r = scsi_ledger_open(&ledger, &memory, volume_id, next_boot);
		CHECK(r == 0 || (r == -ESTALE && at < total));
	}
	CHECK_EQ(r, 0);
}
