/* SPDX-License-Identifier: MIT */
/*
 * Death at every step of every command of a script, once and twice in a row.
 * The command is then begun again, by a service that knows nothing but ledger
 * and image. Whenever it died, each command has the outcome, the data and the
 * place that it has without deaths, and the tape that another reader sees is
 * whole at all times.
 */
#include <string.h>

#include "base/count.h"
#include "lib/harness.h"
#include "media_rig.h"
#include "tape_reader.h"

#define FIXED 1

static const struct command {
	uint8_t cdb[6];
	const char *data;
	uint32_t expects;
} script[] = {
	{ { 0x0a, 0, 0, 0, 5 }, "first", 5 },
	{ { 0x0a, 0, 0, 0, 6 }, "second", 6 },
	{ { 0x10, 0, 0, 0, 1 }, NULL, 0 },
	{ { 0x15, 0x10, 0, 0, 12 }, "\0\0\x10\x08\0\0\0\0\0\0\0\4", 12 },
	{ { 0x0a, FIXED, 0, 0, 3 }, "onestwosmore", 12 },
	{ { 0x10, 0, 0, 0, 2 }, NULL, 0 },
	{ { 0x11, 1, 0xff, 0xff, 0xfd }, NULL, 0 }, /* three filemarks back */
	{ { 0x11, 0, 0xff, 0xff, 0xff }, NULL, 0 }, /* a block back */
	{ { 0x08, 0, 0, 0, 6 }, NULL, 6 },
	{ { 0x08, 0, 0, 0, 9 }, NULL, 9 }, /* a filemark */
	{ { 0x08, FIXED, 0, 0, 2 }, NULL, 8 },
	{ { 0x01 }, NULL, 0 },
	{ { 0x08, 0, 0, 0, 3 }, NULL, 3 },  /* a longer block */
	{ { 0x0a, 0, 0, 0, 3 }, "new", 3 }, /* over the second */
	{ { 0x08, 0, 0, 0, 3 }, NULL, 3 },  /* the end */
	{ { 0x19, 1, 0, 0, 0 }, NULL, 0 },
	{ { 0x1b, 0, 0, 0, 0 }, NULL, 0 },
	{ { 0x1b, 0, 0, 0, 1 }, NULL, 0 },
};

#define COMMANDS ARRAY_COUNT(script)

static struct after {
	int status;
	uint32_t steps;
	struct scsi_outcome outcome;
	uint8_t data[16];
	struct scsi_tape tape;
	char words[128];
} expected[COMMANDS];

static struct media_rig rig;

static void read_words(char *ret_words, size_t room)
{
	tape_read_all(rig.memory.image, RIG_MEDIUM_BYTES, ret_words, room);
	CHECK(!strstr(ret_words, "broken"));
}

static int do_command(const struct command *command, bool is_again)
{
	memset(rig.data, '.', sizeof(expected->data));
	if (command->data)
		memcpy(rig.data, command->data, command->expects);
	rig.data_bytes = command->expects;
	return is_again ? media_rig_run_again(&rig, command->cdb, 6)
			: media_rig_run(&rig, command->cdb, 6);
}

static void look(struct after *ret_after, int status)
{
	*ret_after = (struct after){ .status = status,
				     .steps = rig.memory.step_count,
				     .outcome = rig.outcome,
				     .tape = rig.memory.ledger.state.tape };
	memcpy(ret_after->data, rig.data, sizeof(ret_after->data));
	read_words(ret_after->words, sizeof(ret_after->words));
}

static void expect(size_t index, int status)
{
	const struct after *want = &expected[index];
	struct after got;

	look(&got, status);
	CHECK_EQ(got.status, want->status);
	CHECK_EQ(memcmp(&got.outcome, &want->outcome, sizeof(got.outcome)), 0);
	CHECK_EQ(memcmp(got.data, want->data, sizeof(got.data)), 0);
	CHECK_EQ(memcmp(&got.tape, &want->tape, sizeof(got.tape)), 0);
	CHECK_EQ(strcmp(got.words, want->words), 0);
}

static void run_without_deaths(void)
{
	media_rig_open(&rig, SCSI_TAPE);
	for (size_t i = 0; i < COMMANDS; i++)
		look(&expected[i], do_command(&script[i], false));
	media_rig_close(&rig);
}

/* Die after `step` steps of this command, and revive. */
static bool dies(size_t index, uint32_t step, bool is_again)
{
	char words[128];
	int status;

	rig.memory.die_at = step;
	status = do_command(&script[index], is_again);
	rig.memory.die_at = 0;
	read_words(words, sizeof(words));
	if (status == RIG_DIED)
		media_rig_revive(&rig);
	else
		expect(index, status);
	return status == RIG_DIED;
}

static void run_with_deaths(size_t index, uint32_t first, uint32_t second)
{
	media_rig_open(&rig, SCSI_TAPE);
	for (size_t i = 0; i < COMMANDS; i++) {
		if (i != index)
			expect(i, do_command(&script[i], false));
		else if (dies(i, first, false) && dies(i, second, true))
			expect(i, do_command(&script[i], true));
	}
	media_rig_close(&rig);
}

TEST(death_at_any_step_of_a_tape_command_loses_and_repeats_nothing)
{
	run_without_deaths();

	for (size_t i = 0; i < COMMANDS; i++)
		for (uint32_t step = 1; step <= expected[i].steps + 1; step++)
			run_with_deaths(i, step, 0);
}

TEST(a_second_death_does_no_harm_to_a_tape)
{
	run_without_deaths();

	for (size_t i = 0; i < COMMANDS; i++)
		for (uint32_t step = 1; step <= expected[i].steps + 1; step++)
			for (uint32_t again = 1; again <= expected[i].steps + 1;
			     again++)
				run_with_deaths(i, step, again);
}
