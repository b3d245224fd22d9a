/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "lib/harness.h"
#include "net_rig.h"

static struct net_rig rig;

static const struct mac group = { { 0x01, 0, 0x5e, 1, 2, 3 } };

TEST(neighbours_of_a_vlan_hear_each_other_before_either_has_spoken)
{
	rig_open_lan(&rig);
	CHECK_EQ(rig_talk(&rig, 0, 1), 1);
	CHECK(rig_only(&rig, 1));
	CHECK_EQ(rig.frames[0].length, 60);
	rig_close(&rig);
}

TEST(a_frame_never_leaves_its_vlan)
{
	rig_open_lan(&rig);
	/* Not known in VLAN 10, so it goes out by the trunk. */
	CHECK_EQ(rig_talk(&rig, 0, 2), 1);
	CHECK(rig_only(&rig, 3));
	rig_say(&rig, 0, rig_broadcast, rig_mac(0));
	CHECK_EQ(rig.count, 2);
	CHECK_EQ(rig.frames[0].port, 1);
	CHECK_EQ(rig.frames[1].port, 3);
	rig_close(&rig);
}

TEST(an_unknown_destination_goes_to_the_active_trunk_or_nowhere)
{
	rig_open_lan(&rig);
	rig_say(&rig, 0, rig_stranger, rig_mac(0));
	CHECK(rig_only(&rig, 3));
	switch_remove_port(rig.vswitch, 3);
	rig_say(&rig, 0, rig_stranger, rig_mac(0));
	CHECK_EQ(rig.count, 0);
	CHECK_EQ(rig_lost(&rig, 0, DROP_UNKNOWN), 1);
	rig_close(&rig);
}

TEST(a_tag_is_inserted_for_a_trunk_and_removed_for_an_unaware_port)
{
	rig_open_lan(&rig);
	rig_say(&rig, 0, rig_stranger, rig_mac(0));
	CHECK_EQ(rig.frames[0].length, 64);
	CHECK_EQ(frame_read16(rig.frames[0].bytes + 12), TPID_8021Q);
	CHECK_EQ(frame_read16(rig.frames[0].bytes + 14), 10);
	CHECK_EQ(frame_read16(rig.frames[0].bytes + 16), 0x88b5);
	rig_say_tagged(&rig, 3, rig_mac(1), rig_stranger, 0x600a);
	CHECK(rig_only(&rig, 1));
	CHECK_EQ(rig.frames[0].length, 60);
	CHECK_EQ(frame_read16(rig.frames[0].bytes + 12), 0x88b5);
	rig_close(&rig);
}

TEST(a_priority_tag_takes_the_pvid_and_keeps_its_priority)
{
	rig_open_lan(&rig);
	rig_say_tagged(&rig, 0, rig_stranger, rig_mac(0), 0xb000);
	CHECK(rig_only(&rig, 3));
	CHECK_EQ(frame_read16(rig.frames[0].bytes + 14), 0xb00a);
	rig_close(&rig);
}

/* From port 0: behind this tag, one of VLAN 20. */
static void fill_twice_tagged(uint8_t *bytes, struct mac to, uint16_t tci)
{
	(void)rig_fill_tagged(bytes, to, rig_mac(0), tci);
	frame_write16(bytes + 16, TPID_8021Q);
	frame_write16(bytes + 18, 20);
}

TEST(a_hostile_guest_cannot_hop_to_another_vlan_by_a_tag)
{
	uint8_t bytes[64];

	rig_open_lan(&rig);
	rig_say_tagged(&rig, 0, rig_mac(2), rig_mac(0), 20);
	CHECK_EQ(rig.count, 0);
	CHECK_EQ(rig_lost(&rig, 0, DROP_TAG), 1);
	/* Two tags: the outer one decides, and it is refused as well. */
	fill_twice_tagged(bytes, rig_mac(2), 10);
	rig_send(&rig, 0, bytes, 64, NULL);
	CHECK_EQ(rig.count, 0);
	/* Behind a priority tag, the inner one is payload, in VLAN 10. */
	frame_write16(bytes + 14, 0);
	rig_send(&rig, 0, bytes, 64, NULL);
	CHECK(rig_only(&rig, 3));
	CHECK_EQ(frame_read16(rig.frames[0].bytes + 14), 10);
	rig_close(&rig);
}

