/* SPDX-License-Identifier: MIT */
/* What a disk may be: its facts, its format, its room. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/count.h"
#include "lib/harness.h"
#include "storage_rig.h"
#include "supervisor/storage/storage_lock.h"

static struct storage_rig rig;

TEST(a_raw_image_passes_and_its_facts_are_found)
{
	struct stat status;

	storage_rig_make(&rig, 8192);
	CHECK_EQ(storage_rig_inspect(&rig), 0);

	CHECK_EQ(stat(rig.disk.file, &status), 0);
	CHECK_EQ(rig.facts.size_bytes, 8192);
	CHECK_EQ(rig.facts.inode, status.st_ino);
	CHECK_EQ(rig.facts.device, status.st_dev);
	CHECK_EQ(rig.facts.logical_block_bytes, 512);
	CHECK(!rig.facts.is_block_device);
	(void)unlink(rig.disk.file);
}

TEST(a_missing_image_is_told_from_a_bad_one)
{
	storage_rig_make(&rig, 0);
	CHECK_EQ(storage_rig_inspect(&rig), -ENOENT);
	CHECK_EQ(strcmp(rig.refusal.field, "disks[3].file"), 0);
}

TEST(an_image_of_another_size_is_refused)
{
	storage_rig_make(&rig, 8192);
	rig.disk.size_bytes = 4096;
	CHECK_EQ(storage_rig_inspect(&rig), -EINVAL);
	rig.disk.size_bytes = 8192;
	CHECK_EQ(storage_rig_inspect(&rig), 0);

	CHECK_EQ(truncate(rig.disk.file, 8193), 0);
	rig.disk.size_bytes = 0;
	CHECK_EQ(storage_rig_inspect(&rig), -EINVAL);
	CHECK_EQ(truncate(rig.disk.file, 0), 0);
	CHECK_EQ(storage_rig_inspect(&rig), -EINVAL);
	(void)unlink(rig.disk.file);
}

static void check_format(const char *name, const void *magic, size_t bytes,
			 off_t offset)
{
	storage_rig_make(&rig, 8192);
	storage_rig_write(&rig, magic, bytes, offset);
	CHECK_EQ(storage_rig_inspect(&rig), -EINVAL);
	CHECK(strstr(rig.refusal.text, name) != NULL);
	(void)unlink(rig.disk.file);
}

TEST(every_format_but_raw_is_refused_by_name)
{
	check_format("qcow", "QFI\xfb", 4, 0);
	check_format("qed", "QED", 4, 0);
	check_format("vmdk", "KDMV", 4, 0);
	check_format("vmdk", "COWD", 4, 0);
	check_format("vmdk", "# Disk DescriptorFile\n", 22, 0);
	check_format("vhdx", "vhdxfile", 8, 0);
	check_format("vhd", "conectix", 8, 0);
	check_format("vhd", "conectix", 8, 8192 - 512);
	check_format("vdi", "\x7f\x10\xda\xbe", 4, 64);
	check_format("parallels", "WithoutFreeSpace", 16, 0);
	check_format("parallels", "WithouFreSpacExt", 16, 0);
	check_format("dmg", "koly", 4, 8192 - 512);
}

TEST(a_hostile_guest_cannot_stop_its_disk_by_writing_a_magic)
{
	int fd;

	storage_rig_make(&rig, 8192);
	CHECK_EQ(storage_rig_inspect(&rig), 0);
	storage_rig_write(&rig, "QFI\xfb", 4, 0);

	fd = storage_rig_witness(&rig);
	CHECK(fd >= 0);
	(void)close(fd);
	(void)unlink(rig.disk.file);
}

/* A block and a filemark, as another tool leaves them. */
static const uint8_t tape[] = { 3, 0, 0, 0, 'o', 'd', 'd', 0,
				3, 0, 0, 0, 0,   0,   0,   0 };

static void make_tape(const void *bytes, size_t count)
{
	storage_rig_make(&rig, 1);
	rig.disk.type = DISK_TYPE_TAPE;
	CHECK_EQ(truncate(rig.disk.file, 0), 0);
	storage_rig_write(&rig, bytes, count, 0);
}

TEST(a_tape_is_of_any_length_and_may_be_recorded_in_part)
{
	make_tape(tape, sizeof(tape));
	CHECK_EQ(storage_rig_inspect(&rig), 0);
	CHECK_EQ(rig.facts.recorded_bytes, sizeof(tape));
	CHECK_EQ(rig.facts.size_bytes, 512);

	rig.disk.size_bytes = 1 << 20;
	CHECK_EQ(storage_rig_inspect(&rig), 0);
	CHECK_EQ(rig.facts.size_bytes, 1 << 20);
	CHECK_EQ(truncate(rig.disk.file, (1 << 20) + 1), 0);
	CHECK_EQ(storage_rig_inspect(&rig), -EINVAL);

	CHECK_EQ(truncate(rig.disk.file, 0), 0);
	CHECK_EQ(storage_rig_inspect(&rig), 0);
	CHECK_EQ(rig.facts.recorded_bytes, 0);
	(void)unlink(rig.disk.file);
}

