/* SPDX-License-Identifier: MIT */
#include "monitor/engine/resets.h"

#include "lib/harness.h"

#define BEGAN_NS 1000

static struct resets begun(void)
{
	struct resets resets = { 0 };

	resets_begin(&resets, BEGAN_NS);
	return resets;
}

/* So many resets in a row, each as late as it may be; the last verdict. */
static enum resets_verdict note_early(struct resets *resets, unsigned count)
{
	enum resets_verdict verdict = RESETS_TELL;

	for (unsigned i = 0; i < count; i++)
		verdict =
			resets_note(resets, resets->began_ns + RESETS_EARLY_NS);
	return verdict;
}

TEST(a_guest_that_resets_itself_as_soon_as_it_begins_is_given_up)
{
	struct resets resets = begun();

	for (unsigned i = 1; i < RESETS_MAX; i++)
		CHECK_EQ(note_early(&resets, 1), RESETS_GO_ON);

	CHECK_EQ(note_early(&resets, 1), RESETS_GIVE_UP);
}

TEST(a_guest_that_has_come_up_may_reset_itself_for_ever)
{
	struct resets resets = begun();

	for (unsigned i = 0; i < 3 * RESETS_MAX; i++)
		CHECK_EQ(resets_note(&resets,
				     resets.began_ns + RESETS_EARLY_NS + 1),
			 RESETS_TELL);
}

TEST(a_guest_that_comes_up_once_begins_a_new_row)
{
	struct resets resets = begun();

	CHECK_EQ(note_early(&resets, RESETS_MAX - 1), RESETS_GO_ON);
	CHECK_EQ(resets_note(&resets, resets.began_ns + RESETS_EARLY_NS + 1),
		 RESETS_TELL);

	CHECK_EQ(note_early(&resets, RESETS_MAX - 1), RESETS_GO_ON);
	CHECK_EQ(note_early(&resets, 1), RESETS_GIVE_UP);
}

TEST(a_reset_that_somebody_asked_for_begins_a_new_row)
{
	struct resets resets = begun();

	CHECK_EQ(note_early(&resets, RESETS_MAX - 1), RESETS_GO_ON);
	resets_begin(&resets, resets.began_ns + 1);

	CHECK_EQ(note_early(&resets, RESETS_MAX - 1), RESETS_GO_ON);
}

TEST(a_guest_whose_beginning_nobody_saw_is_not_early)
{
	struct resets resets = { 0 };

	CHECK_EQ(resets_note(&resets, RESETS_EARLY_NS), RESETS_TELL);
	CHECK_EQ(note_early(&resets, 1), RESETS_GO_ON);
}
