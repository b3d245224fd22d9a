/* SPDX-License-Identifier: MIT */
#include "definition/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/harness.h"

static struct partition_document document;
static struct switch_definition lan;
static struct refusal refusal;

static void make_document(void)
{
	document = (struct partition_document){
		.partition = { .name = "web1",
			       .kernel = "/vm",
			       .cpu_count = 1,
			       .memory_bytes = 1 << 30,
			       .scsi_queue_count = 1,
			       .stop_ms = STOP_MS_DEFAULT },
		.nic_count = 2,
	};
	for (int i = 0; i < 2; i++)
		document.nics[i] = (struct nic_definition){
			.name = { 'a', (char)('0' + i) },
			.network = "lan",
			.vlans.pvid = 10,
			.mtu = NIC_MTU_DEFAULT,
			.queue_pair_count = 1,
		};
}

static void make_foreign(void)
{
	make_document();
	document.partition = (struct partition_definition){
		.name = "web1",
		.engine = ENGINE_FOREIGN,
		.vhost_user = "/run/vm.sock",
		.stop_ms = STOP_MS_DEFAULT,
	};
	memset(&document.nics[1], 0, sizeof(document.nics[1]));
	document.nic_count = 1;
}

static int check(void)
{
	return definition_check(&partition_record, &document, "", &refusal);
}

static void make_switch(void)
{
	lan = (struct switch_definition){ .name = "lan",
					  .service = DEFAULT_NET_SERVICE,
					  .uplink = { "br0", UPLINK_BRIDGE },
					  .vlans.pvid = 1 };
}

static void check_field(const char *field)
{
	if (strcmp(refusal.field, field) != 0)
		fprintf(stderr, "got %s: %s\n", refusal.field, refusal.text);
	CHECK_EQ(strcmp(refusal.field, field), 0);
	CHECK(refusal.text[0] != '\0');
}

#define REFUSED(wanted, change)             \
	do {                                \
		make_document();            \
		document.change;            \
		CHECK_EQ(check(), -EINVAL); \
		check_field(wanted);        \
	} while (0)

TEST(interfaces_that_can_be_pass)
{
	make_document();
	document.nics[1].vlans.tagged.count = NIC_VID_MAX;
	for (uint16_t i = 0; i < NIC_VID_MAX; i++)
		document.nics[1].vlans.tagged.vids[i] = (uint16_t)(4094 - i);
	document.nics[1].vlans.pvid = 0;
	CHECK_EQ(check(), 0);
}

TEST(a_foreign_partition_takes_one_interface_in_place_of_a_disk)
{
	make_foreign();
	CHECK_EQ(check(), 0);

	document.partition.disk_count = 1;
	document.partition.disks[0] = (struct disk_definition){
		.name = "root",
		.service = "disk0",
		.file = "/d",
		.hang_ms = HANG_MS_DEFAULT,
		.queue_count = 1,
	};
	CHECK_EQ(check(), -EINVAL);
	check_field("disks");
}

TEST(a_hostile_client_cannot_define_an_interface_that_cannot_be)
{
	REFUSED("nics", nic_count = NIC_COUNT_MAX + 1);
	REFUSED("nics[1].name", nics[1].name[0] = '\0');
	REFUSED("nics[0].switch", nics[0].network[0] = '/');
	REFUSED("nics[0].mac", nics[0].mac[0] = 1);
	REFUSED("nics[0].vlan", nics[0].vlans.pvid = 0);
	REFUSED("nics[0].vlan", nics[0].vlans.pvid = 4095);
	REFUSED("nics[0].tagged", nics[0].vlans.tagged.count = 1);
	REFUSED("nics[0].tagged", nics[0].vlans.tagged.count = 21);
	REFUSED("nics[0].mtu", nics[0].mtu = 0);
	REFUSED("nics[0].mtu", nics[0].mtu = NIC_MTU_MAX + 1);
	REFUSED("nics[0].queues", nics[0].queue_pair_count = 5);
	REFUSED("nics[0].rate", nics[0].rate.credit_bytes = 5);
	REFUSED("nics[0].rate", nics[0].rate.period_us = 5);
	REFUSED("nics[0].addresses", nics[0].addresses.ipv4_count = 5);
}

TEST(a_second_untagged_vlan_is_refused)
{
	make_document();
	document.nics[0].vlans.tagged.count = 1;
	document.nics[0].vlans.tagged.vids[0] = document.nics[0].vlans.pvid;
	CHECK_EQ(check(), -EINVAL);
	check_field("nics[0].tagged");
}

TEST(one_mac_address_is_used_once_in_a_vlan_of_a_switch)
{
	make_document();
	document.nics[0].mac[5] = document.nics[1].mac[5] = 7;
	CHECK_EQ(check(), -EINVAL);
	check_field("nics[1].mac");

	document.nics[1].vlans.pvid = 11;
	CHECK_EQ(check(), 0);
	document.nics[1].vlans.tagged.count = 1;
	document.nics[1].vlans.tagged.vids[0] = 10;
	CHECK_EQ(check(), -EINVAL);
	document.nics[1].network[0] = 'w';
	CHECK_EQ(check(), 0);
}

#define SWITCH_REFUSED(wanted, change)                                         \
	do {                                                                   \
		make_switch();                                                 \
		lan.change;                                                    \
		CHECK_EQ(definition_check(&switch_record, &lan, "", &refusal), \
			 -EINVAL);                                             \
		check_field(wanted);                                           \
	} while (0)

TEST(a_hostile_client_cannot_define_a_switch_that_cannot_be)
{
	make_switch();
	CHECK_EQ(definition_check(&switch_record, &lan, "", &refusal), 0);

	SWITCH_REFUSED("name", name[0] = '.');
	SWITCH_REFUSED("service", service[0] = '\0');
	SWITCH_REFUSED("uplink", uplink.kind = UPLINK_COUNT);
	SWITCH_REFUSED("uplink", uplink.kind = UPLINK_PASST);
	SWITCH_REFUSED("uplink", uplink.name[0] = '/');
	SWITCH_REFUSED("uplink", uplink.name[0] = '%');
	SWITCH_REFUSED("uplink", uplink.name[0] = '\0');
	SWITCH_REFUSED("vlan", vlans.pvid = 0);
	SWITCH_REFUSED("vlan", vlans.pvid = 4095);
	SWITCH_REFUSED("tagged", vlans.tagged.count = 1);
}

TEST(vlans_belong_to_an_uplink)
{
	make_switch();
	lan.uplink.kind = UPLINK_NONE;
	memset(lan.uplink.name, 0, sizeof(lan.uplink.name));
	CHECK_EQ(definition_check(&switch_record, &lan, "", &refusal), -EINVAL);
	check_field("vlan");
	lan.vlans.pvid = 0;
	CHECK_EQ(definition_check(&switch_record, &lan, "", &refusal), 0);
}
