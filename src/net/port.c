/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/count.h"
#include "base/event.h"
#include "base/scope.h"
#include "net/network.h"

/* What a port may send before the next one's turn: the longest frame, so that
 * everyone moves in each round. */
#define QUANTUM_BYTES FRAMES_RECORD_MAX
/* A short frame costs as much work as one of this length: so many fit into a
 * turn, and the next port waits no longer for a flood of them. */
#define SHORT_BYTES (QUANTUM_BYTES / 64)
/* IEEE 802.3, without the check sequence. */
#define WIRE_BYTES_MIN 60u

enum { FD_MEMORY, FD_KICK, FD_CALL, FD_COUNT };

/* An eventfd that blocks would let a monitor stop the service. */
static bool may_block(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || (flags & O_NONBLOCK) == 0;
}

static struct port *allocate(const struct attachment *attachment)
{
	struct port *port = calloc(1, sizeof(*port));

	if (!port)
		return NULL;
	port->attachment = *attachment;
	port->kick_fd = port->call_fd = port->fd = NO_FD;
	return port;
}

static void forget_port(struct port **port)
{
	if (*port)
		port_free(*port);
}

static int open_rings(struct port *port, const struct attachment *attachment,
		      int *fds)
{
	SCOPED(close_fd) int memory = take_fd(&fds[FD_MEMORY]);
	int r;

	port->kick_fd = take_fd(&fds[FD_KICK]);
	port->call_fd = take_fd(&fds[FD_CALL]);
	if (may_block(port->kick_fd) || may_block(port->call_fd))
		return -EINVAL;
	r = frames_open(&port->frames, memory, FRAMES_SERVICE);
	if (r < 0)
		return r;
	return port->frames.generation == (uint32_t)attachment->generation
		       ? 0
		       : -EBADMSG;
}

int port_new(const struct net_attach *attach,
	     const struct nic_definition *definition, int *fds, uint64_t now_ns,
	     struct port **ret_port)
{
	SCOPED(forget_port) struct port *port = allocate(&attach->attachment);
	int r;

	if (!port)
		return -ENOMEM;
	port->definition = *definition;
	memcpy(port->partition, attach->partition, sizeof(port->partition));
	port->frame_bytes_max =
		definition->mtu + ETHERNET_HEAD_BYTES + TAG_BYTES;
	r = open_rings(port, &attach->attachment, fds);
	if (r < 0)
		return r;
	port_set_credit(port, now_ns);
	*ret_port = port;
	port = NULL;
	return 0;
}

int port_new_uplink(const struct attachment *attachment, uint32_t kind, int *fd,
		    struct port **ret_port)
{
	struct port *port = allocate(attachment);

	if (!port)
		return -ENOMEM;
	port->uplink = kind;
	port->fd = take_fd(fd);
	port->send_room = uplink_send_room(port->fd);
	*ret_port = port;
	return 0;
}

void port_free(struct port *port)
{
	network_remove(port);
	frames_close(&port->frames);
	close_fd(&port->kick_fd);
	close_fd(&port->call_fd);
	close_fd(&port->fd);
	free(port);
}

void port_set_credit(struct port *port, uint64_t now_ns)
{
	const struct rate *rate = &port->definition.rate;

	credit_init(&port->credit, rate->credit_bytes, rate->period_us, now_ns);
	port->ready_ns = 0;
}

/* Turns. -------------------------------------------------------------------- */

/* What a record counts as: a frame on the wire is never shorter than this, and
 * no work is for nothing. */
static uint32_t wire_bytes(uint32_t record_bytes)
{
	const uint32_t least = FRAMES_HEADER_BYTES + WIRE_BYTES_MIN;

	return (record_bytes < least ? least : record_bytes) -
	       FRAMES_HEADER_BYTES;
}

void port_end_turn(struct port *port)
{
	if (port->deficit > 0)
		port->deficit = 0;
}

