/* SPDX-License-Identifier: MIT */
#include "slow_disk.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "device_mapper.h"
#include "lib/harness.h"

#define HALF_BYTES    (SLOW_DISK_BYTES / 2)
#define SECTOR        512
#define SLOW_MS_USUAL 2500
#define WAIT_STEPS    20000
#define STEP_US       1000
#define SEEN_OFTEN    20 /* a glimpse may be of someone else's */

static long slow_ms(void)
{
	const char *given = getenv("SLOW_MS");

	return given ? strtol(given, NULL, 10) : SLOW_MS_USUAL;
}

/* slowfs goes with the last file that is open in it, so that a failed test
 * leaves no mount behind. */
static void start_slowfs(struct slow_disk *disk, char *path, size_t room)
{
	char folder[] = "/tmp/slow-disk-XXXXXX", backing[32], control[64];

	CHECK(mkdtemp(folder) != NULL);
	(void)snprintf(backing, sizeof(backing), "/proc/self/fd/%d",
		       disk->backing_fd);
	disk->server = fork();
	if (disk->server == 0) {
		(void)fcntl(disk->backing_fd, F_SETFD, 0);
		(void)execl(getenv("SLOWFS"), "slowfs", backing, folder,
			    (char *)NULL);
		_exit(127);
	}
	(void)snprintf(control, sizeof(control), "%s/control", folder);
	for (int i = 0; i < WAIT_STEPS && disk->control_fd < 0; i++) {
		(void)usleep(STEP_US);
		disk->control_fd = open(control, O_RDWR | O_CLOEXEC);
	}
	CHECK(disk->control_fd >= 0);
	(void)snprintf(path, room, "%s/disk", folder);
}

static void forget_mount(const char *file)
{
	char folder[64];

	(void)snprintf(folder, sizeof(folder), "%s", file);
	*strrchr(folder, '/') = '\0';
	CHECK_EQ(umount2(folder, MNT_DETACH), 0);
	(void)rmdir(folder);
}

static int open_loop(int number)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/dev/loop%d", number);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* A loop device over the file; gone when its last user is. */
static void attach_loop(struct slow_disk *disk, int file, uint32_t flags)
{
	SCOPED(close_fd)
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	struct loop_config config = {
		.fd = (uint32_t)file,
		.info.lo_flags = flags | LO_FLAGS_AUTOCLEAR,
	};
	int number;

	CHECK(control >= 0);
	for (int i = 0; i < 20; i++) {
		number = ioctl(control, LOOP_CTL_GET_FREE);
		CHECK(number >= 0);
		disk->loop_fd = open_loop(number);
		CHECK(disk->loop_fd >= 0);
		if (ioctl(disk->loop_fd, LOOP_CONFIGURE, &config) == 0)
			break;
		close_fd(&disk->loop_fd);
	}
	CHECK(disk->loop_fd >= 0);
	(void)snprintf(disk->device, sizeof(disk->device), "/dev/loop%d",
		       number);
}

static void open_over_slowfs(struct slow_disk *disk)
{
	char path[64];
	SCOPED(close_fd) int file = NO_FD;

	start_slowfs(disk, path, sizeof(path));
	file = open(path, O_RDWR | O_CLOEXEC);
	CHECK(file >= 0);
	attach_loop(disk, file, LO_FLAGS_DIRECT_IO);
	forget_mount(path);
}

static void open_over_dm(struct slow_disk *disk)
{
	char tables[2][128];
	const struct dm_segment segments[2] = {
		{ HALF_BYTES / SECTOR, "delay", tables[0] },
		{ HALF_BYTES / SECTOR, "linear", tables[1] },
	};

	attach_loop(disk, disk->backing_fd, 0);
	(void)snprintf(tables[0], sizeof(tables[0]), "%s 0 %ld %s 0 %ld %s 0 0",
		       disk->device, slow_ms(), disk->device, slow_ms(),
		       disk->device);
	(void)snprintf(tables[1], sizeof(tables[1]), "%s 0", disk->device);
	dm_create(segments, 2, disk->device, sizeof(disk->device));
	disk->new_at = HALF_BYTES;
}

