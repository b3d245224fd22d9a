/* SPDX-License-Identifier: MIT */
#include "emulate/xstate.h"

#include <stdlib.h>
#include <string.h>

#include "lib/harness.h"

#define AREA_BYTES 2696

/* As on a processor with AVX-512. */
static const struct xstate_layout layout = {
	.avx = 576,
	.masks = 1088,
	.high_256 = 1152,
	.high_16 = 1664,
};

static struct emulate_cpu cpu, again;
static uint8_t area[AREA_BYTES];

static void scramble(void)
{
	uint8_t *at = &cpu.vectors[0][0];

	for (size_t i = 0; i < sizeof(cpu.vectors); i++)
		at[i] = (uint8_t)rand();
	cpu.xcr0 = 0xe7;
}

TEST(vectors_survive_being_put_and_got)
{
	scramble();
	xstate_put(&layout, area, sizeof(area), &cpu);
	xstate_get(&layout, area, sizeof(area), &again);
	CHECK_EQ(memcmp(cpu.vectors, again.vectors, sizeof(cpu.vectors)), 0);
}

TEST(components_in_their_initial_state_are_zero)
{
	memset(area, 0xff, sizeof(area));
	memset(area + 512, 0, 8);
	scramble();
	xstate_get(&layout, area, sizeof(area), &cpu);
	for (size_t i = 0; i < sizeof(cpu.vectors); i++)
		CHECK_EQ((&cpu.vectors[0][0])[i], 0);
	CHECK_EQ(cpu.masks[3], 0);
}

TEST(components_that_the_guest_has_not_switched_on_are_left_alone)
{
	scramble();
	cpu.xcr0 = 3;
	xstate_put(&layout, area, sizeof(area), &cpu);
	CHECK_EQ(area[512], 2);
	for (size_t i = 576; i < sizeof(area); i++)
		CHECK_EQ(area[i], 0);
	CHECK_EQ(memcmp(area + 160, cpu.vectors[0], 16), 0);
}

TEST(the_rest_of_the_area_is_kept)
{
	memset(area, 0xee, sizeof(area));
	scramble();
	xstate_put(&layout, area, sizeof(area), &cpu);
	for (size_t i = 0; i < 160; i++)
		CHECK_EQ(area[i], 0xee);
	for (size_t i = 1088; i < 1152; i++)
		CHECK_EQ(area[i], 0xee);
}

TEST(an_area_of_any_size_is_never_left)
{
	scramble();
	for (size_t bytes = 0; bytes < AREA_BYTES; bytes += 8) {
		uint8_t *exact = calloc(1, bytes + 1);

		CHECK(exact);
		if (bytes > 520)
			memset(exact + 512, 0xff, 8);
		exact[bytes] = 0x5a;
		xstate_put(&layout, exact, bytes, &cpu);
		xstate_get(&layout, exact, bytes, &again);
		CHECK_EQ(exact[bytes], 0x5a);
		free(exact);
	}
}
