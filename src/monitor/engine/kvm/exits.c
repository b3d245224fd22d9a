/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/exits.h"

#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "monitor/engine/kvm/machine.h"

static void fail(const struct vcpu *vcpu, const char *what, uint64_t number)
{
	char text[128];

	(void)snprintf(text, sizeof(text),
		       "virtual processor %u stopped: %s (0x%llx)", vcpu->index,
		       what, (unsigned long long)number);
	machine_fail(vcpu->machine, text);
}

static void access_ports(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	struct kvm_machine *machine = vcpu->machine;

	(void)pthread_mutex_lock(&machine->board);
	for (uint32_t i = 0; i < run->io.count; i++) {
		if (run->io.direction == KVM_EXIT_IO_OUT)
			bus_write(&machine->ports, run->io.port, data,
				  run->io.size);
		else
			bus_read(&machine->ports, run->io.port, data,
				 run->io.size);
		data += run->io.size;
	}
	(void)pthread_mutex_unlock(&machine->board);
}

static void access_memory(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct kvm_machine *machine = vcpu->machine;

	(void)pthread_mutex_lock(&machine->board);
	if (run->mmio.is_write)
		bus_write(&machine->mmio, run->mmio.phys_addr, run->mmio.data,
			  run->mmio.len);
	else
		bus_read(&machine->mmio, run->mmio.phys_addr, run->mmio.data,
			 run->mmio.len);
	(void)pthread_mutex_unlock(&machine->board);
}

static void write_bytes(char *to, size_t room, const uint8_t *bytes,
			uint32_t count)
{
	size_t used = 0;

	to[0] = '\0';
	for (uint32_t i = 0; i < count && used + 4 < room; i++)
		used += (size_t)snprintf(to + used, room - used, " %02x",
					 bytes[i]);
}

/* An instruction that KVM cannot carry out. */
static void fail_emulation(const struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	uint32_t count = 0;
	char bytes[64];
	char text[128];

	if (run->emulation_failure.ndata >= 1 &&
	    (run->emulation_failure.flags &
	     KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
		count = run->emulation_failure.insn_size;
	if (count > sizeof(run->emulation_failure.insn_bytes))
		count = sizeof(run->emulation_failure.insn_bytes);
	write_bytes(bytes, sizeof(bytes), run->emulation_failure.insn_bytes,
		    count);
	(void)snprintf(text, sizeof(text),
		       "virtual processor %u stopped: KVM cannot carry out the "
		       "instruction%s",
		       vcpu->index, bytes);
	machine_fail(vcpu->machine, text);
}

static void handle_error(struct vcpu *vcpu)
{
	uint32_t suberror = vcpu->run->internal.suberror;

	if (suberror == KVM_INTERNAL_ERROR_EMULATION)
		fail_emulation(vcpu);
	else
		fail(vcpu, "an internal error of KVM", suberror);
}

static void handle_system(struct vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		machine_note(vcpu->machine, NOTE_OFF);
		break;
	case KVM_SYSTEM_EVENT_RESET:
		machine_note(vcpu->machine, NOTE_RESET);
		break;
	case KVM_SYSTEM_EVENT_CRASH:
		machine_note(vcpu->machine, NOTE_PANIC);
		break;
	default:
		break;
	}
}

void exit_handle(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		access_ports(vcpu);
		break;
	case KVM_EXIT_MMIO:
		access_memory(vcpu);
		break;
	case KVM_EXIT_SHUTDOWN:
		machine_note(vcpu->machine, NOTE_TRIPLE_FAULT);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		handle_system(vcpu);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		handle_error(vcpu);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		fail(vcpu, "the processor refuses its state",
		     run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_HLT:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_INTR:
	case KVM_EXIT_SET_TPR:
		break;
	default:
		fail(vcpu, "an exit that nobody asked for", run->exit_reason);
		break;
	}
}

void exit_failed(struct vcpu *vcpu, int error)
{
	fail(vcpu, strerror(error), (uint64_t)error);
}