TEST(a_hostile_guest_cannot_hop_by_a_tag_behind_one_that_comes_off)
{
	uint8_t bytes[64];

	rig_open_lan(&rig);
	rig_add_aware(&rig, 4, 10, 20);
	fill_twice_tagged(bytes, rig_mac(4), 0);
	rig_send(&rig, 0, bytes, 64, NULL);
	CHECK_EQ(rig.count, 0);
	CHECK_EQ(rig_lost(&rig, 0, DROP_TAG), 1);
	rig_close(&rig);
}

TEST(an_aware_port_sees_tags_of_all_vlans_but_its_own)
{
	rig_open_lan(&rig);
	rig_add_aware(&rig, 4, 10, 20);
	CHECK_EQ(rig_talk(&rig, 0, 4), 1);
	CHECK_EQ(rig.frames[0].length, 60);
	CHECK_EQ(rig_talk(&rig, 2, 4), 1);
	CHECK_EQ(rig.frames[0].length, 64);
	CHECK_EQ(frame_read16(rig.frames[0].bytes + 14), 20);
	rig_say_tagged(&rig, 4, rig_mac(2), rig_mac(4), 20);
	CHECK(rig_only(&rig, 2));
	rig_say_tagged(&rig, 4, rig_mac(2), rig_mac(4), 30);
	CHECK_EQ(rig_lost(&rig, 4, DROP_VLAN), 1);
	rig_say_tagged(&rig, 4, rig_mac(2), rig_mac(4), 4095);
	CHECK_EQ(rig_lost(&rig, 4, DROP_VLAN), 2);
	rig_close(&rig);
}

TEST(without_a_pvid_an_untagged_frame_has_no_vlan)
{
	static const uint16_t vids[] = { 10, 0 };
	struct switch_port_settings settings = rig_uplink(vids);

	rig_open_lan(&rig);
	rig_add(&rig, 5, &settings);
	CHECK_EQ(switch_activate_trunk(rig.vswitch, 5), 0);
	rig_say(&rig, 5, rig_mac(0), rig_stranger);
	CHECK_EQ(rig.count, 0);
	CHECK_EQ(rig_lost(&rig, 5, DROP_VLAN), 1);
	rig_close(&rig);
}

TEST(a_hostile_guest_cannot_take_over_a_configured_mac)
{
	rig_open_lan(&rig);
	rig_say(&rig, 1, rig_broadcast, rig_mac(0));
	CHECK_EQ(rig.count, 0);
	CHECK_EQ(rig_lost(&rig, 1, DROP_TAKE_OVER), 1);
	CHECK_EQ(rig.event_count, 3); /* two of the trunk */
	CHECK_EQ(rig.events[2].kind, SWITCH_TAKE_OVER);
	CHECK_EQ(rig.events[2].before, 0);
	/* Told of once a second, however often it tries. */
	rig_say(&rig, 1, rig_broadcast, rig_mac(0));
	CHECK_EQ(rig.event_count, 3);
	rig.now_ns += 2000000000;
	rig_say(&rig, 1, rig_broadcast, rig_mac(0));
	CHECK_EQ(rig.event_count, 4);
	CHECK_EQ(rig_talk(&rig, 1, 0), 1);
	CHECK(rig_only(&rig, 0));
	rig_close(&rig);
}

TEST(nor_can_anyone_outside)
{
	rig_open_lan(&rig);
	rig_say_tagged(&rig, 3, rig_mac(1), rig_mac(0), 10);
	CHECK_EQ(rig.count, 0);
	CHECK_EQ(rig_lost(&rig, 3, DROP_TAKE_OVER), 1);
	rig_close(&rig);
}

