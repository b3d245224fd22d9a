/* SPDX-License-Identifier: MIT */
/*
 * The fence (I4): while a write that a killed service began is still in the
 * kernel, the lock on the service's file description stands; when the lock is
 * free, every begun write has landed. On a loop device over a slow file, as
 * root; elsewhere there is nothing to make slow, and the integration tests
 * use an emulated machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "lib/disk_rig.h"
#include "lib/harness.h"

#define DISK_BYTES (8u << 20)
#define WRITES     4
#define FENCE_BYTE ((1ll << 62) + 8)

static char loop[64];
static int backing, control, loop_holder;
static pid_t slowfs;
static struct service_rig rig;
static struct disk_peer peer;

static int make_backing(char *path, size_t room)
{
	int file;

	(void)snprintf(path, room, "/dev/shm/disk-fence-%d", (int)getpid());
	file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK_EQ(ftruncate(file, DISK_BYTES), 0);
	return file;
}

static int open_control(const char *dir)
{
	char path[96];
	int file = NO_FD;

	(void)snprintf(path, sizeof(path), "%s/control", dir);
	for (int i = 0; i < 200 && file < 0; i++) {
		(void)usleep(10000);
		file = open(path, O_RDWR | O_CLOEXEC);
	}
	CHECK(file >= 0);
	return file;
}

/* A loop device that goes with its last user; "" if there is none to have. */
static void attach_loop(const char *dir)
{
	char command[192];
	FILE *out;

	(void)snprintf(command, sizeof(command),
		       "losetup -f --show %s/disk 2>/dev/null", dir);
	loop[0] = '\0';
	out = popen(command, "re");
	CHECK(out != NULL);
	if (fgets(loop, sizeof(loop), out))
		loop[strcspn(loop, "\n")] = '\0';
	(void)pclose(out);
	if (!loop[0])
		return;
	loop_holder = open(loop, O_RDONLY | O_CLOEXEC);
	CHECK(loop_holder >= 0);
	(void)snprintf(command, sizeof(command), "losetup -d %s", loop);
	CHECK_EQ(system(command), 0);
}

/* Everything lasts only as long as it is open here, so that a failed test
 * leaves nothing behind. */
static void start_slow_disk(void)
{
	char dir[] = "/tmp/disk-fence-XXXXXX", file[64];

	if (geteuid() != 0)
		test_skip("only root can mount");
	CHECK(mkdtemp(dir) != NULL);
	backing = make_backing(file, sizeof(file));
	slowfs = fork();
	if (slowfs == 0) {
		(void)execl(getenv("SLOWFS"), "slowfs", file, dir,
			    (char *)NULL);
		_exit(127);
	}
	control = open_control(dir);
	attach_loop(dir);
	(void)umount2(dir, MNT_DETACH);
	(void)rmdir(dir);
	(void)unlink(file);
	if (!loop[0])
		test_skip("no loop device over FUSE is to be had");
}

static void stop_slow_disk(void)
{
	(void)close(loop_holder);
	(void)close(control);
	(void)close(backing);
	/* It ends with the last file of it that was open. */
	CHECK_EQ(waitpid(slowfs, NULL, 0), slowfs);
}

static void set(const char *line)
{
	CHECK_EQ(pwrite(control, line, strlen(line), 0),
		 (long long)strlen(line));
}

static long writes_begun(void)
{
	char text[512] = { 0 };

	CHECK(pread(control, text, sizeof(text) - 1, 0) > 0);
	return strtol(strstr(text, "begun ") + 6, NULL, 10);
}

/* As the supervisor does it: a description of its own, locked, given away. */
static int open_locked_at(const char *path, int flags)
{
	struct flock lock = { .l_type = F_WRLCK,
			      .l_whence = SEEK_SET,
			      .l_start = FENCE_BYTE,
			      .l_len = 1 };
	int file = open(path, O_RDWR | O_CLOEXEC | flags);

	CHECK(file >= 0);
	CHECK_EQ(fcntl(file, F_OFD_SETLK, &lock), 0);
	return file;
}

static int open_locked(bool is_direct)
{
	return open_locked_at(loop, is_direct ? O_DIRECT : 0);
}

static bool fence_is_up(int witness)
{
	struct flock lock = { .l_type = F_WRLCK,
			      .l_whence = SEEK_SET,
			      .l_start = FENCE_BYTE,
			      .l_len = 1 };

	CHECK_EQ(fcntl(witness, F_OFD_GETLK, &lock), 0);
	return lock.l_type != F_UNLCK;
}

static void send_writes(void)
{
	memset(peer.channel.buffers, 0xaa, WRITES * 4096);
	for (uint32_t i = 0; i < WRITES; i++) {
		struct channel_request request = {
			.id = i,
			.op = DISK_WRITE,
			.flags = DISK_FLAG_DURABLE,
			.offset_bytes = i * 65536,
			.length_bytes = 4096,
			.buffer_offset = i * 4096,
			.generation = peer.channel.shape.generation,
		};

		disk_peer_send(&peer, &request);
	}
	disk_peer_show(&peer);
	while (writes_begun() == 0)
		(void)usleep(1000);
	(void)usleep(30000); /* the others are in the kernel by now */
}

