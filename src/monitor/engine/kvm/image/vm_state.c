/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/image/vm_state.h"

#include <errno.h>
#include <sys/ioctl.h>

#include <linux/kvm.h>

#include "base/count.h"

static const uint32_t chips[] = {
	KVM_IRQCHIP_PIC_MASTER,
	KVM_IRQCHIP_PIC_SLAVE,
	KVM_IRQCHIP_IOAPIC,
};

int vm_state_save(int vm_fd, struct state_writer *writer)
{
	struct kvm_irqchip chip = { 0 };
	struct kvm_pit_state2 pit = { 0 };
	struct kvm_clock_data clock = { 0 };

	if (ioctl(vm_fd, KVM_GET_PIT2, &pit) < 0 ||
	    ioctl(vm_fd, KVM_GET_CLOCK, &clock) < 0)
		return -errno;
	state_begin(writer, STATE_VM, 1);
	state_put_u64(writer, clock.clock);
	state_put(writer, &pit, sizeof(pit));
	for (size_t i = 0; i < ARRAY_COUNT(chips); i++) {
		chip.chip_id = chips[i];
		if (ioctl(vm_fd, KVM_GET_IRQCHIP, &chip) < 0)
			return -errno;
		state_put(writer, &chip, sizeof(chip));
	}
	state_end(writer);
	return state_writer_result(writer);
}

static int restore_chip(int vm_fd, uint32_t chip_id,
			struct state_reader *reader)
{
	struct kvm_irqchip chip;

	state_get(reader, &chip, sizeof(chip));
	if (chip.chip_id != chip_id)
		state_refuse(reader);
	if (state_reader_result(reader) < 0)
		return -EBADMSG;
	return ioctl(vm_fd, KVM_SET_IRQCHIP, &chip) < 0 ? -EBADMSG : 0;
}

int vm_state_restore(int vm_fd, struct state_reader *reader)
{
	struct kvm_pit_state2 pit;
	struct kvm_clock_data clock = { 0 };
	int r;

	(void)state_enter(reader, STATE_VM, 1);
	clock.clock = state_get_u64(reader);
	state_get(reader, &pit, sizeof(pit));
	r = state_reader_result(reader);
	for (size_t i = 0; i < ARRAY_COUNT(chips) && r == 0; i++)
		r = restore_chip(vm_fd, chips[i], reader);
	state_leave(reader);
	if (r < 0 || state_reader_result(reader) < 0)
		return -EBADMSG;
	/* Time stood still for the guest, as for one that was paused. */
	return ioctl(vm_fd, KVM_SET_PIT2, &pit) < 0 ||
			       ioctl(vm_fd, KVM_SET_CLOCK, &clock) < 0
		       ? -EBADMSG
		       : 0;
}
