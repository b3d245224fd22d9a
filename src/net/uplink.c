/* SPDX-License-Identifier: MIT */
/*
 * Uplinks: a TAP interface, a packet socket, passt.
 *
 * TAP and packet socket carry a virtio-net header before each frame, of 12 and
 * of 10 bytes. The kernel takes the tag of a received frame out and puts it
 * beside it (packet(7), PACKET_AUXDATA); here it is put back. passt's stream has
 * a length of 32 bits, big endian, before each frame: it is read by peeking,
 * forwarded, and only then taken, and written whole or not at all, so that a
 * service killed at any moment leaves its successor at the beginning of a frame.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "net/network.h"

#define PACKET_HEADER_BYTES 10u
#define LENGTH_BYTES        4u
#define FRAMES_PER_TURN     64
/* Room for tags that are put back. */
#define RECORD_SIZE (FRAMES_RECORD_MAX + TAG_BYTES)
#define STREAM_SIZE (256u << 10)
/* Half a frame of passt's waits for its other half. */
#define HALF_NS      1000000u
#define PASST_MAX    65535u
#define STREAM_WHOLE (32u << 10)
#define STREAM_SLACK (16u << 10)
/* A removed interface is noticed so soon. */
#define LOOK_NS (100 * NS_PER_MS)

/* One thread: one buffer for what is being read. */
static uint8_t buffer[STREAM_SIZE];
_Static_assert(sizeof(buffer) >= RECORD_SIZE, "a record of any uplink fits");

void uplink_features(uint32_t kind, struct offload_features *ret_features)
{
	bool is_kernel = kind == UPLINK_TAP || kind == UPLINK_BRIDGE ||
			 kind == UPLINK_PACKET;

	*ret_features = (struct offload_features){
		.checksum = is_kernel,
		.tso4 = is_kernel,
		.tso6 = is_kernel,
	};
}

uint32_t uplink_send_room(int fd)
{
	socklen_t size = sizeof(int);
	int bytes;

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, &size) < 0)
		return 0;
	return bytes > 0 ? (uint32_t)bytes : 0;
}

/* Headers are little endian for TAP (VIRTIO_F_VERSION_1 was chosen) as they are
 * in rings; on this architecture so are those of packet sockets. */
void record_read_header(const uint8_t *record,
			struct frame_offload *ret_offload)
{
	struct virtio_net_hdr header;

	memcpy(&header, record, sizeof(header));
	*ret_offload = (struct frame_offload){
		.flags = header.flags,
		.gso_type = header.gso_type,
		.head_bytes = header.hdr_len,
		.segment_bytes = header.gso_size,
		.checksum_start = header.csum_start,
		.checksum_offset = header.csum_offset,
	};
}

void record_write_header(uint8_t *record, const struct frame_offload *offload)
{
	const struct virtio_net_hdr_v1 header = {
		.flags = offload->flags,
		.gso_type = offload->gso_type,
		.hdr_len = offload->head_bytes,
		.gso_size = offload->segment_bytes,
		.csum_start = offload->checksum_start,
		.csum_offset = offload->checksum_offset,
		.num_buffers = 1,
	};

	memcpy(record, &header, sizeof(header));
}

_Static_assert(sizeof(struct virtio_net_hdr_v1) == FRAMES_HEADER_BYTES,
	       "the header of the rings");
_Static_assert(sizeof(struct virtio_net_hdr) == PACKET_HEADER_BYTES,
	       "the header of packet sockets");

/* In. ------------------------------------------------------------------------ */

/* True: forward this many bytes of `buffer`; false: nothing more for now. */
static bool read_tap(struct port *port, uint32_t *ret_bytes)
{
	ssize_t got = read(port->fd, buffer, FRAMES_RECORD_MAX);

	/* EBADFD: the interface was deleted, and poll() says so for ever. */
	if (got < 0 && errno != EAGAIN && errno != EINTR && errno != EIO)
		port->is_broken = true;
	if (got <= 0)
		return false;
	*ret_bytes = (uint32_t)got;
	return true;
}

