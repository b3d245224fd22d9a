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

#include "lib/harness.h"
#include "scsi/bytes.h"
#include "scsi/unit.h"

#define CLIENTS   3
#define COMMANDS  8 /* of each client */
#define ROWS      2
#define BLOCKS    2
#define LIVES_MAX 8
#define NEVER     0
#define NOBODY    (-1)
#define NO_LOCK   BLOCKS
#define BLOCK     512

enum kind { WRITE, COMPARE_AND_WRITE, RESERVE_OUT, RESERVE, RELEASE, RESET };

/* Blocks are filled with one value. */
struct command {
	enum kind kind;
	uint32_t block;
	uint8_t expected, value;
	struct scsi_reserve_request request;
};

static const uint8_t volume_id[SCSI_ID_BYTES] = "a volume";
static const uint8_t boot_id[SCSI_ID_BYTES] = "a boot";

/* What outlives a service. */
static struct ledger_memory memory;
static uint8_t volume[BLOCKS][BLOCK];

/* The initiators, and the model of each. */
static struct client {
	struct command commands[COMMANDS];
	unsigned next; /* which is being executed */
	bool is_executed, may_be_aborted, is_dead;
	struct scsi_outcome expected;
} clients[CLIENTS];

static struct model {
	uint8_t volume[BLOCKS];
	struct scsi_reserve reserve;
	uint32_t pending[CLIENTS];
} model;

