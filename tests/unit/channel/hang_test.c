/* SPDX-License-Identifier: MIT */
#include "channel/hang.h"

#include "lib/harness.h"

#define BOUND_NS 1000u
#define BEGIN_NS 100000u

static struct hang_watch watch;

static bool look(uint64_t beats, uint64_t owing_ns, uint64_t after_ns)
{
	return hang_is_suspected(&watch, beats, owing_ns, BOUND_NS,
				 BEGIN_NS + after_ns);
}

TEST(a_peer_that_beats_is_never_suspected)
{
	hang_begin(&watch, 0, BEGIN_NS);
	for (uint64_t i = 1; i < 20; i++)
		CHECK(!look(i, 0, i * 499));
}

TEST(a_silent_peer_is_suspected_at_half_the_bound_and_every_half_again)
{
	hang_begin(&watch, 7, BEGIN_NS);
	CHECK(!look(7, 0, 499));
	CHECK(look(7, 0, 500));
	CHECK(!look(7, 0, 999));
	CHECK(look(7, 0, 1000));
	CHECK(!look(8, 0, 1001));
	CHECK(!look(8, 0, 1500));
	CHECK(look(8, 0, 1501));
}

TEST(silence_counts_from_when_something_was_owed)
{
	hang_begin(&watch, 7, BEGIN_NS);
	CHECK(!look(7, BEGIN_NS + 10000, 10499));
	CHECK(look(7, BEGIN_NS + 10000, 10500));
}
