/* SPDX-License-Identifier: MIT */
/*
 * The state of the small virtio devices in a saved machine: chains in flight,
 * and the balloon's size. The transport saves its own state (features, ring
 * addresses) and restarts the rings, so the devices are restored before it.
 *
 * Trust      As machine/state.h. A chain listed here is read again from the
 *            guest's memory, and checked, when its ring is started.
 * Threads    Only while no processor runs and no queue is served.
 */
#ifndef MACHINE_SMALL_STATE_H
#define MACHINE_SMALL_STATE_H

#include "machine/state.h"
#include "virtio/balloon.h"
#include "virtio/console.h"
#include "virtio/rng.h"

void virtio_console_save(const struct virtio_console *console,
			 struct state_writer *writer);
void virtio_console_restore(struct virtio_console *console,
			    struct state_reader *reader);

void virtio_rng_save(const struct virtio_rng *rng, struct state_writer *writer);
void virtio_rng_restore(struct virtio_rng *rng, struct state_reader *reader);

void virtio_balloon_save(const struct virtio_balloon *balloon,
			 struct state_writer *writer);
void virtio_balloon_restore(struct virtio_balloon *balloon,
			    struct state_reader *reader);

#endif
