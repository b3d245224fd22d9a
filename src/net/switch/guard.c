/* SPDX-License-Identifier: MIT */
#include "net/switch/guard.h"

#include <string.h>

#define TYPE_IPV4 0x0800
#define TYPE_ARP  0x0806
#define TYPE_IPV6 0x86dd

#define IPV4_HEAD      20u
#define IPV4_OFFSET    0x1fff /* of a fragment */
#define IPV6_HEAD      40u
#define ARP_BYTES      28u
#define FRAGMENT       44
#define EXTENSIONS_MAX 5 /* a fragment's among them */

#define ICMP            1
#define ICMP_REDIRECT   5
#define ICMP_ROUTER     9
#define ICMPV6          58
#define ICMPV6_ROUTER   134
#define ADVERTISEMENT   136
#define ICMPV6_REDIRECT 137
#define UDP             17
#define DHCP_CLIENT     68
#define DHCPV6_CLIENT   546

static bool is_among(const uint8_t *address, const void *addresses,
		     uint32_t count, uint32_t bytes)
{
	static const uint8_t none[16];
	const uint8_t *allowed = addresses;

	if (memcmp(address, none, bytes) == 0)
		return true;
	for (uint32_t i = 0; i < count; i++)
		if (memcmp(address, allowed + i * bytes, bytes) == 0)
			return true;
	return false;
}

static bool may_be_ipv4(const struct guard *guard, const uint8_t *address)
{
	return is_among(address, guard->ipv4, guard->ipv4_count, 4);
}

static bool is_own_link_local(const struct guard *guard, const uint8_t *address)
{
	const uint8_t *mac = guard->mac.bytes;
	const uint8_t own[16] = {
		0xfe, 0x80, [8] = mac[0] ^ 2, mac[1], mac[2],
		0xff, 0xfe, mac[3],           mac[4], mac[5],
	};

	return memcmp(address, own, sizeof(own)) == 0;
}

static bool may_be_ipv6(const struct guard *guard, const uint8_t *address)
{
	return is_among(address, guard->ipv6, guard->ipv6_count, 16) ||
	       (guard->ipv6_count > 0 && is_own_link_local(guard, address));
}

static bool is_honest_arp(const struct guard *guard, const uint8_t *arp,
			  uint32_t bytes)
{
	return bytes >= ARP_BYTES &&
	       (!guard->checks_mac ||
		memcmp(arp + 8, guard->mac.bytes, MAC_BYTES) == 0) &&
	       may_be_ipv4(guard, arp + 14);
}

static bool is_extension(uint8_t protocol)
{
	return protocol == 0 || protocol == 43 || protocol == 60;
}

/* What an IPv6 packet carries behind its extensions. */
struct upper {
	uint32_t at;
	uint8_t protocol; /* as the first header that was not walked says */
	bool is_found;    /* false: the chain hides it */
	bool is_fragment;
	bool is_later; /* of the fragments, not the first */
};

static struct upper find_upper(const uint8_t *ip, uint32_t bytes)
{
	struct upper upper = { .at = IPV6_HEAD, .protocol = ip[6] };

	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		const uint8_t *header = ip + upper.at;
		bool is_fragment = upper.protocol == FRAGMENT;

		if (upper.is_later ||
		    (!is_fragment && !is_extension(upper.protocol)))
			break;
		if (upper.at + 8 > bytes)
			return upper;
		upper.protocol = header[0];
		upper.is_fragment |= is_fragment;
		upper.is_later = is_fragment && frame_read16(header + 2) >> 3;
		upper.at += is_fragment ? 8u : (header[1] + 1u) * 8u;
	}
	upper.is_found =
		upper.protocol != FRAGMENT && !is_extension(upper.protocol);
	return upper;
}

/* Who advertises an address claims it, whatever the source address says. A
 * chain of headers that hides what it carries is refused (RFC 6980). */
