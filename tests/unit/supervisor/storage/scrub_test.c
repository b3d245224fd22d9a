/* SPDX-License-Identifier: MIT */
#include "supervisor/storage/scrub.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/harness.h"
#include "storage_rig.h"

static struct storage_rig rig;

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
	storage_rig_make(&rig, 64 << 20);
	storage_rig_write(&rig, data, sizeof(data), 8 << 20);
	fd = open(rig.disk.file, O_RDWR | O_CLOEXEC);
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
	(void)unlink(rig.disk.file);
}

TEST(a_scrub_that_cannot_write_says_so)
{
	const struct rlimit nothing = { 0, RLIM_INFINITY };
	struct scrub *scrub;
	int fd;

	storage_rig_make(&rig, 8192);
	storage_rig_write(&rig, "x", 1, 0);
	fd = open(rig.disk.file, O_RDONLY | O_CLOEXEC);
	CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &nothing), 0);
	CHECK_EQ(scrub_start(&scrub, fd, 8192), 0);
	CHECK_EQ(wait_for(scrub), -EFBIG);
	scrub_free(scrub);
	(void)close(fd);
	(void)unlink(rig.disk.file);
}

TEST(a_scrub_can_be_given_up)
{
	struct scrub *scrub;
	int fd;

	storage_rig_make(&rig, 8192);
	fd = open(rig.disk.file, O_RDWR | O_CLOEXEC);
	CHECK_EQ(scrub_start(&scrub, fd, 8192), 0);
	scrub_free(scrub);
	scrub_free(NULL);
	(void)close(fd);
	(void)unlink(rig.disk.file);
}
