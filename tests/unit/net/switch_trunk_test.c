/* SPDX-License-Identifier: MIT */
/* Which of several trunks carries a VLAN. */
#include "lib/harness.h"
#include "net_rig.h"

static struct net_rig rig;

TEST(the_trunk_activated_last_wins_and_the_other_is_silent)
{
	static const uint16_t vids[] = { 10, 0 };
	struct switch_port_settings second = rig_uplink(vids);
	size_t cursor = 0;

	rig_open_lan(&rig);
	rig_add(&rig, 5, &second);
	rig_say(&rig, 0, rig_stranger, rig_mac(0));
	CHECK(rig_only(&rig, 3));
	CHECK_EQ(switch_activate_trunk(rig.vswitch, 5), 0);
	CHECK_EQ(rig.events[2].kind, SWITCH_TRUNK);
	CHECK_EQ(rig.events[2].vid, 10);
	CHECK_EQ(rig.events[2].before, 3);
	rig_say(&rig, 0, rig_stranger, rig_mac(0));
	CHECK(rig_only(&rig, 5));
	/* VLAN 20 was not touched. */
	rig_say(&rig, 2, rig_stranger, rig_mac(2));
	CHECK(rig_only(&rig, 3));
	rig_say_tagged(&rig, 3, rig_mac(0), rig_stranger, 10);
	CHECK_EQ(rig.count, 0);
	CHECK_EQ(rig_lost(&rig, 3, DROP_INACTIVE), 1);
	rig_say(&rig, 0, rig_broadcast, rig_mac(0));
	CHECK_EQ(rig.count, 2);
	CHECK_EQ(rig.frames[1].port, 5);
	/* What it is to announce outside: the two of VLAN 10. */
	CHECK(switch_next_inside(rig.vswitch, 5, &cursor));
	CHECK(switch_next_inside(rig.vswitch, 5, &cursor));
	CHECK(!switch_next_inside(rig.vswitch, 5, &cursor));
	rig_close(&rig);
}

TEST(when_the_active_trunk_goes_the_one_before_it_takes_over)
{
	static const uint16_t both[] = { 10, 20, 0 }, one[] = { 10, 0 };
	struct switch_port_settings second = rig_uplink(both);
	struct switch_port_settings third = rig_uplink(both);

	rig_open_lan(&rig);
	rig_add(&rig, 5, &second);
	rig_add(&rig, 6, &third);
	CHECK_EQ(switch_activate_trunk(rig.vswitch, 6), 0);
	CHECK_EQ(switch_activate_trunk(rig.vswitch, 5), 0);
	rig.event_count = 0;
	switch_remove_port(rig.vswitch, 5);
	CHECK_EQ(rig.event_count, 2);
	CHECK_EQ(rig.events[0].kind, SWITCH_TRUNK);
	CHECK_EQ(rig.events[0].port, 6);
	rig_say(&rig, 0, rig_stranger, rig_mac(0));
	CHECK(rig_only(&rig, 6));
	/* One VLAN less: it keeps the other. */
	third = rig_uplink(one);
	rig_add(&rig, 6, &third);
	rig_say(&rig, 0, rig_stranger, rig_mac(0));
	CHECK(rig_only(&rig, 6));
	rig_say(&rig, 2, rig_stranger, rig_mac(2));
	CHECK(rig_only(&rig, 3));
	switch_remove_port(rig.vswitch, 6);
	switch_remove_port(rig.vswitch, 3);
	rig_say(&rig, 0, rig_stranger, rig_mac(0));
	CHECK_EQ(rig.count, 0);
	rig_close(&rig);
}

TEST(a_trunk_that_stands_by_takes_a_new_vlan_that_has_none)
{
	static const uint16_t one[] = { 10, 0 }, both[] = { 10, 30, 0 };
	struct switch_port_settings second = rig_uplink(one);

	rig_open_lan(&rig);
	rig_add(&rig, 5, &second);
	CHECK_EQ(switch_activate_trunk(rig.vswitch, 5), 0);
	CHECK_EQ(switch_activate_trunk(rig.vswitch, 3), 0);
	second = rig_uplink(both);
	rig_add(&rig, 5, &second);
	CHECK_EQ(switch_trunk(rig.vswitch, 10), 3);
	CHECK_EQ(switch_trunk(rig.vswitch, 30), 5);
	rig_close(&rig);
}
