/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/vcpu/cpuid.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

_Static_assert(offsetof(struct cpuid_table, entries) ==
		       sizeof(struct kvm_cpuid2),
	       "the kernel finds the entries behind the table's head");

#define LEAF_VENDOR       0x00000000u
#define LEAF_FEATURES     0x00000001u
#define LEAF_CACHES       0x00000004u
#define LEAF_COUNTERS     0x0000000au
#define LEAF_TOPOLOGY     0x0000000bu
#define LEAF_TOPOLOGY_V2  0x0000001fu
#define LEAF_AMD_FEATURES 0x80000001u
#define LEAF_AMD_COUNT    0x80000008u
#define LEAF_AMD_SVM      0x8000000au
#define LEAF_AMD_COUNTERS 0x80000022u
#define LEAF_AMD_CACHES   0x8000001du
#define LEAF_AMD_TOPOLOGY 0x8000001eu

/* Leaf 1. */
#define ECX_VMX        (1u << 5)
#define ECX_PDCM       (1u << 15) /* how counters are */
#define ECX_DEADLINE   (1u << 24)
#define ECX_HYPERVISOR (1u << 31)
#define EDX_HTT        (1u << 28)
/* Leaf 8000_0001. */
#define ECX_CMP_LEGACY (1u << 1)
#define ECX_SVM        (1u << 2)
#define ECX_COUNTERS   (1u << 23 | 1u << 24 | 1u << 28)

#define LEVEL_THREAD 1u
#define LEVEL_CORE   2u

uint32_t cpuid_bits(uint32_t count)
{
	uint32_t bits = 0;

	while (1ull << bits < count)
		bits++;
	return bits;
}

static struct kvm_cpuid_entry2 *find(struct cpuid_table *cpuid, uint32_t leaf)
{
	for (uint32_t i = 0; i < cpuid->table.nent; i++)
		if (cpuid->entries[i].function == leaf)
			return &cpuid->entries[i];
	return NULL;
}

static void drop(struct cpuid_table *cpuid, uint32_t leaf)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < cpuid->table.nent; i++)
		if (cpuid->entries[i].function != leaf)
			cpuid->entries[kept++] = cpuid->entries[i];
	cpuid->table.nent = kept;
}

/* A copy of bits [high:low], with `value` in them. */
static uint32_t put(uint32_t word, unsigned int low, unsigned int high,
		    uint32_t value)
{
	uint32_t mask = (uint32_t)((1ull << (high - low + 1)) - 1);

	return (word & ~(mask << low)) | ((value & mask) << low);
}

static void shape_features(struct cpuid_table *cpuid, uint32_t count,
			   bool has_deadline_timer)
{
	struct kvm_cpuid_entry2 *entry = find(cpuid, LEAF_FEATURES);

	if (!entry)
		return;
	entry->ecx &= ~(ECX_VMX | ECX_DEADLINE | ECX_PDCM);
	entry->ecx |= ECX_HYPERVISOR;
	if (has_deadline_timer)
		entry->ecx |= ECX_DEADLINE;
	entry->edx &= ~EDX_HTT;
	if (count > 1)
		entry->edx |= EDX_HTT;
	entry->ebx = put(entry->ebx, 16, 23, 1u << cpuid_bits(count));
}

/* The first two levels of caches are a core's own, the others everyone's. */
static void shape_caches(struct cpuid_table *cpuid, uint32_t leaf,
			 uint32_t count)
{
	uint32_t all = (1u << cpuid_bits(count)) - 1;

	for (uint32_t i = 0; i < cpuid->table.nent; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];
		uint32_t level = entry->eax >> 5 & 7;

		if (entry->function != leaf || (entry->eax & 31) == 0)
			continue;
		entry->eax = put(entry->eax, 14, 25, level > 2 ? all : 0);
		if (leaf == LEAF_CACHES)
			entry->eax = put(entry->eax, 26, 31, all);
	}
}