TEST(a_learnt_address_moves_and_is_told_of)
{
	rig_open_lan(&rig);
	rig_say(&rig, 0, rig_broadcast, rig_stranger);
	rig_say(&rig, 1, rig_stranger, rig_mac(1));
	CHECK(rig_only(&rig, 0));
	rig.now_ns += 2000000000;
	rig_say(&rig, 1, rig_broadcast, rig_stranger);
	CHECK_EQ(rig.events[rig.event_count - 1].kind, SWITCH_FLAP);
	CHECK_EQ(switch_count(rig.vswitch, 1)->moves, 1);
	rig_say(&rig, 0, rig_stranger, rig_mac(0));
	CHECK(rig_only(&rig, 1));
	/* It moves out of the house. */
	rig.now_ns += 2000000000;
	rig_say_tagged(&rig, 3, rig_mac(0), rig_stranger, 10);
	rig_say(&rig, 0, rig_stranger, rig_mac(0));
	CHECK(rig_only(&rig, 3));
	rig_close(&rig);
}

TEST(a_learnt_address_is_forgotten_when_it_is_silent)
{
	rig_open_lan(&rig);
	rig_say(&rig, 0, rig_broadcast, rig_stranger);
	rig.now_ns += FDB_AGE_NS - 1;
	switch_age(rig.vswitch, rig.now_ns);
	rig_say(&rig, 1, rig_stranger, rig_mac(1));
	CHECK(rig_only(&rig, 0));
	rig.now_ns += 1;
	switch_age(rig.vswitch, rig.now_ns);
	rig_say(&rig, 1, rig_stranger, rig_mac(1));
	CHECK(rig_only(&rig, 3));
	CHECK_EQ(rig_talk(&rig, 1, 0), 1);
	CHECK(rig_only(&rig, 0));
	rig_close(&rig);
}

TEST(a_hostile_guest_cannot_crowd_the_table)
{
	struct mac invented = { { 2, 8, 0, 0, 0, 0 } };

	rig_open_lan(&rig);
	for (uint32_t i = 0; i < 100000; i++) {
		invented.bytes[3] = (uint8_t)(i >> 16);
		invented.bytes[4] = (uint8_t)(i >> 8);
		invented.bytes[5] = (uint8_t)i;
		rig_say(&rig, 0, rig_mac(1), invented);
	}
	rig_say(&rig, 1, rig_broadcast, rig_stranger);
	rig_say(&rig, 0, rig_stranger, rig_mac(0));
	CHECK(rig_only(&rig, 1));
	rig_close(&rig);
}

TEST(a_hostile_guest_cannot_draw_addresses_of_others_beyond_its_quota)
{
	struct mac invented = { { 2, 8, 0, 0, 0, 0 } };

	rig_open_lan(&rig);
	rig_say(&rig, 1, rig_broadcast, rig_stranger);
	for (uint32_t i = 0; i < FDB_PORT_QUOTA; i++) {
		invented.bytes[5] = (uint8_t)i;
		rig_say(&rig, 0, rig_mac(1), invented);
	}

	rig.now_ns += 2000000000;
	rig_say(&rig, 0, rig_mac(1), rig_stranger);

	CHECK_EQ(switch_count(rig.vswitch, 0)->moves, 0);
	rig_say(&rig, 0, rig_stranger, rig_mac(0));
	CHECK(rig_only(&rig, 1));
	rig_close(&rig);
}

TEST(a_receiver_that_knows_no_checksums_is_told_nothing_of_them)
{
	const struct frame_offload offload = { .flags = 6 };
	uint8_t bytes[64];

	rig_open_lan(&rig);
	rig_send(&rig, 0, bytes, rig_fill(bytes, rig_mac(1), rig_mac(0)),
		 &offload);
	CHECK(rig_only(&rig, 1));
	CHECK_EQ(rig.frames[0].offload.flags, 0);
	rig_close(&rig);
}

