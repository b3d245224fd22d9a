/* SPDX-License-Identifier: MIT */
/*
 * Our switch against the kernel's bridge: the same ports, the same frames, and
 * the same bytes out of the same ports. What we do otherwise on purpose is in
 * the table `differences`, and nowhere else.
 *
 * Frames are made up from a seed, of the kinds that matter: untagged, with a
 * priority alone, with VLANs that are allowed and that are not, with two tags;
 * to one, to many, to the link itself; from addresses that are configured,
 * that wander, that are of somebody else, that are none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge.h"
#include "lib/harness.h"
#include "net_rig.h"

#define PORTS       7
#define TRUNK       6
#define FRAME_COUNT 2500
#define WANDERERS   6
#define WAIT_TURNS  200 /* of a millisecond */

static struct switch_port_settings ports[PORTS];
static struct net_rig rig;
static struct bridge bridge;
static uint32_t state;

/* Chance. ------------------------------------------------------------------- */

/* A number below `end`. (Marsaglia's xorshift) */
static uint32_t draw(uint32_t end)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % end;
}

/* Frames. ---------------------------------------------------------------------- */

struct sample {
	uint16_t from;
	uint32_t length;
	uint8_t bytes[BRIDGE_FRAME_MAX];
};

static uint16_t type_of(const struct sample *sample)
{
	return frame_read16(sample->bytes + 12);
}

static bool is_tagged(const struct sample *sample)
{
	return type_of(sample) == TPID_8021Q && sample->length >= 18;
}

/* The VLAN in the tag; 0 without one. */
static uint16_t tag_of(const struct sample *sample)
{
	return is_tagged(sample) ? frame_read16(sample->bytes + 14) & VID_MASK
				 : 0;
}

static bool is_to_link(const struct sample *sample)
{
	static const uint8_t link[] = { 0x01, 0x80, 0xc2, 0, 0 };

	return memcmp(sample->bytes, link, 5) == 0 && sample->bytes[5] < 16;
}

static const uint16_t vids[] = { 10, 20, 30, 40, 119, 4094, 1, 4095, 0 };
#define VID_COUNT  9
#define VIDS_GIVEN 6 /* of these, what ports are members of */

static void draw_tci(uint8_t *place)
{
	frame_write16(place,
		      draw(16) << 12 | vids[draw(draw(4) ? 3 : VID_COUNT)]);
}

static void draw_unicast(uint8_t *mac)
{
	const struct mac port = rig_mac((uint16_t)draw(PORTS));

	memcpy(mac, port.bytes, MAC_BYTES);
	if (draw(3) == 0)
		memcpy(mac, (uint8_t[]){ 2, 0xff, 0, 0, 0, 0 }, MAC_BYTES);
	if (mac[1])
		mac[5] = (uint8_t)draw(WANDERERS);
}

static void draw_destination(uint8_t *mac)
{
	static const uint8_t groups[][MAC_BYTES] = {
		{ 255, 255, 255, 255, 255, 255 }, { 1, 0, 0x5e, 0, 0, 1 },
		{ 0x33, 0x33, 0, 0, 0, 2 },       { 1, 0x80, 0xc2, 0, 0, 0x21 },
		{ 1, 0x80, 0xc2, 0, 0, 0 },
	};
	uint32_t kind = draw(12);

	if (kind >= 5) {
		draw_unicast(mac);
		return;
	}
	memcpy(mac, groups[kind], MAC_BYTES);
	if (kind == 4)
		mac[5] = (uint8_t)draw(20);
}

static void draw_source(const struct sample *sample, uint8_t *mac)
{
	const struct mac own = rig_mac(sample->from);
	uint32_t kind = draw(40);

	if (kind >= 14 && sample->from != TRUNK) {
		memcpy(mac, own.bytes, MAC_BYTES);
		return;
	}
	draw_unicast(mac);
	if (kind == 0)
		mac[0] |= 1;
	if (kind == 1)
		memset(mac, 0, MAC_BYTES);
}

/* A frame of which the bridge learns and we do not comes from an address that
 * is known already, or from one that nobody sends to. */
static void spare_the_tables(struct sample *sample)
{
	const struct mac own = rig_mac(sample->from);
	uint8_t *source = sample->bytes + MAC_BYTES;

	if (!is_to_link(sample) &&
	    (ports[sample->from].vlans.is_aware || tag_of(sample) == 0))
		return;
	memcpy(source, own.bytes, MAC_BYTES);
	if (sample->from == TRUNK)
		source[1] = 0xee;
}

