/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/nics.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>

#include "monitor/engine/kvm/disks.h"
#include "monitor/engine/kvm/machine.h"
#include "monitor/io/iothread.h"

#define CLASS_ETHERNET 0x020000u
#define QUEUE_SIZE     256

static int add_nic(struct kvm_machine *machine, uint32_t index)
{
	struct nic *nic = &machine->io->nics[index];
	const struct virtio_pci_settings settings = {
		.device_id = VIRTIO_ID_NET,
		.class_code = CLASS_ETHERNET,
		.queue_count = (uint16_t)nic_queue_count(nic),
		.queue_size = QUEUE_SIZE,
		.ops = &nic_device_ops,
		.device = nic,
		.owner = { .call = machine_call_io, .context = machine->io },
	};
	struct virtio_pci *function = &machine->nics[index];
	int r = kvm_memory_lend(&machine->memory, &nic->memory);

	if (r == 0)
		r = virtio_pci_init(function, &machine->pci,
				    (uint8_t)(SLOT_NIC + index), &settings);
	if (r == 0)
		nic->transport = virtio_pci_transport(function);
	return r;
}

int machine_add_nics(struct kvm_machine *machine, struct iothread *io)
{
	int r = 0;

	if (io->nic_count == 0)
		return 0;
	machine->nics = calloc(io->nic_count, sizeof(*machine->nics));
	if (!machine->nics)
		return -ENOMEM;
	for (uint32_t i = 0; i < io->nic_count && r == 0; i++) {
		r = add_nic(machine, i);
		machine->nic_count += r == 0;
	}
	return r;
}

static void forget_front(struct iothread *io, void *nic)
{
	((struct nic *)nic)->transport = (struct virtio_transport){ 0 };
}

void machine_remove_nics(struct kvm_machine *machine)
{
	while (machine->nic_count > 0) {
		uint32_t index = --machine->nic_count;

		virtio_pci_release(&machine->nics[index]);
		iothread_call(machine->io, forget_front,
			      &machine->io->nics[index]);
	}
	free(machine->nics);
	machine->nics = NULL;
}