static bool is_honest_neighbour(const struct guard *guard, const uint8_t *ip,
				uint32_t bytes)
{
	struct upper upper = find_upper(ip, bytes);

	if (!upper.is_found || (upper.protocol == ICMPV6 && upper.is_fragment))
		return false;
	if (upper.protocol != ICMPV6)
		return true;
	if (upper.at >= bytes)
		return false;
	return ip[upper.at] != ADVERTISEMENT ||
	       (upper.at + 24 <= bytes &&
		may_be_ipv6(guard, ip + upper.at + 8));
}

static bool is_honest_ipv6(const struct guard *guard, const uint8_t *ip,
			   uint32_t bytes)
{
	return bytes >= IPV6_HEAD && may_be_ipv6(guard, ip + 8) &&
	       is_honest_neighbour(guard, ip, bytes);
}

static bool is_honest_ip(const struct guard *guard, const struct frame *frame)
{
	uint32_t offset = frame_type_offset(frame);
	const uint8_t *packet = frame->head + offset + 2;
	uint32_t bytes = frame->head_bytes - offset - 2;

	switch (frame_read16(frame->head + offset)) {
	case TYPE_ARP:
		return is_honest_arp(guard, packet, bytes);
	case TYPE_IPV4:
		return bytes >= IPV4_HEAD && may_be_ipv4(guard, packet + 12);
	case TYPE_IPV6:
		return is_honest_ipv6(guard, packet, bytes);
	default:
		/* Not even a tag within the tag. */
		return false;
	}
}

/* Routers and DHCP servers. ------------------------------------------------- */

/* What a UDP datagram has for a client's port is an answer, whoever sends it. */
static bool is_datagram_to(const uint8_t *udp, uint32_t bytes, uint16_t port)
{
	return bytes < 4 || frame_read16(udp + 2) == port;
}

static bool is_router_ipv4(const uint8_t *ip, uint32_t bytes)
{
	uint32_t at = (ip[0] & 15u) * 4u;

	/* The ports, or the type, are in the first fragment. */
	if (frame_read16(ip + 6) & IPV4_OFFSET)
		return false;
	if (ip[9] == UDP)
		return at > bytes ||
		       is_datagram_to(ip + at, bytes - at, DHCP_CLIENT);
	return ip[9] == ICMP && (at >= bytes || ip[at] == ICMP_REDIRECT ||
				 ip[at] == ICMP_ROUTER);
}

/* A chain of headers that hides what it carries may carry just that. */
static bool is_router_ipv6(const uint8_t *ip, uint32_t bytes)
{
	struct upper upper = find_upper(ip, bytes);
	uint32_t at = upper.at;

	if (upper.is_later)
		return false;
	if (!upper.is_found)
		return true;
	if (upper.protocol == UDP)
		return at > bytes ||
		       is_datagram_to(ip + at, bytes - at, DHCPV6_CLIENT);
	return upper.protocol == ICMPV6 &&
	       (at >= bytes || ip[at] == ICMPV6_ROUTER ||
		ip[at] == ICMPV6_REDIRECT);
}

static bool is_of_router(const struct frame *frame)
{
	uint32_t offset = frame_type_offset(frame);
	const uint8_t *packet = frame->head + offset + 2;
	uint32_t bytes = frame->head_bytes - offset - 2;

	switch (frame_read16(frame->head + offset)) {
	case TYPE_IPV4:
		return bytes >= IPV4_HEAD && is_router_ipv4(packet, bytes);
	case TYPE_IPV6:
		return bytes >= IPV6_HEAD && is_router_ipv6(packet, bytes);
	default:
		return false;
	}
}

enum switch_drop guard_check(const struct guard *guard,
			     const struct frame *frame)
{
	if (guard->checks_mac && !mac_equals(&frame->source, &guard->mac))
		return DROP_SPOOFED_MAC;
	if (guard->ipv4_count + guard->ipv6_count > 0 &&
	    !is_honest_ip(guard, frame))
		return DROP_SPOOFED_IP;
	if (guard->checks_router && is_of_router(frame))
		return DROP_ROUTER;
	return DROP_COUNT;
}
