/* SPDX-License-Identifier: MIT */
/* Ports that get copies of others' frames. */
#include <errno.h>

#include "lib/harness.h"
#include "net_rig.h"

static struct net_rig rig;

static void mirror(uint16_t port, uint16_t from, uint16_t vid)
{
	const struct switch_mirror mirror = { .from = from, .vid = vid };

	CHECK_EQ(switch_set_mirror(rig.vswitch, port, &mirror), 0);
}

TEST(a_mirror_of_a_port_gets_what_that_sends_and_gets)
{
	rig_open_lan(&rig);
	rig_add_access(&rig, 4, 30);
	mirror(4, 1, VID_NONE);
	CHECK_EQ(rig_talk(&rig, 0, 1), 2);
	CHECK_EQ(rig.frames[0].port, 1);
	CHECK_EQ(rig.frames[1].port, 4);
	CHECK_EQ(rig_talk(&rig, 1, 0), 2);
	CHECK_EQ(rig.frames[0].port, 4);
	rig_say(&rig, 2, rig_broadcast, rig_mac(2));
	CHECK(rig_only(&rig, 3));
	CHECK_EQ(switch_count(rig.vswitch, 4)->out_frames, 2);
	CHECK_EQ(switch_set_mirror(rig.vswitch, 4, NULL), 0);
	CHECK_EQ(rig_talk(&rig, 0, 1), 1);
	rig_close(&rig);
}

TEST(a_mirror_of_a_vlan_gets_each_of_its_frames_once)
{
	rig_open_lan(&rig);
	rig_add_access(&rig, 4, 10);
	mirror(4, FDB_NONE, 10);
	CHECK_EQ(rig_talk(&rig, 0, 1), 2);
	rig_say(&rig, 0, rig_broadcast, rig_mac(0));
	CHECK_EQ(rig.count, 3);
	CHECK_EQ(rig.frames[0].port, 4);
	rig_say(&rig, 0, rig_stranger, rig_mac(0));
	CHECK_EQ(rig.count, 2);
	CHECK_EQ(rig_talk(&rig, 2, 1), 1);
	CHECK(rig_only(&rig, 3));
	rig_close(&rig);
}

TEST(a_mirror_that_knows_tags_is_told_of_the_vlan)
{
	rig_open_lan(&rig);
	rig_add_aware(&rig, 4, 10, 30);
	mirror(4, 0, VID_NONE);
	CHECK_EQ(rig_talk(&rig, 0, 1), 2);
	CHECK_EQ(rig.frames[0].port, 4);
	CHECK_EQ(rig.frames[0].length, 64);
	CHECK_EQ(frame_read16(rig.frames[0].bytes + 14), 10);
	rig_close(&rig);
}

TEST(a_hostile_guest_cannot_send_from_a_mirror_so_copies_never_come_back)
{
	rig_open_lan(&rig);
	rig_add_access(&rig, 4, 10);
	mirror(4, 0, VID_NONE);
	CHECK_EQ(rig_talk(&rig, 4, 1), 0);
	CHECK_EQ(rig_lost(&rig, 4, DROP_MIRROR), 1);
	CHECK_EQ(rig_talk(&rig, 1, 4), 0);
	CHECK_EQ(rig_lost(&rig, 1, DROP_MIRROR), 1);
	rig_close(&rig);
}

TEST(a_mirror_without_room_loses_copies_and_holds_up_nobody)
{
	rig_open_lan(&rig);
	rig_add_access(&rig, 4, 30);
	mirror(4, 0, VID_NONE);
	rig.refusal = -ENOBUFS;
	CHECK_EQ(rig_talk(&rig, 0, 1), 0);
	CHECK_EQ(rig_lost(&rig, 4, DROP_NO_BUFFER), 1);
	CHECK_EQ(rig_lost(&rig, 0, DROP_NO_BUFFER), 0);
	CHECK_EQ(switch_count(rig.vswitch, 0)->in_frames, 1);
	rig_close(&rig);
}

TEST(a_trunk_cannot_be_a_mirror)
{
	const struct switch_mirror of_vlan = { .from = FDB_NONE, .vid = 10 };
	struct switch_port_settings settings;

	rig_open_lan(&rig);
	CHECK_EQ(switch_set_mirror(rig.vswitch, 3, &of_vlan), -EINVAL);
	CHECK_EQ(switch_set_mirror(rig.vswitch, 7, &of_vlan), -EINVAL);
	mirror(1, 0, VID_NONE);
	settings = rig_access(1, 10);
	settings.is_trunk = true;
	rig_add(&rig, 1, &settings);
	CHECK_EQ(rig_talk(&rig, 0, 1), 1);
	rig_close(&rig);
}
