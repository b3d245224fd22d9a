/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/vcpu/emulation.h"

#include <asm/processor-flags.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/count.h"
#include "base/scope.h"
#include "base/text.h"
#include "emulate/walk.h"

#define VECTOR_DEBUG 1
#define VECTOR_PAGE  14
#define FLAG_TRAP    (1ull << 8)
#define EFER_LMA     (1ull << 10)
#define DR6_STEP     (1ull << 14)

/* One processor while its instruction is emulated. */
struct attempt {
	const struct emulations *emulations;
	const struct emulation_ops *ops;
	int fd;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct walk walk;
	struct emulate_cpu cpu;
	uint8_t *area; /* of emulations->xstate_bytes */
};

static int call(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

/* What the guest has. --------------------------------------------------------- */

static const struct {
	uint32_t leaf;
	enum { REGISTER_EBX, REGISTER_ECX, REGISTER_EDX } where;
	uint32_t bit;
	uint32_t feature;
} cpuid_bits_of[] = {
	{ 1, REGISTER_EDX, 25, EMULATE_SSE },
	{ 1, REGISTER_EDX, 26, EMULATE_SSE2 },
	{ 1, REGISTER_ECX, 0, EMULATE_SSE3 },
	{ 1, REGISTER_ECX, 19, EMULATE_SSE4_1 },
	{ 1, REGISTER_ECX, 22, EMULATE_MOVBE },
	{ 1, REGISTER_ECX, 28, EMULATE_AVX },
	{ 7, REGISTER_EBX, 5, EMULATE_AVX2 },
	{ 7, REGISTER_EBX, 16, EMULATE_AVX512F },
	{ 7, REGISTER_EBX, 30, EMULATE_AVX512BW },
	{ 7, REGISTER_EBX, 31, EMULATE_AVX512VL },
};

#define LEAF_ADDRESSES 0x80000008

static uint32_t features_of(const struct kvm_cpuid_entry2 *entry)
{
	const uint32_t registers[] = { entry->ebx, entry->ecx, entry->edx };
	uint32_t features = 0;

	if (entry->index != 0)
		return 0;
	for (size_t i = 0; i < ARRAY_COUNT(cpuid_bits_of); i++)
		if (cpuid_bits_of[i].leaf == entry->function &&
		    (registers[cpuid_bits_of[i].where] >> cpuid_bits_of[i].bit &
		     1))
			features |= cpuid_bits_of[i].feature;
	return features;
}

void emulations_init(struct emulations *emulations, int vm_fd,
		     const struct kvm_cpuid2 *cpuid)
{
	int bytes = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);

	emulations->features = 0;
	emulations->physical_bits = 0;
	xstate_layout_find(&emulations->layout);
	emulations->has_xstate2 = bytes > 0;
	emulations->xstate_bytes = max_u64(sizeof(struct kvm_xsave),
					   bytes > 0 ? (uint64_t)bytes : 0);
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		emulations->features |= features_of(entry);
		if (entry->function == LEAF_ADDRESSES)
			emulations->physical_bits = (uint8_t)entry->eax;
	}
}

/* Memory. ------------------------------------------------------------------------ */

static bool walk_read(void *context, uint64_t gpa, void *to, size_t bytes)
{
	const struct attempt *attempt = context;
	const uint8_t *at =
		attempt->ops->memory(attempt->ops->context, gpa, bytes);

	if (!at)
		return false;
	memcpy(to, at, bytes);
	return true;
}

