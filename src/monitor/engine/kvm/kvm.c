/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/kvm.h"

#include <errno.h>
#include <linux/falloc.h>
#include <linux/kvm.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/scope.h"
#include "definition/partition.h"
#include "monitor/engine/kvm/disks.h"
#include "monitor/engine/kvm/machine.h"
#include "monitor/engine/kvm/nics.h"
#include "monitor/engine/kvm/notes.h"

/* Life. -------------------------------------------------------------------------- */

static void tell_refusal(const struct engine_handler *handler,
			 const struct refusal *refusal)
{
	if (refusal->text[0])
		handler->refused(handler->context, refusal);
}

static bool is_whole(const struct engine_machine *wanted)
{
	const struct monitor_settings *settings = wanted->settings;

	return *wanted->kernel_fd != NO_FD &&
	       (settings->has_initrd != 0) == (*wanted->initrd_fd != NO_FD) &&
	       settings->cpu_count >= 1 && settings->cpu_count <= VCPU_MAX;
}

static int start(struct engine *engine, const struct engine_machine *wanted)
{
	struct refusal refusal = { 0 };
	struct kvm_machine *machine;
	int r;

	if (*wanted->kvm_fd == NO_FD)
		return -ENODEV;
	if (!is_whole(wanted))
		return -EINVAL;
	machine = calloc(1, sizeof(*machine));
	if (!machine)
		return -ENOMEM;
	engine->own = machine;
	engine->is_paused = true;
	r = machine_open(machine, engine, wanted, &refusal);
	tell_refusal(&engine->handler, &refusal);
	return r;
}

static int attach(struct engine *engine, struct iothread *io)
{
	int r = machine_add_disks(engine->own, io);

	return r < 0 ? r : machine_add_nics(engine->own, io);
}

static int watch(struct engine *engine, sd_event *event)
{
	struct kvm_machine *machine = engine->own;
	struct refusal refusal = { 0 };
	int r;

	r = machine_watch_notes(machine, event);
	if (r >= 0)
		r = kvm_console_watch(&machine->console, event);
	if (r >= 0)
		r = machine_watch_small(machine, event);
	if (r >= 0)
		r = machine_watch_saving(machine, event, &refusal);
	tell_refusal(&engine->handler, &refusal);
	return r < 0 ? r : vcpus_start(&machine->vcpus);
}

static int sealed(struct engine *engine)
{
	struct kvm_machine *machine = engine->own;

	vcpus_seal(&machine->vcpus);
	engine->handler.ready(engine->handler.context, GUEST_PAUSED);
	return 0;
}

static void close_engine(struct engine *engine)
{
	struct kvm_machine *machine = engine->own;

	/* Its threads end with the process. */
	if (!machine || machine_is_stuck(machine))
		return;
	machine_close(machine);
	free(machine);
	engine->own = NULL;
}

/* Verbs. --------------------------------------------------------------------------- */

static int resume(struct kvm_machine *machine)
{
	machine_thaw(machine);
	machine->engine->is_paused = false;
	vcpus_run(&machine->vcpus);
	return 0;
}

static int pause_all(struct kvm_machine *machine)
{
	vcpus_park_all(&machine->vcpus);
	vcpus_tell_pause(&machine->vcpus);
	machine->engine->is_paused = true;
	return 0;
}

static int power_down(struct kvm_machine *machine)
{
	(void)pthread_mutex_lock(&machine->board);
	power_press_button(&machine->power);
	(void)pthread_mutex_unlock(&machine->board);
	return 0;
}

static int set_balloon(struct kvm_machine *machine,
		       const struct engine_argument *argument)
{
	machine_set_balloon(machine, argument->memory_bytes);
	return 0;
}

static int carry_out(struct kvm_machine *machine, enum engine_verb verb,
		     const struct engine_argument *argument)
{
	switch (verb) {
	case ENGINE_RESUME:
		return resume(machine);
	case ENGINE_PAUSE:
		return pause_all(machine);
	case ENGINE_POWERDOWN:
		return power_down(machine);
	case ENGINE_RESET:
		resets_begin(&machine->resets, clock_now_ns());
		return machine_start_over(machine);
	case ENGINE_BALLOON:
		return set_balloon(machine, argument);
	case ENGINE_SAVE:
		break;
	}
	return -EOPNOTSUPP;
}

/* While a machine is saved, going on is how the save is given up. After that its
 * thread may still wait for a disk, which is in the way of the next save only. */
static bool is_in_the_way(const struct kvm_save *save, enum engine_verb verb)
{
	if (!save->is_saving || verb == ENGINE_RESUME)
		return false;
	return save->is_frozen || verb == ENGINE_SAVE;
}