/* The tag that the kernel took out of a frame, if it had one. */
static bool find_tag(struct msghdr *message, uint16_t *ret_tci)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(message);
	struct tpacket_auxdata data;

	for (; control; control = CMSG_NXTHDR(message, control)) {
		if (control->cmsg_level != SOL_PACKET ||
		    control->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&data, CMSG_DATA(control), sizeof(data));
		*ret_tci = data.tp_vlan_tci;
		return (data.tp_status & TP_STATUS_VLAN_VALID) != 0;
	}
	return false;
}

/* Put a tag into the record, and move what lies behind it. */
static uint32_t insert_tag(uint32_t bytes, uint16_t tci)
{
	uint8_t *place = buffer + FRAMES_HEADER_BYTES + 12;
	struct frame_offload offload;

	memmove(place + TAG_BYTES, place, bytes - FRAMES_HEADER_BYTES - 12);
	frame_write16(place, TPID_8021Q);
	frame_write16(place + 2, tci);
	record_read_header(buffer, &offload);
	if (offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		offload.checksum_start += TAG_BYTES;
	if (offload.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		offload.head_bytes += TAG_BYTES;
	record_write_header(buffer, &offload);
	return bytes + TAG_BYTES;
}

/*
 * An interface that is down may come up again; one that was removed is no more
 * the one that the socket is bound to. It goes down first, and the kernel tells
 * of no more, so look again until something comes.
 */
static void note_interface(struct port *port, int error)
{
	uint64_t now_ns = port->network->now_ns;
	struct sockaddr_ll address = { 0 };
	socklen_t size = sizeof(address);

	if (error == 0)
		port->look_ns = 0;
	else if (error != EAGAIN && error != EINTR)
		port->look_ns = now_ns;
	if (port->look_ns == 0 || now_ns < port->look_ns)
		return;
	port->look_ns = now_ns + LOOK_NS;
	if (getsockname(port->fd, (struct sockaddr *)&address, &size) < 0 ||
	    address.sll_ifindex <= 0)
		port->is_broken = true;
}

static bool read_packet(struct port *port, uint32_t *ret_bytes)
{
	/* Its header is two bytes shorter than that of our records. */
	const uint32_t gap = FRAMES_HEADER_BYTES - PACKET_HEADER_BYTES;
	_Alignas(struct cmsghdr)
		uint8_t control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct iovec parts[] = {
		{ buffer, PACKET_HEADER_BYTES },
		{ buffer + FRAMES_HEADER_BYTES, FRAMES_RECORD_MAX },
	};
	struct msghdr message = {
		.msg_iov = parts,
		.msg_iovlen = 2,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(port->fd, &message, MSG_DONTWAIT);
	uint16_t tci;

	note_interface(port, got < 0 ? errno : 0);
	if (got < (ssize_t)(PACKET_HEADER_BYTES + ETHERNET_HEAD_BYTES))
		return false;
	*ret_bytes = (uint32_t)got + gap;
	if (*ret_bytes > FRAMES_RECORD_MAX - TAG_BYTES)
		*ret_bytes = FRAMES_HEADER_BYTES; /* longer than we carry */
	else if (find_tag(&message, &tci))
		*ret_bytes = insert_tag(*ret_bytes, tci);
	return true;
}

/* The kernel's own offload between two interfaces is none of ours to cut. */
static bool serve_datagrams(struct port *port)
{
	uint32_t bytes, count = 0;

	while (port->deficit > 0 && count < FRAMES_PER_TURN) {
		bool has_frame = port->uplink == UPLINK_PACKET
					 ? read_packet(port, &bytes)
					 : read_tap(port, &bytes);

		if (!has_frame)
			break;
		port->deficit -= bytes;
		network_forward(port, buffer, bytes);
		count++;
	}
	return count > 0;
}

static uint32_t read_length(const uint8_t *at)
{
	return (uint32_t)frame_read16(at) << 16 | frame_read16(at + 2);
}

/* Forward the whole frames of a stream; returns their bytes. */
static uint32_t forward_stream(struct port *port, uint32_t bytes)
{
	/* A record's header goes where the length and what was before are. */
	static uint8_t record[FRAMES_RECORD_MAX + PASST_MAX];
	uint32_t at = 0;

	while (bytes - at >= LENGTH_BYTES) {
		uint32_t length = read_length(buffer + at);

		if (length > PASST_MAX) {
			port->is_broken = true;
			break;
		}
		if (bytes - at - LENGTH_BYTES < length)
			break;
		memset(record, 0, FRAMES_HEADER_BYTES);
		memcpy(record + FRAMES_HEADER_BYTES, buffer + at + LENGTH_BYTES,
		       length);
		network_forward(port, record, FRAMES_HEADER_BYTES + length);
		at += LENGTH_BYTES + length;
	}
	return at;
}

static bool serve_stream(struct port *port, uint64_t now_ns)
{
	ssize_t got =
		recv(port->fd, buffer, sizeof(buffer), MSG_PEEK | MSG_DONTWAIT);
	uint32_t used;

	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		port->is_broken = true;
	if (got <= 0)
		return false;
	used = forward_stream(port, (uint32_t)got);
	if (used == 0)
		port->retry_ns = now_ns + HALF_NS;
	else if (recv(port->fd, buffer, used, MSG_DONTWAIT) < 0)
		port->is_broken = true;
	return used > 0;
}

bool uplink_serve(struct port *port, uint64_t now_ns)
{
	bool has_worked = port->uplink == UPLINK_PASST
				  ? serve_stream(port, now_ns)
				  : serve_datagrams(port);

	port_end_turn(port);
	return has_worked;
}

/* Out. ----------------------------------------------------------------------- */

/*
 * May a frame be sent to passt without a part of it being left? The kernel
 * takes up to 48 KiB at once or not at all, and goes on behind as long as there
 * is room. A service that is killed between two parts would leave its successor
 * a stream that nobody understands, so a long frame waits for room for all.
 */
static bool has_room(const struct port *port, uint32_t bytes)
{
	int queued;

	if (bytes <= STREAM_WHOLE)
		return true;
	/* Memory counts, not bytes: at most as much again, and a little. */
	return ioctl(port->fd, SIOCOUTQ, &queued) == 0 && queued >= 0 &&
	       (uint64_t)queued + 2 * bytes + STREAM_SLACK <= port->send_room;
}

int uplink_deliver(struct port *port, const struct switch_delivery *delivery)
{
	uint32_t bytes = delivery->head_bytes + delivery->data_bytes;
	uint8_t header[FRAMES_HEADER_BYTES];
	struct iovec parts[] = {
		{ header, FRAMES_HEADER_BYTES },
		{ (void *)(uintptr_t)delivery->head, delivery->head_bytes },
		{ (void *)(uintptr_t)delivery->data, delivery->data_bytes },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 3 };
	ssize_t sent;

	if (port->uplink == UPLINK_PASST && !has_room(port, bytes))
		return -ENOBUFS;
	record_write_header(header, &delivery->offload);
	if (port->uplink == UPLINK_PACKET)
		parts[0].iov_len = PACKET_HEADER_BYTES;
	if (port->uplink == UPLINK_PASST) {
		frame_write16(header, bytes >> 16);
		frame_write16(header + 2, bytes);
		parts[0].iov_len = LENGTH_BYTES;
	}
	if (port->uplink == UPLINK_TAP || port->uplink == UPLINK_BRIDGE)
		sent = writev(port->fd, parts, 3);
	else
		sent = sendmsg(port->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0)
		return errno == EMSGSIZE ? -EMSGSIZE : -ENOBUFS;
	if (port->uplink == UPLINK_PASST &&
	    (uint32_t)sent != LENGTH_BYTES + bytes)
		port->is_broken = true; /* never seen; nobody could go on */
	return 0;
}
