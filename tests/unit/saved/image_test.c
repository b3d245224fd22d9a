/* SPDX-License-Identifier: MIT */
#include "saved/image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "lib/harness.h"
#include "saved/format.h"

#define PAGE        4096u
#define STATE_BYTES 300u

static const struct image_machine small = {
	.memory_bytes = 2 * PAGE,
	.layout_version = 1,
	.vcpu_count = 2,
	.disk_count = 1,
	.tsc_khz = 2000000,
	.xcr0 = 7,
	.xsave_bytes = 832,
	.vendor = "AuthenticAMD",
};

static uint8_t state[STATE_BYTES];
static uint8_t buffer[IMAGE_CHUNK_BYTES];
static uint64_t told_bytes;

/* What the writer asks of the kernel, in its order: what is not on the disk
 * yet, and how the next synchronisation ends. */
static uint32_t unsynced_count, header_count;
static bool must_fail_sync;

ssize_t __real_pwrite64(int fd, const void *from, size_t count, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *from, size_t count, off_t at);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd);

ssize_t __wrap_pwrite64(int fd, const void *from, size_t count, off_t at)
{
	if (at == 0 && count == sizeof(struct image_header)) {
		CHECK_EQ(unsynced_count, 0);
		header_count++;
	}
	unsynced_count++;
	return __real_pwrite64(fd, from, count, at);
}

int __wrap_fdatasync(int fd)
{
	errno = EIO;
	if (must_fail_sync)
		return -1;
	unsynced_count = 0;
	return __real_fdatasync(fd);
}

int __wrap_fsync(int fd)
{
	unsynced_count = 0;
	return __real_fsync(fd);
}

