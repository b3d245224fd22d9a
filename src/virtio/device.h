/* SPDX-License-Identifier: MIT */
/*
 * A virtio device as its transport sees it, whichever transport that is: PCI
 * (machine/virtio_pci.h) or vhost-user (vhostuser/backend.h).
 *
 * Ring addresses are looked up with guestmem_at_user(): over vhost-user they
 * are the front end's own, over PCI guest-physical, for which regions of
 * guestmem have user_address == gpa.
 *
 * Trust      Values come from a hostile guest. The transport has checked its
 *            own rules (a size is a power of two within bounds, features were
 *            offered), but not addresses.
 * Threads    features() and config() may be called by any thread, at any time;
 *            everything else by the device's owner only.
 * Errors     0 or a negative errno. No call may block.
 */
#ifndef VIRTIO_DEVICE_H
#define VIRTIO_DEVICE_H

#include <stddef.h>
#include <stdint.h>

/* A ring as its driver placed it. Descriptors are non-blocking. */
struct virtio_queue_place {
	uint16_t size; /* power of two; 0: not set */
	uint16_t base; /* as the peer claims: for information only */
	uint64_t descriptors;
	uint64_t available;
	uint64_t used;
	int kick_fd; /* NO_FD when absent */
	int call_fd; /* NO_FD: the driver wants no signals */
};

/* An in-flight region (virtio/inflight.h) in its file. */
struct virtio_inflight_place {
	uint64_t offset_bytes;
	uint64_t bytes;
	uint16_t queue_count;
	uint16_t queue_size;
};

/*
 * `place` and its descriptors are borrowed and stay valid, unchanged, until
 * queue_stop (the call descriptor: until the next queue_call).
 */
struct virtio_device_ops {
	/* Features offered, without the transport's own. */
	uint64_t (*features)(void *device);
	/* A subset of them was chosen. */
	int (*set_features)(void *device, uint64_t features);
	/* Serve this ring from now on, beginning with one check of it whether
	 * or not the guest kicks, and one signal to the guest. */
	int (*queue_start)(void *device, uint32_t index,
			   const struct virtio_queue_place *place);
	/* Take no more from this ring, at once; what is in flight stays
	 * recorded. Returns the index of the next chain to take. */
	uint16_t (*queue_stop)(void *device, uint32_t index);
	/* Call descriptor of a served ring replaced: signal once. */
	void (*queue_call)(void *device, uint32_t index,
			   const struct virtio_queue_place *place);
	/* Write the configuration space and return its length. */
	size_t (*config)(void *device, uint8_t *space, size_t room_bytes);
	/* The driver wrote these bytes of it, of which any may lie outside.
	 * NULL: nothing in it can be written. */
	void (*config_write)(void *device, uint32_t offset_bytes,
			     const uint8_t *bytes, uint32_t count);
	/* All rings are stopped; forget requests and features. */
	void (*reset)(void *device);
	/* The same, because the transport and with it the guest's memory is
	 * gone: an in-flight region is left unchanged for the next one. NULL
	 * for a device whose transport never goes away before it. */
	void (*detach)(void *device);
	/* No old pointer into guest memory is valid. Served rings must be
	 * remapped; that one cannot be is no error, since the second half of
	 * the change may be yet to come. NULL where memory never changes. */
	void (*memory_changed)(void *device);
	/* Make an in-flight region; the caller owns *ret_fd. NULL for one that
	 * has nothing in flight. */
	int (*inflight_create)(void *device, uint16_t queue_count,
			       uint16_t queue_size, int *ret_fd,
			       uint64_t *ret_bytes);
	/* Use this one from now on, until a reset. `fd` is borrowed. */
	int (*inflight_set)(void *device, int fd,
			    const struct virtio_inflight_place *place);
};

/*
 * A device's notifications to its transport, from any thread. Zeroed: the
 * transport cannot pass them on.
 */
struct virtio_transport {
	void (*config_changed)(void *context);
	void (*needs_reset)(void *context);
	void *context;
};

/* The configuration space changed. */
static inline void
virtio_config_changed(const struct virtio_transport *transport)
{
	if (transport->config_changed)
		transport->config_changed(transport->context);
}

/* The driver violated the specification and must reset the device (2.1.1). */
static inline void virtio_needs_reset(const struct virtio_transport *transport)
{
	if (transport->needs_reset)
		transport->needs_reset(transport->context);
}

#endif
