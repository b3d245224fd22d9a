/* SPDX-License-Identifier: MIT */
/* Who may use an image: witnesses, generations and their fences. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/harness.h"
#include "storage_rig.h"

static struct storage_rig rig;

TEST(a_second_writer_is_refused_and_a_later_one_not)
{
	int first, second;

	storage_rig_make(&rig, 8192);
	first = storage_rig_witness(&rig);
	CHECK(first >= 0);
	CHECK_EQ(storage_rig_witness(&rig), -EBUSY);
	CHECK_EQ(storage_rig_inspect(&rig), -EBUSY);
	rig.disk.access = DISK_READ_ONLY;
	CHECK_EQ(storage_rig_witness(&rig), -EBUSY);

	rig.disk.access = DISK_READ_WRITE;
	(void)close(first);
	second = storage_rig_witness(&rig);
	CHECK(second >= 0);
	(void)close(second);
	(void)unlink(rig.disk.file);
}

TEST(readers_share_an_image_and_keep_writers_out)
{
	int first, second;

	storage_rig_make(&rig, 8192);
	rig.disk.access = DISK_READ_ONLY;
	first = storage_rig_witness(&rig);
	second = storage_rig_witness(&rig);
	CHECK(first >= 0 && second >= 0);

	rig.disk.access = DISK_READ_WRITE;
	CHECK_EQ(storage_rig_witness(&rig), -EBUSY);
	(void)close(first);
	CHECK_EQ(storage_rig_witness(&rig), -EBUSY);
	(void)close(second);
	(void)unlink(rig.disk.file);
}

/* What QEMU does for one byte: a read lock of its own description. */
static int hold_byte(off_t offset)
{
	struct flock lock = { .l_type = F_RDLCK,
			      .l_start = offset,
			      .l_len = 1 };
	int fd = open(rig.disk.file, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_OFD_SETLK, &lock), 0);
	return fd;
}

static bool finds_byte_locked(off_t offset)
{
	struct flock lock = { .l_type = F_WRLCK,
			      .l_start = offset,
			      .l_len = 1 };
	int fd = open(rig.disk.file, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_OFD_GETLK, &lock), 0);
	(void)close(fd);
	return lock.l_type != F_UNLCK;
}

TEST(an_image_that_a_qemu_holds_is_refused)
{
	int qemu;

	storage_rig_make(&rig, 8192);
	qemu = hold_byte(100);
	CHECK_EQ(storage_rig_witness(&rig), -EBUSY);
	(void)close(qemu);

	rig.disk.access = DISK_READ_ONLY;
	qemu = hold_byte(101);
	CHECK_EQ(storage_rig_witness(&rig), -EBUSY);
	(void)close(qemu);
	qemu = hold_byte(200);
	CHECK_EQ(storage_rig_witness(&rig), -EBUSY);
	(void)close(qemu);
	(void)unlink(rig.disk.file);
}

TEST(a_qemu_that_only_reads_shares_an_image_with_readers)
{
	int qemu, witness;

	storage_rig_make(&rig, 8192);
	rig.disk.access = DISK_READ_ONLY;
	qemu = hold_byte(100);
	witness = storage_rig_witness(&rig);
	CHECK(witness >= 0);

	/* It finds that others may not write, and that it may read. */
	CHECK(finds_byte_locked(201));
	CHECK(finds_byte_locked(203));
	CHECK(!finds_byte_locked(101));
	CHECK(!finds_byte_locked(103));
	CHECK(!finds_byte_locked(200));
	(void)close(qemu);
	CHECK(finds_byte_locked(100));
	(void)close(witness);
	(void)unlink(rig.disk.file);
}

TEST(the_holder_of_an_old_lock_is_named)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = 0, .l_len = 10 };
	char holder[32];
	int fd;

	storage_rig_make(&rig, 8192);
	fd = open(rig.disk.file, O_RDWR | O_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_SETLK, &lock), 0);
	/* Record locks are of the process, so they conflict with OFD ones. */
	CHECK_EQ(storage_rig_inspect(&rig), -EBUSY);

	(void)snprintf(holder, sizeof(holder), "process %d", (int)getpid());
	CHECK(strstr(rig.refusal.text, holder) != NULL);
	(void)close(fd);
	(void)unlink(rig.disk.file);
}

TEST(a_fence_lifts_when_the_last_reference_of_a_generation_ends)
{
	int witness, generation, duplicate;

	storage_rig_make(&rig, 8192);
	witness = storage_rig_witness(&rig);
	CHECK_EQ(storage_fence_is_lifted(witness, 5, &rig.disk), 1);
	generation = storage_rig_generation(&rig, witness);
	CHECK(generation >= 0);
	duplicate = dup(generation);

	CHECK_EQ(storage_fence_is_lifted(witness, 5, &rig.disk), 0);
	CHECK_EQ(storage_rig_generation(&rig, witness), -EAGAIN);
	(void)close(generation);
	CHECK_EQ(storage_fence_is_lifted(witness, 5, &rig.disk), 0);
	(void)close(duplicate);
	CHECK_EQ(storage_fence_is_lifted(witness, 5, &rig.disk), 1);
	(void)close(witness);
	(void)unlink(rig.disk.file);
}