bool slow_disk_is_dm(void)
{
	const char *kind = getenv("SLOW_DEVICE");

	return kind && strcmp(kind, "dm") == 0;
}

void slow_disk_open(struct slow_disk *disk)
{
	*disk = (struct slow_disk){ .control_fd = NO_FD, .loop_fd = NO_FD };
	disk->backing_fd = memfd_create("medium", MFD_CLOEXEC);
	CHECK(disk->backing_fd >= 0);
	CHECK_EQ(ftruncate(disk->backing_fd, SLOW_DISK_BYTES), 0);
	disk->is_dm = slow_disk_is_dm();
	if (disk->is_dm)
		open_over_dm(disk);
	else
		open_over_slowfs(disk);
}

void slow_disk_close(struct slow_disk *disk)
{
	if (disk->is_dm)
		dm_remove();
	close_fd(&disk->loop_fd);
	close_fd(&disk->control_fd);
	close_fd(&disk->backing_fd);
	if (disk->server > 0)
		(void)waitpid(disk->server, NULL, 0);
}

static void set_delay(struct slow_disk *disk, const char *what, long ms)
{
	char text[64];
	int bytes = snprintf(text, sizeof(text), "%s_ms %ld\n", what, ms);

	if (!disk->is_dm)
		CHECK_EQ(pwrite(disk->control_fd, text, (size_t)bytes, 0),
			 bytes);
}

/* Whoever looked at the device before us left pages of it in the cache. */
static void empty_cache(const struct slow_disk *disk)
{
	SCOPED(close_fd) int fd = open(disk->device, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(ioctl(fd, BLKFLSBUF, 0), 0);
}

void slow_disk_hold(struct slow_disk *disk, enum slow_kind kind)
{
	empty_cache(disk);
	disk->held = kind;
	set_delay(disk, kind == SLOW_READS ? "read" : "write", slow_ms());
}

void slow_disk_pass(struct slow_disk *disk)
{
	set_delay(disk, "read", 0);
	set_delay(disk, "write", 0);
}

/* Of the kind held: others may look at the device too, udev for one. */
static unsigned in_flight(const struct slow_disk *disk)
{
	char path[64];
	unsigned counts[2];
	FILE *file;

	(void)snprintf(path, sizeof(path), "/sys/block/%s/inflight",
		       disk->device + strlen("/dev/"));
	file = fopen(path, "re");
	CHECK(file != NULL);
	CHECK_EQ(fscanf(file, "%u %u", &counts[0], &counts[1]), 2);
	(void)fclose(file);
	return counts[disk->held == SLOW_READS ? 0 : 1];
}

static void wait_until(const struct slow_disk *disk, bool is_busy)
{
	int seen = 0;

	for (int i = 0; seen < SEEN_OFTEN; i++) {
		CHECK(i < WAIT_STEPS);
		(void)usleep(STEP_US);
		seen = (in_flight(disk) > 0) == is_busy ? seen + 1 : 0;
	}
}

/* Device mapper does not count what dm-delay keeps. */
void slow_disk_wait_begun(struct slow_disk *disk)
{
	if (disk->is_dm)
		(void)usleep((useconds_t)slow_ms() * 1000 / 8);
	else
		wait_until(disk, true);
	disk->begun_ns = clock_now_ns();
}

void slow_disk_wait_idle(const struct slow_disk *disk)
{
	uint64_t end_ns = disk->begun_ns + slow_ms() * NS_PER_MS * 5 / 4;

	while (disk->is_dm && clock_now_ns() < end_ns)
		(void)usleep(STEP_US);
	wait_until(disk, false);
}

uint8_t slow_disk_medium(const struct slow_disk *disk)
{
	uint8_t byte;

	CHECK_EQ(pread(disk->backing_fd, &byte, 1, (off_t)disk->old_at), 1);
	return byte;
}

void slow_disk_fill(struct slow_disk *disk, uint8_t byte)
{
	uint8_t bytes[4096];

	memset(bytes, byte, sizeof(bytes));
	for (off_t at = 0; at < HALF_BYTES; at += (off_t)sizeof(bytes))
		CHECK_EQ(pwrite(disk->backing_fd, bytes, sizeof(bytes), at),
			 (long long)sizeof(bytes));
}
