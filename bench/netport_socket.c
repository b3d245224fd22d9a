/* SPDX-License-Identifier: MIT */
/* Ports that are sockets: of vde_switch, and of the kernel. */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "netport.h"

/* Of VDE's control protocol, version 3. */
#define VDE_MAGIC       0xfeedfaceu
#define VDE_VERSION     3u
#define VDE_DESCRIPTION 128
#define RECEIVE_BYTES   (1 << 20)

struct vde_request {
	uint32_t magic;
	uint32_t version;
	uint32_t type; /* 0: a new port, any */
	struct sockaddr_un socket;
	char description[VDE_DESCRIPTION];
} __attribute__((packed));

struct socket_port {
	int fd;         /* owned */
	int control_fd; /* owned; the port ends with it */
	bool is_spinning;
	char path[108]; /* of our socket; "": none */
	uint8_t *out;   /* owned */
	uint8_t in[NETPORT_FRAME_MAX];
};

static void close_socket(void *own)
{
	struct socket_port *port = own;

	close_fd(&port->fd);
	close_fd(&port->control_fd);
	if (port->path[0])
		(void)unlink(port->path);
	free(port->out);
	free(port);
}

/* Sending blocks until there is room, which takes one system call and no poll;
 * neither the switch nor the kernel ever waits for us. */
static int make(const struct netport_settings *settings,
		struct socket_port **ret_port)
{
	struct socket_port *port = calloc(1, sizeof(*port));

	if (!port)
		return -ENOMEM;
	port->fd = port->control_fd = NO_FD;
	port->is_spinning = settings->is_spinning;
	port->out = calloc(1, settings->frame_bytes_most + NETPORT_HEAD_MAX);
	if (!port->out) {
		close_socket(port);
		return -ENOMEM;
	}
	*ret_port = port;
	return 0;
}

/* VDE: our own datagram socket is named to the switch, which names its own. */
static int plug(struct socket_port *port, const char *folder)
{
	struct vde_request request = {
		.magic = VDE_MAGIC,
		.version = VDE_VERSION,
		.socket = { .sun_family = AF_UNIX },
		.description = "bulkhead-netload",
	};
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct sockaddr_un data;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/ctl",
		     folder) >= (int)sizeof(address.sun_path) ||
	    snprintf(port->path, sizeof(port->path), "%s/%d.%p", folder,
		     getpid(), (void *)port) >= (int)sizeof(port->path))
		return -ENAMETOOLONG;
	memcpy(request.socket.sun_path, port->path, sizeof(port->path));
	port->control_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	port->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (port->control_fd < 0 || port->fd < 0 ||
	    connect(port->control_fd, (void *)&address, sizeof(address)) ||
	    bind(port->fd, (void *)&request.socket, sizeof(request.socket)))
		return -errno;
	if (send(port->control_fd, &request, sizeof(request), 0) < 0)
		return -errno;
	if (recv(port->control_fd, &data, sizeof(data), MSG_WAITALL) !=
	    sizeof(data))
		return -EPROTO;
	return connect(port->fd, (void *)&data, sizeof(data)) ? -errno : 0;
}

int netport_open_vde(const struct netport_settings *settings,
		     const char *folder, void **ret_own)
{
	struct socket_port *port;
	int error = make(settings, &port);

	if (error)
		return error;
	error = plug(port, folder);
	if (error) {
		close_socket(port);
		return error;
	}
	*ret_own = port;
	return 0;
}

/* Of one EtherType, so that the kernel's own chatter is not in it. */
static int bind_packet(struct socket_port *port, const char *interface)
{
	const int bytes = RECEIVE_BYTES;
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(NETPORT_TYPE),
		.sll_ifindex = (int)if_nametoindex(interface),
	};

	if (address.sll_ifindex == 0)
		return -ENODEV;
	port->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (port->fd < 0)
		return -errno;
	(void)setsockopt(port->fd, SOL_SOCKET, SO_RCVBUF, &bytes,
			 sizeof(bytes));
	return bind(port->fd, (void *)&address, sizeof(address)) ? -errno : 0;
}

int netport_open_packet(const struct netport_settings *settings,
			const char *interface, void **ret_own)
{
	struct socket_port *port;
	int error = make(settings, &port);

	if (error)
		return error;
	error = bind_packet(port, interface);
	if (error) {
		close_socket(port);
		return error;
	}
	*ret_own = port;
	return 0;
}

static int send_frame(void *own, const struct netframe *frame)
{
	struct socket_port *port = own;

	memcpy(port->out, frame->head, frame->head_bytes);
	if (send(port->fd, port->out, frame->bytes, 0) >= 0)
		return 0;
	return errno == ENOBUFS || errno == EINTR ? -EAGAIN : -errno;
}

static void flush(void *own)
{
}

static int receive(void *own, struct netframe *ret_frame)
{
	struct socket_port *port = own;
	ssize_t got = recv(port->fd, port->in, sizeof(port->in), MSG_DONTWAIT);

	if (got < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	ret_frame->bytes = (uint32_t)got;
	ret_frame->head_bytes = NETPORT_HEAD_MAX;
	memcpy(ret_frame->head, port->in, NETPORT_HEAD_MAX);
	return 0;
}

static int wait(void *own, uint64_t deadline_ns, bool for_room)
{
	struct socket_port *port = own;
	struct pollfd fd = { .fd = port->fd,
			     .events = (short)(POLLIN |
					       (for_room ? POLLOUT : 0)) };
	uint64_t now_ns = clock_now_ns();
	uint64_t left_ns = deadline_ns > now_ns && !port->is_spinning
				   ? deadline_ns - now_ns
				   : 0;
	struct timespec left = { .tv_sec = (time_t)(left_ns / NS_PER_S),
				 .tv_nsec = (long)(left_ns % NS_PER_S) };

	if (ppoll(&fd, 1, &left, NULL) > 0)
		return 0;
	return clock_now_ns() < deadline_ns ? 0 : -ETIMEDOUT;
}

const struct netport_ops netport_socket_ops = {
	.send = send_frame,
	.flush = flush,
	.receive = receive,
	.wait = wait,
	.close = close_socket,
};
