/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as an instruction, with any registers: emulate() must end, touch
 * memory in aligned pieces only, and change nothing unless it is done.
 *
 * Input: a struct start as far as it goes (zeros after that), then the bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/count.h"
#include "emulate/emulate.h"
#include "emulate/walk.h"
#include "emulate/xstate.h"

/* More than 64 one-byte elements, and 15 bytes of code. */
#define ACCESS_MAX 160

struct start {
	uint8_t count; /* of the instruction's bytes that are given */
	uint8_t bytes[EMULATE_BYTES_MAX];
	uint8_t mode; /* 0: 16, 1: 32, 2: 64 bits */
	uint8_t cpl;
	uint8_t features[2];
	uint8_t absent; /* pages whose low bits are these are not there */
	uint8_t absent_mask;
	uint8_t physical_bits;
	uint8_t access; /* of the walk */
	uint64_t general[EMULATE_GENERAL];
	uint64_t rip, rflags, cr0, cr4, xcr0;
	uint64_t bases[EMULATE_SEGMENTS];
	uint32_t limits[EMULATE_SEGMENTS];
	uint8_t types[EMULATE_SEGMENTS];
	uint8_t flags[2];
	uint64_t mask;
};

static struct start start;
static size_t accesses, writes;

static int translate(void *context, uint64_t linear, enum emulate_access access,
		     uint64_t *ret_gpa, uint32_t *ret_error_code)
{
	*ret_error_code = (uint32_t)access;
	if ((linear >> 12 & start.absent_mask) ==
		    (start.absent & start.absent_mask) &&
	    start.absent_mask)
		return -EFAULT;
	*ret_gpa = linear ^ 0x123000;
	return 0;
}

static void note(uint64_t gpa, size_t bytes)
{
	if (bytes == 0 || bytes > 8 || (bytes & (bytes - 1)) || gpa % bytes ||
	    ++accesses > ACCESS_MAX)
		abort();
}

static void read_memory(void *context, uint64_t gpa, void *to, size_t bytes)
{
	note(gpa, bytes);
	memset(to, (int)(gpa * 31 + bytes), bytes);
}

static void write_memory(void *context, uint64_t gpa, const void *from,
			 size_t bytes)
{
	uint8_t copy[8];

	note(gpa, bytes);
	writes++;
	memcpy(copy, from, bytes);
	/* So that a compiler does not leave the copy out. */
	__asm__ volatile("" : : "m"(copy));
}

static const struct emulate_memory memory = {
	.translate = translate,
	.read = read_memory,
	.write = write_memory,
};

static void set_segments(struct emulate_cpu *cpu)
{
	for (size_t i = 0; i < EMULATE_SEGMENTS; i++)
		cpu->segments[i] = (struct emulate_segment){
			.base = start.bases[i],
			.limit = start.limits[i],
			.type = start.types[i] & 15,
			.is_usable = start.flags[0] >> i & 1,
			.is_big = start.flags[1] >> i & 1,
		};
}

static void set_cpu(struct emulate_cpu *cpu)
{
	static const enum emulate_mode modes[] = { EMULATE_16, EMULATE_32,
						   EMULATE_64 };

	memset(cpu, 0, sizeof(*cpu));
	memcpy(cpu->general, start.general, sizeof(cpu->general));
	cpu->mode = modes[start.mode % ARRAY_COUNT(modes)];
	cpu->cpl = start.cpl & 3;
	cpu->features = start.features[0] | (uint32_t)start.features[1] << 8;
	cpu->rip = start.rip;
	cpu->rflags = start.rflags;
	cpu->cr0 = start.cr0;
	cpu->cr4 = start.cr4;
	cpu->xcr0 = start.xcr0;
	set_segments(cpu);
	for (size_t i = 0; i < EMULATE_MASKS; i++)
		cpu->masks[i] = start.mask * (i + 1);
}

static void check(const struct emulate_cpu *cpu,
		  const struct emulate_cpu *before,
		  const struct emulate_result *result)
{
	if (result->outcome == EMULATE_DONE &&
	    result->rule >= emulate_rule_count)
		abort();
	if (result->outcome != EMULATE_DONE &&
	    (writes || memcmp(cpu, before, sizeof(*cpu)) != 0))
		abort();
	if (result->outcome == EMULATE_FAULT && result->vector > 31)
		abort();
	if (!memchr(result->name, '\0', sizeof(result->name)))
		abort();
}

static void check_area(const struct emulate_cpu *cpu, const uint8_t *data,
		       size_t bytes)
{
	static const struct xstate_layout layout = { 576, 1088, 1152, 1664,
						     2680 };
	static struct emulate_cpu other;
	uint8_t *area = malloc(bytes + 1);

	if (!area)
		abort();
	memcpy(area, data, bytes);
	xstate_get(&layout, area, bytes, &other);
	(void)xstate_pkru(&layout, area, bytes);
	xstate_put(&layout, area, bytes, cpu);
	free(area);
}

/* The input again, as the memory that page tables are in. */
struct tables {
	const uint8_t *bytes;
	size_t count;
	size_t reads;
};

static bool read_table(void *context, uint64_t gpa, void *to, size_t bytes)
{
	struct tables *tables = context;

	if (gpa % bytes || ++tables->reads > 5 * 8)
		abort();
	if (gpa >= tables->count || bytes > tables->count - gpa)
		return false;
	memcpy(to, tables->bytes + gpa, bytes);
	return true;
}

static bool exchange(void *context, uint64_t gpa, uint64_t old, uint64_t new,
		     size_t bytes)
{
	/* Sometimes another processor was faster. */
	return (old ^ gpa) & 8;
}

static void check_walk(const uint8_t *data, size_t bytes)
{
	struct tables tables = { .bytes = data, .count = bytes };
	const struct walk walk = {
		.cr0 = start.cr0,
		.cr3 = start.general[0] & ~0xfffull,
		.cr4 = start.cr4,
		.efer = start.general[1],
		.rflags = start.rflags,
		.pkru = (uint32_t)start.general[2],
		.cpl = start.cpl & 3,
		.physical_bits = start.physical_bits,
		.read = read_table,
		.exchange = exchange,
		.context = &tables,
	};
	uint64_t gpa = 0;
	uint32_t code = 0;

	if (walk_translate(&walk, start.rip,
			   (enum emulate_access)(start.access % 3), &gpa,
			   &code) == 0 &&
	    (walk.cr0 >> 31 & 1) && gpa >> 52)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct emulate_cpu cpu, before;
	struct emulate_result result;

	memset(&start, 0, sizeof(start));
	memcpy(&start, data, min_u64(bytes, sizeof(start)));
	accesses = writes = 0;
	set_cpu(&cpu);
	before = cpu;
	result = emulate(&cpu, &memory, start.bytes,
			 start.count % (EMULATE_BYTES_MAX + 1));
	check(&cpu, &before, &result);
	check_area(&cpu, data, bytes);
	check_walk(data, bytes);
	return 0;
}
