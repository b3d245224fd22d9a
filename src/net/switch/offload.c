/* SPDX-License-Identifier: MIT */
#include "net/switch/offload.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>

#define TYPE_IPV4 0x0800
#define TYPE_IPV6 0x86dd

#define IPV4_HEAD_MIN  20u
#define IPV6_HEAD      40u
#define TCP_HEAD_MIN   20u
#define UDP_HEAD       8u
#define PROTOCOL_TCP   6
#define PROTOCOL_UDP   17
#define TCP_CHECKSUM   16
#define UDP_CHECKSUM   6
#define TCP_FLAGS      13
#define TCP_LAST_ONLY  0x09 /* FIN, PSH */
#define TCP_FIRST_ONLY 0x80 /* CWR */
#define EXTENSIONS_MAX 4
#define ROUTING        43
#define ROUTING_SRH    4 /* segment routing: its list is back to front */

/* Where the headers of a frame to be segmented are. */
struct headers {
	uint32_t network;   /* offset of IPv4 or IPv6 */
	uint32_t transport; /* of TCP or UDP */
	uint32_t end;       /* behind it */
	uint32_t last_hop;  /* of IPv6: where the final destination stands */
	bool is_ipv6;
	bool is_tcp;
};

static uint8_t type_of(const struct frame *frame)
{
	return frame->offload.gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
}

static bool needs_checksum(const struct frame *frame)
{
	return (frame->offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;
}

/* Finding headers. ------------------------------------------------------------ */

static int find_ipv4(const struct frame *frame, struct headers *headers,
		     uint8_t *ret_protocol)
{
	const uint8_t *ip = frame->head + headers->network;
	uint32_t bytes;

	if (frame->head_bytes - headers->network < IPV4_HEAD_MIN ||
	    ip[0] >> 4 != 4)
		return -EBADMSG;
	bytes = (ip[0] & 15u) * 4u;
	/* A fragment has no transport header of its own to be segmented by. */
	if (bytes < IPV4_HEAD_MIN || frame_read16(ip + 6) & 0x3fff)
		return -EBADMSG;
	headers->transport = headers->network + bytes;
	*ret_protocol = ip[9];
	return 0;
}

static bool is_extension(uint8_t protocol)
{
	/* Hop-by-hop, routing, destination options: all of one shape. */
	return protocol == 0 || protocol == ROUTING || protocol == 60;
}

/* With hops to go, the destination that counts for checksums is the last one of
 * the list (RFC 8200, 8.1). */
static int find_last_hop(const struct frame *frame, struct headers *headers,
			 uint32_t at)
{
	const uint8_t *routing = frame->head + at;
	uint32_t count = routing[1] / 2u;

	if (routing[3] == 0)
		return 0;
	/* Others compress their lists, or have none. */
	if ((routing[2] != 0 && routing[2] != 2 && routing[2] != ROUTING_SRH) ||
	    count == 0)
		return -EBADMSG;
	headers->last_hop =
		at + 8 + (routing[2] == ROUTING_SRH ? 0 : (count - 1) * 16);
	return 0;
}

static int find_ipv6(const struct frame *frame, struct headers *headers,
		     uint8_t *ret_protocol)
{
	const uint8_t *ip = frame->head + headers->network;
	uint32_t at = headers->network + IPV6_HEAD;

	if (frame->head_bytes - headers->network < IPV6_HEAD || ip[0] >> 4 != 6)
		return -EBADMSG;
	*ret_protocol = ip[6];
	headers->last_hop = headers->network + 24;
	for (int i = 0; i < EXTENSIONS_MAX && is_extension(*ret_protocol);
	     i++) {
		if (at + 8 > frame->head_bytes ||
		    (*ret_protocol == ROUTING &&
		     find_last_hop(frame, headers, at) < 0))
			return -EBADMSG;
		*ret_protocol = frame->head[at];
		at += (frame->head[at + 1] + 1u) * 8u;
	}
	headers->transport = at;
	return 0;
}

static int find_transport(const struct frame *frame, struct headers *headers)
{
	uint32_t bytes = UDP_HEAD;

	if (headers->transport + UDP_HEAD > frame->head_bytes)
		return -EBADMSG;
	if (headers->is_tcp) {
		if (headers->transport + TCP_HEAD_MIN > frame->head_bytes)
			return -EBADMSG;
		bytes = (frame->head[headers->transport + 12] >> 4) * 4u;
		if (bytes < TCP_HEAD_MIN)
			return -EBADMSG;
	}
	headers->end = headers->transport + bytes;
	return headers->end <= frame->head_bytes ? 0 : -EBADMSG;
}

static int find_headers(const struct frame *frame, struct headers *headers)
{
	uint32_t offset = frame_type_offset(frame);
	uint16_t type = frame_read16(frame->head + offset);
	uint8_t protocol = 0;
	int r;

	*headers = (struct headers){
		.network = offset + 2,
		.is_ipv6 = type == TYPE_IPV6,
	};
	if (type != TYPE_IPV4 && type != TYPE_IPV6)
		return -EBADMSG;
	r = headers->is_ipv6 ? find_ipv6(frame, headers, &protocol)
			     : find_ipv4(frame, headers, &protocol);
	if (r < 0)
		return r;
	if (protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP)
		return -EBADMSG;
	headers->is_tcp = protocol == PROTOCOL_TCP;
	return find_transport(frame, headers);
}

/* Checking. -------------------------------------------------------------------- */

static bool type_fits(uint8_t type, const struct headers *headers)
{
	switch (type) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return headers->is_tcp && !headers->is_ipv6;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return headers->is_tcp && headers->is_ipv6;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return !headers->is_tcp;
	default:
		return false;
	}
}

