/* SPDX-License-Identifier: MIT */
/*
 * Run the probe guest on /dev/kvm. A device node proves nothing: a nested KVM
 * in software may open, create machines and then fail at the first exception
 * of an unmodified kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "probe/guest.h"
#include "probe/probe_rows.h"

#define API_VERSION   12
#define SECONDS       2
#define CPUID_ENTRIES 256

#define MSR_EFER  0xc0000080
#define MSR_STAR  0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_FMASK 0xc0000084

/* SYSCALL enabled, long mode enabled and active. */
#define EFER_VALUE 0x501
/* Protection, coprocessor monitoring, native FPU errors, paging. */
#define CR0_VALUE 0x80000033
/* Physical address extension, FXSAVE and SSE. */
#define CR4_VALUE 0x620

struct machine {
	int kvm, vm, vcpu;
	uint8_t *memory;
	struct kvm_run *run;
};

static const char *exit_name(uint32_t reason)
{
	static const char *const names[] = {
		[KVM_EXIT_UNKNOWN] = "unknown",
		[KVM_EXIT_EXCEPTION] = "exception",
		[KVM_EXIT_IO] = "I/O",
		[KVM_EXIT_DEBUG] = "debug",
		[KVM_EXIT_HLT] = "HLT",
		[KVM_EXIT_MMIO] = "MMIO",
		[KVM_EXIT_SHUTDOWN] = "shutdown (triple fault)",
		[KVM_EXIT_FAIL_ENTRY] = "failed entry",
		[KVM_EXIT_INTERNAL_ERROR] = "internal error of KVM",
	};

	if (reason >= ARRAY_COUNT(names) || !names[reason])
		return "unexpected";
	return names[reason];
}

