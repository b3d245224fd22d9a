/* SPDX-License-Identifier: MIT */
/*
 * virtio-console (virtio 1.2, 5.3) with one port: hvc0 of a Linux guest.
 *
 * Output goes to put() as far as it accepts any. The rest stays in the guest's
 * own ring until virtio_console_serve(): nothing is dropped and nothing is
 * buffered here. The owner pushes input as far as the guest has provided
 * buffers.
 *
 * Trust      Chains are a hostile guest's; a turn moves a bounded number of
 *            bytes, however long a chain is.
 * Threads    Any, see virtio/small.h. put() and room() are called under the
 *            lock.
 */
#ifndef VIRTIO_CONSOLE_H
#define VIRTIO_CONSOLE_H

#include "virtio/small.h"

#define VIRTIO_CONSOLE_QUEUES 2
/* Of output, in one turn. */
#define VIRTIO_CONSOLE_TURN_BYTES  65536u
#define VIRTIO_CONSOLE_TURN_CHAINS 64

struct virtio_console_handler {
	/* Accept output; returns how much. */
	size_t (*put)(void *context, const uint8_t *bytes, size_t count);
	/* The guest has buffers: input may be pushed, later and by the thread
	 * that serves. */
	void (*room)(void *context);
	void *context;
};

struct virtio_console {
	struct virtio_small small;
	struct virtio_console_handler ops;
};

void virtio_console_init(struct virtio_console *console,
			 struct guestmem *memory,
			 const struct virtio_console_handler *ops);

/* For the transport; the device is the struct virtio_console. */
extern const struct virtio_device_ops virtio_console_ops;

/* The guest kicked, or put() has room again. */
void virtio_console_serve(struct virtio_console *console);

/* Pass input to the guest; returns how many bytes it had room for. */
size_t virtio_console_push(struct virtio_console *console, const uint8_t *bytes,
			   size_t count);

#endif
