/* SPDX-License-Identifier: MIT */
#include "monitor/engine/qemu/arguments.h"

#include <errno.h>
#include <string.h>

#include "lib/harness.h"

static struct qemu_arguments arguments;
static struct monitor_settings settings;
static struct monitor_disk disks[DISK_COUNT_MAX];

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
	CHECK_EQ(qemu_arguments(&settings, disks, &arguments), 0);

	CHECK_EQ(strcmp(arguments.list[0], settings.qemu), 0);
	CHECK(has("-nodefaults"));
	CHECK(has("-no-user-config"));
	CHECK(has("-S"));
	CHECK(has("268435456B"));
	CHECK(has("vhost-user-blk-pci,id=disk0-device,chardev=disk0,"
		  "num-queues=4"));
	CHECK(!has("-initrd"));
	CHECK(arguments.list[arguments.count] == NULL);
}

TEST(the_kernels_command_line_is_one_argument_whatever_is_in_it)
{
	fill();
	CHECK_EQ(qemu_arguments(&settings, disks, &arguments), 0);

	CHECK(has("root=/dev/vda1, ro"));
}

TEST(the_longest_settings_fit)
{
	fill();
	settings.disk_count = DISK_COUNT_MAX;
	settings.has_initrd = 1;
	memset(settings.cmdline, 'c', sizeof(settings.cmdline) - 1);
	memset(settings.qemu, 'q', sizeof(settings.qemu) - 1);

	CHECK_EQ(qemu_arguments(&settings, disks, &arguments), 0);
}
