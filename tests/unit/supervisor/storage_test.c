/* SPDX-License-Identifier: MIT */
#include "supervisor/storage.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "lib/harness.h"
#include "supervisor/scrub.h"
#include "supervisor/storage_lock.h"

static struct disk_definition disk;
static struct storage_facts facts;
static struct refusal refusal;

/* An image of zeros on a file system that knows O_DIRECT, or a name only. */
static void make_image(off_t bytes)
{
	int fd;

	memset(&disk, 0, sizeof(disk));
	(void)strcpy(disk.file, "/var/tmp/storage_test_XXXXXX");
	fd = mkstemp(disk.file);
	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, bytes), 0);
	CHECK_EQ(close(fd), 0);
	if (bytes == 0)
		CHECK_EQ(unlink(disk.file), 0);
}

static void write_image(const void *from, size_t bytes, off_t offset)
{
	int fd = open(disk.file, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(pwrite(fd, from, bytes, offset), (long long)bytes);
	CHECK_EQ(close(fd), 0);
}

static int inspect(void)
{
	memset(&refusal, 0, sizeof(refusal));
	return storage_inspect(&disk, 3, &facts, &refusal);
}

static int open_witness(void)
{
	int fd = NO_FD;
	int r = storage_open_witness(&disk, 3, &fd, &facts, &refusal);

	return r < 0 ? r : fd;
}

static int open_generation(int witness)
{
	int fd = NO_FD;
	int r = storage_open_generation(witness, 5, &disk, &fd);

	return r < 0 ? r : fd;
}

TEST(a_raw_image_passes_and_its_facts_are_found)
{
	struct stat status;

	make_image(8192);
	CHECK_EQ(inspect(), 0);

	CHECK_EQ(stat(disk.file, &status), 0);
	CHECK_EQ(facts.size_bytes, 8192);
	CHECK_EQ(facts.inode, status.st_ino);
	CHECK_EQ(facts.device, status.st_dev);
	CHECK_EQ(facts.logical_block_bytes, 512);
	CHECK(!facts.is_block_device);
	(void)unlink(disk.file);
}

TEST(a_missing_image_is_told_from_a_bad_one)
{
	make_image(0);
	CHECK_EQ(inspect(), -ENOENT);
	CHECK_EQ(strcmp(refusal.field, "disks[3].file"), 0);
}

TEST(an_image_of_another_size_is_refused)
{
	make_image(8192);
	disk.size_bytes = 4096;
	CHECK_EQ(inspect(), -EINVAL);
	disk.size_bytes = 8192;
	CHECK_EQ(inspect(), 0);

	CHECK_EQ(truncate(disk.file, 8193), 0);
	disk.size_bytes = 0;
	CHECK_EQ(inspect(), -EINVAL);
	CHECK_EQ(truncate(disk.file, 0), 0);
	CHECK_EQ(inspect(), -EINVAL);
	(void)unlink(disk.file);
}

static void check_format(const char *name, const void *magic, size_t bytes,
			 off_t offset)
{
	make_image(8192);
	write_image(magic, bytes, offset);
	CHECK_EQ(inspect(), -EINVAL);
	CHECK(strstr(refusal.text, name) != NULL);
	(void)unlink(disk.file);
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

	make_image(8192);
	CHECK_EQ(inspect(), 0);
	write_image("QFI\xfb", 4, 0);

	fd = open_witness();
	CHECK(fd >= 0);
	(void)close(fd);
	(void)unlink(disk.file);
}

TEST(what_is_no_image_is_refused_without_opening_it)
{
	make_image(0);
	CHECK_EQ(mkfifo(disk.file, 0600), 0);
	CHECK_EQ(inspect(), -EINVAL);
	CHECK_EQ(unlink(disk.file), 0);

	CHECK_EQ(mkdir(disk.file, 0700), 0);
	CHECK_EQ(inspect(), -EINVAL);
	CHECK_EQ(rmdir(disk.file), 0);

	(void)strcpy(disk.file, "/dev/null");
	CHECK_EQ(inspect(), -EINVAL);
}

TEST(a_magic_link_is_not_followed)
{
	int fd;

	make_image(8192);
	fd = open(disk.file, O_RDONLY | O_CLOEXEC);
	(void)unlink(disk.file);
	(void)snprintf(disk.file, sizeof(disk.file), "/proc/self/fd/%d", fd);

	CHECK_EQ(inspect(), -ELOOP);
	(void)close(fd);
}

TEST(network_and_user_space_file_systems_count_as_unfenced)
{
	CHECK_EQ(strcmp(storage_unfenced_name(0x6969), "NFS"), 0);
	CHECK_EQ(strcmp(storage_unfenced_name(0x65735546), "FUSE"), 0);
	CHECK_EQ(strcmp(storage_unfenced_name(0xff534d42), "CIFS"), 0);
	CHECK_EQ(strcmp(storage_unfenced_name(0x01021997), "9p"), 0);

	CHECK(storage_unfenced_name(0xef53) == NULL);     /* ext4 */
	CHECK(storage_unfenced_name(0x01021994) == NULL); /* tmpfs */
}

TEST(a_second_writer_is_refused_and_a_later_one_not)
{
	int first, second;

	make_image(8192);
	first = open_witness();
	CHECK(first >= 0);
	CHECK_EQ(open_witness(), -EBUSY);
	CHECK_EQ(inspect(), -EBUSY);
	disk.access = DISK_READ_ONLY;
	CHECK_EQ(open_witness(), -EBUSY);

	disk.access = DISK_READ_WRITE;
	(void)close(first);
	second = open_witness();
	CHECK(second >= 0);
	(void)close(second);
	(void)unlink(disk.file);
}

TEST(readers_share_an_image_and_keep_writers_out)
{
	int first, second;

	make_image(8192);
	disk.access = DISK_READ_ONLY;
	first = open_witness();
	second = open_witness();
	CHECK(first >= 0 && second >= 0);

	disk.access = DISK_READ_WRITE;
	CHECK_EQ(open_witness(), -EBUSY);
	(void)close(first);
	CHECK_EQ(open_witness(), -EBUSY);
	(void)close(second);
	(void)unlink(disk.file);
}

/* What QEMU does for one byte: a read lock of its own description. */
static int hold_byte(off_t offset)
{
	struct flock lock = { .l_type = F_RDLCK,
			      .l_start = offset,
			      .l_len = 1 };
	int fd = open(disk.file, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_OFD_SETLK, &lock), 0);
	return fd;
}

