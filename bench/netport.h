/* SPDX-License-Identifier: MIT */
/*
 * A network port of the load generator, whatever carries its frames: a fake
 * guest's virtio-net (Bulkhead), a socket of vde_switch, or a packet socket on
 * one end of a veth pair.
 *
 * What is sent is a head that the caller writes and a rest that nobody reads;
 * the rest stays as it is in the port's buffers. The same frames go through
 * all kinds; only virtio takes one that is cut into segments on its way.
 *
 * Threads    One for each port.
 * Errors     0 or a negative errno: -EAGAIN no room, or nothing there.
 */
#ifndef BENCH_NETPORT_H
#define BENCH_NETPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETPORT_HEAD_MAX  128u
#define NETPORT_FRAME_MAX 65394u
/* Of frames that are nobody's protocol (IEEE 802, local experiments). */
#define NETPORT_TYPE 0x88b5

struct netframe {
	uint8_t head[NETPORT_HEAD_MAX];
	uint32_t head_bytes;
	uint32_t bytes; /* of the whole frame */
	uint32_t
		gso_bytes; /* TCP over IPv4, to be cut into such; 0: as it is */
};

struct netport {
	const struct netport_ops *ops;
	void *own;
};

struct netport_ops {
	int (*send)(void *own, const struct netframe *frame);
	void (*flush)(void *own);
	int (*receive)(void *own, struct netframe *ret_frame);
	int (*wait)(void *own, uint64_t deadline_ns, bool for_room);
	void (*close)(void *own);
};

struct netport_settings {
	const char *spec; /* vhost:PATH, vde:FOLDER, packet:INTERFACE */
	uint32_t frame_bytes_most;
	uint32_t queue_size;
	bool is_spinning; /* never sleeps while it waits */
};

/* -EINVAL: no such kind; others of what it is. */
int netport_open(struct netport *port, const struct netport_settings *settings);

static inline void netport_close(struct netport *port)
{
	if (port->own)
		port->ops->close(port->own);
	port->own = NULL;
}

/* The frame is under way once flush() was called. */
static inline int netport_send(const struct netport *port,
			       const struct netframe *frame)
{
	return port->ops->send(port->own, frame);
}

static inline void netport_flush(const struct netport *port)
{
	port->ops->flush(port->own);
}

static inline int netport_receive(const struct netport *port,
				  struct netframe *ret_frame)
{
	return port->ops->receive(port->own, ret_frame);
}

/*
 * Until a frame has come or, if asked to, until there is room.
 *
 * -ETIMEDOUT  neither until `deadline_ns`
 */
static inline int netport_wait(const struct netport *port, uint64_t deadline_ns,
			       bool for_room)
{
	return port->ops->wait(port->own, deadline_ns, for_room);
}

/* The kinds (fakenic.c, netport_socket.c). */
extern const struct netport_ops fakenic_ops;
extern const struct netport_ops netport_socket_ops;
int fakenic_open(const struct netport_settings *settings, const char *path,
		 void **ret_own);
int netport_open_vde(const struct netport_settings *settings,
		     const char *folder, void **ret_own);
int netport_open_packet(const struct netport_settings *settings,
			const char *interface, void **ret_own);

#endif
