/* SPDX-License-Identifier: MIT */
/*
 * The state of virtio's small devices for a saved machine: chains that were
 * being worked on, and the balloon's size. What the transport has (features,
 * places of rings) it saves itself; it starts the rings again, so restore
 * these before it.
 *
 * Trust      As machine/state.h. A chain named here is read again from the
 *            guest's memory, and checked, when its ring is started.
 * Threads    While no processor runs and nothing is served.
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