static bool finds_byte_locked(off_t offset)
{
	struct flock lock = { .l_type = F_WRLCK,
			      .l_start = offset,
			      .l_len = 1 };
	int fd = open(disk.file, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_OFD_GETLK, &lock), 0);
	(void)close(fd);
	return lock.l_type != F_UNLCK;
}

TEST(an_image_that_a_qemu_holds_is_refused)
{
	int qemu;

	make_image(8192);
	qemu = hold_byte(100);
	CHECK_EQ(open_witness(), -EBUSY);
	(void)close(qemu);

	disk.access = DISK_READ_ONLY;
	qemu = hold_byte(101);
	CHECK_EQ(open_witness(), -EBUSY);
	(void)close(qemu);
	qemu = hold_byte(200);
	CHECK_EQ(open_witness(), -EBUSY);
	(void)close(qemu);
	(void)unlink(disk.file);
}

TEST(a_qemu_that_only_reads_shares_an_image_with_readers)
{
	int qemu, witness;

	make_image(8192);
	disk.access = DISK_READ_ONLY;
	qemu = hold_byte(100);
	witness = open_witness();
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
	(void)unlink(disk.file);
}

TEST(the_holder_of_an_old_lock_is_named)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = 0, .l_len = 10 };
	char holder[32];
	int fd;

	make_image(8192);
	fd = open(disk.file, O_RDWR | O_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_SETLK, &lock), 0);
	/* Record locks are of the process, so they conflict with OFD ones. */
	CHECK_EQ(inspect(), -EBUSY);

	(void)snprintf(holder, sizeof(holder), "process %d", (int)getpid());
	CHECK(strstr(refusal.text, holder) != NULL);
	(void)close(fd);
	(void)unlink(disk.file);
}

