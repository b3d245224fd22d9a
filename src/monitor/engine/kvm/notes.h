/* SPDX-License-Identifier: MIT */
/*
 * Events of the whole machine (machine_note()) and the response: end it, reset
 * it, or report it.
 *
 * Threads    The main thread.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_ENGINE_KVM_HEED_H
#define MONITOR_ENGINE_KVM_HEED_H

#include <systemd/sd-event.h>

struct kvm_machine;

/* Handle notes, and the guest's clock, from now on. */
int machine_watch_notes(struct kvm_machine *machine, sd_event *event);

/* Handle what was noted until now, at once. */
void machine_handle_notes(struct kvm_machine *machine);

/* Reset the guest and let it run, unless it is paused. If that fails it is
 * ended. */
int machine_start_over(struct kvm_machine *machine);

#endif
