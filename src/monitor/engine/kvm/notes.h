/* SPDX-License-Identifier: MIT */
/*
 * What the guest did that concerns the whole machine (machine_note()), and what
 * becomes of it: it is over, begins again, or somebody is told.
 *
 * Threads    The main thread.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_ENGINE_KVM_HEED_H
#define MONITOR_ENGINE_KVM_HEED_H

#include <systemd/sd-event.h>

struct kvm_machine;

/* Heed notes, and the guest's clock, from now on. */
int machine_watch_notes(struct kvm_machine *machine, sd_event *event);

/* Heed what was noted until now, at once. */
void machine_handle_notes(struct kvm_machine *machine);

/* Reset the guest and let it run, unless it is paused. When that fails it is
 * over. */
int machine_start_over(struct kvm_machine *machine);

#endif