static int add_level(struct cpuid_table *cpuid, uint32_t leaf, uint32_t index,
		     uint32_t count)
{
	/* By index: threads of a core, cores of the package, the end. */
	const uint32_t bits[] = { 0, cpuid_bits(count), 0 };
	const uint32_t counts[] = { 1, count, 0 };
	const uint32_t levels[] = { LEVEL_THREAD, LEVEL_CORE, 0 };

	if (cpuid->table.nent == CPUID_SIZE)
		return -E2BIG;
	cpuid->entries[cpuid->table.nent++] = (struct kvm_cpuid_entry2){
		.function = leaf,
		.index = index,
		.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = bits[index],
		.ebx = counts[index],
		.ecx = index | levels[index] << 8,
	};
	return 0;
}

/* The leaves that list levels, if this kind of processor has them. */
static int shape_levels(struct cpuid_table *cpuid, uint32_t leaf,
			uint32_t count)
{
	const struct kvm_cpuid_entry2 *vendor = find(cpuid, LEAF_VENDOR);
	int r = 0;

	drop(cpuid, leaf);
	if (!vendor || vendor->eax < leaf)
		return 0;
	for (uint32_t i = 0; i < 3 && r == 0; i++)
		r = add_level(cpuid, leaf, i, count);
	return r;
}

static void shape_amd(struct cpuid_table *cpuid, uint32_t count)
{
	struct kvm_cpuid_entry2 *features = find(cpuid, LEAF_AMD_FEATURES);
	struct kvm_cpuid_entry2 *counts = find(cpuid, LEAF_AMD_COUNT);
	struct kvm_cpuid_entry2 *topology = find(cpuid, LEAF_AMD_TOPOLOGY);

	if (features) {
		features->ecx &= ~(ECX_SVM | ECX_CMP_LEGACY | ECX_COUNTERS);
		if (count > 1 && topology)
			features->ecx |= ECX_CMP_LEGACY;
	}
	if (counts && topology) {
		counts->ecx = put(counts->ecx, 0, 7, count - 1);
		counts->ecx = put(counts->ecx, 12, 15, cpuid_bits(count));
	}
	/* One thread per core, one node. */
	if (topology)
		topology->ebx = topology->ecx = topology->edx = 0;
	drop(cpuid, LEAF_AMD_SVM);
	drop(cpuid, LEAF_AMD_COUNTERS);
}

int cpuid_shape(struct cpuid_table *cpuid, uint32_t count,
		bool has_deadline_timer)
{
	int r;

	shape_features(cpuid, count, has_deadline_timer);
	shape_caches(cpuid, LEAF_CACHES, count);
	shape_caches(cpuid, LEAF_AMD_CACHES, count);
	shape_amd(cpuid, count);
	drop(cpuid, LEAF_COUNTERS);
	r = shape_levels(cpuid, LEAF_TOPOLOGY, count);
	return r < 0 ? r : shape_levels(cpuid, LEAF_TOPOLOGY_V2, count);
}

void cpuid_number(struct cpuid_table *cpuid, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->table.nent; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		switch (entry->function) {
		case LEAF_FEATURES:
			entry->ebx = put(entry->ebx, 24, 31, index);
			break;
		case LEAF_TOPOLOGY:
		case LEAF_TOPOLOGY_V2:
			entry->edx = index;
			break;
		case LEAF_AMD_TOPOLOGY:
			entry->eax = index;
			entry->ebx = put(entry->ebx, 0, 7, index);
			break;
		default:
			break;
		}
	}
}

int cpuid_read(struct cpuid_table *cpuid, int kvm_fd, uint32_t count)
{
	bool has_deadline_timer = ioctl(kvm_fd, KVM_CHECK_EXTENSION,
					KVM_CAP_TSC_DEADLINE_TIMER) > 0;

	memset(&cpuid->table, 0, sizeof(cpuid->table));
	cpuid->table.nent = CPUID_SIZE;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, &cpuid->table) < 0)
		return -errno;
	return cpuid_shape(cpuid, count, has_deadline_timer);
}