/* To less than a tag needs, or less than a type that the kernel reads on in. */
static void cut_short(struct sample *sample)
{
	if (is_tagged(sample)) {
		sample->length = 14 + draw(4);
		return;
	}
	sample->length = 14 + draw(8);
	frame_write16(sample->bytes + 12, 0x88b5);
}

static void draw_sample(struct sample *sample)
{
	static const uint16_t types[] = { 0x88b5, 0x0800, 0x0806, 0x86dd,
					  0x8035, 0x88a8, 0x9100, 46 };
	uint32_t tags = draw(8) < 3 ? 0 : draw(6) ? 1 : 2;
	uint8_t *at = sample->bytes + 12;

	sample->from = (uint16_t)draw(PORTS);
	sample->length = draw(4) ? 60 + draw(1455) : 22 + draw(50);
	for (uint32_t i = 0; i < sample->length; i++)
		sample->bytes[i] = (uint8_t)draw(256);
	draw_destination(sample->bytes);
	draw_source(sample, sample->bytes + MAC_BYTES);
	for (; tags > 0; tags--, at += TAG_BYTES) {
		frame_write16(at, TPID_8021Q);
		draw_tci(at + 2);
	}
	frame_write16(at, types[draw(8)]);
	if (draw(100) == 0)
		cut_short(sample);
	spare_the_tables(sample);
}

/* Differences. ----------------------------------------------------------------------- */

static bool is_group_address(const struct sample *sample, uint16_t to)
{
	return is_to_link(sample) && sample->bytes[5] == 0;
}

static bool is_tag_of_unaware(const struct sample *sample, uint16_t to)
{
	return !ports[sample->from].vlans.is_aware && tag_of(sample) != 0;
}

static uint16_t vlan_of(const struct sample *sample)
{
	return tag_of(sample) ? tag_of(sample) : ports[sample->from].vlans.pvid;
}

static bool is_take_over(const struct sample *sample, uint16_t to)
{
	for (uint16_t i = 0; i < TRUNK; i++)
		if (i != sample->from &&
		    memcmp(ports[i].mac.bytes, sample->bytes + MAC_BYTES,
			   MAC_BYTES) == 0)
			return vlan_set_has(&ports[i].vlans.members,
					    vlan_of(sample));
	return false;
}

static bool is_tag_behind_one(const struct sample *sample, uint16_t to)
{
	return is_tagged(sample) &&
	       frame_read16(sample->bytes + 16) == TPID_8021Q &&
	       ports[to].vlans.is_aware &&
	       !vlan_leaves_tagged(&ports[to].vlans, vlan_of(sample));
}

/* What the bridge delivers and we drop. */
static struct difference {
	const char *name;
	bool (*is_it)(const struct sample *sample, uint16_t to);
	uint32_t seen;
} differences[] = {
	{ "01-80-C2-00-00-00 never leaves its link, even where no spanning "
	  "tree protocol runs (802.1Q, 8.6.3)",
	  is_group_address, 0 },
	{ "an unaware port sends no tags, not even that of its own VLAN",
	  is_tag_of_unaware, 0 },
	{ "a configured address is used at its own port only", is_take_over,
	  0 },
	{ "a tag that hides behind another does not become the first one for "
	  "who reads tags",
	  is_tag_behind_one, 0 },
};
#define DIFFERENCE_COUNT (sizeof(differences) / sizeof(differences[0]))

static struct difference *explain(const struct sample *sample, uint16_t to)
{
	for (uint32_t i = 0; i < DIFFERENCE_COUNT; i++)
		if (differences[i].is_it(sample, to))
			return &differences[i];
	return NULL;
}

/* Comparing. ------------------------------------------------------------------------- */

static void print_bytes(const char *title, const uint8_t *bytes,
			uint32_t length)
{
	fprintf(stderr, "%s (%u):", title, length);
	for (uint32_t i = 0; i < length && i < 40; i++)
		fprintf(stderr, "%s%02x", i % 2 ? "" : " ", bytes[i]);
	fprintf(stderr, "\n");
}

static const struct rig_frame *ours_at(uint16_t port)
{
	for (uint32_t i = 0; i < rig.count; i++)
		if (rig.frames[i].port == port)
			return &rig.frames[i];
	return NULL;
}

/* The bridge may need a moment where processors are busy. */
static uint32_t receive(uint16_t port, bool is_expected, uint8_t *to)
{
	uint32_t length = bridge_receive(&bridge, port, to);

	for (int i = 0; i < WAIT_TURNS && length == 0 && is_expected; i++) {
		usleep(1000);
		length = bridge_receive(&bridge, port, to);
	}
	return length;
}

