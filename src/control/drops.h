/* SPDX-License-Identifier: MIT */
/* Why a switch drops a frame: the places of net_port.drops. A reason is appended,
 * never moved: supervisor and service may be of different releases. */
#ifndef CONTROL_DROPS_H
#define CONTROL_DROPS_H

/* X(ID, "name in tables", "what it means") */
#define SWITCH_DROPS(X)                                                        \
	X(MALFORMED, "malformed", "shorter than its headers, or too long")     \
	X(OFFLOAD, "bad-offload", "its virtio-net header contradicts it")      \
	X(LINK_LOCAL, "link-local", "to 01-80-C2-00-00-0x")                    \
	X(SOURCE, "bad-source", "from a group or zero address")                \
	X(TAG, "unexpected-tag", "a tag from a port that is unaware of them")  \
	X(VLAN, "foreign-vlan", "a VLAN that the port is no member of")        \
	X(SPOOFED_MAC, "spoofed-mac", "a source MAC that is not the port's")   \
	X(SPOOFED_IP, "spoofed-ip", "a source address that is not the port's") \
	X(TAKE_OVER, "take-over", "a MAC that is configured elsewhere")        \
	X(FOREIGN_CHECKSUM, "foreign-checksum",                                \
	  "no checksum, from a MAC that is not the port's")                    \
	X(INACTIVE, "inactive-trunk", "bridged by a trunk that is not active") \
	X(UNKNOWN, "unknown-destination", "nobody has it, and no trunk")       \
	X(REFLECTION, "reflection", "to the port that it came from")           \
	X(ISOLATED, "isolated", "between isolated ports")                      \
	X(TOO_LONG, "too-long", "longer than the receiver takes")              \
	X(NO_BUFFER, "no-buffer", "the receiver had no room")                  \
	X(MIRROR, "mirror", "from or to a port that gets copies only")         \
	X(ROUTER, "rogue-router",                                              \
	  "a router's or a DHCP server's word, from a port that is neither")

enum switch_drop {
#define SWITCH_DROP(id, name, text) DROP_##id,
	SWITCH_DROPS(SWITCH_DROP)
#undef SWITCH_DROP
		DROP_COUNT,
};

#endif
