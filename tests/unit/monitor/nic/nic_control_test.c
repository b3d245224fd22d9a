/* SPDX-License-Identifier: MIT */
/* What a guest wants to receive: by its control queue, or its front end. */
#include <linux/virtio_net.h>
#include <string.h>

#include "control/fields.h"
#include "lib/harness.h"
#include "nic_rig.h"

static struct nic_rig rig;

TEST(a_driver_that_cannot_ask_for_groups_gets_all)
{
	rig.features = 0;
	nic_rig_start(&rig, true);
	CHECK_EQ(rig.nic.negotiated.all_multicast, 1);
	nic_rig_stop(&rig);
	rig.features = 1ull << VIRTIO_NET_F_CTRL_RX;
	nic_rig_start(&rig, true);
	CHECK_EQ(rig.nic.negotiated.all_multicast, 0);
	nic_rig_stop(&rig);
}

TEST(a_filter_that_a_front_end_keeps_holds_until_the_next_driver)
{
	const struct nic_filter filter = { .group_count = 1,
					   .groups = { { 1, 2, 3 } } };
	struct notice notice;
	bool is_asked = false;

	nic_rig_start(&rig, false);
	CHECK_EQ(rig.nic.negotiated.all_multicast, 1);
	nic_set_filter(&rig.nic, &filter);
	CHECK_EQ(rig.nic.negotiated.all_multicast, 0);
	CHECK_EQ(rig.nic.negotiated.group_count, 1);
	CHECK_EQ(rig.nic.negotiated.groups[0][2], 3);
	while (notices_take(&rig.notices, &notice) == 0)
		;
	nic_rig_start_queue(&rig, 0);
	CHECK_EQ(rig.nic.negotiated.all_multicast, 1);
	while (notices_take(&rig.notices, &notice) == 0)
		is_asked |= notice.kind == NOTICE_NIC_STARTED;
	CHECK(is_asked);
	nic_rig_stop(&rig);
}

TEST(a_hostile_guest_cannot_flood_the_supervisor_with_filters)
{
	struct notice notice;
	uint32_t told = 0;

	rig.features = 1ull << VIRTIO_NET_F_CTRL_RX;
	nic_rig_start(&rig, true);
	nic_rig_start_queue(&rig, 2);
	for (uint8_t i = 0; i < 30; i++)
		(void)nic_rig_command(&rig,
				      (uint8_t[]){ VIRTIO_NET_CTRL_RX,
						   VIRTIO_NET_CTRL_RX_ALLMULTI,
						   i & 1 },
				      3);
	while (notices_take(&rig.notices, &notice) == 0)
		told++;
	CHECK(told < 20);
	/* The last word comes in time. */
	CHECK(nic_deadline_ns(&rig.nic) > 0);
	nic_run_timers(&rig.nic, nic_deadline_ns(&rig.nic));
	CHECK_EQ(notices_take(&rig.notices, &notice), 0);
	CHECK_EQ(nic_deadline_ns(&rig.nic), 0);
	nic_rig_stop(&rig);
}

TEST(the_control_queue_sets_filters_and_refuses_nonsense)
{
	uint8_t table[2 + 4 + 4 + 6] = { VIRTIO_NET_CTRL_MAC,
					 VIRTIO_NET_CTRL_MAC_TABLE_SET };

	rig.features = 1ull << VIRTIO_NET_F_CTRL_RX;
	nic_rig_start(&rig, true);
	nic_rig_start_queue(&rig, 2);
	CHECK_EQ(nic_rig_command(&rig,
				 (uint8_t[]){ VIRTIO_NET_CTRL_RX,
					      VIRTIO_NET_CTRL_RX_ALLMULTI, 1 },
				 3),
		 VIRTIO_NET_OK);
	CHECK_EQ(rig.nic.negotiated.all_multicast, 1);
	table[6] = 1;
	table[10] = 0x33;
	CHECK_EQ(nic_rig_command(&rig, table, sizeof(table)), VIRTIO_NET_OK);
	CHECK_EQ(rig.nic.negotiated.group_count, 1);
	CHECK_EQ(rig.nic.negotiated.groups[0][0], 0x33);
	table[6] = 2; /* more than it sends */
	CHECK_EQ(nic_rig_command(&rig, table, sizeof(table)), VIRTIO_NET_ERR);
	CHECK_EQ(rig.nic.negotiated.group_count, 1);
	CHECK_EQ(nic_rig_command(&rig, (uint8_t[]){ 200, 1 }, 2),
		 VIRTIO_NET_ERR);
	CHECK_EQ(nic_rig_command(&rig,
				 (uint8_t[]){ VIRTIO_NET_CTRL_MQ, 0, 9, 0 }, 4),
		 VIRTIO_NET_ERR);
	CHECK_EQ(nic_rig_command(&rig, (uint8_t[]){ 1 }, 1), VIRTIO_NET_ERR);
	nic_rig_stop(&rig);
}

