/* SPDX-License-Identifier: MIT */
#include "net/switch/guard.h"

#include <string.h>

#define TYPE_IPV4 0x0800
#define TYPE_ARP  0x0806
#define TYPE_IPV6 0x86dd

#define IPV4_HEAD      20u
#define IPV6_HEAD      40u
#define ARP_BYTES      28u
#define ADVERTISEMENT  136
#define ICMPV6         58
#define FRAGMENT       44
#define EXTENSIONS_MAX 4

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

/* Who advertises an address claims it, whatever the source address says. A
 * chain of headers that hides what it carries is refused (RFC 6980). */
static bool is_honest_neighbour(const struct guard *guard, const uint8_t *ip,
				uint32_t bytes)
{
	uint8_t protocol = ip[6];
	uint32_t at = IPV6_HEAD;

	for (int i = 0; i < EXTENSIONS_MAX && is_extension(protocol); i++) {
		if (at + 8 > bytes)
			return false;
		protocol = ip[at];
		at += (ip[at + 1] + 1u) * 8u;
	}
	if (is_extension(protocol))
		return false;
	if (protocol == FRAGMENT)
		return at + 8 <= bytes && ip[at] != ICMPV6 &&
		       !is_extension(ip[at]) && ip[at] != FRAGMENT;
	if (protocol != ICMPV6)
		return true;
	if (at >= bytes)
		return false;
	return ip[at] != ADVERTISEMENT ||
	       (at + 24 <= bytes && may_be_ipv6(guard, ip + at + 8));
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

enum switch_drop guard_check(const struct guard *guard,
			     const struct frame *frame)
{
	if (guard->checks_mac && !mac_equals(&frame->source, &guard->mac))
		return DROP_SPOOFED_MAC;
	if (guard->ipv4_count + guard->ipv6_count > 0 &&
	    !is_honest_ip(guard, frame))
		return DROP_SPOOFED_IP;
	return DROP_COUNT;
}