TEST(a_hostile_guest_cannot_pass_bits_of_its_header_on_to_another)
{
	const struct frame_offload hostile = { .flags = 0xfe,
					       .head_bytes = 0xffff,
					       .segment_bytes = 7 };
	const struct offload_features able = { .checksum = true };
	uint8_t bytes[64];

	rig_open_lan(&rig);
	switch_set_features(rig.vswitch, 1, &able);
	rig_send(&rig, 0, bytes, rig_fill(bytes, rig_mac(1), rig_mac(0)),
		 &hostile);
	CHECK(rig_only(&rig, 1));
	CHECK_EQ(rig.frames[0].offload.flags, VIRTIO_NET_HDR_F_DATA_VALID);
	CHECK_EQ(rig.frames[0].offload.head_bytes, 0);
	CHECK_EQ(rig.frames[0].offload.segment_bytes, 0);
	rig_close(&rig);
}

TEST(what_a_cable_says_of_checksums_is_not_believed)
{
	const struct frame_offload valid = {
		.flags = VIRTIO_NET_HDR_F_DATA_VALID
	};
	const struct offload_features able = { .checksum = true };
	uint8_t bytes[64];

	rig_open_lan(&rig);
	switch_set_features(rig.vswitch, 1, &able);
	rig_send(&rig, 0, bytes, rig_fill(bytes, rig_mac(1), rig_mac(0)),
		 &valid);
	CHECK(rig_only(&rig, 1));
	CHECK_EQ(rig.frames[0].offload.flags, VIRTIO_NET_HDR_F_DATA_VALID);
	rig_send(&rig, 3, bytes,
		 rig_fill_tagged(bytes, rig_mac(1), rig_stranger, 10), &valid);
	CHECK(rig_only(&rig, 1));
	CHECK_EQ(rig.frames[0].offload.flags, 0);
	rig_close(&rig);
}

TEST(a_frame_is_not_reflected)
{
	rig_open_lan(&rig);
	CHECK_EQ(rig_talk(&rig, 0, 0), 0);
	CHECK_EQ(rig_lost(&rig, 0, DROP_REFLECTION), 1);
	/* Nor what the outside has for the outside. */
	rig_say_tagged(&rig, 3, rig_stranger,
		       (struct mac){ { 2, 7, 7, 7, 7, 7 } }, 10);
	CHECK_EQ(rig.count, 0);
	CHECK_EQ(rig_lost(&rig, 3, DROP_REFLECTION), 1);
	rig_close(&rig);
}

TEST(frames_of_the_link_itself_go_nowhere)
{
	struct mac local = { { 0x01, 0x80, 0xc2, 0, 0, 0x0e } };

	rig_open_lan(&rig);
	rig_say(&rig, 0, local, rig_mac(0));
	CHECK_EQ(rig.count, 0);
	local.bytes[5] = 0x10;
	rig_say(&rig, 0, local, rig_mac(0));
	CHECK_EQ(rig.count, 1);
	rig_close(&rig);
}

TEST(a_hostile_guest_cannot_send_from_a_group_or_nobody)
{
	rig_open_lan(&rig);
	rig_say(&rig, 0, rig_mac(1), group);
	rig_say(&rig, 0, rig_mac(1), (struct mac){ { 0 } });
	CHECK_EQ(rig_lost(&rig, 0, DROP_SOURCE), 2);
	rig_close(&rig);
}

TEST(a_hostile_guest_cannot_send_a_piece_of_a_frame)
{
	uint8_t bytes[64];

	rig_open_lan(&rig);
	for (uint32_t length = 0; length < 14; length++) {
		(void)rig_fill(bytes, rig_mac(1), rig_mac(0));
		rig_send(&rig, 0, bytes, length, NULL);
	}
	CHECK_EQ(rig_lost(&rig, 0, DROP_MALFORMED), 14);
	(void)rig_fill_tagged(bytes, rig_mac(1), rig_mac(0), 0);
	for (uint32_t length = 14; length < 18; length++)
		rig_send(&rig, 0, bytes, length, NULL);
	CHECK_EQ(rig_lost(&rig, 0, DROP_MALFORMED), 18);
	rig_close(&rig);
}

