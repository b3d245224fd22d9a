/* SPDX-License-Identifier: MIT */
#include "emulate/xstate.h"

#include <cpuid.h>
#include <string.h>

#define LEAF_XSTATE 0xd

/* Numbers of components: bits of XSTATE_BV, subleaves of CPUID. */
#define COMPONENT_SSE      1
#define COMPONENT_AVX      2
#define COMPONENT_MASKS    5
#define COMPONENT_HIGH_256 6
#define COMPONENT_HIGH_16  7
#define COMPONENT_KEYS     9

/* The legacy area and the header that says which components are there. */
#define SSE_OFFSET    160u
#define HEADER_OFFSET 512u
#define LEGACY_BYTES  576u

/* One stripe: the same part of so many vectors. */
struct stripe {
	unsigned int component;
	uint32_t offset;
	unsigned int first, count; /* vectors */
	size_t at, bytes;          /* of each */
};

#define STRIPES 4

static uint32_t offset_of(unsigned int component)
{
	unsigned int eax, ebx, ecx, edx;

	if (!__get_cpuid_count(LEAF_XSTATE, component, &eax, &ebx, &ecx, &edx))
		return 0;
	return eax ? ebx : 0;
}

void xstate_layout_find(struct xstate_layout *ret_layout)
{
	*ret_layout = (struct xstate_layout){
		.avx = offset_of(COMPONENT_AVX),
		.masks = offset_of(COMPONENT_MASKS),
		.high_256 = offset_of(COMPONENT_HIGH_256),
		.high_16 = offset_of(COMPONENT_HIGH_16),
		.keys = offset_of(COMPONENT_KEYS),
	};
}

static void list_stripes(const struct xstate_layout *layout,
			 struct stripe stripes[static STRIPES])
{
	stripes[0] = (struct stripe){ COMPONENT_SSE, SSE_OFFSET, 0, 16, 0, 16 };
	stripes[1] =
		(struct stripe){ COMPONENT_AVX, layout->avx, 0, 16, 16, 16 };
	stripes[2] = (struct stripe){
		COMPONENT_HIGH_256, layout->high_256, 0, 16, 32, 32
	};
	stripes[3] = (struct stripe){
		COMPONENT_HIGH_16, layout->high_16, 16, 16, 0, 64
	};
}

static bool is_there(uint32_t offset, size_t count, size_t bytes)
{
	return offset && offset <= bytes && count <= bytes - offset;
}

static uint64_t components_of(const uint8_t *area)
{
	uint64_t components;

	memcpy(&components, area + HEADER_OFFSET, sizeof(components));
	return components;
}

/* A component whose bit is not set is in its initial state: zeros. */
static void get_stripe(const struct stripe *stripe, const uint8_t *area,
		       struct emulate_cpu *cpu)
{
	const uint8_t *from = area + stripe->offset;

	if (!(components_of(area) >> stripe->component & 1))
		return;
	for (unsigned int i = 0; i < stripe->count; i++)
		memcpy(cpu->vectors[stripe->first + i] + stripe->at,
		       from + i * stripe->bytes, stripe->bytes);
}

static void put_stripe(const struct stripe *stripe, uint8_t *area,
		       const struct emulate_cpu *cpu)
{
	uint8_t *to = area + stripe->offset;
	uint64_t components = components_of(area) | 1ull << stripe->component;

	for (unsigned int i = 0; i < stripe->count; i++)
		memcpy(to + i * stripe->bytes,
		       cpu->vectors[stripe->first + i] + stripe->at,
		       stripe->bytes);
	memcpy(area + HEADER_OFFSET, &components, sizeof(components));
}

static size_t stripe_bytes(const struct stripe *stripe)
{
	return stripe->count * stripe->bytes;
}

void xstate_get(const struct xstate_layout *layout, const uint8_t *area,
		size_t bytes, struct emulate_cpu *cpu)
{
	struct stripe stripes[STRIPES];

	memset(cpu->vectors, 0, sizeof(cpu->vectors));
	memset(cpu->masks, 0, sizeof(cpu->masks));
	if (bytes < LEGACY_BYTES)
		return;
	list_stripes(layout, stripes);
	for (size_t i = 0; i < STRIPES; i++)
		if (is_there(stripes[i].offset, stripe_bytes(&stripes[i]),
			     bytes))
			get_stripe(&stripes[i], area, cpu);
	if (is_there(layout->masks, sizeof(cpu->masks), bytes) &&
	    (components_of(area) >> COMPONENT_MASKS & 1))
		memcpy(cpu->masks, area + layout->masks, sizeof(cpu->masks));
}

uint32_t xstate_pkru(const struct xstate_layout *layout, const uint8_t *area,
		     size_t bytes)
{
	uint32_t keys = 0;

	if (bytes >= LEGACY_BYTES &&
	    is_there(layout->keys, sizeof(keys), bytes) &&
	    (components_of(area) >> COMPONENT_KEYS & 1))
		memcpy(&keys, area + layout->keys, sizeof(keys));
	return keys;
}

/* Only what the guest switched on: the kernel refuses other bits. */
static bool is_enabled(const struct stripe *stripe,
		       const struct emulate_cpu *cpu)
{
	return stripe->component == COMPONENT_SSE ||
	       (cpu->xcr0 >> stripe->component & 1);
}

void xstate_put(const struct xstate_layout *layout, uint8_t *area, size_t bytes,
		const struct emulate_cpu *cpu)
{
	struct stripe stripes[STRIPES];

	if (bytes < LEGACY_BYTES)
		return;
	list_stripes(layout, stripes);
	for (size_t i = 0; i < STRIPES; i++)
		if (is_enabled(&stripes[i], cpu) &&
		    is_there(stripes[i].offset, stripe_bytes(&stripes[i]),
			     bytes))
			put_stripe(&stripes[i], area, cpu);
}
