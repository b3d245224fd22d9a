/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/vcpu/vcpu_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/kvm.h>

#include "base/count.h"
#include "base/scope.h"
#include "monitor/engine/kvm/vcpu/vcpu_msrs.h"

#define CPUID_MAX 256
/* A clock that differs by less is the same one, measured twice; KVM's own bound
 * (tsc_tolerance_ppm). */
#define TSC_PPM 250

struct cpuid_room {
	struct kvm_cpuid2 table;
	struct kvm_cpuid_entry2 entries[CPUID_MAX];
};

/* All of a processor but what has no fixed size. */
struct vcpu_state {
	struct cpuid_room cpuid;
	uint32_t tsc_khz;
	struct kvm_mp_state mp;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debug;
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events events;
	uint8_t *xsave; /* owned; shape->xsave_bytes */
	struct vcpu_msrs msrs;
};

static void state_free(struct vcpu_state **state)
{
	if (*state) {
		free((*state)->xsave);
		vcpu_msrs_release(&(*state)->msrs);
	}
	free(*state);
}

static struct vcpu_state *state_new(const struct vcpu_shape *shape)
{
	struct vcpu_state *state = calloc(1, sizeof(*state));

	if (!state)
		return NULL;
	state->xsave = calloc(1, shape->xsave_bytes);
	if (!state->xsave || vcpu_msrs_init(&state->msrs) < 0)
		state_free(&state);
	return state;
}

static int ask(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

/* This host. ---------------------------------------------------------------- */

int vcpu_shape_read(struct vcpu_shape *shape, int kvm_fd, int vm_fd)
{
	int bytes = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);

	*shape = (struct vcpu_shape){ 0 };
	shape->xsave_bytes = (uint32_t)sizeof(struct kvm_xsave);
	if (bytes > (int)shape->xsave_bytes)
		shape->xsave_bytes = (uint32_t)bytes;
	shape->has_tsc_control =
		ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_CONTROL) > 0;
	return vcpu_msrs_list(shape, kvm_fd);
}

void vcpu_shape_release(struct vcpu_shape *shape)
{
	free(shape->msrs);
	shape->msrs = NULL;
	shape->msr_count = 0;
}

static int read_cpuid(int vcpu_fd, struct cpuid_room *cpuid)
{
	cpuid->table.nent = CPUID_MAX;
	return ask(vcpu_fd, KVM_GET_CPUID2, cpuid);
}

/* As KVM sees it, of which the first that hits is what a guest has. */
static bool is_leaf(const struct kvm_cpuid_entry2 *entry, uint32_t leaf,
		    uint32_t index)
{
	return entry->function == leaf &&
	       (entry->index == index ||
		!(entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX));
}

static const struct kvm_cpuid_entry2 *find_leaf(const struct cpuid_room *cpuid,
						uint32_t leaf, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->table.nent; i++)
		if (is_leaf(&cpuid->entries[i], leaf, index))
			return &cpuid->entries[i];
	return NULL;
}

int vcpu_describe(int vcpu_fd, const struct vcpu_shape *shape,
		  struct image_machine *ret_machine)
{
	struct cpuid_room cpuid;
	const struct kvm_cpuid_entry2 *vendor;
	const struct kvm_cpuid_entry2 *xsave;
	int khz = ioctl(vcpu_fd, KVM_GET_TSC_KHZ);
	int r = read_cpuid(vcpu_fd, &cpuid);

	if (khz < 0 || r < 0)
		return khz < 0 ? -errno : r;
	ret_machine->tsc_khz = (uint32_t)khz;
	ret_machine->xsave_bytes = shape->xsave_bytes;
	xsave = find_leaf(&cpuid, 0xd, 0);
	ret_machine->xcr0 = xsave ? xsave->eax | (uint64_t)xsave->edx << 32 : 0;
	vendor = find_leaf(&cpuid, 0, 0);
	if (vendor) {
		memcpy(ret_machine->vendor, &vendor->ebx, 4);
		memcpy(ret_machine->vendor + 4, &vendor->edx, 4);
		memcpy(ret_machine->vendor + 8, &vendor->ecx, 4);
	}
	return 0;
}

/* Saving. -------------------------------------------------------------------- */

static int read_vcpu(int vcpu_fd, const struct vcpu_shape *shape,
		     struct vcpu_state *state)
{
	const struct {
		unsigned long request;
		void *to;
	} parts[] = {
		/* First: it settles what INIT and SIPI have begun. */
		{ KVM_GET_MP_STATE, &state->mp },
		{ KVM_GET_REGS, &state->regs },
		{ KVM_GET_SREGS, &state->sregs },
		{ KVM_GET_XCRS, &state->xcrs },
		{ KVM_GET_DEBUGREGS, &state->debug },
		{ KVM_GET_LAPIC, &state->lapic },
		{ shape->xsave_bytes > sizeof(struct kvm_xsave) ? KVM_GET_XSAVE2
								: KVM_GET_XSAVE,
		  state->xsave },
	};
	int khz = ioctl(vcpu_fd, KVM_GET_TSC_KHZ);
	int r = khz < 0 ? -errno : read_cpuid(vcpu_fd, &state->cpuid);

