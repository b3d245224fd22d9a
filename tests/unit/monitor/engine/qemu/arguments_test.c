/* SPDX-License-Identifier: MIT */
#include "monitor/engine/qemu/arguments.h"

#include <errno.h>
#include <string.h>

#include "lib/harness.h"

static struct qemu_arguments arguments;
static struct monitor_settings settings;
static struct monitor_disk disks[DISK_COUNT_MAX];
static struct monitor_nic nics[NIC_COUNT_MAX];
static struct engine_machine machine = {
	.settings = &settings,
	.disks = disks,
	.nics = nics,
};

static bool has(const char *wanted)
{
	for (size_t i = 0; i < arguments.count; i++)
		if (strcmp(arguments.list[i], wanted) == 0)
			return true;
	return false;
}

static void fill(void)
{
	settings = (struct monitor_settings){
		.engine = ENGINE_QEMU,
		.memory_bytes = 256u << 20,
		.cpu_count = 2,
		.disk_count = 1,
		.qemu = "/usr/bin/qemu-system-x86_64",
		.cmdline = "root=/dev/vda1, ro",
	};
	disks[0].queue_count = 4;
}

TEST(the_command_line_names_what_the_guest_has_and_nothing_else)
{
	fill();
	CHECK_EQ(qemu_arguments(&machine, &arguments), 0);

	CHECK_EQ(strcmp(arguments.list[0], settings.qemu), 0);
	CHECK(has("-nodefaults"));
	CHECK(has("-no-user-config"));
	CHECK(has("-S"));
	CHECK(has("max,la57=off,pmu=off"));
	CHECK(has("268435456B"));
	CHECK(has("vhost-user-blk-pci,id=disk0-device,chardev=disk0,"
		  "num-queues=4"));
	CHECK(!has("-initrd"));
	CHECK(arguments.list[arguments.count] == NULL);
}

TEST(units_share_one_controller_and_its_ring)
{
	fill();
	settings.disk_count = 3;
	settings.scsi_queue_count = 2;
	disks[0].bus = disks[1].bus = DISK_BUS_SCSI;
	disks[1].target = 1;
	CHECK_EQ(qemu_arguments(&machine, &arguments), 0);
	memset(disks, 0, sizeof(disks));

	CHECK(has("vhost-user-scsi-pci,id=disk0-device,chardev=disk0,"
		  "num_queues=2,virtqueue_size=256,cmd_per_lun=85,"
		  "max_sectors=2048,t10_pi=off,hotplug=off,param_change=off"));
	CHECK(!has("vhost-user-scsi-pci,id=disk1-device"));
}

TEST(an_emulated_processor_never_leaves_its_memory_barriers_out)
{
	fill();
	CHECK_EQ(qemu_arguments(&machine, &arguments), 0);
	CHECK(has("2"));

	settings.cpu_count = 1;
	CHECK_EQ(qemu_arguments(&machine, &arguments), 0);
	CHECK(has("1,maxcpus=2"));

	settings.accelerator = 1;
	CHECK_EQ(qemu_arguments(&machine, &arguments), 0);
	CHECK(has("1"));
}

TEST(the_kernels_command_line_is_one_argument_whatever_is_in_it)
{
	fill();
	CHECK_EQ(qemu_arguments(&machine, &arguments), 0);

	CHECK(has("root=/dev/vda1, ro"));
}

TEST(the_longest_settings_fit)
{
	fill();
	settings.disk_count = DISK_COUNT_MAX;
	settings.has_initrd = 1;
	memset(settings.cmdline, 'c', sizeof(settings.cmdline) - 1);
	memset(settings.qemu, 'q', sizeof(settings.qemu) - 1);

	CHECK_EQ(qemu_arguments(&machine, &arguments), 0);
}

TEST(an_interface_is_a_vhost_user_device_with_its_address)
{
	fill();
	nics[0] = (struct monitor_nic){
		.queue_pair_count = 1,
		.mtu = 9000,
		.mac = { 2, 0, 0, 0xab, 0, 1 },
	};
	machine.nic_count = 1;
	CHECK_EQ(qemu_arguments(&machine, &arguments), 0);
	CHECK(has("socket,id=nic0,path=/boot/nic0"));
	CHECK(has("vhost-user,id=nic0-net,chardev=nic0,queues=1"));
	CHECK(has("virtio-net-pci,id=nic0-device,netdev=nic0-net,mq=off,"
		  "mac=02:00:00:ab:00:01,host_mtu=9000,romfile=,vectors=0"));

	settings.accelerator = 1;
	CHECK_EQ(qemu_arguments(&machine, &arguments), 0);
	CHECK(has("host,pmu=off"));
	CHECK(has("virtio-net-pci,id=nic0-device,netdev=nic0-net,mq=off,"
		  "mac=02:00:00:ab:00:01,host_mtu=9000,romfile="));
	machine.nic_count = 0;
}

TEST(everything_a_partition_may_have_fits)
{
	fill();
	settings.disk_count = DISK_COUNT_MAX;
	machine.nic_count = NIC_COUNT_MAX;
	memset(settings.cmdline, 'x', sizeof(settings.cmdline) - 1);
	CHECK_EQ(qemu_arguments(&machine, &arguments), 0);
	machine.nic_count = 0;
}