TEST(the_longest_frame_passes_and_a_longer_one_does_not)
{
	static uint8_t bytes[FRAME_BYTES_MAX + 1];

	rig_open_lan(&rig);
	(void)rig_fill(bytes, rig_mac(1), rig_mac(0));
	rig_send(&rig, 0, bytes, FRAME_BYTES_MAX, NULL);
	CHECK(rig_only(&rig, 1));
	CHECK_EQ(rig.frames[0].length, FRAME_BYTES_MAX);
	rig_send(&rig, 0, bytes, FRAME_BYTES_MAX + 1, NULL);
	CHECK_EQ(rig_lost(&rig, 0, DROP_MALFORMED), 1);
	rig_close(&rig);
}

TEST(a_multicast_reaches_who_asked_for_it)
{
	struct switch_port_filter filter = { .group_count = 1 };

	rig_open_lan(&rig);
	rig_say(&rig, 0, group, rig_mac(0));
	CHECK(rig_only(&rig, 3));
	filter.groups[0] = group;
	switch_set_filter(rig.vswitch, 1, &filter);
	rig_say(&rig, 0, group, rig_mac(0));
	CHECK_EQ(rig.count, 2);
	filter = (struct switch_port_filter){ .all_multicast = true };
	switch_set_filter(rig.vswitch, 1, &filter);
	rig_say(&rig, 0, (struct mac){ { 0x33, 0x33, 0, 0, 0, 1 } },
		rig_mac(0));
	CHECK_EQ(rig.count, 2);
	rig_close(&rig);
}

TEST(a_filter_with_more_groups_than_fit_lets_all_pass)
{
	struct switch_port_filter filter = { .group_count = 4000000000u };

	rig_open_lan(&rig);
	switch_set_filter(rig.vswitch, 1, &filter);
	rig_say(&rig, 0, group, rig_mac(0));
	CHECK_EQ(rig.count, 2);
	rig_close(&rig);
}

TEST(isolated_ports_talk_to_the_others_only)
{
	struct switch_port_settings settings;

	rig_open_lan(&rig);
	for (uint16_t port = 4; port <= 5; port++) {
		settings = rig_access(port, 10);
		settings.is_isolated = true;
		rig_add(&rig, port, &settings);
	}
	CHECK_EQ(rig_talk(&rig, 4, 5), 0);
	CHECK_EQ(rig_lost(&rig, 4, DROP_ISOLATED), 1);
	CHECK_EQ(rig_talk(&rig, 4, 0), 1);
	CHECK_EQ(rig_talk(&rig, 0, 5), 1);
	rig_close(&rig);
}

TEST(what_a_receiver_cannot_take_is_its_own_loss)
{
	rig_open_lan(&rig);
	rig.refusal = -ENOBUFS;
	CHECK_EQ(rig_talk(&rig, 0, 1), 0);
	rig.refusal = -EMSGSIZE;
	CHECK_EQ(rig_talk(&rig, 0, 1), 0);
	CHECK_EQ(rig_lost(&rig, 1, DROP_NO_BUFFER), 1);
	CHECK_EQ(rig_lost(&rig, 1, DROP_TOO_LONG), 1);
	CHECK_EQ(switch_count(rig.vswitch, 1)->out_frames, 0);
	CHECK_EQ(switch_count(rig.vswitch, 0)->in_frames, 2);
	rig_close(&rig);
}

