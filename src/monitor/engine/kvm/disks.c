/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/disks.h"

#include <errno.h>
#include <stdlib.h>

#include "monitor/engine/kvm/machine.h"
#include "monitor/io/iothread.h"

#define CLASS_SCSI 0x010000u /* mass storage; what others give virtio disks */
#define QUEUE_SIZE 256       /* the same: deeper rings cost a guest memory */

/* What the transport wants done, on its way to the I/O thread. */
struct errand {
	void (*work)(void *argument);
	void *argument;
};

static void run_errand(struct iothread *io, void *argument)
{
	const struct errand *errand = argument;

	errand->work(errand->argument);
}

void machine_call_io(void *context, void (*work)(void *argument),
		     void *argument)
{
	struct errand errand = { .work = work, .argument = argument };

	iothread_call(context, run_errand, &errand);
}

static int add_front(struct kvm_machine *machine, uint32_t index)
{
	struct iothread *io = machine->io;
	struct front *front = &io->fronts[index];
	const struct virtio_pci_settings settings = {
		.device_id = front->ops->virtio_id,
		.class_code = CLASS_SCSI,
		.queue_count = (uint16_t)front->queue_count,
		.queue_size = QUEUE_SIZE,
		.ops = front->ops->device,
		.device = front,
		.owner = { .call = machine_call_io, .context = io },
	};
	struct virtio_pci *function = &machine->disks[index];
	int r = kvm_memory_lend(&machine->memory, &front->memory);

	if (r == 0)
		r = virtio_pci_init(
			function, &machine->pci,
			(uint8_t)(SLOT_DISK + front->disks[0]->settings.index),
			&settings);
	if (r == 0)
		front->transport = virtio_pci_transport(function);
	return r;
}

int machine_add_disks(struct kvm_machine *machine, struct iothread *io)
{
	int r = 0;

	machine->io = io;
	machine->disks = calloc(io->front_count ? io->front_count : 1,
				sizeof(*machine->disks));
	if (!machine->disks)
		return -ENOMEM;
	for (uint32_t i = 0; i < io->front_count && r == 0; i++) {
		r = add_front(machine, i);
		machine->disk_count += r == 0;
	}
	return r;
}

static void forget_front(struct iothread *io, void *front)
{
	((struct front *)front)->transport = (struct virtio_transport){ 0 };
}

void machine_remove_disks(struct kvm_machine *machine)
{
	while (machine->disk_count > 0) {
		uint32_t index = --machine->disk_count;

		virtio_pci_release(&machine->disks[index]);
		iothread_call(machine->io, forget_front,
			      &machine->io->fronts[index]);
	}
	free(machine->disks);
	machine->disks = NULL;
}