static uint32_t count_landed(void)
{
	uint32_t landed = 0;
	uint8_t byte;

	for (uint32_t i = 0; i < WRITES; i++)
		if (pread(backing, &byte, 1, i * 65536) == 1 && byte == 0xaa)
			landed++;
	return landed;
}

static void wait_for_death(void)
{
	struct pollfd wait = { .fd = (int)syscall(SYS_pidfd_open, rig.pid, 0),
			       .events = POLLIN };

	(void)kill(rig.pid, SIGKILL);
	CHECK_EQ(poll(&wait, 1, 8000), 1);
	(void)close(wait.fd);
}

static void attach_locked_with(bool is_direct, const char *environment)
{
	struct disk_peer_config config = { .size_bytes = DISK_BYTES,
					   .is_direct = is_direct,
					   .slot_count = 512,
					   .buffer_bytes = 2u << 20 };

	disk_rig_start(&rig, environment);
	config.fd = open_locked(is_direct);
	disk_rig_attach(&rig, &peer, &config);
}

static void attach_locked(bool is_direct)
{
	attach_locked_with(is_direct, NULL);
}

static void stop(void)
{
	disk_peer_close(&peer);
	disk_rig_stop(&rig);
	stop_slow_disk();
}

static void fence_holds(bool is_direct)
{
	int witness, later;

	start_slow_disk();
	witness = open(loop, O_RDWR | O_CLOEXEC);
	attach_locked(is_direct);
	set("write_ms 150\nbegun 0\n");
	send_writes();

	CHECK(fence_is_up(witness));
	CHECK(count_landed() < WRITES);
	wait_for_death();
	while (fence_is_up(witness))
		(void)usleep(200);
	CHECK_EQ(count_landed(), WRITES);

	set("write_ms 0\n");
	later = open_locked(is_direct);
	(void)close(later);
	(void)close(witness);
	stop();
}

TEST(the_fence_stands_until_the_last_direct_write_has_landed)
{
	fence_holds(true);
}

TEST(the_fence_stands_until_the_last_blocking_write_has_landed)
{
	fence_holds(false);
}

TEST(a_device_error_reaches_the_client)
{
	start_slow_disk();
	attach_locked(true);

	set("write_error 5\n");
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, 0, 0, 4096, 0), -EIO);
	set("write_error 0\n");
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, 0, 0, 4096, 0), 0);

	stop();
}

TEST(a_flush_error_reaches_the_client)
{
	start_slow_disk();
	attach_locked(true);

	set("flush_error 5\n");
	CHECK_EQ(disk_peer_do(&peer, DISK_FLUSH, 0, 0, 0, 0), -EIO);
	set("flush_error 0\n");
	CHECK_EQ(disk_peer_do(&peer, DISK_FLUSH, 0, 0, 0, 0), 0);

	stop();
}

TEST(a_disk_is_detached_only_when_nothing_of_it_is_in_the_kernel)
{
	struct channel_response response;
	struct attachment gone;

	start_slow_disk();
	attach_locked(true);
	set("write_ms 100\nbegun 0\n");
	send_writes();

	disk_rig_send(&rig, MSG_DISK_DETACH, &peer.attachment,
		      sizeof(peer.attachment));
	disk_rig_expect(&rig, MSG_DISK_DETACHED, &gone, sizeof(gone));

	CHECK_EQ(count_landed(), WRITES);
	for (int i = 0; i < WRITES; i++)
		CHECK(disk_peer_receive(&peer, &response, 0));
	stop();
}

/* Often, as it is a race where it is wrong. */
TEST(a_disk_is_detached_only_when_its_file_is_closed)
{
	char path[] = "/dev/shm/disk-closed-XXXXXX";
	struct disk_peer_config config = { .size_bytes = DISK_BYTES };
	int witness = mkstemp(path);
	struct attachment gone;

	CHECK(witness >= 0);
	CHECK_EQ(ftruncate(witness, DISK_BYTES), 0);
	disk_rig_start(&rig, NULL);
	for (int i = 0; i < 500; i++) {
		config.fd = open_locked_at(path, 0);
		disk_rig_attach(&rig, &peer, &config);
		disk_rig_send(&rig, MSG_DISK_DETACH, &peer.attachment,
			      sizeof(peer.attachment));
		disk_rig_expect(&rig, MSG_DISK_DETACHED, &gone, sizeof(gone));
		CHECK(!fence_is_up(witness));
		disk_peer_close(&peer);
	}

	disk_rig_stop(&rig);
	(void)close(witness);
	(void)unlink(path);
}

static bool is_on_medium(uint64_t offset_bytes)
{
	uint8_t byte = 0;

	CHECK_EQ(pread(backing, &byte, 1, (off_t)offset_bytes), 1);
	return byte == 0xaa;
}