static int check_segmentation(struct frame *frame)
{
	struct frame_offload *offload = &frame->offload;
	struct headers headers;
	uint32_t data;

	if (!needs_checksum(frame) || find_headers(frame, &headers) < 0 ||
	    !type_fits(type_of(frame), &headers) ||
	    offload->checksum_start != headers.transport ||
	    offload->checksum_offset !=
		    (headers.is_tcp ? TCP_CHECKSUM : UDP_CHECKSUM))
		return -EBADMSG;
	data = frame->length - headers.end;
	if (offload->segment_bytes == 0 ||
	    data > (uint32_t)offload->segment_bytes * OFFLOAD_SEGMENTS_MAX)
		return -EBADMSG;
	offload->head_bytes = (uint16_t)headers.end;
	return 0;
}

/* Of a header's fields, those that mean something (virtio 1.2, 5.1.6.2). */
static void clear_unused(struct frame_offload *offload)
{
	if (offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		offload->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	} else {
		offload->flags &= VIRTIO_NET_HDR_F_DATA_VALID;
		offload->checksum_start = offload->checksum_offset = 0;
	}
	if (offload->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		offload->head_bytes = offload->segment_bytes = 0;
}

int offload_check(struct frame *frame)
{
	const struct frame_offload *offload = &frame->offload;
	uint32_t place =
		(uint32_t)offload->checksum_start + offload->checksum_offset;

	if (needs_checksum(frame) &&
	    (offload->checksum_start < frame_type_offset(frame) + 2 ||
	     place + 2 > frame->head_bytes))
		return -EBADMSG;
	clear_unused(&frame->offload);
	if (offload->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return 0;
	return check_segmentation(frame);
}

bool offload_passes(const struct frame *frame,
		    const struct offload_features *features)
{
	bool is_ipv6 = frame_read16(frame->head + frame_type_offset(frame)) ==
		       TYPE_IPV6;

	if (needs_checksum(frame) && !features->checksum)
		return false;
	if (frame->offload.gso_type & VIRTIO_NET_HDR_GSO_ECN && !features->ecn)
		return false;
	switch (type_of(frame)) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return true;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return features->tso4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return features->tso6;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return is_ipv6 ? features->uso6 : features->uso4;
	default:
		return false;
	}
}

/* Checksums. ---------------------------------------------------------------------- */

/* Add bytes to a sum of 16-bit words in network order. An odd number of bytes
 * may only be added last. */
static uint64_t add(uint64_t sum, const uint8_t *bytes, uint32_t count)
{
	uint32_t i = 0;

	for (; i + 4 <= count; i += 4) {
		uint32_t word;

		memcpy(&word, bytes + i, sizeof(word));
		sum += __builtin_bswap32(word);
	}
	for (; i + 2 <= count; i += 2)
		sum += frame_read16(bytes + i);
	if (i < count)
		sum += (uint64_t)bytes[i] << 8;
	return sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The sum of the bytes of a segment from `from` on, across head and data. */
static uint64_t add_segment(uint64_t sum, const struct offload_segment *segment,
			    uint32_t from)
{
	uint32_t bytes = segment->head_bytes - from;

	if (bytes % 2 == 0 || segment->data_bytes == 0) {
		sum = add(sum, segment->head + from, bytes);
		return add(sum, segment->data, segment->data_bytes);
	}
	sum = add(sum, segment->head + from, bytes - 1);
	sum += (uint64_t)segment->head[segment->head_bytes - 1] << 8 |
	       segment->data[0];
	return add(sum, segment->data + 1, segment->data_bytes - 1);
}

/* For UDP 0 means "none", and its complement is as good. */
static void put_checksum(uint8_t *place, uint64_t sum, bool is_udp)
{
	uint16_t checksum = (uint16_t)~fold(sum);

	frame_write16(place, checksum == 0 && is_udp ? 0xffff : checksum);
}

/* The sender left the sum of the pseudo header in the checksum's place. */
static void finish_checksum(struct offload_segment *segment,
			    const struct frame_offload *offload)
{
	uint32_t place =
		(uint32_t)offload->checksum_start + offload->checksum_offset;
	uint64_t sum = add_segment(0, segment, offload->checksum_start);

	put_checksum(segment->head + place, sum,
		     offload->checksum_offset == UDP_CHECKSUM);
}

/* Cutting. ------------------------------------------------------------------------- */

void offload_begin(struct segmentation *segmentation, const struct frame *frame)
{
	struct headers headers;

	*segmentation = (struct segmentation){ .frame = frame };
	if (frame->offload.gso_type != VIRTIO_NET_HDR_GSO_NONE &&
	    find_headers(frame, &headers) == 0) {
		segmentation->head_bytes = headers.end;
		segmentation->step = frame->offload.segment_bytes;
	} else {
		segmentation->head_bytes = frame->head_bytes;
		segmentation->step = frame->length;
	}
	segmentation->at = segmentation->head_bytes;
}

static void rewrite_network(struct offload_segment *segment,
			    const struct headers *headers, uint32_t index)
{
	uint8_t *ip = segment->head + headers->network;
	uint32_t bytes =
		segment->head_bytes - headers->network + segment->data_bytes;

	if (headers->is_ipv6) {
		frame_write16(ip + 4, bytes - IPV6_HEAD);
		return;
	}
	frame_write16(ip + 2, bytes);
	frame_write16(ip + 4, frame_read16(ip + 4) + index);
	frame_write16(ip + 10, 0);
	put_checksum(ip + 10, add(0, ip, headers->transport - headers->network),
		     false);
}

static void rewrite_tcp(uint8_t *tcp, uint32_t offset, bool is_first,
			bool is_last)
{
	uint32_t sequence =
		(uint32_t)frame_read16(tcp + 4) << 16 | frame_read16(tcp + 6);

	sequence += offset;
	frame_write16(tcp + 4, sequence >> 16);
	frame_write16(tcp + 6, sequence);
	if (!is_first)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_FIRST_ONLY;
	if (!is_last)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_LAST_ONLY;
}

/* The pseudo header: addresses, protocol and length. */
static uint64_t pseudo_header(const struct offload_segment *segment,
			      const struct headers *headers)
{
	const uint8_t *ip = segment->head + headers->network;
	uint32_t bytes =
		segment->head_bytes - headers->transport + segment->data_bytes;
	uint64_t sum = (headers->is_tcp ? PROTOCOL_TCP : PROTOCOL_UDP) + bytes;

	if (!headers->is_ipv6)
		return add(sum, ip + 12, 8);
	return add(add(sum, ip + 8, 16), segment->head + headers->last_hop, 16);
}

static void rewrite(struct offload_segment *segment,
		    const struct segmentation *segmentation)
{
	struct headers headers;
	uint32_t offset = segmentation->index * segmentation->step;
	bool is_last = segmentation->at >= segmentation->frame->length;
	uint8_t *transport;

	/* Found before, in the same bytes. */
	if (find_headers(segmentation->frame, &headers) < 0)
		return;
	transport = segment->head + headers.transport;
	rewrite_network(segment, &headers, segmentation->index);
	if (headers.is_tcp)
		rewrite_tcp(transport, offset, segmentation->index == 0,
			    is_last);
	else
		frame_write16(transport + 4, UDP_HEAD + segment->data_bytes);
	transport += segmentation->frame->offload.checksum_offset;
	frame_write16(transport, 0);
	put_checksum(transport,
		     add_segment(pseudo_header(segment, &headers), segment,
				 headers.transport),
		     !headers.is_tcp);
}

bool offload_next(struct segmentation *segmentation,
		  struct offload_segment *ret_segment)
{
	const struct frame *frame = segmentation->frame;
	uint32_t left = frame->length - segmentation->at;

	if (segmentation->index > 0 && left == 0)
		return false;
	memcpy(ret_segment->head, frame->head, segmentation->head_bytes);
	ret_segment->head_bytes = segmentation->head_bytes;
	ret_segment->data = frame->bytes + segmentation->at;
	ret_segment->data_bytes =
		left < segmentation->step ? left : segmentation->step;
	segmentation->at += ret_segment->data_bytes;
	if (frame->offload.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		rewrite(ret_segment, segmentation);
	else if (needs_checksum(frame))
		finish_checksum(ret_segment, &frame->offload);
	segmentation->index++;
	return true;
}
