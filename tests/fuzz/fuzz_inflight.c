/* SPDX-License-Identifier: MIT */
/*
 * The input is an in-flight region and a used index: whatever a front end
 * hands back, recovery refuses it or gives heads that a ring can start from,
 * and a second recovery agrees with the first.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fake_driver.h"
#include "virtio/inflight.h"

#define SIZE 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void insist(int condition)
{
	if (!condition)
		abort();
}

/* Answer what was found, and see it gone. */
static void answer_all(struct inflight *inflight, struct ring *ring,
		       const struct inflight_region *region,
		       const uint16_t *heads, uint16_t count)
{
	uint16_t left[SIZE], left_count;

	for (uint16_t i = 0; i < count; i++)
		inflight_push(inflight, ring, heads[i], 1);
	insist(inflight_recover(inflight, region, 0, ring, left, &left_count) ==
	       0);
	insist(left_count == 0);
}

static void recover(struct ring *ring, const struct inflight_region *region)
{
	uint16_t heads[SIZE], again[SIZE], count, again_count;
	struct inflight inflight;

	if (inflight_recover(&inflight, region, 0, ring, heads, &count) < 0)
		return;
	insist(count <= SIZE);
	insist(inflight_recover(&inflight, region, 0, ring, again,
				&again_count) == 0);
	insist(count == again_count);
	insist(memcmp(heads, again, count * sizeof(heads[0])) == 0);
	insist(ring_start(ring, 0, heads, count) == 0);
	answer_all(&inflight, ring, region, heads, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static _Alignas(64) uint8_t memory_of_region[256];
	static struct fake_driver driver;
	static struct guestmem memory;
	const struct inflight_region region = { .first = memory_of_region,
						.queue_count = 1,
						.queue_size = SIZE };
	struct ring ring;

	if (bytes < 3)
		return 0;
	if (!driver.host) {
		fake_driver_open(&driver, SIZE);
		fake_driver_map(&driver, &memory);
	}
	bytes = bytes - 3 < sizeof(memory_of_region) ? bytes - 3
						     : sizeof(memory_of_region);
	memset(memory_of_region, 0, sizeof(memory_of_region));
	memcpy(memory_of_region, data + 3, bytes);
	fake_driver_reset(&driver);
	memcpy(&driver.used->idx, data + 1, sizeof(driver.used->idx));
	ring_init(&ring);
	insist(ring_map(&ring, &memory, data[0] % 2 ? SIZE : SIZE / 2,
			&driver.addresses) == 0);
	recover(&ring, &region);
	return 0;
}