TEST(a_released_block_device_is_written_back_first_and_holds_up_nobody)
{
	char path[64];
	struct disk_peer other;
	struct disk_peer_config config = { .path = path,
					   .size_bytes = DISK_BYTES };
	struct attachment gone;

	start_slow_disk();
	(void)snprintf(path, sizeof(path), "/dev/shm/disk-other-%d",
		       (int)getpid());
	attach_locked(false);
	disk_rig_attach(&rig, &other, &config);
	memset(peer.channel.buffers, 0xaa, 4096);
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, 0, 65536, 4096, 0), 0);
	set("write_ms 1500\n");
	disk_rig_send(&rig, MSG_DISK_RELEASE, &peer.attachment,
		      sizeof(peer.attachment));
	disk_rig_send(&rig, MSG_CHILD_PING, NULL, 0);

	disk_rig_expect(&rig, MSG_CHILD_PONG, NULL, 0);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(disk_peer_do(&other, DISK_WRITE, 0, 0, 4096, 0), 0);
	CHECK(!is_on_medium(65536));
	disk_rig_expect(&rig, MSG_DISK_DETACHED, &gone, sizeof(gone));
	CHECK(is_on_medium(65536));

	set("write_ms 0\n");
	disk_peer_close(&other);
	(void)unlink(path);
	stop();
}

TEST(a_detached_block_device_is_not_waited_for_any_longer_than_it_must)
{
	struct attachment gone;

	start_slow_disk();
	attach_locked(false);
	memset(peer.channel.buffers, 0xaa, 4096);
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, 0, 65536, 4096, 0), 0);
	disk_rig_send(&rig, MSG_DISK_DETACH, &peer.attachment,
		      sizeof(peer.attachment));
	disk_rig_expect(&rig, MSG_DISK_DETACHED, &gone, sizeof(gone));

	CHECK(!is_on_medium(65536));
	stop();
}

TEST(a_slow_disk_is_no_hang_and_holds_up_no_other)
{
	char path[64];
	struct disk_peer other;
	struct disk_peer_config config = { .path = path,
					   .size_bytes = DISK_BYTES };
	uint64_t before;

	start_slow_disk();
	(void)snprintf(path, sizeof(path), "/dev/shm/disk-other-%d",
		       (int)getpid());
	attach_locked(false);
	disk_rig_attach(&rig, &other, &config);
	set("write_ms 600\nbegun 0\n");
	send_writes();

	for (int i = 0; i < 100; i++)
		CHECK_EQ(disk_peer_do(&other, DISK_WRITE, 0, 0, 4096, 0), 0);
	CHECK(count_landed() < WRITES);
	(void)usleep(20000); /* it no longer spins */
	before = channel_peer_beats(&peer.channel);
	(void)usleep(250000);
	CHECK(channel_peer_beats(&peer.channel) >= before + 2);

	set("write_ms 0\n");
	disk_peer_close(&other);
	(void)unlink(path);
	stop();
}

/* A neighbour of the slow disk, which is quick. */
static void check_neighbour(struct disk_peer *other, uint16_t op,
			    uint32_t bytes)
{
	uint64_t before = clock_now_ns();

	for (int i = 0; i < 10; i++)
		CHECK_EQ(disk_peer_do(other, op, 0, 0, bytes, 0), 0);
	CHECK(clock_now_ns() - before < 300 * NS_PER_MS);
}

/* More than workers, kernel contexts and the device's queue hold. */
static void flood(bool is_direct, uint16_t flags, const char *environment)
{
	char path[64];
	struct disk_peer other;
	struct disk_peer_config config = { .path = path,
					   .size_bytes = DISK_BYTES };

	start_slow_disk();
	(void)snprintf(path, sizeof(path), "/dev/shm/disk-other-%d",
		       (int)getpid());
	attach_locked_with(is_direct, environment);
	disk_rig_attach(&rig, &other, &config);
	set("write_ms 50\nbegun 0\n");
	for (uint32_t i = 0; i < 400; i++) {
		struct channel_request request = {
			.id = i,
			.op = DISK_WRITE,
			.flags = flags,
			.offset_bytes = i * 16384,
			.length_bytes = 4096,
			.buffer_offset = i * 4096,
			.generation = peer.channel.shape.generation,
		};

		disk_peer_send(&peer, &request);
	}
	disk_peer_show(&peer);
	(void)usleep(50000);

	check_neighbour(&other, DISK_WRITE, 4096);
	check_neighbour(&other, DISK_FLUSH, 0);
	CHECK(channel_outstanding(&peer.channel) > 0);
	set("write_ms 0\n");
	disk_peer_close(&other);
	(void)unlink(path);
	stop();
}

TEST(a_flood_of_direct_writes_holds_up_no_other)
{
	flood(true, 0, NULL);
}

TEST(a_flood_for_a_device_without_nowait_holds_up_no_other)
{
	flood(true, 0, "BULKHEAD_FAILPOINT=disk.no_nowait=fail");
}

TEST(a_flood_of_durable_writes_holds_up_no_other)
{
	flood(false, DISK_FLAG_DURABLE, NULL);
}
