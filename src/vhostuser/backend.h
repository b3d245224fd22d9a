/* SPDX-License-Identifier: MIT */
/*
 * The vhost-user back end: turns the messages of a front end (QEMU, Cloud
 * Hypervisor, our load generator) on one connected stream socket into calls on
 * a device. It never blocks.
 *
 * A ring is served while it has a size, addresses and a kick descriptor and is
 * enabled; the device learns of it through queue_start() and queue_stop(). A
 * change to any of these while the ring is served is a stop followed by a
 * start. GET_VRING_BASE stops a ring until its next SET_VRING_KICK.
 *
 * Trust      The front end is as hostile as its guest. A protocol violation is
 *            reported as -EBADMSG: the caller releases the back end, which
 *            closes the socket and every descriptor received. A request that
 *            cannot be satisfied is answered with a non-zero status where
 *            REPLY_ACK allows an answer, and is a violation where it does not.
 * Threads    One thread.
 * Errors     0 or a negative errno.
 */
#ifndef VHOSTUSER_BACKEND_H
#define VHOSTUSER_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guestmem/guestmem.h"
#include "vhostuser/protocol.h"
#include "virtio/device.h"

#define VHOSTUSER_QUEUE_MAX      16
#define VHOSTUSER_QUEUE_SIZE_MAX 1024

/* A ring as the front end configured it. Descriptors are the back end's. */
struct vhostuser_queue {
	struct virtio_queue_place place;
	bool has_addresses;
	bool is_enabled;
	bool is_served; /* between queue_start and queue_stop */
	int error_fd;
};

struct vhostuser_backend {
	int fd; /* owned; NO_FD once released */
	const struct virtio_device_ops *ops;
	void *device;
	struct guestmem *memory;
	uint32_t queue_count;
	uint64_t offered_protocol; /* protocol features, as a bit mask */
	uint64_t protocol;         /* those negotiated */
	struct vhostuser_queue queues[VHOSTUSER_QUEUE_MAX];
	/* The message being received. */
	size_t got_bytes; /* of header and payload together */
	uint32_t fd_count;
	int fds[VHOSTUSER_FD_MAX];
	struct vhostuser_header header;
	_Alignas(8) uint8_t payload[VHOSTUSER_PAYLOAD_MAX];
};

/* Every protocol feature this back end can speak. */
#define VHOSTUSER_PROTOCOL_ALL                       \
	(1ull << VHOSTUSER_PROTOCOL_MQ |             \
	 1ull << VHOSTUSER_PROTOCOL_REPLY_ACK |      \
	 1ull << VHOSTUSER_PROTOCOL_CONFIG |         \
	 1ull << VHOSTUSER_PROTOCOL_INFLIGHT_SHMFD | \
	 1ull << VHOSTUSER_PROTOCOL_RESET_DEVICE |   \
	 1ull << VHOSTUSER_PROTOCOL_CONFIGURE_MEM_SLOTS)

/* The caller's settings. Everything is borrowed. */
struct vhostuser_settings {
	const struct virtio_device_ops *ops;
	void *device;
	struct guestmem *memory; /* filled and emptied by the back end */
	uint32_t queue_count;    /* 1 to VHOSTUSER_QUEUE_MAX */
	uint64_t protocol;       /* subset of VHOSTUSER_PROTOCOL_ALL */
};

/* Take over a connected stream socket, and own it. */
void vhostuser_backend_init(struct vhostuser_backend *backend, int fd,
			    const struct vhostuser_settings *settings);

/*
 * Stop every served ring, unmap the guest's memory (memory_changed is called
 * when there was any), detach the device, close everything. Safe twice.
 */
void vhostuser_backend_release(struct vhostuser_backend *backend);

/*
 * The socket is readable: handle a bounded number of messages (if there are
 * more, the socket stays readable).
 *
 * 0         success; wait for the socket
 * -EPIPE    the front end is gone
 * -EBADMSG  it violated the protocol
 */
int vhostuser_backend_receive(struct vhostuser_backend *backend);

#endif