TEST(an_old_generation_fences_a_later_attachment_of_the_image)
{
	int witness, generation;

	storage_rig_make(&rig, 8192);
	witness = storage_rig_witness(&rig);
	generation = storage_rig_generation(&rig, witness);
	(void)close(witness);

	witness = storage_rig_witness(&rig);
	CHECK(witness >= 0);
	CHECK_EQ(storage_fence_is_lifted(witness, 6, &rig.disk), 0);
	(void)close(generation);
	CHECK_EQ(storage_fence_is_lifted(witness, 6, &rig.disk), 1);
	(void)close(witness);
	(void)unlink(rig.disk.file);
}

TEST(readers_of_one_image_have_fences_of_their_own)
{
	int witness, generation;

	storage_rig_make(&rig, 8192);
	rig.disk.access = DISK_READ_ONLY;
	witness = storage_rig_witness(&rig);
	generation = storage_rig_generation(&rig, witness);
	CHECK(generation >= 0);

	CHECK_EQ(storage_fence_is_lifted(witness, 5, &rig.disk), 0);
	CHECK_EQ(storage_fence_is_lifted(witness, 6, &rig.disk), 1);
	CHECK_EQ(storage_rig_generation(&rig, witness), -EAGAIN);
	(void)close(generation);
	CHECK_EQ(storage_fence_is_lifted(witness, 5, &rig.disk), 1);
	(void)close(witness);
	(void)unlink(rig.disk.file);
}

TEST(a_direct_generation_is_opened_with_o_direct)
{
	int witness, generation;

	storage_rig_make(&rig, 8192);
	rig.disk.cache = DISK_DIRECT;
	CHECK_EQ(storage_rig_inspect(&rig), 0);
	witness = storage_rig_witness(&rig);
	generation = storage_rig_generation(&rig, witness);

	CHECK(generation >= 0);
	CHECK(fcntl(generation, F_GETFL) & O_DIRECT);
	CHECK(!(fcntl(witness, F_GETFL) & O_DIRECT));
	CHECK(fcntl(generation, F_GETFD) & FD_CLOEXEC);
	(void)close(generation);
	(void)close(witness);
	(void)unlink(rig.disk.file);
}

TEST(a_witness_that_came_back_is_accepted)
{
	struct storage_facts expected;
	int witness, duplicate;

	storage_rig_make(&rig, 8192);
	witness = storage_rig_witness(&rig);
	/* What the store keeps of them. */
	expected = (struct storage_facts){ .device = rig.facts.device,
					   .inode = rig.facts.inode,
					   .size_bytes = 4096 };
	duplicate = dup(witness);
	(void)close(witness);

	CHECK_EQ(storage_check_witness(duplicate, &rig.disk, &expected), 0);
	CHECK_EQ(expected.logical_block_bytes, rig.facts.logical_block_bytes);
	CHECK_EQ(expected.size_bytes, 4096);
	CHECK_EQ(storage_rig_witness(&rig), -EBUSY);
	(void)close(duplicate);
	(void)unlink(rig.disk.file);
}

TEST(a_hostile_peer_cannot_return_another_descriptor_as_witness)
{
	struct storage_facts expected;
	int other;

	storage_rig_make(&rig, 8192);
	CHECK_EQ(storage_rig_inspect(&rig), 0);
	expected = rig.facts;

	other = open("/dev/null", O_RDWR | O_CLOEXEC);
	CHECK_EQ(storage_check_witness(other, &rig.disk, &expected), -EBADMSG);
	(void)close(other);
	other = open(rig.disk.file, O_RDONLY | O_CLOEXEC);
	CHECK_EQ(storage_check_witness(other, &rig.disk, &expected), -EBADMSG);
	(void)close(other);
	other = open(rig.disk.file, O_PATH | O_CLOEXEC);
	CHECK_EQ(storage_check_witness(other, &rig.disk, &expected), -EBADMSG);
	(void)close(other);
	(void)unlink(rig.disk.file);
}

TEST(a_hostile_peer_cannot_drop_the_lock_of_its_witness_unseen)
{
	struct flock unlock = { .l_type = F_UNLCK };
	struct storage_facts expected;
	int witness, other;

	storage_rig_make(&rig, 8192);
	witness = storage_rig_witness(&rig);
	expected = rig.facts;
	CHECK_EQ(fcntl(witness, F_OFD_SETLK, &unlock), 0);

	other = storage_rig_witness(&rig);
	CHECK(other >= 0);
	CHECK_EQ(storage_check_witness(witness, &rig.disk, &expected), -EBUSY);
	(void)close(other);
	CHECK_EQ(storage_check_witness(witness, &rig.disk, &expected), 0);
	CHECK_EQ(storage_rig_witness(&rig), -EBUSY);
	(void)close(witness);
	(void)unlink(rig.disk.file);
}