static bool walk_exchange(void *context, uint64_t gpa, uint64_t old,
			  uint64_t new, size_t bytes)
{
	const struct attempt *attempt = context;
	void *at = attempt->ops->memory(attempt->ops->context, gpa, bytes);
	uint32_t old_32 = (uint32_t)old;

	if (!at)
		return false;
	/* Other processors, and the hardware, walk the same tables. */
	if (bytes == sizeof(old_32))
		return __atomic_compare_exchange_n(
			(uint32_t *)at, &old_32, (uint32_t) new, false,
			__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return __atomic_compare_exchange_n((uint64_t *)at, &old, new, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static int translate(void *context, uint64_t linear, enum emulate_access access,
		     uint64_t *ret_gpa, uint32_t *ret_error_code)
{
	const struct attempt *attempt = context;

	return walk_translate(&attempt->walk, linear, access, ret_gpa,
			      ret_error_code);
}

static void read_physical(void *context, uint64_t gpa, void *to, size_t bytes)
{
	const struct emulation_ops *ops =
		((const struct attempt *)context)->ops;
	const uint8_t *at = ops->memory(ops->context, gpa, bytes);

	if (at)
		memcpy(to, at, bytes);
	else
		ops->read(ops->context, gpa, to, bytes);
}

static void write_physical(void *context, uint64_t gpa, const void *from,
			   size_t bytes)
{
	const struct emulation_ops *ops =
		((const struct attempt *)context)->ops;
	uint8_t *at = ops->memory(ops->context, gpa, bytes);

	if (at)
		memcpy(at, from, bytes);
	else
		ops->write(ops->context, gpa, from, bytes);
}

/* Registers. --------------------------------------------------------------------- */

static void get_general(struct attempt *attempt)
{
	const struct kvm_regs *regs = &attempt->regs;
	const uint64_t general[EMULATE_GENERAL] = {
		regs->rax, regs->rcx, regs->rdx, regs->rbx,
		regs->rsp, regs->rbp, regs->rsi, regs->rdi,
		regs->r8,  regs->r9,  regs->r10, regs->r11,
		regs->r12, regs->r13, regs->r14, regs->r15,
	};

	memcpy(attempt->cpu.general, general, sizeof(general));
	attempt->cpu.rip = regs->rip;
	attempt->cpu.rflags = regs->rflags;
}

static int put_general(struct attempt *attempt)
{
	const uint64_t *general = attempt->cpu.general;
	struct kvm_regs regs = {
		.rax = general[0],
		.rcx = general[1],
		.rdx = general[2],
		.rbx = general[3],
		.rsp = general[4],
		.rbp = general[5],
		.rsi = general[6],
		.rdi = general[7],
		.r8 = general[8],
		.r9 = general[9],
		.r10 = general[10],
		.r11 = general[11],
		.r12 = general[12],
		.r13 = general[13],
		.r14 = general[14],
		.r15 = general[15],
		.rip = attempt->cpu.rip,
		.rflags = attempt->cpu.rflags,
	};

	return call(attempt->fd, KVM_SET_REGS, &regs);
}

static struct emulate_segment segment_of(const struct kvm_segment *segment)
{
	return (struct emulate_segment){
		.base = segment->base,
		.limit = segment->limit,
		.type = segment->type,
		.is_usable = segment->present && !segment->unusable,
		.is_big = segment->db,
	};
}

static enum emulate_mode mode_of(const struct kvm_sregs *sregs)
{
	if ((sregs->efer & EFER_LMA) && sregs->cs.l)
		return EMULATE_64;
	return sregs->cs.db ? EMULATE_32 : EMULATE_16;
}

static uint8_t level_of(const struct attempt *attempt)
{
	if (!(attempt->sregs.cr0 & X86_CR0_PE))
		return 0;
	if (attempt->regs.rflags & X86_EFLAGS_VM)
		return 3;
	return attempt->sregs.ss.dpl & 3;
}

static void get_system(struct attempt *attempt)
{
	const struct kvm_sregs *sregs = &attempt->sregs;
	struct emulate_cpu *cpu = &attempt->cpu;

	cpu->cr0 = sregs->cr0;
	cpu->cr4 = sregs->cr4;
	cpu->mode = mode_of(sregs);
	cpu->cpl = level_of(attempt);
	cpu->features = attempt->emulations->features;
	cpu->segments[EMULATE_ES] = segment_of(&sregs->es);
	cpu->segments[EMULATE_CS] = segment_of(&sregs->cs);
	cpu->segments[EMULATE_SS] = segment_of(&sregs->ss);
	cpu->segments[EMULATE_DS] = segment_of(&sregs->ds);
	cpu->segments[EMULATE_FS] = segment_of(&sregs->fs);
	cpu->segments[EMULATE_GS] = segment_of(&sregs->gs);
}

static int get_vectors(struct attempt *attempt)
{
	const struct emulations *all = attempt->emulations;
	struct kvm_xcrs xcrs = { 0 };
	int r = call(attempt->fd,
		     all->has_xstate2 ? KVM_GET_XSAVE2 : KVM_GET_XSAVE,
		     attempt->area);

	if (r)
		return r;
	/* No XSAVE: nothing beyond SSE is there to be switched on. */
	if (call(attempt->fd, KVM_GET_XCRS, &xcrs) == 0 && xcrs.nr_xcrs > 0 &&
	    xcrs.xcrs[0].xcr == 0)
		attempt->cpu.xcr0 = xcrs.xcrs[0].value;
	xstate_get(&all->layout, attempt->area, all->xstate_bytes,
		   &attempt->cpu);
	return 0;
}

static void set_walk(struct attempt *attempt)
{
	const struct emulations *all = attempt->emulations;

	attempt->walk = (struct walk){
		.cr0 = attempt->sregs.cr0,
		.cr3 = attempt->sregs.cr3,
		.cr4 = attempt->sregs.cr4,
		.efer = attempt->sregs.efer,
		.rflags = attempt->regs.rflags,
		.pkru = xstate_pkru(&all->layout, attempt->area,
				    all->xstate_bytes),
		.cpl = attempt->cpu.cpl,
		.physical_bits = all->physical_bits,
		.read = walk_read,
		.exchange = walk_exchange,
		.context = attempt,
	};
}

static int get_state(struct attempt *attempt)
{
	int r = call(attempt->fd, KVM_GET_REGS, &attempt->regs);

	if (r == 0)
		r = call(attempt->fd, KVM_GET_SREGS, &attempt->sregs);
	if (r == 0)
		r = get_vectors(attempt);
	if (r)
		return r;
	get_general(attempt);
	get_system(attempt);
	set_walk(attempt);
	return 0;
}

/* Outcomes. ---------------------------------------------------------------------- */

static int inject(struct attempt *attempt, uint8_t vector, bool has_error_code,
		  uint32_t error_code)
{
	struct kvm_vcpu_events events;
	int r = call(attempt->fd, KVM_GET_VCPU_EVENTS, &events);

	if (r)
		return r;
	events.exception.injected = 1;
	events.exception.nr = vector;
	events.exception.has_error_code = has_error_code;
	events.exception.error_code = error_code;
	return call(attempt->fd, KVM_SET_VCPU_EVENTS, &events);
}

static int inject_fault(struct attempt *attempt,
			const struct emulate_result *result)
{
	int r = 0;

	if (result->vector == VECTOR_PAGE) {
		attempt->sregs.cr2 = result->address;
		r = call(attempt->fd, KVM_SET_SREGS, &attempt->sregs);
	}
	if (r)
		return r;
	return inject(attempt, result->vector, result->has_error_code,
		      result->error_code);
}

/* What follows every instruction: the shadow of the one before it ends, and one
 * that is stepped through traps. */
static int finish(struct attempt *attempt)
{
	struct kvm_vcpu_events events;
	struct kvm_debugregs debug;
	int r = call(attempt->fd, KVM_GET_VCPU_EVENTS, &events);

	if (r == 0 && events.interrupt.shadow) {
		events.flags = KVM_VCPUEVENT_VALID_SHADOW;
		events.interrupt.shadow = 0;
		r = call(attempt->fd, KVM_SET_VCPU_EVENTS, &events);
	}
	if (r || !(attempt->regs.rflags & FLAG_TRAP))
		return r;
	r = call(attempt->fd, KVM_GET_DEBUGREGS, &debug);
	if (r)
		return r;
	debug.dr6 |= DR6_STEP;
	r = call(attempt->fd, KVM_SET_DEBUGREGS, &debug);
	return r ? r : inject(attempt, VECTOR_DEBUG, false, 0);
}

static int put_state(struct attempt *attempt)
{
	const struct emulations *all = attempt->emulations;
	int r = put_general(attempt);

	if (r == 0 && attempt->cpu.has_new_vectors) {
		xstate_put(&all->layout, attempt->area, all->xstate_bytes,
			   &attempt->cpu);
		r = call(attempt->fd, KVM_SET_XSAVE, attempt->area);
	}
	return r ? r : finish(attempt);
}

static size_t bytes_of(const struct kvm_run *run,
		       uint8_t bytes[static EMULATE_BYTES_MAX])
{
	size_t count = 0;

	/* ndata counts what follows it, flags first. */
	if (run->emulation_failure.ndata >= 3 &&
	    (run->emulation_failure.flags &
	     KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
		count = min_u64(run->emulation_failure.insn_size,
				EMULATE_BYTES_MAX);
	memcpy(bytes, run->emulation_failure.insn_bytes, count);
	return count;
}

static void describe(const struct emulate_result *result, const uint8_t *bytes,
		     size_t count, char *text, size_t room)
{
	int used =
		snprintf(text, room, "neither KVM nor we can emulate %s; bytes",
			 result->name);

	for (size_t i = 0; i < count && (size_t)used + 4 < room; i++)
		used += snprintf(text + used, room - (size_t)used, " %02x",
				 bytes[i]);
}

static int emulate_once(struct attempt *attempt, const struct kvm_run *run,
			struct emulations *emulations, char *text)
{
	const struct emulate_memory memory = {
		.translate = translate,
		.read = read_physical,
		.write = write_physical,
		.context = attempt,
	};
	uint8_t bytes[EMULATE_BYTES_MAX];
	size_t count = bytes_of(run, bytes);
	struct emulate_result result =
		emulate(&attempt->cpu, &memory, bytes, count);

	if (result.outcome == EMULATE_FAULT)
		return inject_fault(attempt, &result);
	if (result.outcome == EMULATE_UNKNOWN) {
		describe(&result, bytes, count, text, EMULATION_TEXT_SIZE);
		return -EOPNOTSUPP;
	}
	(void)__atomic_fetch_add(&emulations->counts[result.rule], 1,
				 __ATOMIC_RELAXED);
	return put_state(attempt);
}

int emulation_handle(struct emulations *emulations, int vcpu_fd,
		     const struct kvm_run *run, const struct emulation_ops *ops,
		     char text[static EMULATION_TEXT_SIZE])
{
	SCOPED(free_pointer)
	uint8_t *area = calloc(1, emulations->xstate_bytes);
	SCOPED(free_pointer)
	struct attempt *attempt = calloc(1, sizeof(*attempt));
	int r = area && attempt ? 0 : -ENOMEM;

	text[0] = '\0';
	if (r == 0) {
		attempt->emulations = emulations;
		attempt->ops = ops;
		attempt->fd = vcpu_fd;
		attempt->area = area;
		r = get_state(attempt);
	}
	if (r == 0)
		r = emulate_once(attempt, run, emulations, text);
	if (r && !text[0])
		(void)snprintf(text, EMULATION_TEXT_SIZE,
			       "an instruction cannot be emulated: %s",
			       strerror(-r));
	return r;
}

void emulations_report(const struct emulations *emulations,
		       void (*row)(void *context, const struct emulation *row),
		       void *context)
{
	for (uint32_t i = 0; i < emulate_rule_count; i++) {
		struct emulation counted = {
			.count = __atomic_load_n(&emulations->counts[i],
						 __ATOMIC_RELAXED),
		};

		(void)text_copy(counted.mnemonic, sizeof(counted.mnemonic),
				emulate_name(i));
		if (counted.count)
			row(context, &counted);
	}
}
