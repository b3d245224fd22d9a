/* SPDX-License-Identifier: MIT */
/* An interface that is saved in one monitor and restored in another. */
#include <errno.h>
#include <linux/virtio_net.h>

#include "lib/harness.h"
#include "nic_rig.h"

static struct nic_rig rig;

/* What the driver reads of its link. */
static uint16_t link_status(void)
{
	struct virtio_net_config config;

	(void)nic_device_ops.config(&rig.nic, (void *)&config, sizeof(config));
	return config.status;
}

TEST(a_saved_interface_stands_still_and_goes_on_elsewhere)
{
	gpa_t gpa;

	nic_rig_start(&rig, false);
	nic_rig_send(&rig, 200, 200, 1);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_take(&rig, 1), 200);
	rig.nic.all_groups = NIC_PROMISCUOUS;

	nic_freeze(&rig.nic);
	nic_rig_send(&rig, 300, 300, 2);
	(void)nic_rig_give(&rig, 2048, &gpa);
	CHECK_EQ(nic_rig_put(&rig, 100, 3), 0);
	nic_rig_turn(&rig);
	CHECK(nic_prepare_sleep(&rig.nic));
	CHECK_EQ(nic_rig_take(&rig, 2), 0);
	CHECK_EQ(nic_rig_used(&rig, 0), 0);

	nic_rig_move(&rig, false);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_take(&rig, 2), 0);
	nic_thaw(&rig.nic);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_take(&rig, 2), 300);
	CHECK_EQ(nic_rig_put(&rig, 100, 4), 0);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_used(&rig, 0), 1);
	CHECK_EQ(nic_rig_used(&rig, 1), 2);
	CHECK_EQ(rig.nic.all_groups, NIC_PROMISCUOUS);
	nic_rig_stop(&rig);
}

TEST(a_restored_interface_is_announced_until_its_driver_has_done_so)
{
	rig.features = 1ull << VIRTIO_NET_F_GUEST_ANNOUNCE;
	nic_rig_start(&rig, true);
	nic_freeze(&rig.nic);
	nic_thaw(&rig.nic);
	CHECK_EQ(link_status(), VIRTIO_NET_S_LINK_UP);
	nic_freeze(&rig.nic);
	nic_rig_move(&rig, true);
	nic_rig_start_queue(&rig, 2);
	CHECK_EQ(link_status(), VIRTIO_NET_S_LINK_UP);
	nic_thaw(&rig.nic);
	CHECK_EQ(link_status(), VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
	CHECK_EQ(nic_rig_command(&rig,
				 (uint8_t[]){ VIRTIO_NET_CTRL_ANNOUNCE,
					      VIRTIO_NET_CTRL_ANNOUNCE_ACK },
				 2),
		 VIRTIO_NET_OK);
	CHECK_EQ(link_status(), VIRTIO_NET_S_LINK_UP);
	nic_rig_stop(&rig);
}

TEST(a_driver_that_cannot_announce_is_not_asked_to)
{
	nic_rig_start(&rig, true);
	nic_freeze(&rig.nic);
	nic_rig_move(&rig, true);
	nic_thaw(&rig.nic);
	CHECK_EQ(link_status(), VIRTIO_NET_S_LINK_UP);
	nic_rig_stop(&rig);
}

TEST(a_hostile_image_cannot_give_an_interface_more_than_it_has)
{
	struct state_writer writer;
	struct state_reader reader;

	nic_rig_start(&rig, false);
	nic_freeze(&rig.nic);
	rig.nic.active_pairs = 2;
	state_writer_init(&writer);
	nic_state_save(&rig.nic, &writer);
	state_reader_init(&reader, writer.bytes, writer.used);
	nic_state_restore(&rig.nic, &reader);
	CHECK_EQ(state_reader_result(&reader), -EBADMSG);
	state_writer_release(&writer);
	nic_rig_stop(&rig);
}