TEST(a_file_that_begins_as_no_tape_does_is_refused_as_one)
{
	make_tape("Dear reader, this is a letter.", 30);
	CHECK_EQ(storage_rig_inspect(&rig), -EINVAL);
	CHECK(strstr(rig.refusal.text, "is no tape image") != NULL);
	(void)unlink(rig.disk.file);

	make_tape(tape, sizeof(tape));
	storage_rig_write(&rig, "x", 1, 8); /* the length behind the block */
	CHECK_EQ(storage_rig_inspect(&rig), -EINVAL);
	CHECK_EQ(truncate(rig.disk.file, 3), 0);
	CHECK_EQ(storage_rig_inspect(&rig), -EINVAL);
	(void)unlink(rig.disk.file);
}

TEST(what_is_no_image_is_refused_without_opening_it)
{
	storage_rig_make(&rig, 0);
	CHECK_EQ(mkfifo(rig.disk.file, 0600), 0);
	CHECK_EQ(storage_rig_inspect(&rig), -EINVAL);
	CHECK_EQ(unlink(rig.disk.file), 0);

	CHECK_EQ(mkdir(rig.disk.file, 0700), 0);
	CHECK_EQ(storage_rig_inspect(&rig), -EINVAL);
	CHECK_EQ(rmdir(rig.disk.file), 0);

	(void)strcpy(rig.disk.file, "/dev/null");
	CHECK_EQ(storage_rig_inspect(&rig), -EINVAL);
}

TEST(a_magic_link_is_not_followed)
{
	int fd;

	storage_rig_make(&rig, 8192);
	fd = open(rig.disk.file, O_RDONLY | O_CLOEXEC);
	(void)unlink(rig.disk.file);
	(void)snprintf(rig.disk.file, sizeof(rig.disk.file), "/proc/self/fd/%d",
		       fd);

	CHECK_EQ(storage_rig_inspect(&rig), -ELOOP);
	(void)close(fd);
}

TEST(only_file_systems_that_are_known_to_fence_count_as_fenced)
{
	/* ext4, XFS, Btrfs, F2FS, bcachefs, ZFS, tmpfs */
	static const long fenced[] = { 0xef53,     0x58465342, 0x9123683e,
				       0xf2f52010, 0xca451a4e, 0x2fc12fc1,
				       0x01021994 };
	/* NFS, FUSE, CIFS, 9p, Lustre, BeeGFS, GPFS, vboxsf, overlay, none */
	static const long unfenced[] = { 0x6969,     0x65735546, 0xff534d42,
					 0x01021997, 0x0bd00bd0, 0x19830326,
					 0x47504653, 0x786f4256, 0x794c7630,
					 0 };

	for (size_t i = 0; i < ARRAY_COUNT(fenced); i++)
		CHECK(storage_is_fenced(fenced[i]));
	for (size_t i = 0; i < ARRAY_COUNT(unfenced); i++)
		CHECK(!storage_is_fenced(unfenced[i]));
}

/* Nothing of /proc is known to fence. */
TEST(an_unknown_file_system_is_refused_unless_the_disk_says_so)
{
	storage_rig_make(&rig, 0);
	(void)strcpy(rig.disk.file, "/proc/self/comm");
	rig.disk.size_bytes = 512;

	CHECK_EQ(storage_rig_inspect(&rig), -EINVAL);
	CHECK(strstr(rig.refusal.text, "0x9fa0") != NULL);
	CHECK(strstr(rig.refusal.text, "rw-unfenced") != NULL);
	(void)strcpy(rig.disk.file, "/proc/self/new.img");
	CHECK_EQ(storage_check_room(&rig.disk, 0, &rig.refusal), -EINVAL);

	rig.disk.access = DISK_READ_WRITE_UNFENCED;
	CHECK_EQ(storage_check_room(&rig.disk, 0, &rig.refusal), 0);
	(void)strcpy(rig.disk.file, "/proc/self/comm");
	CHECK_EQ(storage_rig_inspect(&rig), -EINVAL);
	CHECK(strstr(rig.refusal.text, "size") != NULL);
}

TEST(room_for_a_new_image_is_checked_without_touching_anything)
{
	storage_rig_make(&rig, 0);
	CHECK_EQ(storage_check_room(&rig.disk, 0, &rig.refusal), -ENOENT);
	rig.disk.size_bytes = 1ull << 20;
	CHECK_EQ(storage_check_room(&rig.disk, 0, &rig.refusal), 0);
	rig.disk.size_bytes = DISK_BYTES_MAX;
	CHECK_EQ(storage_check_room(&rig.disk, 0, &rig.refusal), -ENOSPC);

	rig.disk.size_bytes = 1ull << 20;
	rig.disk.access = DISK_READ_ONLY;
	CHECK_EQ(storage_check_room(&rig.disk, 0, &rig.refusal), -ENOENT);
	rig.disk.access = DISK_READ_WRITE;
	(void)strcpy(rig.disk.file, "/nowhere/at/all.img");
	CHECK_EQ(storage_check_room(&rig.disk, 0, &rig.refusal), -ENOENT);
	CHECK(strstr(rig.refusal.text, "directory") != NULL);
}
