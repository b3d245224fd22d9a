/* SPDX-License-Identifier: MIT */
#include "channel/spin.h"

#include <unistd.h>

#include "base/clock.h"
#include "lib/harness.h"

#define CAP_NS (2 * NS_PER_MS)

static struct spin spin;

/* One wait that ends after that long; true when it was spun all the way. */
static bool wait_once(uint64_t wait_ns)
{
	uint64_t until_ns = clock_now_ns() + wait_ns;

	while (spin_again(&spin))
		if (clock_now_ns() >= until_ns) {
			spin_found(&spin);
			return true;
		}
	while (clock_now_ns() < until_ns)
		(void)usleep((useconds_t)((until_ns - clock_now_ns()) / 1000));
	spin_found(&spin);
	return false;
}

TEST(short_waits_come_to_be_spun)
{
	int spun = 0;

	spin_init(&spin, CAP_NS);

	for (int i = 0; i < 1000 && spun < 12; i++)
		spun += wait_once(CAP_NS / 8);

	CHECK_EQ(spun, 12);
}

TEST(long_waits_are_never_spun)
{
	spin_init(&spin, CAP_NS);

	for (int i = 0; i < 10; i++) {
		CHECK(!spin_again(&spin));
		CHECK(!wait_once(CAP_NS * 6));
	}
}

TEST(spinning_in_vain_is_given_up_for_longer_and_longer)
{
	uint32_t before;

	spin_init(&spin, CAP_NS);
	before = spin.arm_after;

	/* On a busy machine a wait may take longer, and be no short one. */
	for (int i = 0; i < 1000 && spin.arm_after <= before; i++)
		(void)wait_once(CAP_NS + CAP_NS / 2);

	CHECK(spin.arm_after > before);
}

TEST(a_row_of_caught_waits_makes_good_for_vain_ones)
{
	spin_init(&spin, CAP_NS);
	spin.arm_after = spin.short_waits = 4096;

	for (int i = 0; i < 100; i++) {
		CHECK(spin_again(&spin));
		spin_found(&spin);
	}

	CHECK_EQ(spin.arm_after, 4);
}

TEST(a_wait_that_may_not_spin_does_not)
{
	spin_init(&spin, CAP_NS);
	for (int i = 0; i < 10; i++)
		(void)wait_once(0);

	CHECK(!spin_skip(&spin));
	CHECK(!spin_again(&spin));
	spin_found(&spin);
	CHECK(spin_again(&spin));
}