TEST(a_fence_lifts_when_the_last_reference_of_a_generation_ends)
{
	int witness, generation, duplicate;

	make_image(8192);
	witness = open_witness();
	CHECK_EQ(storage_fence_is_lifted(witness, 5, &disk), 1);
	generation = open_generation(witness);
	CHECK(generation >= 0);
	duplicate = dup(generation);

	CHECK_EQ(storage_fence_is_lifted(witness, 5, &disk), 0);
	CHECK_EQ(open_generation(witness), -EAGAIN);
	(void)close(generation);
	CHECK_EQ(storage_fence_is_lifted(witness, 5, &disk), 0);
	(void)close(duplicate);
	CHECK_EQ(storage_fence_is_lifted(witness, 5, &disk), 1);
	(void)close(witness);
	(void)unlink(disk.file);
}

TEST(an_old_generation_fences_a_later_attachment_of_the_image)
{
	int witness, generation;

	make_image(8192);
	witness = open_witness();
	generation = open_generation(witness);
	(void)close(witness);

	witness = open_witness();
	CHECK(witness >= 0);
	CHECK_EQ(storage_fence_is_lifted(witness, 6, &disk), 0);
	(void)close(generation);
	CHECK_EQ(storage_fence_is_lifted(witness, 6, &disk), 1);
	(void)close(witness);
	(void)unlink(disk.file);
}

TEST(readers_of_one_image_have_fences_of_their_own)
{
	int witness, generation;

	make_image(8192);
	disk.access = DISK_READ_ONLY;
	witness = open_witness();
	generation = open_generation(witness);
	CHECK(generation >= 0);

	CHECK_EQ(storage_fence_is_lifted(witness, 5, &disk), 0);
	CHECK_EQ(storage_fence_is_lifted(witness, 6, &disk), 1);
	CHECK_EQ(open_generation(witness), -EAGAIN);
	(void)close(generation);
	CHECK_EQ(storage_fence_is_lifted(witness, 5, &disk), 1);
	(void)close(witness);
	(void)unlink(disk.file);
}

TEST(a_direct_generation_is_opened_with_o_direct)
{
	int witness, generation;

	make_image(8192);
	disk.cache = DISK_DIRECT;
	CHECK_EQ(inspect(), 0);
	witness = open_witness();
	generation = open_generation(witness);

	CHECK(generation >= 0);
	CHECK(fcntl(generation, F_GETFL) & O_DIRECT);
	CHECK(!(fcntl(witness, F_GETFL) & O_DIRECT));
	CHECK(fcntl(generation, F_GETFD) & FD_CLOEXEC);
	(void)close(generation);
	(void)close(witness);
	(void)unlink(disk.file);
}

TEST(a_witness_that_came_back_is_accepted)
{
	struct storage_facts expected;
	int witness, duplicate;

	make_image(8192);
	witness = open_witness();
	/* What the store keeps of them. */
	expected = (struct storage_facts){ .device = facts.device,
					   .inode = facts.inode,
					   .size_bytes = 4096 };
	duplicate = dup(witness);
	(void)close(witness);

	CHECK_EQ(storage_check_witness(duplicate, &disk, &expected), 0);
	CHECK_EQ(expected.logical_block_bytes, facts.logical_block_bytes);
	CHECK_EQ(expected.size_bytes, 4096);
	CHECK_EQ(open_witness(), -EBUSY);
	(void)close(duplicate);
	(void)unlink(disk.file);
}