/* True if this frame may pass now. Credit counts what is on the wire. */
static bool may_send(struct port *port, uint32_t bytes, uint64_t now_ns)
{
	if (port->deficit < (int64_t)bytes)
		return false;
	if (credit_spend(&port->credit, bytes, now_ns))
		return true;
	port->ready_ns = credit_ready_ns(&port->credit, bytes);
	port_end_turn(port); /* it does not grow while it waits */
	return false;
}

/* Forward it, and charge the sender for the work that it made: a copy for
 * everyone who was given one. */
static void forward(struct port *port, const uint8_t *record, uint32_t bytes)
{
	uint64_t before = port->network->work;
	uint64_t work;

	network_forward(port, record, bytes);
	work = port->network->work - before;
	port->deficit -= (int64_t)max_u64(work, SHORT_BYTES);
}

static bool serve_rings(struct port *port, uint64_t now_ns)
{
	const uint8_t *record;
	bool has_worked = false;
	uint32_t bytes;
	int r;

	frames_beat(&port->frames);
	while ((r = frames_next(&port->frames, &record, &bytes)) == 0) {
		if (!may_send(port, wire_bytes(bytes), now_ns))
			return has_worked;
		forward(port, record, bytes);
		frames_release(&port->frames);
		has_worked = true;
	}
	port_end_turn(port);
	if (r == -EBADMSG)
		port->is_broken = true;
	return has_worked;
}

bool port_serve(struct port *port, uint64_t now_ns)
{
	if (port->is_broken || port->is_detaching)
		return false;
	if (port->uplink == UPLINK_NONE)
		frames_pace(&port->frames, now_ns);
	if (now_ns < port->ready_ns)
		return false;
	port->ready_ns = 0;
	port->deficit += QUANTUM_BYTES;
	if (port->uplink != UPLINK_NONE)
		return uplink_serve(port, now_ns);
	return serve_rings(port, now_ns);
}

int port_deliver(struct port *port, const struct switch_delivery *delivery)
{
	uint32_t bytes = delivery->head_bytes + delivery->data_bytes;
	uint8_t *record;
	int r;

	/* What is still to be cut is cut by the guest's own stack. */
	if (delivery->offload.gso_type == VIRTIO_NET_HDR_GSO_NONE &&
	    bytes > port->frame_bytes_max)
		return -EMSGSIZE;
	if (frames_are_crowded(&port->frames) &&
	    share_is_ahead(&port->share, port->network->sender))
		return -ENOBUFS;
	r = frames_reserve(&port->frames, FRAMES_HEADER_BYTES + bytes, &record);
	if (r < 0) {
		port->is_broken |= r == -EBADMSG;
		return -ENOBUFS;
	}
	record_write_header(record, &delivery->offload);
	record += FRAMES_HEADER_BYTES;
	memcpy(record, delivery->head, delivery->head_bytes);
	memcpy(record + delivery->head_bytes, delivery->data,
	       delivery->data_bytes);
	frames_commit(&port->frames, FRAMES_HEADER_BYTES + bytes);
	share_count(&port->share, port->network->sender, bytes);
	port->has_output = true;
	return 0;
}

void port_publish(struct port *port)
{
	bool must_wake;

	if (port->uplink != UPLINK_NONE || port->is_broken)
		return;
	must_wake = frames_acknowledge(&port->frames);
	if (port->has_output)
		must_wake |= frames_publish(&port->frames);
	port->has_output = false;
	if (must_wake)
		event_signal(port->call_fd);
}

/* Sleeping. ------------------------------------------------------------------- */

bool port_prepare_sleep(struct port *port)
{
	if (port->is_broken || port->is_detaching ||
	    port->uplink != UPLINK_NONE)
		return true;
	port->trim_ns = frames_trim_ns(&port->frames);
	return port->ready_ns || frames_prepare_sleep(&port->frames);
}

int port_poll_fd(const struct port *port, uint64_t now_ns)
{
	if (port->is_broken || port->is_detaching || now_ns < port->ready_ns)
		return NO_FD;
	if (port->uplink == UPLINK_NONE)
		return port->kick_fd;
	return now_ns < port->retry_ns ? NO_FD : port->fd;
}
