/* SPDX-License-Identifier: MIT */
/* Block devices, where we may make one: a loop device. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "lib/harness.h"
#include "storage_rig.h"

static struct storage_rig rig;
static char loop[64];
static int loop_holder;

static void make_loop(void)
{
	char command[PATH_SIZE + 64];
	FILE *pipe;

	storage_rig_make(&rig, 1 << 20);
	(void)snprintf(command, sizeof(command),
		       "losetup -f --show %s 2>/dev/null", rig.disk.file);
	pipe = popen(command, "re");
	CHECK(pipe != NULL);
	loop[0] = '\0';
	(void)!fgets(loop, sizeof(loop), pipe);
	(void)pclose(pipe);
	loop[strcspn(loop, "\n")] = '\0';
	(void)unlink(rig.disk.file);
	if (!loop[0])
		test_skip("no loop device is to be had");
	(void)text_copy(rig.disk.file, sizeof(rig.disk.file), loop);
}

static void drop_loop(void)
{
	char command[96];

	(void)snprintf(command, sizeof(command), "losetup -d %s", loop);
	CHECK_EQ(system(command), 0);
}

TEST(a_block_device_is_claimed_by_its_writer)
{
	struct storage_facts expected;
	int witness, generation, plain;

	make_loop();
	CHECK_EQ(storage_rig_inspect(&rig), 0);
	CHECK(rig.facts.is_block_device);
	CHECK_EQ(rig.facts.size_bytes, 1 << 20);
	witness = storage_rig_witness(&rig);
	CHECK(witness >= 0);
	CHECK_EQ(fcntl(witness, F_GETFL) & O_ACCMODE, O_RDONLY);
	expected = rig.facts;

	CHECK_EQ(open(loop, O_RDONLY | O_EXCL | O_CLOEXEC), -1);
	CHECK_EQ(errno, EBUSY);
	CHECK_EQ(storage_rig_witness(&rig), -EBUSY);
	generation = storage_rig_generation(&rig, witness);
	CHECK(generation >= 0);
	CHECK_EQ(storage_check_witness(witness, &rig.disk, &expected), 0);
	(void)close(generation);
	(void)close(witness);
	plain = open(loop, O_RDONLY | O_CLOEXEC);
	CHECK_EQ(storage_check_witness(plain, &rig.disk, &expected), -EBADMSG);
	(void)close(plain);
	drop_loop();
}

TEST(a_block_device_may_have_several_readers)
{
	int first, second, claim;

	make_loop();
	rig.disk.access = DISK_READ_ONLY;
	first = storage_rig_witness(&rig);
	second = storage_rig_witness(&rig);
	CHECK(first >= 0 && second >= 0);
	(void)close(first);
	(void)close(second);

	claim = open(loop, O_RDWR | O_EXCL | O_CLOEXEC);
	CHECK(claim >= 0);
	CHECK_EQ(storage_rig_witness(&rig), -EBUSY);
	(void)close(claim);
	drop_loop();
}

TEST(a_block_device_may_be_larger_than_the_disk_but_not_smaller)
{
	make_loop();
	rig.disk.size_bytes = 4096;
	CHECK_EQ(storage_rig_inspect(&rig), 0);
	CHECK_EQ(rig.facts.size_bytes, 4096);

	rig.disk.size_bytes = 2 << 20;
	CHECK_EQ(storage_rig_inspect(&rig), -EINVAL);
	drop_loop();
}

/* losetup does not make one of more than a page. */
static void make_wide_loop(uint32_t block_bytes)
{
	struct loop_config config = {
		.block_size = block_bytes,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	int file, device;

	storage_rig_make(&rig, 1 << 20);
	file = open(rig.disk.file, O_RDWR | O_CLOEXEC);
	CHECK(file >= 0);
	config.fd = (uint32_t)file;
	(void)unlink(rig.disk.file);
	(void)snprintf(rig.disk.file, sizeof(rig.disk.file), "/dev/loop%d",
		       number);
	device = open(rig.disk.file, O_RDWR | O_CLOEXEC);
	if (device < 0 || ioctl(device, LOOP_CONFIGURE, &config) < 0)
		test_skip("no loop device with blocks of %u bytes is to be had",
			  block_bytes);
	loop_holder = device;
	(void)close(file);
	(void)close(control);
}

TEST(a_block_device_with_larger_blocks_than_are_served_is_refused)
{
	make_wide_loop(2 * DISK_BLOCK_BYTES_MAX);

	CHECK_EQ(storage_rig_inspect(&rig), -EINVAL);
	CHECK(strstr(rig.refusal.text, "8192") != NULL);
	CHECK(strstr(rig.refusal.text, "4096") != NULL);
	CHECK_EQ(storage_rig_witness(&rig), -EINVAL);
	(void)close(loop_holder);
}

TEST(a_block_device_with_the_largest_blocks_that_are_served_is_taken)
{
	make_wide_loop(DISK_BLOCK_BYTES_MAX);

	CHECK_EQ(storage_rig_inspect(&rig), 0);
	CHECK_EQ(rig.facts.logical_block_bytes, DISK_BLOCK_BYTES_MAX);
	(void)close(loop_holder);
}

static uint64_t find_mark(void)
{
	CHECK_EQ(storage_rig_inspect(&rig), 0);
	return rig.facts.mark;
}

static void write_to_device(void)
{
	int fd = open(loop, O_RDWR | O_CLOEXEC);

	CHECK_EQ(pwrite(fd, "x", 1, 8192), 1);
	CHECK_EQ(fdatasync(fd), 0);
	(void)close(fd);
}

static void discard_of_device(void)
{
	uint64_t range[2] = { 8192, 4096 };
	int fd = open(loop, O_RDWR | O_CLOEXEC);

	CHECK_EQ(ioctl(fd, BLKDISCARD, range), 0);
	(void)close(fd);
}

TEST(a_block_device_that_was_written_to_is_known_by_it)
{
	uint64_t mark;

	make_loop();
	mark = find_mark();
	CHECK(mark != 0);
	CHECK_EQ(find_mark(), mark);
	CHECK_EQ(storage_compare(&rig.facts, mark), STORAGE_SAME);

	write_to_device();
	CHECK(find_mark() != mark);
	CHECK_EQ(storage_compare(&rig.facts, mark), STORAGE_CHANGED);

	mark = rig.facts.mark;
	discard_of_device();
	(void)find_mark();
	CHECK_EQ(storage_compare(&rig.facts, mark), STORAGE_CHANGED);
	drop_loop();
}

TEST(what_happened_to_a_block_device_that_came_anew_is_not_known)
{
	uint64_t mark;

	make_loop();
	mark = find_mark();
	drop_loop();
	make_loop();

	(void)find_mark();
	CHECK_EQ(storage_compare(&rig.facts, mark), STORAGE_UNKNOWN);
	CHECK_EQ(storage_compare(&rig.facts, 0), STORAGE_UNKNOWN);
	drop_loop();
}