TEST(a_hostile_peer_cannot_return_another_descriptor_as_witness)
{
	struct storage_facts expected;
	int other;

	make_image(8192);
	CHECK_EQ(inspect(), 0);
	expected = facts;

	other = open("/dev/null", O_RDWR | O_CLOEXEC);
	CHECK_EQ(storage_check_witness(other, &disk, &expected), -EBADMSG);
	(void)close(other);
	other = open(disk.file, O_RDONLY | O_CLOEXEC);
	CHECK_EQ(storage_check_witness(other, &disk, &expected), -EBADMSG);
	(void)close(other);
	other = open(disk.file, O_PATH | O_CLOEXEC);
	CHECK_EQ(storage_check_witness(other, &disk, &expected), -EBADMSG);
	(void)close(other);
	(void)unlink(disk.file);
}

TEST(a_hostile_peer_cannot_drop_the_lock_of_its_witness_unseen)
{
	struct flock unlock = { .l_type = F_UNLCK };
	struct storage_facts expected;
	int witness, other;

	make_image(8192);
	witness = open_witness();
	expected = facts;
	CHECK_EQ(fcntl(witness, F_OFD_SETLK, &unlock), 0);

	other = open_witness();
	CHECK(other >= 0);
	CHECK_EQ(storage_check_witness(witness, &disk, &expected), -EBUSY);
	(void)close(other);
	CHECK_EQ(storage_check_witness(witness, &disk, &expected), 0);
	CHECK_EQ(open_witness(), -EBUSY);
	(void)close(witness);
	(void)unlink(disk.file);
}

TEST(room_for_a_new_image_is_checked_without_touching_anything)
{
	make_image(0);
	CHECK_EQ(storage_check_room(&disk, 0, &refusal), -ENOENT);
	disk.size_bytes = 1ull << 20;
	CHECK_EQ(storage_check_room(&disk, 0, &refusal), 0);
	disk.size_bytes = DISK_BYTES_MAX;
	CHECK_EQ(storage_check_room(&disk, 0, &refusal), -ENOSPC);

	disk.size_bytes = 1ull << 20;
	disk.access = DISK_READ_ONLY;
	CHECK_EQ(storage_check_room(&disk, 0, &refusal), -ENOENT);
	disk.access = DISK_READ_WRITE;
	(void)strcpy(disk.file, "/nowhere/at/all.img");
	CHECK_EQ(storage_check_room(&disk, 0, &refusal), -ENOENT);
	CHECK(strstr(refusal.text, "directory") != NULL);
}

/* -- a loop device, where we may make one -- */

static char loop[64];

static bool make_loop(void)
{
	char command[PATH_ROOM + 64];
	FILE *pipe;

	make_image(1 << 20);
	(void)snprintf(command, sizeof(command),
		       "losetup -f --show %s 2>/dev/null", disk.file);
	pipe = popen(command, "re");
	CHECK(pipe != NULL);
	loop[0] = '\0';
	(void)!fgets(loop, sizeof(loop), pipe);
	(void)pclose(pipe);
	loop[strcspn(loop, "\n")] = '\0';
	if (!loop[0]) {
		(void)unlink(disk.file);
		(void)fprintf(stderr, "no loop device here, not tried\n");
		return false;
	}
	(void)unlink(disk.file);
	(void)text_copy(disk.file, sizeof(disk.file), loop);
	return true;
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

	if (!make_loop())
		return;
	CHECK_EQ(inspect(), 0);
	CHECK(facts.is_block_device);
	CHECK_EQ(facts.size_bytes, 1 << 20);
	witness = open_witness();
	CHECK(witness >= 0);
	expected = facts;

	CHECK_EQ(open(loop, O_RDONLY | O_EXCL | O_CLOEXEC), -1);
	CHECK_EQ(errno, EBUSY);
	CHECK_EQ(open_witness(), -EBUSY);
	generation = open_generation(witness);
	CHECK(generation >= 0);
	CHECK_EQ(storage_check_witness(witness, &disk, &expected), 0);
	(void)close(generation);
	(void)close(witness);
	plain = open(loop, O_RDWR | O_CLOEXEC);
	CHECK_EQ(storage_check_witness(plain, &disk, &expected), -EBADMSG);
	(void)close(plain);
	drop_loop();
}

