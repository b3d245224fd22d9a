/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/vcpu/exits.h"

#include <linux/kvm.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "monitor/engine/kvm/machine.h"

/* At most a thousand locks of the bus a second and processor. */
#define BUS_LOCK_MS 1

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

/* An instruction that KVM leaves to us. -------------------------------------- */

static uint8_t *memory_at(void *context, uint64_t gpa, size_t bytes)
{
	const struct kvm_machine *machine = context;

	return kvm_memory_at(&machine->memory, gpa, bytes);
}

static void read_board(void *context, uint64_t gpa, void *to, size_t bytes)
{
	struct kvm_machine *machine = context;

	(void)pthread_mutex_lock(&machine->board);
	bus_read(&machine->mmio, gpa, to, (uint32_t)bytes);
	(void)pthread_mutex_unlock(&machine->board);
}

static void write_board(void *context, uint64_t gpa, const void *from,
			size_t bytes)
{
	struct kvm_machine *machine = context;

	(void)pthread_mutex_lock(&machine->board);
	bus_write(&machine->mmio, gpa, from, (uint32_t)bytes);
	(void)pthread_mutex_unlock(&machine->board);
}

static void emulate_for(struct vcpu *vcpu)
{
	struct kvm_machine *machine = vcpu->machine;
	const struct emulation_ops ops = {
		.memory = memory_at,
		.read = read_board,
		.write = write_board,
		.context = machine,
	};
	char why[EMULATION_TEXT_SIZE];
	char text[sizeof(machine->failure)];

	if (emulation_handle(&machine->emulations, vcpu->fd, vcpu->run, &ops,
			     why) == 0)
		return;
	(void)snprintf(text, sizeof(text), "virtual processor %u stopped: %s",
		       vcpu->index, why);
	machine_fail(machine, text);
}

static void handle_error(struct vcpu *vcpu)
{
	uint32_t suberror = vcpu->run->internal.suberror;

	if (suberror == KVM_INTERNAL_ERROR_EMULATION)
		emulate_for(vcpu);
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

/* A lock that spans two lines of a cache stops every processor of the host for
 * thousands of cycles. A guest that lives on them lives slowly. */
static void slow_down(void)
{
	(void)poll(NULL, 0, BUS_LOCK_MS);
}

/* It kept its processor to itself for too long and was interrupted. */
static void handle_notify(struct vcpu *vcpu)
{
	if (vcpu->run->notify.flags & KVM_NOTIFY_CONTEXT_INVALID)
		fail(vcpu, "the processor lost its state", 0);
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
	case KVM_EXIT_X86_BUS_LOCK:
		slow_down();
		break;
	case KVM_EXIT_NOTIFY:
		handle_notify(vcpu);
		break;
	case KVM_EXIT_HLT:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_INTR:
	case KVM_EXIT_SET_TPR:
		break;
	default:
		fail(vcpu, "an unexpected exit", run->exit_reason);
		break;
	}
}

void exit_failed(struct vcpu *vcpu, int error)
{
	fail(vcpu, strerror(error), (uint64_t)error);
}