static int new_file(void)
{
	int fd = memfd_create("file", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CHECK(fd >= 0);
	return fd;
}

static int new_memory(const struct image_machine *machine)
{
	int fd = new_file();

	CHECK_EQ(ftruncate(fd, (off_t)machine->memory_bytes), 0);
	return fd;
}

static void put_page(int memory_fd, uint64_t page, uint8_t value)
{
	uint8_t bytes[PAGE];

	memset(bytes, value, sizeof(bytes));
	CHECK_EQ(pwrite(memory_fd, bytes, PAGE, (off_t)(page * PAGE)), PAGE);
}

static void note_progress(void *context, uint64_t done, uint64_t total)
{
	CHECK(done >= told_bytes);
	CHECK(done <= total);
	told_bytes = done;
}

static int write_image(int fd, int memory_fd,
		       const struct image_machine *machine)
{
	static const struct image_progress progress = { note_progress, NULL };
	struct image_writer writer;
	int result;

	told_bytes = 0;
	for (uint32_t i = 0; i < STATE_BYTES; i++)
		state[i] = (uint8_t)(i * 3 + 1);
	CHECK_EQ(image_writer_open(&writer, fd, memory_fd, machine, &progress),
		 0);
	result = image_writer_memory(&writer);
	if (result == 0)
		result = image_writer_finish(&writer, state, STATE_BYTES);
	image_writer_close(&writer);
	return result;
}

static int small_image(void)
{
	int memory_fd = new_memory(&small);
	int fd = new_file();

	put_page(memory_fd, 1, 0x5a);
	CHECK_EQ(write_image(fd, memory_fd, &small), 0);
	CHECK_EQ(close(memory_fd), 0);
	return fd;
}

static int open_image(int fd, const struct image_machine *wanted,
		      struct refusal *refusal)
{
	struct image image;
	int result = image_open(&image, dup(fd), wanted, refusal);

	image_close(&image);
	return result;
}

static off_t size_of(int fd)
{
	struct stat status;

	CHECK_EQ(fstat(fd, &status), 0);
	return status.st_size;
}

static void flip(int fd, off_t at)
{
	uint8_t byte;

	CHECK_EQ(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	CHECK_EQ(pwrite(fd, &byte, 1, at), 1);
}

TEST(an_image_gives_back_memory_and_state)
{
	struct image_machine machine = small;
	struct image image;
	struct refusal refusal;
	int memory_fd;
	int fd = new_file();

	machine.memory_bytes = 3 * IMAGE_CHUNK_BYTES + 5 * PAGE;
	memory_fd = new_memory(&machine);
	put_page(memory_fd, 1, 0x11);
	put_page(memory_fd, 3, 0x33);
	put_page(memory_fd, 64, 0); /* all zero, but a page */
	put_page(memory_fd, 3 * 64 + 4, 0x77);
	CHECK_EQ(write_image(fd, memory_fd, &machine), 0);
	CHECK_EQ((long long)told_bytes, (long long)machine.memory_bytes);

	CHECK_EQ(image_open(&image, fd, &machine, &refusal), 0);
	CHECK_EQ(image.machine.tsc_khz, small.tsc_khz);
	CHECK_EQ((long long)image.state_bytes, STATE_BYTES);
	CHECK_EQ(memcmp(image.state, state, STATE_BYTES), 0);
	CHECK_EQ(image.chunk_count, 4);
	CHECK(image_chunk_has_data(&image, 0));
	CHECK(!image_chunk_has_data(&image, 1));
	CHECK(!image_chunk_has_data(&image, 2));
	CHECK_EQ(image_chunk_bytes(&image, 3), 5 * PAGE);
	CHECK_EQ(image_read_chunk(&image, 0, buffer), 0);
	CHECK_EQ(buffer[0], 0);
	CHECK_EQ(buffer[PAGE], 0x11);
	CHECK_EQ(buffer[2 * PAGE], 0);
	CHECK_EQ(buffer[4 * PAGE - 1], 0x33);
	CHECK_EQ(image_read_chunk(&image, 3, buffer), 0);
	CHECK_EQ(buffer[4 * PAGE], 0x77);
	image_close(&image);
	CHECK_EQ(close(memory_fd), 0);
}

TEST(what_was_never_touched_takes_no_room)
{
	struct image_machine machine = small;
	struct stat status;
	int memory_fd;
	int fd = new_file();

	machine.memory_bytes = 1ull << 30;
	memory_fd = new_memory(&machine);
	put_page(memory_fd, 100000, 0x11);
	CHECK_EQ(write_image(fd, memory_fd, &machine), 0);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK(status.st_size > 1 << 30);
	CHECK(status.st_blocks * 512 < 100000);
	/* Nor did the saving give the guest pages that it had not. */
	CHECK_EQ(fstat(memory_fd, &status), 0);
	CHECK_EQ(status.st_blocks * 512, PAGE);
	CHECK_EQ(close(memory_fd), 0);
	CHECK_EQ(close(fd), 0);
}

TEST(an_image_cut_at_any_byte_is_refused)
{
	struct refusal refusal;
	int fd = small_image();
	off_t size = size_of(fd);

	CHECK_EQ(open_image(fd, &small, &refusal), 0);
	while (--size >= 0) {
		CHECK_EQ(ftruncate(fd, size), 0);
		CHECK_EQ(open_image(fd, &small, &refusal), -EBADMSG);
		CHECK(refusal.text[0] != '\0');
	}
	CHECK_EQ(close(fd), 0);
}

TEST(an_image_with_bytes_too_many_is_refused)
{
	struct refusal refusal;
	int fd = small_image();

	CHECK_EQ(ftruncate(fd, size_of(fd) + 1), 0);
	CHECK_EQ(open_image(fd, &small, &refusal), -EBADMSG);
	CHECK_EQ(close(fd), 0);
}

static void refuse_flips(int fd, off_t begin, off_t count)
{
	struct refusal refusal;

	for (off_t at = begin; at < begin + count; at++) {
		flip(fd, at);
		CHECK_EQ(open_image(fd, &small, &refusal), -EBADMSG);
		flip(fd, at);
	}
}

TEST(a_flipped_byte_in_header_table_or_state_is_refused)
{
	struct refusal refusal;
	int fd = small_image();

	refuse_flips(fd, 0, PAGE);
	refuse_flips(fd, PAGE, 8);
	refuse_flips(fd, size_of(fd) - STATE_BYTES, STATE_BYTES);
	CHECK_EQ(open_image(fd, &small, &refusal), 0);
	CHECK_EQ(close(fd), 0);
}

TEST(a_damaged_chunk_is_found_when_it_is_read)
{
	struct image image;
	struct refusal refusal;
	int fd = small_image();

	flip(fd, 3 * PAGE + 100);
	CHECK_EQ(image_open(&image, fd, &small, &refusal), 0);
	CHECK_EQ(image_read_chunk(&image, 0, buffer), -EBADMSG);
	flip(fd, 3 * PAGE + 100);
	CHECK_EQ(image_read_chunk(&image, 0, buffer), 0);
	/* A hole where data was. */
	CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			   3 * PAGE, PAGE),
		 0);
	CHECK_EQ(image_read_chunk(&image, 0, buffer), -EBADMSG);
	CHECK_EQ(ftruncate(fd, 3 * PAGE + 1), 0);
	CHECK_EQ(image_read_chunk(&image, 0, buffer), -EBADMSG);
	image_close(&image);
}

/* Whoever damaged it made the checksum fit again. */
static void forge(int fd, off_t at, const void *bytes, size_t count)
{
	uint8_t header[PAGE];
	uint32_t sum;

	CHECK_EQ(pwrite(fd, bytes, count, at), (long long)count);
	CHECK_EQ(pread(fd, header, PAGE, 0), PAGE);
	sum = crc32c(0, header, PAGE - sizeof(sum));
	CHECK_EQ(pwrite(fd, &sum, sizeof(sum), PAGE - sizeof(sum)),
		 sizeof(sum));
}

TEST(another_version_is_refused_by_name)
{
	struct refusal refusal;
	uint32_t version = 2;
	int fd = small_image();

	forge(fd, 8, &version, sizeof(version));
	CHECK_EQ(open_image(fd, &small, &refusal), -ENOTSUP);
	CHECK(strstr(refusal.text, "version 2"));
	CHECK_EQ(close(fd), 0);
}