	state->tsc_khz = (uint32_t)khz;
	for (size_t i = 0; i < ARRAY_COUNT(parts) && r == 0; i++)
		r = ask(vcpu_fd, parts[i].request, parts[i].to);
	if (r == 0)
		r = vcpu_msrs_read(&state->msrs, vcpu_fd, shape);
	/* Last: what the others made of it. */
	return r < 0 ? r : ask(vcpu_fd, KVM_GET_VCPU_EVENTS, &state->events);
}

static void write_state(const struct vcpu_state *state, uint32_t xsave_bytes,
			struct state_writer *writer)
{
	state_begin(writer, STATE_VCPU, 1);
	state_put_u32(writer, state->cpuid.table.nent);
	state_put(writer, state->cpuid.entries,
		  state->cpuid.table.nent * sizeof(*state->cpuid.entries));
	state_put_u32(writer, state->tsc_khz);
	state_put(writer, &state->mp, sizeof(state->mp));
	state_put(writer, &state->regs, sizeof(state->regs));
	state_put(writer, &state->sregs, sizeof(state->sregs));
	state_put(writer, &state->xcrs, sizeof(state->xcrs));
	state_put(writer, &state->debug, sizeof(state->debug));
	state_put(writer, &state->lapic, sizeof(state->lapic));
	state_put(writer, &state->events, sizeof(state->events));
	state_put_u32(writer, xsave_bytes);
	state_put(writer, state->xsave, xsave_bytes);
	state_put_u32(writer, state->msrs.count);
	state_put(writer, state->msrs.list,
		  state->msrs.count * sizeof(*state->msrs.list));
	state_end(writer);
}

int vcpu_state_save(int vcpu_fd, const struct vcpu_shape *shape,
		    struct state_writer *writer)
{
	SCOPED(state_free) struct vcpu_state *state = state_new(shape);
	int r;

	if (!state)
		return -ENOMEM;
	r = read_vcpu(vcpu_fd, shape, state);
	if (r < 0)
		return r;
	write_state(state, shape->xsave_bytes, writer);
	return state_writer_result(writer);
}

/* Restoring. ----------------------------------------------------------------- */

/* A count of things of this size that are really there. */
static uint32_t get_count(struct state_reader *reader, size_t bytes_each,
			  uint32_t most)
{
	uint32_t count = state_get_u32(reader);

	if (count <= most && state_left(reader) / bytes_each >= count)
		return count;
	state_refuse(reader);
	return 0;
}

static int read_state(struct vcpu_state *state, const struct vcpu_shape *shape,
		      struct state_reader *reader)
{
	struct cpuid_room *cpuid = &state->cpuid;
	uint32_t xsave_bytes;

	(void)state_enter(reader, STATE_VCPU, 1);
	cpuid->table.nent =
		get_count(reader, sizeof(*cpuid->entries), CPUID_MAX);
	state_get(reader, cpuid->entries,
		  cpuid->table.nent * sizeof(*cpuid->entries));
	state->tsc_khz = state_get_u32(reader);
	state_get(reader, &state->mp, sizeof(state->mp));
	state_get(reader, &state->regs, sizeof(state->regs));
	state_get(reader, &state->sregs, sizeof(state->sregs));
	state_get(reader, &state->xcrs, sizeof(state->xcrs));
	state_get(reader, &state->debug, sizeof(state->debug));
	state_get(reader, &state->lapic, sizeof(state->lapic));
	state_get(reader, &state->events, sizeof(state->events));
	xsave_bytes = get_count(reader, 1, shape->xsave_bytes);
	state_get(reader, state->xsave, xsave_bytes);
	state->msrs.count =
		get_count(reader, sizeof(*state->msrs.list), VCPU_MSRS_MAX);
	state_get(reader, state->msrs.list,
		  state->msrs.count * sizeof(*state->msrs.list));
	state_leave(reader);
	if (state->xcrs.nr_xcrs > KVM_MAX_XCRS)
		state_refuse(reader);
	return state_reader_result(reader);
}

/* Leaves that are bits of features, and the bits that show a register's value
 * instead (OSXSAVE, OSPKE, MONITOR). */
static const struct feature_leaf {
	uint32_t leaf;
	uint32_t index;
	struct kvm_cpuid_entry2 mask;
} feature_leaves[] = {
	{ 0x1, 0, { .ecx = ~(1u << 27 | 1u << 3), .edx = ~0u } },
	{ 0x7, 0, { .ebx = ~0u, .ecx = ~(1u << 4), .edx = ~0u } },
	{ 0x7, 1, { .eax = ~0u, .edx = ~0u } },
	{ 0x7, 2, { .edx = ~0u } },
	{ 0xd, 0, { .eax = ~0u, .edx = ~0u } },
	{ 0xd, 1, { .eax = ~0u } },
	{ 0x40000001, 0, { .eax = ~0u } },
	{ 0x80000001, 0, { .ecx = ~0u, .edx = ~0u } },
	{ 0x80000008, 0, { .ebx = ~0u } },
};