static int machine_open(struct machine *machine)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = GUEST_BYTES,
	};

	machine->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (machine->kvm < 0)
		return -errno;
	do {
		machine->vm = ioctl(machine->kvm, KVM_CREATE_VM, 0);
	} while (machine->vm < 0 && errno == EINTR);
	if (machine->vm < 0)
		return -errno;
	machine->memory = mmap(NULL, GUEST_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (machine->memory == MAP_FAILED)
		return -errno;
	region.userspace_addr = (uintptr_t)machine->memory;
	if (ioctl(machine->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return -errno;
	machine->vcpu = ioctl(machine->vm, KVM_CREATE_VCPU, 0);
	return machine->vcpu < 0 ? -errno : 0;
}

static int map_run(struct machine *machine)
{
	int bytes = ioctl(machine->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (bytes < (int)sizeof(*machine->run))
		return bytes < 0 ? -errno : -EINVAL;
	machine->run = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED, machine->vcpu, 0);
	return machine->run == MAP_FAILED ? -errno : 0;
}

/* The guest may use what the host's processor has. */
static int set_cpuid(const struct machine *machine)
{
	SCOPED(free_pointer)
	struct kvm_cpuid2 *cpuid = calloc(
		1, sizeof(*cpuid) + CPUID_ENTRIES * sizeof(cpuid->entries[0]));

	if (!cpuid)
		return -ENOMEM;
	cpuid->nent = CPUID_ENTRIES;
	if (ioctl(machine->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) < 0 ||
	    ioctl(machine->vcpu, KVM_SET_CPUID2, cpuid) < 0)
		return -errno;
	return 0;
}

static void set_segments(struct kvm_sregs *sregs, int is_user)
{
	struct kvm_segment code = {
		.limit = 0xffffffff,
		.selector = is_user ? GUEST_USER_CODE | 3 : GUEST_KERNEL_CODE,
		.type = 11,
		.present = 1,
		.dpl = is_user ? 3 : 0,
		.s = 1,
		.l = 1,
		.g = 1,
	};
	struct kvm_segment data = code;

	data.selector = is_user ? GUEST_USER_DATA | 3 : GUEST_KERNEL_DATA;
	data.type = 3;
	data.l = 0;
	data.db = 1;
	sregs->cs = code;
	sregs->ss = sregs->ds = sregs->es = sregs->fs = sregs->gs = data;
	sregs->tr = (struct kvm_segment){
		.base = GUEST_TSS,
		.limit = 0x67,
		.selector = GUEST_TASK,
		.type = 11,
		.present = 1,
	};
}

static int set_sregs(const struct machine *machine, int is_user)
{
	struct kvm_sregs sregs;

	if (ioctl(machine->vcpu, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	set_segments(&sregs, is_user);
	sregs.gdt.base = GUEST_GDT;
	sregs.gdt.limit = 0x3f;
	sregs.idt.base = GUEST_IDT;
	sregs.idt.limit = GUEST_VECTORS * 16 - 1;
	sregs.cr0 = CR0_VALUE;
	sregs.cr3 = GUEST_PML4;
	sregs.cr4 = CR4_VALUE;
	sregs.efer = EFER_VALUE;
	return ioctl(machine->vcpu, KVM_SET_SREGS, &sregs) < 0 ? -errno : 0;
}

static int set_msrs(const struct machine *machine)
{
	const struct kvm_msr_entry entries[] = {
		{ .index = MSR_STAR,
		  .data = (uint64_t)GUEST_KERNEL_CODE << 32 },
		{ .index = MSR_LSTAR, .data = GUEST_SUCCESS },
		{ .index = MSR_FMASK, .data = 0x200 },
	};
	SCOPED(free_pointer)
	struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + sizeof(entries));

	if (!msrs)
		return -ENOMEM;
	msrs->nmsrs = ARRAY_COUNT(entries);
	memcpy(msrs->entries, entries, sizeof(entries));
	return ioctl(machine->vcpu, KVM_SET_MSRS, msrs) ==
			       (int)ARRAY_COUNT(entries)
		       ? 0
		       : -EINVAL;
}

static int set_registers(const struct machine *machine)
{
	/* Bit 1 is always set. */
	struct kvm_regs regs = {
		.rip = GUEST_CODE,
		.rsp = GUEST_STACK,
		.rflags = 0x2,
	};

	return ioctl(machine->vcpu, KVM_SET_REGS, &regs) < 0 ? -errno : 0;
}

static int machine_prepare(struct machine *machine,
			   const struct guest_case *which)
{
	int r = map_run(machine);

	if (r == 0)
		r = set_cpuid(machine);
	if (r == 0)
		r = set_sregs(machine, which->start_in_user_mode);
	if (r == 0)
		r = set_msrs(machine);
	if (r == 0)
		r = set_registers(machine);
	guest_fill(machine->memory, which);
	return r;
}

static void judge_port(const struct kvm_run *run, struct probe_answer *answer)
{
	uint32_t value;

	memcpy(&value, (const uint8_t *)run + run->io.data_offset,
	       sizeof(value));
	if (value == GUEST_OK)
		return;
	answer->error = PROBE_FAILED;
	if (value == GUEST_WRONG)
		(void)snprintf(answer->text, sizeof(answer->text),
			       "ran with a wrong result");
	else
		(void)snprintf(answer->text, sizeof(answer->text),
			       "raised exception %u", value);
}

static void judge_exit(const struct kvm_run *run, struct probe_answer *answer)
{
	if (run->exit_reason == KVM_EXIT_IO && run->io.port == GUEST_PORT &&
	    run->io.size == 4) {
		judge_port(run, answer);
		return;
	}
	answer->error = PROBE_FAILED;
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		(void)snprintf(answer->text, sizeof(answer->text),
			       "exit %u (%s), suberror %u", run->exit_reason,
			       exit_name(run->exit_reason),
			       run->internal.suberror);
	else
		(void)snprintf(answer->text, sizeof(answer->text),
			       "exit %u (%s)", run->exit_reason,
			       exit_name(run->exit_reason));
}

/* Runs in a child; what it opened goes with it. */
static void run_case(const void *argument, struct probe_answer *answer)
{
	const struct guest_case *which = argument;
	struct machine machine = { .kvm = NO_FD, .vm = NO_FD, .vcpu = NO_FD };

	answer->error = machine_open(&machine);
	if (answer->error == 0)
		answer->error = machine_prepare(&machine, which);
	if (answer->error == 0 && ioctl(machine.vcpu, KVM_RUN, 0) < 0)
		answer->error = -errno;
	if (answer->error == 0)
		judge_exit(machine.run, answer);
}

static void describe(const struct probe_answer *answer, char *text, size_t room)
{
	if (answer->error == 0)
		(void)snprintf(text, room, "works");
	else if (answer->error == PROBE_FAILED)
		(void)snprintf(text, room, "%s", answer->text);
	else
		(void)snprintf(text, room, "%s", strerror(-answer->error));
}

static const char nested_advice[] =
	"this KVM cannot run unmodified guests, as is common for a nested or "
	"software KVM; QEMU's TCG is used";

/* The number of cases that failed. */
static size_t run_cases(struct probe_table *table, char *first, size_t room)
{
	size_t failures = 0;

	for (size_t i = 0; i < guest_case_count; i++) {
		const struct guest_case *which = &guest_cases[i];
		struct probe_answer answer;
		char text[PROBE_CHILD_TEXT];

		probe_in_child(run_case, which, SECONDS, &answer);
		describe(&answer, text, sizeof(text));
		probe_add(table, which->id, answer.error ? PROBE_NO : PROBE_YES,
			  answer.error ? nested_advice : NULL, "%s: %s",
			  which->name, text);
		if (answer.error && failures++ == 0)
			(void)snprintf(first, room, "%s: %s", which->name,
				       text);
	}
	return failures;
}

static void add_absent(struct probe_table *table, int error)
{
	const char *advice =
		error == EACCES || error == EPERM
			? "become a member of the group that owns /dev/kvm"
			: "enable virtualization in the firmware, or nesting "
			  "in "
			  "the host; QEMU's TCG is used";

	probe_add(table, "kvm", PROBE_NO, advice, "/dev/kvm: %s",
		  strerror(error));
}

void probe_kvm(struct probe_table *table)
{
	SCOPED(close_fd) int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	char first[PROBE_CHILD_TEXT + 40];
	size_t failures;
	int version;

	if (kvm < 0) {
		add_absent(table, errno);
		return;
	}
	version = ioctl(kvm, KVM_GET_API_VERSION, 0);
	if (version != API_VERSION) {
		probe_add(table, "kvm", PROBE_NO, NULL,
			  "/dev/kvm speaks version %d, not %d", version,
			  API_VERSION);
		return;
	}
	probe_capabilities(table, kvm);
	failures = run_cases(table, first, sizeof(first));
	if (failures)
		probe_add(table, "kvm", PROBE_NO, nested_advice,
			  "%zu of %zu probe guests fail, %.100s", failures,
			  guest_case_count, first);
	else
		probe_add(table, "kvm", PROBE_YES, NULL,
			  "all %zu probe guests pass", guest_case_count);
}
