/* SPDX-License-Identifier: MIT */
/*
 * A machine of engine kvm: KVM's part (memory, vm, vcpus) and the emulated
 * board, and what passes between its threads.
 *
 *   machine.c   creating, resetting and ending it; notes
 *   load.c      loads the guest's kernel in a thread meanwhile
 *   start.c     the initial state of its first processor
 *   vcpu.c      threads of processors exits.c VM exits
 *   disks.c     PCI functions in front of the disks
 *   nics.c      and of the network interfaces
 *   console.c   the guest's lines to the partition's one console
 *   save.c      saved images
 *   notes.c     events of the whole machine, and the response
 *   kvm.c       struct engine_ops
 *
 * Processors do not decide: an event that concerns the whole machine is noted,
 * and the main thread acts on it.
 *
 * Threads    The board (ports, mmio and their devices) is protected by the lock
 *            `board`. Its holder may wait for the I/O thread, which never
 *            blocks, and for nothing else. machine_note() and machine_fail()
 *            any thread; the rest the main thread.
 */
#ifndef MONITOR_ENGINE_KVM_MACHINE_H
#define MONITOR_ENGINE_KVM_MACHINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/log.h"
#include "base/refusal.h"
#include "boot/boot.h"
#include "guestmem/guestmem.h"
#include "machine/bus.h"
#include "machine/ops.h"
#include "machine/pci.h"
#include "machine/power.h"
#include "machine/rtc.h"
#include "machine/serial.h"
#include "machine/virtio_pci.h"
#include "monitor/engine/engine.h"
#include "monitor/engine/kvm/console.h"
#include "monitor/engine/kvm/image/save.h"
#include "monitor/engine/kvm/memory/memory.h"
#include "monitor/engine/kvm/small.h"
#include "monitor/engine/kvm/vcpu/emulation.h"
#include "monitor/engine/kvm/vcpu/vcpu.h"
#include "monitor/engine/kvm/vm.h"
#include "monitor/engine/resets.h"

/* Bits: what the main thread has to handle. */
enum machine_note {
	NOTE_OFF = 1u << 0,          /* the guest powered off */
	NOTE_RESET = 1u << 1,        /* it requested a reset */
	NOTE_TRIPLE_FAULT = 1u << 2, /* it cannot continue */
	NOTE_PANIC = 1u << 3,        /* it reported a panic */
	NOTE_CRASH_KERNEL = 1u << 4, /* and has a kernel for that */
	NOTE_FAILED = 1u << 5,       /* see `failure` */
	NOTE_CLOCK = 1u << 6,        /* the RTC's deadline may have changed */
	NOTE_CONSOLE = 1u << 7,      /* output is pending, or there is room */
	NOTE_BALLOON = 1u << 8,      /* it may have reached its target */
};

/* Those after which no processor continues by itself. */
#define NOTES_FINAL \
	(NOTE_OFF | NOTE_RESET | NOTE_TRIPLE_FAULT | NOTE_PANIC | NOTE_FAILED)

struct kvm_machine {
	struct engine *engine;
	const struct monitor_settings *settings; /* borrowed */
	struct iothread *io; /* borrowed; NULL before attach */
	int kvm_fd;          /* owned */
	int kernel_fd;       /* owned, for a reset */
	int initrd_fd;       /* owned; NO_FD: none */

	struct kvm_memory memory;
	struct emulations emulations;
	struct guestmem guest; /* the main thread's view of it */
	struct vm vm;
	struct vcpus vcpus;

	pthread_mutex_t board;
	struct machine_ops ops;
	struct bus ports;
	struct bus mmio;
	struct pci pci;
	struct serial serial;
	struct rtc rtc;
	struct power power;
	struct virtio_pci *disks; /* owned */
	uint32_t disk_count;
	struct virtio_pci *nics; /* owned */
	uint32_t nic_count;
	struct small_devices small;
	struct kvm_console console;
	struct kvm_save save;

	int note_fd;             /* owned: an eventfd */
	uint32_t notes;          /* enum machine_note; atomic */
	uint64_t clock_ns;       /* when rtc_tick() is due; under `board` */
	pthread_mutex_t failing; /* of the two below */
	bool has_failed;
	char failure[160];
	struct log_limit warnings;
	struct resets resets; /* the main thread's */
	sd_event_source *note_source;
	sd_event_source *clock_source;
	bool is_over; /* handler.ended was called; atomic */
};

/* Create everything but threads and disks, and load the guest. Takes what it
 * keeps of `wanted`. */
int machine_open(struct kvm_machine *machine, struct engine *engine,
		 const struct engine_machine *wanted, struct refusal *refusal);

/* Safe twice. */
void machine_close(struct kvm_machine *machine);

/* Reset to the power-on state with the guest's kernel loaded. All processors
 * are parked, before and after. */
int machine_reset(struct kvm_machine *machine, struct refusal *refusal);

void machine_note(struct kvm_machine *machine, enum machine_note note);

/* End this guest for this reason; the first reason counts. */
void machine_fail(struct kvm_machine *machine, const char *text);

/* Take the notes there are. */
uint32_t machine_take_notes(struct kvm_machine *machine);

/* start.c: set the processors' identity, as KVM requires before any other
 * state. */
int machine_start_identity(struct kvm_machine *machine);

/* start.c: set the first one to the entry that the loader returned. */
int machine_start_at(struct kvm_machine *machine,
		     const struct boot_entry *entry);

#endif
