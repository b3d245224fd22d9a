/* SPDX-License-Identifier: MIT */
/* Who may use an image: witnesses, generations and their fences. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
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

/* Record locks are of a process, so they conflict with OFD ones. */
static pid_t lock_in_child(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = 0, .l_len = 10 };
	int told[2];
	pid_t child;
	char byte;

	CHECK_EQ(pipe2(told, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		int fd = open(rig.disk.file, O_RDWR | O_CLOEXEC);

		if (fcntl(fd, F_SETLK, &lock) == 0)
			(void)!write(told[1], "x", 1);
		for (;;)
			(void)pause();
	}
	CHECK_EQ(read(told[0], &byte, 1), 1);
	(void)close(told[0]);
	(void)close(told[1]);
	return child;
}

TEST(the_holder_of_an_old_lock_is_named)
{
	char holder[32];
	pid_t child;

	storage_rig_make(&rig, 8192);
	child = lock_in_child();
	CHECK_EQ(storage_rig_inspect(&rig), -EBUSY);

	(void)snprintf(holder, sizeof(holder), "process %d", (int)child);
	CHECK(strstr(rig.refusal.text, holder) != NULL);
	(void)kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	(void)unlink(rig.disk.file);
}

static void check_fence(uint8_t access)
{
	int witness, generation, duplicate;

	storage_rig_make(&rig, 8192);
	rig.disk.access = access;
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

TEST(a_fence_lifts_when_the_last_reference_of_a_generation_ends)
{
	check_fence(DISK_READ_WRITE);
	check_fence(DISK_READ_ONLY);
}

static int open_served(void)
{
	int fd = NO_FD;

	CHECK_EQ(storage_open_served(&rig.disk, 3, &fd, &rig.facts,
				     &rig.refusal),
		 0);
	return fd;
}

TEST(an_old_generation_fences_a_later_attachment_of_the_image)
{
	int witness, generation;

	storage_rig_make(&rig, 8192);
	witness = storage_rig_witness(&rig);
	generation = storage_rig_generation(&rig, witness);
	(void)close(witness);

	witness = open_served();
	CHECK_EQ(storage_fence_is_lifted(witness, 6, &rig.disk), 0);
	CHECK_EQ(storage_check_alone(witness, &rig.disk, 3, &rig.refusal),
		 -EBUSY);
	(void)close(generation);
	CHECK_EQ(storage_fence_is_lifted(witness, 6, &rig.disk), 1);
	CHECK_EQ(storage_check_alone(witness, &rig.disk, 3, &rig.refusal), 0);
	(void)close(witness);
	(void)unlink(rig.disk.file);
}

TEST(an_image_stays_locked_while_its_service_may_write_to_it)
{
	struct flock lock = { .l_type = F_WRLCK };
	int witness, generation, stranger;

	storage_rig_make(&rig, 8192);
	witness = storage_rig_witness(&rig);
	generation = storage_rig_generation(&rig, witness);
	stranger = open(rig.disk.file, O_RDWR | O_CLOEXEC);
	/* Its supervisor and its monitor die. */
	(void)close(witness);

	CHECK_EQ(storage_rig_witness(&rig), -EBUSY);
	CHECK_EQ(fcntl(stranger, F_OFD_SETLK, &lock), -1);
	(void)close(generation);
	CHECK_EQ(fcntl(stranger, F_OFD_SETLK, &lock), 0);
	(void)close(stranger);
	(void)unlink(rig.disk.file);
}

TEST(an_image_that_someone_took_gets_no_generation)
{
	struct flock unlock = { .l_type = F_UNLCK };
	int witness, qemu;

	storage_rig_make(&rig, 8192);
	witness = storage_rig_witness(&rig);
	CHECK_EQ(fcntl(witness, F_OFD_SETLK, &unlock), 0);
	qemu = hold_byte(101);

	CHECK_EQ(storage_rig_generation(&rig, witness), -EBUSY);
	(void)close(qemu);
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

TEST(a_hostile_peer_cannot_change_an_image_through_its_witness)
{
	char byte = 'x';
	int witness;

	storage_rig_make(&rig, 8192);
	witness = storage_rig_witness(&rig);

	CHECK_EQ(fcntl(witness, F_GETFL) & O_ACCMODE, O_RDONLY);
	CHECK_EQ(ftruncate(witness, 512), -1);
	CHECK_EQ(fallocate(witness, 0, 8192, 512), -1);
	CHECK_EQ(pwrite(witness, &byte, 1, 0), -1);
	CHECK_EQ(fdatasync(witness), 0);
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
	other = open(rig.disk.file, O_WRONLY | O_CLOEXEC);
	CHECK_EQ(storage_check_witness(other, &rig.disk, &expected), -EBADF);
	(void)close(other);
	other = open(rig.disk.file, O_PATH | O_CLOEXEC);
	CHECK_EQ(storage_check_witness(other, &rig.disk, &expected), -EBADF);
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
	/* It is ours again, but nobody writes to it while another has it. */
	CHECK_EQ(storage_check_witness(witness, &rig.disk, &expected), 0);
	CHECK_EQ(storage_rig_generation(&rig, witness), -EBUSY);
	(void)close(other);
	CHECK_EQ(storage_rig_witness(&rig), -EBUSY);
	other = storage_rig_generation(&rig, witness);
	CHECK(other >= 0);
	(void)close(other);
	(void)close(witness);
	(void)unlink(rig.disk.file);
}