/* Join so many groups, and leave those that were joined before. */
static void join(uint32_t count)
{
	uint8_t table[2 + 4 + 4 + 6 * 80] = { VIRTIO_NET_CTRL_MAC,
					      VIRTIO_NET_CTRL_MAC_TABLE_SET };

	memcpy(table + 6, &count, sizeof(count));
	for (uint32_t i = 0; i < count; i++) {
		table[10 + 6 * i] = 0x33;
		table[15 + 6 * i] = (uint8_t)i;
	}
	CHECK_EQ(nic_rig_command(&rig, table, 10 + 6 * count), VIRTIO_NET_OK);
}

static bool may_be_told(void)
{
	return !body_fault(message_shape(MSG_MONITOR_NIC_FEATURES)->fields,
			   &rig.nic.negotiated);
}

TEST(a_hostile_guest_cannot_join_so_many_groups_that_its_monitor_is_ended)
{
	rig.features = 1ull << VIRTIO_NET_F_CTRL_RX;
	nic_rig_start(&rig, true);
	nic_rig_start_queue(&rig, 2);
	CHECK(may_be_told());
	for (uint32_t count = 0; count <= 80; count++) {
		join(count);
		CHECK(may_be_told());
		CHECK_EQ(rig.nic.negotiated.all_multicast,
			 count > NIC_GROUP_MAX);
		CHECK_EQ(rig.nic.negotiated.group_count,
			 count > NIC_GROUP_MAX ? 0 : count);
	}
	join(3);
	CHECK_EQ(rig.nic.negotiated.all_multicast, 0);
	CHECK_EQ(rig.nic.negotiated.group_count, 3);
	nic_rig_stop(&rig);
}

TEST(too_many_addresses_of_its_own_give_a_guest_every_group)
{
	uint8_t table[2 + 4 + 4] = { VIRTIO_NET_CTRL_MAC,
				     VIRTIO_NET_CTRL_MAC_TABLE_SET };

	rig.features = 1ull << VIRTIO_NET_F_CTRL_RX;
	nic_rig_start(&rig, true);
	nic_rig_start_queue(&rig, 2);
	memset(table + 2, 0xff, 4);
	CHECK_EQ(nic_rig_command(&rig, table, sizeof(table)), VIRTIO_NET_OK);
	CHECK_EQ(rig.nic.negotiated.all_multicast, 1);
	CHECK(may_be_told());
	nic_rig_stop(&rig);
}

TEST(a_guest_that_stops_to_be_promiscuous_still_gets_the_groups_it_wants)
{
	uint8_t command[3] = { VIRTIO_NET_CTRL_RX };

	rig.features = 1ull << VIRTIO_NET_F_CTRL_RX;
	nic_rig_start(&rig, true);
	nic_rig_start_queue(&rig, 2);
	for (uint8_t i = 0; i < 4; i++) {
		command[1] = i & 1 ? VIRTIO_NET_CTRL_RX_ALLMULTI
				   : VIRTIO_NET_CTRL_RX_PROMISC;
		command[2] = i < 2;
		CHECK_EQ(nic_rig_command(&rig, command, 3), VIRTIO_NET_OK);
		CHECK_EQ(rig.nic.negotiated.all_multicast, i < 3);
	}
	join(65);
	command[2] = 0;
	CHECK_EQ(nic_rig_command(&rig, command, 3), VIRTIO_NET_OK);
	CHECK_EQ(rig.nic.negotiated.all_multicast, 1);
	nic_rig_stop(&rig);
}

TEST(a_reset_forgets_the_groups_of_the_driver_before)
{
	rig.features = 1ull << VIRTIO_NET_F_CTRL_RX;
	nic_rig_start(&rig, true);
	nic_rig_start_queue(&rig, 2);
	join(65);
	nic_device_ops.reset(&rig.nic);
	CHECK_EQ(nic_device_ops.set_features(&rig.nic, rig.features), 0);
	nic_rig_start_queue(&rig, 0);
	CHECK_EQ(rig.nic.negotiated.all_multicast, 0);
	CHECK_EQ(rig.nic.negotiated.group_count, 0);
	nic_rig_stop(&rig);
}

TEST(the_address_that_a_guest_sets_is_told_until_its_reset)
{
	static const uint8_t command[] = { VIRTIO_NET_CTRL_MAC,
					   VIRTIO_NET_CTRL_MAC_ADDR_SET,
					   2,
					   0,
					   0,
					   0,
					   0,
					   0x77 };

	rig.features = 1ull << VIRTIO_NET_F_CTRL_RX;
	nic_rig_start(&rig, true);
	nic_rig_start_queue(&rig, 2);
	CHECK_EQ(nic_rig_command(&rig, command, sizeof(command)),
		 VIRTIO_NET_OK);
	CHECK_EQ(memcmp(rig.nic.negotiated.mac, command + 2, 6), 0);
	nic_device_ops.reset(&rig.nic);
	nic_rig_start_queue(&rig, 0);
	CHECK_EQ(memcmp(rig.nic.negotiated.mac, rig.nic.settings.mac, 6), 0);
	nic_rig_stop(&rig);
}

TEST(the_address_that_a_front_end_has_for_its_guest_is_told)
{
	const struct nic_filter filter = { .mac = { 2, 0, 0, 0, 0, 0x77 } };

	nic_rig_start(&rig, false);
	nic_set_filter(&rig.nic, &filter);
	CHECK_EQ(memcmp(rig.nic.negotiated.mac, filter.mac, 6), 0);
	nic_rig_stop(&rig);
}
