/* SPDX-License-Identifier: MIT */
/*
 * The state in which processors begin. What is not set here is as KVM makes it,
 * which is what a processor has after power-on.
 */
#include <asm/processor-flags.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/count.h"
#include "base/scope.h"
#include "monitor/engine/kvm/machine.h"
#include "monitor/engine/kvm/vcpu/cpuid.h"

#define MSR_MISC_ENABLE     0x1a0
#define MSR_MTRR_DEFAULT    0x2ff
#define MISC_ENABLE_STRINGS 1u
#define MTRR_ON_WRITE_BACK  (1u << 11 | 6u)

static int call(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

static struct kvm_segment segment(const struct boot_segment *wanted)
{
	return (struct kvm_segment){
		.base = wanted->base,
		.limit = wanted->limit,
		.selector = wanted->selector,
		.type = wanted->type,
		.present = 1,
		.db = wanted->db,
		.s = wanted->s,
		.l = wanted->l,
		.g = wanted->g,
	};
}

static void fill_segments(struct kvm_sregs *sregs,
			  const struct boot_entry *entry)
{
	const struct kvm_segment data = segment(&entry->data);

	sregs->cs = segment(&entry->cs);
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->tr = segment(&entry->tr);
	sregs->ldt = (struct kvm_segment){ .unusable = 1 };
	sregs->gdt.base = entry->gdt_base;
	sregs->gdt.limit = entry->gdt_limit;
	sregs->idt = (struct kvm_dtable){ 0 };
}

static int set_registers(const struct vcpu *vcpu,
			 const struct boot_entry *entry)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = {
		.rip = entry->rip,
		.rsp = entry->rsp,
		.rbx = entry->rbx,
		.rsi = entry->rsi,
		.rflags = X86_EFLAGS_FIXED,
	};
	int r = call(vcpu->fd, KVM_GET_SREGS, &sregs);

	if (r < 0)
		return r;
	fill_segments(&sregs, entry);
	sregs.cr0 = entry->cr0;
	sregs.cr3 = entry->cr3;
	sregs.cr4 = entry->cr4;
	sregs.efer = entry->efer;
	r = call(vcpu->fd, KVM_SET_SREGS, &sregs);
	return r < 0 ? r : call(vcpu->fd, KVM_SET_REGS, &regs);
}

/* As firmware leaves them: memory is write-back unless somebody says other. */
static void set_memory_types(const struct vcpu *vcpu)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[2];
	} msrs = {
		.head.nmsrs = 2,
		.entries = { { .index = MSR_MTRR_DEFAULT,
			       .data = MTRR_ON_WRITE_BACK },
			     { .index = MSR_MISC_ENABLE,
			       .data = MISC_ENABLE_STRINGS } },
	};

	(void)call(vcpu->fd, KVM_SET_MSRS, &msrs);
}

static int start_one(const struct vcpu *vcpu, struct cpuid_table *cpuid)
{
	int r;

	cpuid_number(cpuid, vcpu->index);
	r = call(vcpu->fd, KVM_SET_CPUID2, &cpuid->table);
	if (r == 0)
		set_memory_types(vcpu);
	return r;
}

int machine_start_identity(struct kvm_machine *machine)
{
	struct vcpus *vcpus = &machine->vcpus;
	SCOPED(free_pointer) struct cpuid_table *cpuid = malloc(sizeof(*cpuid));
	int r;

	if (!cpuid)
		return -ENOMEM;
	r = cpuid_read(cpuid, machine->kvm_fd, vcpus->count);
	if (r == 0)
		emulations_init(&machine->emulations, machine->vm.fd,
				&cpuid->table);
	for (uint32_t i = 0; i < vcpus->count && r == 0; i++)
		r = start_one(&vcpus->list[i], cpuid);
	return r;
}

int machine_start_at(struct kvm_machine *machine,
		     const struct boot_entry *entry)
{
	return set_registers(&machine->vcpus.list[0], entry);
}