TEST(another_file_is_refused)
{
	struct refusal refusal;
	int fd = small_image();

	CHECK_EQ(pwrite(fd, "QEVM", 4, 0), 4);
	CHECK_EQ(open_image(fd, &small, &refusal), -EBADMSG);
	CHECK(strstr(refusal.text, "not a saved partition"));
	CHECK_EQ(close(fd), 0);
}

TEST(a_hostile_image_cannot_choose_sizes)
{
	static const uint64_t values[] = { 0,          1,
					   PAGE,       1ull << 32,
					   1ull << 45, 1ull << 63,
					   UINT64_MAX, UINT64_MAX - PAGE + 1 };
	struct refusal refusal;

	/* All numbers of the header from `flags` to the vendor. */
	for (off_t at = 12; at < 100; at += 4) {
		for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
			int fd = small_image();
			uint64_t value = values[i];

			forge(fd, at, &value, at < 24 || at > 92 ? 4 : 8);
			(void)open_image(fd, &small, &refusal);
			CHECK_EQ(close(fd), 0);
		}
	}
}

TEST(a_hostile_image_cannot_have_more_state_than_an_image_may)
{
	struct image_header header;
	struct refusal refusal;
	uint64_t most = IMAGE_STATE_MAX + 1;
	int fd = small_image();

	CHECK_EQ(pread(fd, &header, sizeof(header), 0), sizeof(header));
	header.state_bytes = most;
	header.file_bytes = header.state_offset + most;
	CHECK_EQ(ftruncate(fd, (off_t)header.file_bytes), 0);
	forge(fd, 0, &header, offsetof(struct image_header, checksum));

	CHECK_EQ(open_image(fd, &small, &refusal), -EBADMSG);
	CHECK(strstr(refusal.text, "contradicts itself"));
	CHECK_EQ(close(fd), 0);
}

static void refuse_other(struct image_machine wanted, const char *words)
{
	struct refusal refusal;
	int fd = small_image();

	CHECK_EQ(open_image(fd, &wanted, &refusal), -ENOTSUP);
	CHECK(strstr(refusal.text, words));
	CHECK_EQ(close(fd), 0);
}

TEST(an_image_of_another_partition_or_host_is_refused_with_a_sentence)
{
	struct image_machine wanted = small;

	wanted.vcpu_count = 3;
	refuse_other(wanted, "saved with 2 virtual processors, not 3");
	wanted = small;
	wanted.memory_bytes = PAGE;
	refuse_other(wanted, "saved with 8192 bytes of memory, not 4096");
	wanted = small;
	wanted.disk_count = 0;
	refuse_other(wanted, "saved with 1 disks, not 0");
	wanted = small;
	wanted.layout_version = 2;
	refuse_other(wanted, "machine version");
	wanted = small;
	wanted.xcr0 = 3;
	refuse_other(wanted, "registers that this host lacks");
	wanted = small;
	wanted.vendor[0] = 'G';
	refuse_other(wanted, "processor of AuthenticAMD");
	wanted = small;
	wanted.xcr0 = 0xff;
	wanted.xsave_bytes = 4096;
	wanted.tsc_khz = 1;
	{
		int fd = small_image();

		CHECK_EQ(open_image(fd, &wanted, NULL), 0);
		CHECK_EQ(close(fd), 0);
	}
}

TEST(a_write_that_fails_is_an_error_and_no_image)
{
	struct image_machine machine = small;
	int memory_fd;
	int fd = new_file();

	machine.memory_bytes = IMAGE_CHUNK_BYTES;
	memory_fd = new_memory(&machine);
	for (uint64_t page = 0; page < 64; page++)
		put_page(memory_fd, page, 1);
	CHECK_EQ(ftruncate(fd, PAGE), 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	CHECK_EQ(write_image(fd, memory_fd, &machine), -EPERM);
	CHECK_EQ(open_image(fd, &machine, NULL), -EBADMSG);
	CHECK_EQ(close(memory_fd), 0);
	CHECK_EQ(close(fd), 0);
}

TEST(the_header_is_written_after_everything_that_it_vouches_for)
{
	int fd = small_image();

	CHECK_EQ(header_count, 1);
	CHECK_EQ(unsynced_count, 0);
	CHECK_EQ(close(fd), 0);
}

TEST(what_could_not_be_put_on_the_disk_is_no_image)
{
	int memory_fd = new_memory(&small);
	int fd = new_file();

	must_fail_sync = true;
	CHECK_EQ(write_image(fd, memory_fd, &small), -EIO);

	CHECK_EQ(header_count, 0);
	CHECK_EQ(open_image(fd, &small, NULL), -EBADMSG);
	CHECK_EQ(close(memory_fd), 0);
	CHECK_EQ(close(fd), 0);
}

TEST(writing_can_be_stopped)
{
	static const struct image_progress nobody = { NULL, NULL };
	struct image_writer writer;
	int memory_fd = new_memory(&small);
	int fd = new_file();

	CHECK_EQ(image_writer_open(&writer, fd, memory_fd, &small, &nobody), 0);
	image_writer_stop(&writer);
	CHECK_EQ(image_writer_memory(&writer), -ECANCELED);
	image_writer_close(&writer);
	CHECK_EQ(close(memory_fd), 0);
	CHECK_EQ(close(fd), 0);
}