/* One life of a service. */
static struct scsi_ledger ledger;
static struct scsi_unit unit = {
	.block_bytes = BLOCK,
	.physical_block_bytes = BLOCK,
	.block_count = BLOCKS,
	.is_shared = true,
	.ledger = &ledger,
};
static struct progress {
	struct scsi_nexus nexus;
	struct scsi_task task;
	struct scsi_step step; /* which is to be done */
	bool is_out, is_aborted;
	uint32_t locked;
	uint8_t data[2 * BLOCK];
	uint8_t scratch[SCSI_SCRATCH_BYTES];
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
	uint8_t *block = &model.volume[command->block];
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

/* Whether it ended by being told something (fixed format). */
static bool was_told(const struct scsi_outcome *outcome)
{
	return outcome->status == SCSI_CHECK_CONDITION &&
	       (outcome->sense[2] & 0xf) == SCSI_UNIT_ATTENTION;
}

/* Refused before it had an effect. */
static void model_refuse(uint32_t i)
{
	clients[i].is_executed = true;
	clients[i].expected =
		(struct scsi_outcome){ .status = SCSI_RESERVATION_CONFLICT };
	CHECK(scsi_reserve_conflicts(&model.reserve, i, SCSI_ACCESS_WRITE));
}

/* A life. ------------------------------------------------------------------ */

static void forget(uint32_t i)
{
	progress[i].is_out = progress[i].is_aborted = false;
	progress[i].locked = NO_LOCK;
	progress[i].nexus.index = i;
}

static void answer(uint32_t i, const struct scsi_outcome *outcome)
{
	struct client *client = &clients[i];

	if (outcome->status == SCSI_TASK_ABORTED) {
		CHECK(client->may_be_aborted);
	} else {
		CHECK(client->is_executed);
		CHECK_EQ(outcome->status, client->expected.status);
		CHECK(!was_told(&client->expected) ||
		      memcmp(outcome->sense, client->expected.sense,
			     sizeof(outcome->sense)) == 0);
	}
	client->next++;
	client->is_executed = client->may_be_aborted = false;
	forget(i);
}

static void fill(uint32_t i, const struct command *command)
{
	uint8_t *cdb = progress[i].task.cdb, *data = progress[i].data;
	static const uint8_t codes[] = { 0x2a, 0x89, 0x5f, 0x16, 0x17 };

	cdb[0] = codes[command->kind];
	if (command->kind == WRITE) {
		cdb[5] = (uint8_t)command->block;
		cdb[8] = 1;
		memset(data, command->value, BLOCK);
	} else if (command->kind == COMPARE_AND_WRITE) {
		cdb[9] = (uint8_t)command->block;
		cdb[13] = 1;
		memset(data, command->expected, BLOCK);
		memset(data + BLOCK, command->value, BLOCK);
	} else if (command->kind == RESERVE_OUT) {
		cdb[1] = command->request.action;
		cdb[2] = command->request.type;
		cdb[8] = SCSI_RESERVE_LIST_BYTES;
		memset(data, 0, SCSI_RESERVE_LIST_BYTES);
		put_be64(data, command->request.key);
		put_be64(data + 8, command->request.service_key);
	}
}

static void begin(uint32_t i)
{
	struct scsi_origin origin = origin_of(i);
	struct progress *own = &progress[i];

	own->is_out = true;
	own->task = (struct scsi_task){
		.data = own->data,
		.data_bytes = sizeof(own->data),
		.direction = SCSI_DATA_FROM_INITIATOR,
		.row = origin.row,
		.row_sequence = origin.row_sequence,
		.scratch = own->scratch,
	};
	fill(i, command_of(i));
	CHECK_EQ(scsi_unit_begin(&unit, &own->nexus, &own->task), 0);
	own->step = scsi_unit_step(&unit, &own->task, 0);
}

/* What has not moved goes no further, as the task set has it. */
static void abort_tasks(const struct scsi_effects *effects)
{
	for (uint32_t i = 0; i < CLIENTS; i++) {
		struct scsi_origin origin = origin_of(i);

		if ((effects->aborted >> i & 1) == 0 || !progress[i].is_out ||
		    !is_of_data(command_of(i)))
			continue;
		progress[i].is_aborted =
			(memory.rows[i][origin.row].head >> 32 & 0xff) !=
			SCSI_ROW_MOVED;
	}
}

/* An aborted write may be there, in part too: all of it, here. */
static void complete(uint32_t i)
{
	const struct command *command = command_of(i);

	if (clients[i].is_executed && is_of_data(command))
		memset(volume[command->block], model.volume[command->block],
		       BLOCK);
}

static void end_aborted(uint32_t i)
{
	struct scsi_outcome outcome = { .status = SCSI_TASK_ABORTED };
	struct scsi_origin origin = origin_of(i);
	struct scsi_row row;

	complete(i);
	CHECK_EQ(scsi_row_look(&ledger, &origin, &row), 0);
	CHECK(row.state == SCSI_ROW_FREE || row.state == SCSI_ROW_ENDED);
	answer(i, &outcome);
}

/* Task management is done by who executes the steps. */
static void reset(uint32_t i)
{
	struct scsi_origin origin = origin_of(i);
	struct scsi_outcome outcome = { .status = SCSI_GOOD };
	struct scsi_effects effects;
	struct scsi_state *next;

	scsi_ledger_drop(&ledger);
	next = scsi_ledger_prepare(&ledger);
	scsi_reserve_reset(&next->reserve);
	reset_effects(&effects);
	scsi_ledger_record(&ledger, &origin, &outcome, &effects);
	CHECK_EQ(scsi_ledger_commit(&ledger), 0);
	model_execute(i);
	abort_tasks(&effects);
	answer(i, &outcome);
}

static void end(uint32_t i)
{
	const struct scsi_outcome outcome = progress[i].task.outcome;
	bool is_conflict = outcome.status == SCSI_RESERVATION_CONFLICT;

	if (outcome.status == SCSI_TASK_ABORTED)
		complete(i);
	else if (!clients[i].is_executed) {
		if (is_conflict && is_of_data(command_of(i)))
			model_refuse(i);
		else if (was_told(&outcome))
			model_tell(i);
		else
			model_execute(i);
	}
	answer(i, &outcome);
}

static int write_block(uint32_t i, const struct scsi_step *step)
{
	uint8_t *block = volume[step->offset_bytes / BLOCK];

	CHECK_EQ(step->length_bytes, BLOCK);
	if (!clients[i].is_executed)
		model_execute(i);
	memcpy(block, step->memory, BLOCK / 2);
	at_store();
	memcpy(block + BLOCK / 2, step->memory + BLOCK / 2, BLOCK / 2);
	at_store();
	return 0;
}

static int commit(uint32_t i)
{
	const struct scsi_effects effects = ledger.next.last.effects;
	int r = scsi_ledger_commit(&ledger);

	if (r == 0) {
		model_execute(i);
		abort_tasks(&effects);
		progress[i].is_aborted = false;
	}
	return r;
}

/* False: it has to wait. */
static bool lock(uint32_t i, const struct scsi_step *step)
{
	uint32_t block = (uint32_t)(step->offset_bytes / BLOCK);

	for (uint32_t j = 0; j < CLIENTS; j++)
		if (j != i && progress[j].locked == block)
			return false;
	progress[i].locked = block;
	return true;
}

/* Do the step that is to be done, and ask for the next. */
static void advance(uint32_t i)
{
	struct scsi_step *step = &progress[i].step;
	int result = 0;

	if (command_of(i)->kind == RESET) {
		reset(i);
		return;
	}
	if (progress[i].is_aborted) {
		end_aborted(i);
		return;
	}
	if (!progress[i].is_out)
		begin(i);
	else if (step->kind == SCSI_STEP_LOCK && !lock(i, step))
		return;
	else {
		if (step->kind == SCSI_STEP_READ)
			memcpy(step->memory, volume[step->offset_bytes / BLOCK],
			       BLOCK);
		else if (step->kind == SCSI_STEP_WRITE)
			result = write_block(i, step);
		*step = scsi_unit_step(&unit, &progress[i].task, result);
	}
	if (step->kind == SCSI_STEP_COMMIT)
		*step = scsi_unit_step(&unit, &progress[i].task, commit(i));
	if (step->kind == SCSI_STEP_ANSWER)
		end(i);
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
		(was_told(&row.outcome) ? model_tell : model_execute)(i);
}

/* What the ledger tells of a command that was out when its service died. What
 * it has the answer of is answered before anything else happens. */
static void replay(uint32_t i)
{
	struct scsi_origin origin = origin_of(i);
	struct scsi_row row;

	CHECK_EQ(scsi_row_look(&ledger, &origin, &row), 0);
	/* It may have been written, before the row could say so. */
	CHECK(row.state != SCSI_ROW_FREE || !clients[i].is_executed);
	if (row.state != SCSI_ROW_ENDED)
		return;
	if (command_of(i)->kind == RESET)
		answer(i, &row.outcome);
	else
		advance(i);
}

/* Its initiator died as well: what it sent is completed or forgotten. */
static void bury(uint32_t i)
{
	struct scsi_origin origin = origin_of(i);
	struct scsi_row row;
	uint32_t nexus;

	CHECK_EQ(scsi_row_look(&ledger, &origin, &row), 0);
	if (row.state == SCSI_ROW_MOVED) {
		CHECK_EQ(row.data_bytes, BLOCK);
		memcpy(volume[command_of(i)->block], row.data, BLOCK);
		at_store();
	}
	complete(i);
	scsi_ledger_detach(&ledger, i);
	CHECK_EQ(scsi_ledger_attach(&ledger, (uint8_t[16]){ (uint8_t)(i + 1) },
				    ROWS, &nexus),
		 0);
	CHECK_EQ(nexus, i);
	scsi_reserve_lose(&model.reserve, i);
	model.pending[i] |= ATTENTION_BIT(ATTENTION_NEXUS_LOST);
	forget(i);
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
		progress[origin.nexus].locked =
			(uint32_t)(row.offset_bytes / BLOCK);
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
		forget(i);
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
		.expected = (uint8_t)draw(2),
		.value = (uint8_t)draw(2),
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
	for (int i = 0; i < BLOCKS * BLOCK; i++)
		CHECK_EQ(volume[i / BLOCK][i % BLOCK], model.volume[i / BLOCK]);
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