static int answer_busy(const struct kvm_machine *machine, enum engine_verb verb,
		       uint32_t request_id,
		       const struct engine_argument *argument)
{
	const struct engine_handler *handler = &machine->engine->handler;

	if (verb == ENGINE_SAVE) {
		int image_fd = argument->image_fd;

		close_fd(&image_fd);
	}
	handler->done(handler->context, request_id, -EBUSY,
		      "the last save has not ended: the host is still "
		      "writing");
	return 0;
}

static int command(struct engine *engine, enum engine_verb verb,
		   uint32_t request_id, const struct engine_argument *argument)
{
	const struct engine_handler *handler = &engine->handler;
	struct kvm_machine *machine = engine->own;
	int r;

	/* What the guest did before comes before. */
	machine_handle_notes(machine);
	if (machine->is_over)
		return -ESRCH;
	if (is_in_the_way(&machine->save, verb))
		return answer_busy(machine, verb, request_id, argument);
	if (verb == ENGINE_SAVE)
		return machine_save(machine, request_id, argument->image_fd);
	r = carry_out(machine, verb, argument);
	if (r == 0)
		handler->done(handler->context, request_id, 0, NULL);
	return r;
}

static void emulations(const struct engine *engine,
		       void (*row)(void *context, const struct emulation *row),
		       void *context)
{
	const struct kvm_machine *machine = engine->own;

	if (machine)
		emulations_report(&machine->emulations, row, context);
}

/* clang-format off */
static const struct sandbox_call calls[] = {
	SANDBOX_CALL_IF(ioctl, 1, KVM_RUN, "processors"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_IRQ_LINE, "interrupt lines"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_IRQFD, "message interrupts"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_SET_GSI_ROUTING, "message interrupts"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_IOEVENTFD, "doorbells"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_KVMCLOCK_CTRL, "a pause is not a hang"),

	/* Emulation. */
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_REGS, "an instruction for the guest"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_XSAVE, "an instruction for the guest"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_XSAVE2, "an instruction for the guest"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_SET_XSAVE, "an instruction for the guest"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_XCRS, "an instruction for the guest"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_VCPU_EVENTS, "an exception for the guest"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_SET_VCPU_EVENTS, "an exception for the guest"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_DEBUGREGS, "a guest that steps"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_SET_DEBUGREGS, "a guest that steps"),

	/* A reset makes the machine anew. */
	SANDBOX_CALL_IF(ioctl, 1, KVM_CHECK_EXTENSION, "reset"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_CREATE_VM, "reset"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_ENABLE_CAP, "reset"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_SET_TSS_ADDR, "reset"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_SET_IDENTITY_MAP_ADDR, "reset"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_CREATE_IRQCHIP, "reset"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_CREATE_PIT2, "reset"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_SET_USER_MEMORY_REGION, "reset"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_VCPU_MMAP_SIZE, "reset"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_CREATE_VCPU, "reset"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_SUPPORTED_CPUID, "reset"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_SET_CPUID2, "reset"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_SET_MSRS, "reset"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_SREGS, "reset"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_SET_SREGS, "reset"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_SET_REGS, "reset"),
	SANDBOX_CALL_IF(fallocate, 1, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			"the balloon gives memory back"),
	SANDBOX_CALL(pread64, "reset: the kernel is loaded again; saving"),

	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_PIT2, "saving"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_CLOCK, "saving"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_IRQCHIP, "saving"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_MSR_INDEX_LIST, "saving"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_TSC_KHZ, "saving"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_CPUID2, "saving"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_MP_STATE, "saving"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_REGS, "saving"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_XCRS, "saving"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_XSAVE, "saving"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_XSAVE2, "saving"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_DEBUGREGS, "saving"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_LAPIC, "saving"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_MSRS, "saving"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_VCPU_EVENTS, "saving"),
	SANDBOX_CALL(lseek, "saving: where memory has pages"),
	SANDBOX_CALL(pwrite64, "saving"),
	SANDBOX_CALL(sync_file_range, "saving"),
	SANDBOX_CALL(fsync, "saving"),

	SANDBOX_CALL_IF(ioctl, 1, UFFDIO_COPY, "memory on demand"),
	SANDBOX_CALL_IF(ioctl, 1, UFFDIO_ZEROPAGE, "memory on demand"),
	SANDBOX_CALL_IF(ioctl, 1, UFFDIO_WAKE, "memory on demand"),
	SANDBOX_CALL_IF(ioctl, 1, UFFDIO_UNREGISTER, "memory on demand"),
};
/* clang-format on */

const struct engine_ops kvm_engine = {
	.name = "kvm",
	.number = ENGINE_KVM,
	.has_control = true,
	.has_guest = true,
	.start = start,
	.attach = attach,
	.watch = watch,
	.sealed = sealed,
	.command = command,
	.close = close_engine,
	.emulations = emulations,
	.calls = calls,
	.call_count = ARRAY_COUNT(calls),
};