TEST(a_block_device_may_have_several_readers)
{
	int first, second, claim;

	if (!make_loop())
		return;
	disk.access = DISK_READ_ONLY;
	first = open_witness();
	second = open_witness();
	CHECK(first >= 0 && second >= 0);
	(void)close(first);
	(void)close(second);

	claim = open(loop, O_RDWR | O_EXCL | O_CLOEXEC);
	CHECK(claim >= 0);
	CHECK_EQ(open_witness(), -EBUSY);
	(void)close(claim);
	drop_loop();
}

TEST(a_block_device_may_be_larger_than_the_disk_but_not_smaller)
{
	if (!make_loop())
		return;
	disk.size_bytes = 4096;
	CHECK_EQ(inspect(), 0);
	CHECK_EQ(facts.size_bytes, 4096);

	disk.size_bytes = 2 << 20;
	CHECK_EQ(inspect(), -EINVAL);
	drop_loop();
}

/* -- kernels -- */

static int open_kernel(void)
{
	int fd = NO_FD;
	int r = storage_open_kernel(disk.file, &fd, &refusal);

	close_fd(&fd);
	return r;
}

/* The least that is a bzImage: a setup sector and `paragraphs` behind it. */
static void make_bzimage(off_t bytes, uint32_t paragraphs)
{
	const struct setup_header header = {
		.setup_sects = 1,
		.syssize = paragraphs,
		.boot_flag = 0xaa55,
		.jump = 0x60eb, /* over it: it ends at 0x262 */
		.header = 0x53726448,
		.version = 0x0206,
		.loadflags = LOADED_HIGH,
		.code32_start = 0x100000,
	};

	make_image(bytes);
	write_image(&header, sizeof(header), 0x1f1);
}

TEST(a_kernel_must_be_a_whole_bzimage)
{
	make_image(4096);
	CHECK_EQ(open_kernel(), -EINVAL);
	CHECK(strstr(refusal.text, "bzImage") != NULL);
	(void)unlink(disk.file);

	make_bzimage(4096, 100);
	CHECK_EQ(open_kernel(), 0);
	(void)unlink(disk.file);

	make_bzimage(4096, 193);
	CHECK_EQ(open_kernel(), -EINVAL);
	CHECK(strstr(refusal.text, "cut short") != NULL);
	(void)unlink(disk.file);
}

TEST(a_kernel_may_lack_what_fills_its_last_paragraph)
{
	make_bzimage(4096, 192);
	CHECK_EQ(truncate(disk.file, 4081), 0);
	CHECK_EQ(open_kernel(), 0);

	CHECK_EQ(truncate(disk.file, 4080), 0);
	CHECK_EQ(open_kernel(), -EINVAL);
	(void)unlink(disk.file);
}

/* An ELF image of 32 bits, entered by the note at its end. */
struct elf_image {
	Elf32_Ehdr header;
	Elf32_Phdr code;
	Elf32_Phdr note;
	Elf32_Nhdr note_header;
	char name[4];
	uint32_t entry;
};

static const struct elf_image elf_kernel = {
	.header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB,
				 EV_CURRENT },
		    .e_type = ET_EXEC,
		    .e_machine = EM_386,
		    .e_phoff = offsetof(struct elf_image, code),
		    .e_phentsize = sizeof(Elf32_Phdr),
		    .e_phnum = 2 },
	.code = { .p_type = PT_LOAD,
		  .p_paddr = 0x100000,
		  .p_filesz = sizeof(struct elf_image),
		  .p_memsz = sizeof(struct elf_image) },
	.note = { .p_type = PT_NOTE,
		  .p_offset = offsetof(struct elf_image, note_header),
		  .p_filesz = 20 },
	.note_header = { .n_namesz = 4, .n_descsz = 4, .n_type = 18 },
	.name = "Xen",
	.entry = 0x100000,
};

