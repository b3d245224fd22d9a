/* SPDX-License-Identifier: MIT */
/* Shared by the files about a machine's image: save.c has the main thread's
 * part of a save, save_write.c its thread's, restore.c the restore. */
#ifndef MONITOR_ENGINE_KVM_SAVE_PRIVATE_H
#define MONITOR_ENGINE_KVM_SAVE_PRIVATE_H

#include "monitor/engine/kvm/machine.h"

/* save.c: what the image requires of the host, as KVM reports it. */
int machine_describe(struct kvm_machine *machine,
		     struct image_machine *ret_described);

/* save_write.c: the thread; `context` is the machine. */
void *machine_write_images(void *context);

/* save_write.c: for struct image_progress, by the thread; `context` is the
 * struct kvm_save. */
void kvm_save_note_progress(void *context, uint64_t done, uint64_t total);

/* restore.c: memory and states, of an image that is open. */
int machine_restore(struct kvm_machine *machine, struct refusal *refusal);

#endif
