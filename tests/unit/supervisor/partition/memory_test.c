/* SPDX-License-Identifier: MIT */
#include "supervisor/partition/memory.h"

#include <errno.h>
#include <string.h>

#include "lib/harness.h"

#define MIB (1ull << 20)

static const struct memory_host host = {
	.total_bytes = 1000 * MIB,
	.free_bytes = 900 * MIB,
	.huge_bytes = 400 * MIB,
	.huge_free_bytes = 300 * MIB,
};

static int check(struct memory_demand demand, struct refusal *refusal)
{
	demand.wanted_bytes *= MIB;
	demand.booked_bytes *= MIB;
	demand.reserve_bytes *= MIB;
	return memory_check(&host, &demand, refusal);
}

#define CHECK_DEMAND(...) \
	check((struct memory_demand){ __VA_ARGS__ }, &(struct refusal){ 0 })

TEST(memory_that_is_promised_is_not_promised_again)
{
	CHECK_EQ(CHECK_DEMAND(.wanted_bytes = 500, .booked_bytes = 500), 0);
	CHECK_EQ(CHECK_DEMAND(.wanted_bytes = 501, .booked_bytes = 500),
		 -ERANGE);
	CHECK_EQ(CHECK_DEMAND(.wanted_bytes = 1, .booked_bytes = 2000),
		 -ERANGE);
}

TEST(the_host_keeps_its_reserve)
{
	CHECK_EQ(CHECK_DEMAND(.wanted_bytes = 700, .reserve_bytes = 300), 0);
	CHECK_EQ(CHECK_DEMAND(.wanted_bytes = 701, .reserve_bytes = 300),
		 -ERANGE);
	CHECK_EQ(CHECK_DEMAND(.wanted_bytes = 1, .reserve_bytes = 5000),
		 -ERANGE);
}

TEST(memory_that_others_use_now_is_refused_as_well)
{
	CHECK_EQ(CHECK_DEMAND(.wanted_bytes = 900), 0);
	CHECK_EQ(CHECK_DEMAND(.wanted_bytes = 901), -ERANGE);
}

TEST(huge_pages_are_booked_against_their_own_pool)
{
	CHECK_EQ(CHECK_DEMAND(.has_huge_pages = true, .wanted_bytes = 300,
			      .reserve_bytes = 1000),
		 0);
	CHECK_EQ(CHECK_DEMAND(.has_huge_pages = true, .wanted_bytes = 302),
		 -ERANGE);
	CHECK_EQ(CHECK_DEMAND(.has_huge_pages = true, .wanted_bytes = 100,
			      .booked_bytes = 300),
		 0);
	CHECK_EQ(CHECK_DEMAND(.has_huge_pages = true, .wanted_bytes = 102,
			      .booked_bytes = 300),
		 -ERANGE);
}

TEST(a_refusal_has_the_numbers)
{
	struct refusal refusal = { 0 };

	CHECK_EQ(check((struct memory_demand){ .wanted_bytes = 600,
					       .booked_bytes = 500,
					       .reserve_bytes = 64 },
		       &refusal),
		 -ERANGE);

	CHECK_EQ(strcmp(refusal.field, "memory.size"), 0);
	CHECK_EQ(strcmp(refusal.text,
			"600 MiB are needed; of the host's 1000 MiB 500 are "
			"reserved for other partitions and 64 held back "
			"(memory_reserve_mib)"),
		 0);
}

TEST(a_host_that_does_not_say_what_it_has_refuses_nothing)
{
	const struct memory_host silent = { 0 };
	const struct memory_demand demand = { .wanted_bytes = 1ull << 40 };
	struct refusal refusal;

	CHECK_EQ(memory_check(&silent, &demand, &refusal), 0);
}

TEST(this_host_says_what_it_has)
{
	struct memory_host here = memory_of_host();

	CHECK(here.total_bytes > 64 * MIB);
	CHECK(here.free_bytes <= here.total_bytes + here.huge_bytes);
}