static int open_elf(const struct elf_image *elf, off_t bytes)
{
	int r;

	make_image(bytes);
	write_image(elf, sizeof(*elf), 0);
	CHECK_EQ(truncate(disk.file, bytes), 0);
	r = open_kernel();
	(void)unlink(disk.file);
	return r;
}

TEST(a_kernel_may_be_an_elf_image_of_32_bits_with_a_pvh_note)
{
	struct elf_image elf = elf_kernel;

	CHECK_EQ(open_elf(&elf, sizeof(elf)), 0);
	CHECK_EQ(open_elf(&elf, sizeof(elf) - 1), -EINVAL);
	elf.note_header.n_type = 1;
	CHECK_EQ(open_elf(&elf, sizeof(elf)), -EINVAL);
	CHECK(strstr(refusal.text, "without a PVH note") != NULL);
}

TEST(a_kernel_must_be_for_this_architecture)
{
	struct elf_image elf = elf_kernel;

	elf.header.e_machine = EM_ARM;
	CHECK_EQ(open_elf(&elf, sizeof(elf)), -EINVAL);
	CHECK(strstr(refusal.text, "not x86") != NULL);
}

TEST(an_initial_ram_disk_must_be_a_file_with_something_in_it)
{
	int fd = NO_FD;

	make_image(10);
	CHECK_EQ(storage_open_initrd(disk.file, &fd, &refusal), 0);
	close_fd(&fd);
	CHECK_EQ(truncate(disk.file, 0), 0);
	CHECK_EQ(storage_open_initrd(disk.file, &fd, &refusal), -EINVAL);
	CHECK_EQ(storage_open_initrd("/tmp", &fd, &refusal), -EINVAL);
	(void)unlink(disk.file);
	CHECK_EQ(storage_open_initrd(disk.file, &fd, &refusal), -ENOENT);
	CHECK_EQ(strcmp(refusal.field, "boot.initrd"), 0);
}

/* -- scrubbing -- */

static int wait_for(struct scrub *scrub)
{
	struct pollfd poller = { .fd = scrub_fd(scrub), .events = POLLIN };

	CHECK_EQ(poll(&poller, 1, 5000), 1);
	return scrub_result(scrub);
}

TEST(a_scrub_zeroes_what_is_there_and_keeps_holes)
{
	static uint8_t data[3 << 20];
	struct scrub *scrub;
	struct stat status;
	int fd;

	memset(data, 0xaa, sizeof(data));
	make_image(64 << 20);
	write_image(data, sizeof(data), 8 << 20);
	fd = open(disk.file, O_RDWR | O_CLOEXEC);
	CHECK_EQ(scrub_start(&scrub, fd, 64 << 20), 0);
	CHECK_EQ(wait_for(scrub), 0);
	scrub_free(scrub);

	CHECK_EQ(pread(fd, data, sizeof(data), 8 << 20), sizeof(data));
	for (size_t i = 0; i < sizeof(data); i++)
		CHECK_EQ(data[i], 0);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK_EQ(status.st_size, 64 << 20);
	CHECK(status.st_blocks * 512 < 8 << 20);
	(void)close(fd);
	(void)unlink(disk.file);
}

TEST(a_scrub_that_cannot_write_says_so)
{
	struct scrub *scrub;
	int fd;

	make_image(8192);
	write_image("x", 1, 0);
	fd = open(disk.file, O_RDONLY | O_CLOEXEC);
	CHECK_EQ(scrub_start(&scrub, fd, 8192), 0);
	CHECK_EQ(wait_for(scrub), -EBADF);
	scrub_free(scrub);
	(void)close(fd);
	(void)unlink(disk.file);
}

TEST(a_scrub_can_be_given_up)
{
	struct scrub *scrub;
	int fd;

	make_image(8192);
	fd = open(disk.file, O_RDWR | O_CLOEXEC);
	CHECK_EQ(scrub_start(&scrub, fd, 8192), 0);
	scrub_free(scrub);
	scrub_free(NULL);
	(void)close(fd);
	(void)unlink(disk.file);
}