TEST(impossible_settings_are_refused_and_change_nothing)
{
	struct switch_port_settings settings;

	rig_open_lan(&rig);
	settings = rig_access(1, 10);
	settings.mac = rig_mac(0);
	CHECK_EQ(switch_set_port(rig.vswitch, 1, &settings), -EEXIST);
	settings = rig_access(1, 4095);
	CHECK_EQ(switch_set_port(rig.vswitch, 1, &settings), -EINVAL);
	settings = rig_access(1, 10);
	vlan_set_add(&settings.vlans.members, 0);
	CHECK_EQ(switch_set_port(rig.vswitch, 1, &settings), -EINVAL);
	settings = rig_access(1, 10);
	settings.vlans.pvid = 11;
	CHECK_EQ(switch_set_port(rig.vswitch, 1, &settings), -EINVAL);
	settings = rig_access(1, 10);
	settings.mac = group;
	CHECK_EQ(switch_set_port(rig.vswitch, 1, &settings), -EINVAL);
	CHECK_EQ(switch_set_port(rig.vswitch, SWITCH_PORT_MAX, &settings),
		 -EINVAL);
	CHECK_EQ(switch_activate_trunk(rig.vswitch, 0), -EINVAL);
	CHECK_EQ(rig_talk(&rig, 0, 1), 1);
	rig_close(&rig);
}

TEST(the_same_mac_may_be_in_two_vlans)
{
	struct switch_port_settings settings = rig_access(0, 20);

	rig_open_lan(&rig);
	rig_add(&rig, 4, &settings);
	CHECK_EQ(rig_talk(&rig, 1, 0), 1);
	CHECK(rig_only(&rig, 0));
	CHECK_EQ(rig_talk(&rig, 2, 0), 1);
	CHECK(rig_only(&rig, 4));
	rig_close(&rig);
}

TEST(a_port_of_another_vlan_is_forgotten_in_the_old_one)
{
	rig_open_lan(&rig);
	rig_add_access(&rig, 1, 20);
	CHECK_EQ(rig_talk(&rig, 0, 1), 1);
	CHECK(rig_only(&rig, 3));
	CHECK_EQ(rig_talk(&rig, 2, 1), 1);
	CHECK(rig_only(&rig, 1));
	rig_close(&rig);
}

TEST(every_reason_has_a_name_of_its_own)
{
	static const char *const names[] = {
#define NAME(id, name, text) name,
		SWITCH_DROPS(NAME)
#undef NAME
	};

	for (unsigned i = 0; i < DROP_COUNT; i++)
		for (unsigned j = 0; j < i; j++)
			CHECK(strcmp(names[i], names[j]) != 0);
}

static int set_guest_mac(uint16_t port, struct mac mac)
{
	return switch_set_guest_mac(rig.vswitch, port, &mac, rig.now_ns);
}

TEST(the_address_that_a_guest_sets_is_judged)
{
	const struct mac chosen = { { 2, 0, 0, 0, 0, 0x77 } };
	struct switch_port_settings settings = rig_access(0, 10);
	uint8_t bytes[64];
	const struct frame_offload offload = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.checksum_start = 34,
		.checksum_offset = 6,
	};

	rig_open_lan(&rig);
	CHECK_EQ(set_guest_mac(0, group), -EINVAL);
	CHECK_EQ(set_guest_mac(0, rig_mac(1)), -EEXIST);
	CHECK_EQ(set_guest_mac(0, rig_mac(0)), 0);
	rig_send(&rig, 0, bytes, rig_fill(bytes, rig_mac(1), chosen), &offload);
	CHECK_EQ(rig_lost(&rig, 0, DROP_FOREIGN_CHECKSUM), 1);

	CHECK_EQ(set_guest_mac(0, chosen), 0);
	/* Known before it has spoken, and as good as the configured one. */
	rig_say(&rig, 1, chosen, rig_mac(1));
	CHECK(rig_only(&rig, 0));
	rig_send(&rig, 0, bytes, rig_fill(bytes, rig_mac(1), chosen), &offload);
	CHECK(rig_only(&rig, 1));

	settings.guard.checks_mac = true;
	settings.guard.mac = settings.mac;
	rig_add(&rig, 0, &settings);
	CHECK_EQ(set_guest_mac(0, chosen), -EPERM);
	CHECK_EQ(set_guest_mac(0, rig_mac(0)), 0);
	rig_close(&rig);
}