static void compare_at(const struct sample *sample, uint16_t to)
{
	const struct rig_frame *ours = ours_at(to);
	struct difference *difference = explain(sample, to);
	uint8_t theirs[BRIDGE_FRAME_MAX];
	uint32_t length = receive(to, ours != NULL, theirs);

	if (!ours && length > 0 && difference) {
		difference->seen++;
		return;
	}
	if (ours ? ours->length == length &&
			    memcmp(ours->bytes, theirs, length) == 0
		 : length == 0)
		return;
	fprintf(stderr, "from port %u to port %u\n", sample->from, to);
	print_bytes("sent", sample->bytes, sample->length);
	print_bytes("ours", ours ? ours->bytes : NULL, ours ? ours->length : 0);
	print_bytes("bridge's", theirs, length);
	CHECK(!"the same frames");
}

static void compare(const struct sample *sample)
{
	rig_send(&rig, sample->from, sample->bytes, sample->length, NULL);
	bridge_send(&bridge, sample->from, sample->bytes, sample->length);
	for (uint16_t to = 0; to < PORTS; to++)
		compare_at(sample, to);
}

/* Ports. ------------------------------------------------------------------------------- */

static void add_trunk(uint16_t pvid)
{
	struct vlan_membership *vlans = &ports[TRUNK].vlans;

	ports[TRUNK] = (struct switch_port_settings){ .is_trunk = true };
	vlan_access(vlans, pvid);
	for (uint32_t i = 0; i < VIDS_GIVEN; i++)
		if (vids[i] != pvid && vids[i] != 30)
			vlan_tagged(vlans, vids[i]);
}

static void open_both(void)
{
	static const struct switch_port_filter all = { .all_multicast = true };

	rig_open(&rig);
	for (uint16_t i = 0; i < PORTS; i++) {
		rig_add(&rig, i, &ports[i]);
		switch_set_filter(rig.vswitch, i, &all);
	}
	CHECK_EQ(switch_activate_trunk(rig.vswitch, TRUNK), 0);
	bridge_open(&bridge, ports, PORTS);
}

static void compare_many(uint32_t seed)
{
	struct sample sample;

	state = seed;
	open_both();
	for (uint32_t i = 0; i < FRAME_COUNT; i++) {
		draw_sample(&sample);
		compare(&sample);
	}
	bridge_close(&bridge);
	rig_close(&rig);
}

/* One port of each kind that is defined in practice. */
static void set_usual_ports(void)
{
	for (uint16_t i = 0; i < TRUNK; i++)
		ports[i] = rig_access(i, i < 3 ? 10 : 20);
	for (uint16_t vid = 100; vid < 120; vid++)
		vlan_tagged(&ports[2].vlans, vid);
	vlan_tagged(&ports[2].vlans, 20);
	vlan_access(&ports[4].vlans, VID_NONE);
	vlan_tagged(&ports[4].vlans, 10);
	vlan_tagged(&ports[4].vlans, 20);
	vlan_tagged(&ports[5].vlans, 30);
	ports[1].guard.checks_mac = ports[5].guard.checks_mac = true;
	ports[1].guard.mac = ports[1].mac;
	ports[5].guard.mac = ports[5].mac;
	add_trunk(VID_NONE);
}

/* Of any kind. */
static void draw_ports(uint32_t seed)
{
	state = seed;
	for (uint16_t i = 0; i < TRUNK; i++) {
		uint16_t pvid = draw(5) ? vids[draw(3)] : VID_NONE;

		ports[i] = rig_access(i, pvid);
		for (uint32_t j = 0; j < VIDS_GIVEN; j++)
			if (vids[j] != pvid && draw(3) == 0 && i % 3)
				vlan_tagged(&ports[i].vlans, vids[j]);
		ports[i].is_isolated = draw(3) == 0;
		ports[i].guard.checks_mac = draw(3) == 0;
		ports[i].guard.mac = ports[i].mac;
	}
	add_trunk(draw(2) ? vids[draw(2)] : VID_NONE);
}

TEST(usual_ports_get_the_frames_that_a_bridge_gives_them)
{
	set_usual_ports();
	compare_many(1);
	for (uint32_t i = 0; i < DIFFERENCE_COUNT; i++) {
		if (differences[i].seen == 0)
			fprintf(stderr, "not seen: %s\n", differences[i].name);
		CHECK(differences[i].seen > 0);
	}
}

TEST(ports_of_any_kind_get_the_frames_that_a_bridge_gives_them)
{
	draw_ports(2);
	compare_many(3);
}

TEST(other_ports_of_any_kind_get_the_frames_that_a_bridge_gives_them)
{
	draw_ports(4);
	compare_many(5);
}

TEST(more_ports_of_any_kind_get_the_frames_that_a_bridge_gives_them)
{
	draw_ports(6);
	compare_many(7);
}
