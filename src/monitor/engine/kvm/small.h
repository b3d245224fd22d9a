/* SPDX-License-Identifier: MIT */
/*
 * The small devices of a machine (virtio console, rng, balloon): PCI functions
 * whose queues the main thread serves when their doorbells ring.
 *
 * A balloon's target is only a request; an event reports when the guest has
 * reached it.
 *
 * Threads    The main thread. The board calls into the devices from any
 *            processor; they have locks of their own, taken after the board's.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_ENGINE_KVM_SMALL_H
#define MONITOR_ENGINE_KVM_SMALL_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/log.h"
#include "guestmem/guestmem.h"
#include "machine/small_state.h"
#include "machine/virtio_pci.h"

struct kvm_machine;

enum small_device { SMALL_CONSOLE, SMALL_RNG, SMALL_BALLOON, SMALL_COUNT };

struct small_function {
	struct small_devices *all;
	void (*serve)(void *device);
	void *device;
	struct guestmem memory; /* as this device looks at it */
	struct virtio_pci pci;
	sd_event_source *kicks[VIRTIO_SMALL_QUEUES];
};

struct small_devices {
	struct kvm_machine *machine;
	struct virtio_console console;
	struct virtio_rng rng;
	struct virtio_balloon balloon;
	struct small_function functions[SMALL_COUNT];
	bool is_frozen;
	bool is_balloon_due; /* an event is due when it is reached */
	uint64_t refused;    /* of the balloon, when last looked at */
	struct log_limit refused_limit;
};

/* Put them on the machine's bus, which exists already. */
int machine_add_small(struct kvm_machine *machine);
int machine_watch_small(struct kvm_machine *machine, sd_event *event);
void machine_remove_small(struct kvm_machine *machine);

/* Stop serving and passing on input, so that memory and state of the guest do
 * not change, and continue. Kicks that came meanwhile are kept. */
void machine_freeze_small(struct kvm_machine *machine);
void machine_thaw_small(struct kvm_machine *machine);

/* The virtio console's output has room again; input for it, of which so much
 * was taken. */
void machine_serve_console(struct kvm_machine *machine);
size_t machine_push_console(struct kvm_machine *machine, const uint8_t *bytes,
			    size_t count);

/* Ask the guest to keep this much of its memory. */
void machine_set_balloon(struct kvm_machine *machine, uint64_t keep_bytes);

/* The size of the guest's balloon may have changed (NOTE_BALLOON). */
void machine_apply_balloon(struct kvm_machine *machine);

/* Frozen. Restore before the bus: it starts the rings again. */
void machine_save_small(const struct kvm_machine *machine,
			struct state_writer *writer);
void machine_restore_small(struct kvm_machine *machine,
			   struct state_reader *reader);

#endif
