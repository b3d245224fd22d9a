/* SPDX-License-Identifier: MIT */
/* A kernel that transfers less than it was asked for, as it may. */
#include "disk/provider_file.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "channel/disk_request.h"
#include "lib/harness.h"

#define BYTES 4096u
#define AT    512

static struct provider *file;
static int file_fd;
static uint8_t buffer[BYTES], seen[BYTES];
static uint32_t piece_bytes; /* most that a call transfers */
static int interrupt_every;
static int call_count;

ssize_t __real_preadv64v2(int fd, const struct iovec *iov, int count, off_t at,
			  int flags);
ssize_t __wrap_preadv64v2(int fd, const struct iovec *iov, int count, off_t at,
			  int flags);
ssize_t __real_pwritev64v2(int fd, const struct iovec *iov, int count, off_t at,
			   int flags);
ssize_t __wrap_pwritev64v2(int fd, const struct iovec *iov, int count, off_t at,
			   int flags);

static bool is_interrupted(void)
{
	errno = EINTR;
	return ++call_count % interrupt_every == 0;
}

static struct iovec piece_of(const struct iovec *iov)
{
	struct iovec piece = *iov;

	if (piece.iov_len > piece_bytes)
		piece.iov_len = piece_bytes;
	return piece;
}

ssize_t __wrap_preadv64v2(int fd, const struct iovec *iov, int count, off_t at,
			  int flags)
{
	struct iovec piece = piece_of(iov);

	return is_interrupted() ? -1
				: __real_preadv64v2(fd, &piece, 1, at, flags);
}

ssize_t __wrap_pwritev64v2(int fd, const struct iovec *iov, int count, off_t at,
			   int flags)
{
	struct iovec piece = piece_of(iov);

	return is_interrupted() ? -1
				: __real_pwritev64v2(fd, &piece, 1, at, flags);
}

static void open_file(void)
{
	piece_bytes = 700;
	interrupt_every = 3;
	file_fd = memfd_create("disk", MFD_CLOEXEC);
	CHECK_EQ(provider_file.open(&(int){ file_fd }, &file), 0);
	for (uint32_t i = 0; i < BYTES; i++)
		buffer[i] = (uint8_t)(i / 7);
}

static struct job make(uint16_t op)
{
	return (struct job){ .provider = file,
			     .op = op,
			     .length_bytes = BYTES,
			     .offset_bytes = AT,
			     .buffer = buffer };
}

static void expect_in_file(void)
{
	CHECK_EQ(pread(file_fd, seen, BYTES, AT), BYTES);
	CHECK(memcmp(seen, buffer, BYTES) == 0);
	CHECK(call_count > (int)(BYTES / piece_bytes));
}

TEST(a_write_that_the_kernel_does_in_pieces_is_whole_and_in_its_place)
{
	struct job now, worker;

	open_file();
	now = worker = make(DISK_WRITE);
	CHECK_EQ(provider_file.try_now(&now), 0);
	expect_in_file();

	memset(buffer, 0x5a, BYTES / 2);
	CHECK_EQ(provider_file.run(&worker), 0);
	expect_in_file();
	provider_file.close(file);
}

TEST(a_read_that_the_kernel_does_in_pieces_is_whole_and_in_its_place)
{
	struct job now, worker;

	open_file();
	now = worker = make(DISK_READ);
	CHECK_EQ(pwrite(file_fd, buffer, BYTES, AT), BYTES);
	memset(buffer, 0, BYTES);
	CHECK_EQ(provider_file.try_now(&now), 0);
	expect_in_file();

	memset(buffer, 0, BYTES);
	CHECK_EQ(provider_file.run(&worker), 0);
	expect_in_file();
	provider_file.close(file);
}

TEST(the_rest_of_a_transfer_that_others_began_goes_on_where_they_ended)
{
	struct job rest;

	open_file();
	rest = make(DISK_WRITE);
	CHECK_EQ(pwrite(file_fd, buffer, 1024, AT), 1024);
	rest.done_bytes = 1024;

	CHECK_EQ(provider_file.run(&rest), 0);

	expect_in_file();
	provider_file.close(file);
}

TEST(a_write_of_which_nothing_more_is_taken_is_an_error)
{
	struct job write;

	open_file();
	write = make(DISK_WRITE);
	piece_bytes = 0;

	CHECK_EQ(provider_file.run(&write), -EIO);

	provider_file.close(file);
}

static void expect_extent(uint64_t at, int is_stored, uint64_t run_bytes)
{
	struct job job = { .provider = file,
			   .op = JOB_EXTENT,
			   .offset_bytes = at,
			   .length_bytes = 1u << 20 };

	CHECK_EQ(provider_file.run(&job), is_stored);
	CHECK_EQ(job.run_bytes, run_bytes);
}

TEST(a_sparse_file_tells_where_it_has_data)
{
	open_file();
	CHECK_EQ(ftruncate(file_fd, 1 << 20), 0);
	CHECK_EQ(pwrite(file_fd, buffer, BYTES, 64 << 10), BYTES);

	expect_extent(0, 0, 64 << 10);
	expect_extent(64 << 10, 1, BYTES);
	expect_extent((64 << 10) + BYTES, 0, 1u << 20);
	expect_extent(4u << 20, 0, 1u << 20);
	provider_file.close(file);
}