static uint32_t lacks(const struct kvm_cpuid_entry2 *saved,
		      const struct kvm_cpuid_entry2 *offered,
		      const struct kvm_cpuid_entry2 *mask)
{
	static const struct kvm_cpuid_entry2 nothing;

	if (!offered)
		offered = &nothing;
	return (saved->eax & ~offered->eax & mask->eax) |
	       (saved->ebx & ~offered->ebx & mask->ebx) |
	       (saved->ecx & ~offered->ecx & mask->ecx) |
	       (saved->edx & ~offered->edx & mask->edx);
}

static int check_cpuid(int vcpu_fd, const struct cpuid_room *saved,
		       struct refusal *refusal)
{
	struct cpuid_room offered;
	int r = read_cpuid(vcpu_fd, &offered);

	for (size_t i = 0; i < ARRAY_COUNT(feature_leaves) && r == 0; i++) {
		const struct feature_leaf *leaf = &feature_leaves[i];
		const struct kvm_cpuid_entry2 *entry =
			find_leaf(saved, leaf->leaf, leaf->index);
		uint32_t bits = 0;

		if (entry)
			bits = lacks(
				entry,
				find_leaf(&offered, leaf->leaf, leaf->index),
				&leaf->mask);
		if (bits)
			r = refuse(refusal, -ENOTSUP, "image",
				   "the guest uses processor features "
				   "that this host lacks (CPUID "
				   "%#x, bits %#x)",
				   leaf->leaf, bits);
	}
	return r;
}

static int restore_clock(int vcpu_fd, const struct vcpu_shape *shape,
			 uint32_t tsc_khz, struct refusal *refusal)
{
	int64_t here = ioctl(vcpu_fd, KVM_GET_TSC_KHZ);
	int64_t apart = here - (int64_t)tsc_khz;

	if (apart * 1000000 <= here * TSC_PPM &&
	    -apart * 1000000 <= here * TSC_PPM)
		return 0;
	if (shape->has_tsc_control &&
	    ioctl(vcpu_fd, KVM_SET_TSC_KHZ, (unsigned long)tsc_khz) == 0)
		return 0;
	return refuse(refusal, -ENOTSUP, "image",
		      "the guest's TSC runs at %u kHz, to which this host "
		      "cannot scale its own of %lld kHz",
		      tsc_khz, (long long)here);
}

static int write_vcpu(int vcpu_fd, struct vcpu_state *state,
		      struct refusal *refusal)
{
	/* The APIC's base is in sregs; its timer counts by a clock among the
	 * MSRs, of which its deadline is one. */
	const struct {
		unsigned long request;
		void *from;
		const char *name;
	} parts[] = {
		{ KVM_SET_CPUID2, &state->cpuid, "CPUID" },
		{ KVM_SET_SREGS, &state->sregs, "system registers" },
		{ KVM_SET_REGS, &state->regs, "registers" },
		{ KVM_SET_XCRS, &state->xcrs, "XCR0" },
		{ KVM_SET_XSAVE, state->xsave, "vector registers" },
		{ KVM_SET_DEBUGREGS, &state->debug, "debug registers" },
		{ KVM_SET_LAPIC, &state->lapic, "local APIC" },
	};
	int r;

	for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
		/* A processor without XSAVE has none. */
		if (parts[i].request == KVM_SET_XCRS &&
		    state->xcrs.nr_xcrs == 0)
			continue;
		if (ask(vcpu_fd, parts[i].request, parts[i].from) < 0)
			return refuse(refusal, -EBADMSG, "image",
				      "KVM does not accept the saved %s: %s",
				      parts[i].name, strerror(errno));
	}
	r = vcpu_msrs_write(&state->msrs, vcpu_fd, refusal);
	if (r == 0 && (ask(vcpu_fd, KVM_SET_MP_STATE, &state->mp) < 0 ||
		       ask(vcpu_fd, KVM_SET_VCPU_EVENTS, &state->events) < 0))
		r = refuse(refusal, -EBADMSG, "image",
			   "KVM does not accept the saved events: %s",
			   strerror(errno));
	return r;
}

int vcpu_state_restore(int vcpu_fd, const struct vcpu_shape *shape,
		       struct state_reader *reader, struct refusal *refusal)
{
	SCOPED(state_free) struct vcpu_state *state = state_new(shape);
	int r;

	if (!state)
		return -ENOMEM;
	if (read_state(state, shape, reader) < 0)
		return refuse(refusal, -EBADMSG, "image",
			      "the saved state of a processor is invalid");
	r = check_cpuid(vcpu_fd, &state->cpuid, refusal);
	if (r == 0)
		r = vcpu_msrs_check(&state->msrs, shape, refusal);
	if (r == 0)
		r = restore_clock(vcpu_fd, shape, state->tsc_khz, refusal);
	return r < 0 ? r : write_vcpu(vcpu_fd, state, refusal);
}
