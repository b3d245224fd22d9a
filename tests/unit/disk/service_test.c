/* SPDX-License-Identifier: MIT */
/* The real bulkhead-disk between a supervisor and monitors played here. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "lib/disk_rig.h"
#include "lib/harness.h"

#define DISK_BYTES (16u << 20)

static struct service_rig rig;
static struct disk_peer peer, other;
static char path[64], other_path[64];
static struct channel_response response;

static struct disk_peer_config tmpfs_file(char *room, size_t room_bytes,
					  const char *name)
{
	(void)snprintf(room, room_bytes, "/dev/shm/disk-test-%d-%s",
		       (int)getpid(), name);
	return (struct disk_peer_config){ .path = room,
					  .size_bytes = DISK_BYTES };
}

static void start_with_disk(const char *environment)
{
	struct disk_peer_config config = tmpfs_file(path, sizeof(path), "a");

	disk_rig_start(&rig, environment);
	disk_rig_attach(&rig, &peer, &config);
}

static void stop(void)
{
	disk_peer_close(&peer);
	disk_rig_stop(&rig);
	(void)unlink(path);
}

static void fill(uint32_t buffer_offset, uint8_t value, uint32_t bytes)
{
	memset(peer.channel.buffers + buffer_offset, value, bytes);
}

static bool is_filled(uint32_t buffer_offset, uint8_t value, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		if (peer.channel.buffers[buffer_offset + i] != value)
			return false;
	return true;
}

static struct channel_request make(uint64_t id, uint16_t op, uint64_t offset,
				   uint32_t bytes)
{
	return (struct channel_request){
		.id = id,
		.op = op,
		.offset_bytes = offset,
		.length_bytes = bytes,
		.generation = peer.channel.shape.generation,
	};
}

/* A number in a line "NAME: number" of /proc/PID/FILE. */
static long proc_number(const char *file, const char *name)
{
	char proc[64], line[256];
	long value = -1;
	FILE *in;

	(void)snprintf(proc, sizeof(proc), "/proc/%d/%s", (int)rig.pid, file);
	in = fopen(proc, "re");
	CHECK(in != NULL);
	while (fgets(line, sizeof(line), in))
		if (strncmp(line, name, strlen(name)) == 0)
			value = strtol(line + strlen(name), NULL, 10);
	(void)fclose(in);
	CHECK(value >= 0);
	return value;
}

TEST(what_was_written_is_read_back)
{
	start_with_disk(NULL);
	fill(0, 0x5a, 8192);
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, 0, 4096, 8192, 0), 0);
	CHECK_EQ(disk_peer_do(&peer, DISK_FLUSH, 0, 0, 0, 0), 0);

	CHECK_EQ(disk_peer_do(&peer, DISK_READ, 0, 0, 16384, 65536), 0);

	CHECK(is_filled(65536, 0, 4096));
	CHECK(is_filled(65536 + 4096, 0x5a, 8192));
	stop();
}

TEST(a_file_shorter_than_the_disk_reads_as_zeroes)
{
	start_with_disk(NULL);
	fill(0, 0xff, 8192);

	CHECK_EQ(disk_peer_do(&peer, DISK_READ, 0, DISK_BYTES - 8192, 8192, 0),
		 0);

	CHECK(is_filled(0, 0, 8192));
	stop();
}

TEST(zeroes_are_written_and_space_is_given_back)
{
	struct stat before, after;

	start_with_disk(NULL);
	fill(0, 0x77, 262144);
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, 0, 0, 262144, 0), 0);
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE_ZEROES, DISK_FLAG_DURABLE, 4096,
			      131072, 0),
		 0);
	CHECK_EQ(stat(path, &before), 0);
	CHECK_EQ(disk_peer_do(&peer, DISK_DISCARD, 0, 0, 65536, 0), 0);
	CHECK_EQ(stat(path, &after), 0);

	CHECK_EQ(disk_peer_do(&peer, DISK_READ, 0, 0, 262144, 0), 0);

	CHECK(is_filled(0, 0, 4096 + 131072));
	CHECK(is_filled(4096 + 131072, 0x77, 262144 - 131072 - 4096));
	CHECK_EQ(before.st_blocks, 262144 / 512);
	CHECK_EQ(before.st_blocks - after.st_blocks, 65536 / 512);
	stop();
}

TEST(requests_that_break_a_rule_are_refused_and_change_nothing)
{
	start_with_disk(NULL);
	fill(0, 1, 4096);

	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, 0, DISK_BYTES, 4096, 0),
		 -EINVAL);
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, 0, 100, 4096, 0), -EINVAL);
	CHECK_EQ(disk_peer_do(&peer, DISK_READ, 0, 0, 0, 0), -EINVAL);

	CHECK_EQ(disk_peer_do(&peer, DISK_READ, 0, 0, 4096, 4096), 0);
	CHECK(is_filled(4096, 0, 4096));
	stop();
}

TEST(a_full_file_system_is_told_honestly)
{
	struct disk_peer_config config = { .size_bytes = DISK_BYTES };
	char dir[] = "/tmp/disk-full-XXXXXX", command[128], file[64];

	if (geteuid() != 0)
		test_skip("only root can mount");
	CHECK(mkdtemp(dir) != NULL);
	(void)snprintf(command, sizeof(command),
		       "mount -t tmpfs -o size=64k none %s", dir);
	CHECK_EQ(system(command), 0);
	(void)snprintf(file, sizeof(file), "%s/disk", dir);
	config.path = file;
	disk_rig_start(&rig, NULL);
	disk_rig_attach(&rig, &peer, &config);

	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, 0, 0, 32768, 0), 0);
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, 0, 65536, 262144, 0), -ENOSPC);
	CHECK_EQ(disk_peer_do(&peer, DISK_READ, 0, 0, 32768, 0), 0);

	disk_peer_close(&peer);
	disk_rig_stop(&rig);
	(void)snprintf(command, sizeof(command), "umount %s", dir);
	CHECK_EQ(system(command), 0);
	(void)rmdir(dir);
}

/* A loop device over the file, gone with its last user; NO_FD for none. */
static int open_loop(const char *file)
{
	char command[128], device[64] = { 0 };
	int fd = NO_FD;
	FILE *out;

	(void)snprintf(command, sizeof(command),
		       "losetup -f --show %s 2>/dev/null", file);
	out = geteuid() == 0 ? popen(command, "re") : NULL;
	if (out && fgets(device, sizeof(device), out)) {
		device[strcspn(device, "\n")] = '\0';
		fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);
		(void)snprintf(command, sizeof(command), "losetup -d %s",
			       device);
		CHECK_EQ(system(command), 0);
	}
	if (out)
		(void)pclose(out);
	return fd;
}

/* A disk on a block device of that size. */
static void start_on_device(off_t device_bytes)
{
	struct disk_peer_config config = tmpfs_file(path, sizeof(path), "a");
	int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	CHECK_EQ(ftruncate(file, device_bytes), 0);
	(void)close(file);
	config.fd = open_loop(path);
	config.path = NULL;
	if (config.fd < 0) {
		(void)unlink(path);
		test_skip("no loop device is to be had");
	}
	disk_rig_start(&rig, NULL);
	disk_rig_attach(&rig, &peer, &config);
}

TEST(a_direct_transfer_that_the_kernel_cuts_short_is_not_told_as_whole)
{
	start_on_device(65536);
	fill(0, 0x33, 131072);
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, 0, 0, 131072, 0), -ENOSPC);
	fill(0, 0xff, 131072);
	CHECK_EQ(disk_peer_do(&peer, DISK_READ, 0, 0, 131072, 0), 0);

	CHECK(is_filled(0, 0x33, 65536));
	CHECK(is_filled(65536, 0, 65536));
	stop();
}

TEST(a_block_device_is_served_with_o_direct)
{
	start_on_device(DISK_BYTES);
	fill(0, 0x33, 524288);
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, 0, 0, 524288, 0), 0);
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, DISK_FLAG_DURABLE, 524288,
			      4096, 0),
		 0);
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE_ZEROES, 0, 0, 8192, 0), 0);
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE_ZEROES, DISK_FLAG_UNMAP, 65536,
			      65536, 0),
		 0);
	CHECK_EQ(disk_peer_do(&peer, DISK_DISCARD, 0, 262144, 4096, 0), 0);
	CHECK_EQ(disk_peer_do(&peer, DISK_FLUSH, 0, 0, 0, 0), 0);
	CHECK_EQ(disk_peer_do(&peer, DISK_READ, 0, 0, 524288 + 4096, 0), 0);

	CHECK(is_filled(0, 0, 8192));
	CHECK(is_filled(8192, 0x33, 65536 - 8192));
	CHECK(is_filled(65536, 0, 65536));
	CHECK(is_filled(131072, 0x33, 131072));
	CHECK(is_filled(262144 + 4096, 0x33, 262144));
	stop();
}

TEST(a_direct_read_across_the_end_of_the_file_ends_in_zeroes)
{
	struct disk_peer_config config = { .path = path,
					   .size_bytes = 8192,
					   .is_direct = true };
	uint8_t bytes[5000];
	int file;

	(void)snprintf(path, sizeof(path), "/var/tmp/disk-test-%d",
		       (int)getpid());
	memset(bytes, 0x44, sizeof(bytes));
	file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK_EQ(write(file, bytes, sizeof(bytes)), sizeof(bytes));
	(void)close(file);
	disk_rig_start(&rig, NULL);
	disk_rig_attach(&rig, &peer, &config);

	fill(0, 0xff, 8192);
	CHECK_EQ(disk_peer_do(&peer, DISK_READ, 0, 0, 8192, 0), 0);

	CHECK(is_filled(0, 0x44, 5000));
	CHECK(is_filled(5000, 0, 8192 - 5000));
	stop();
}

TEST(many_requests_at_a_time_are_each_answered_once)
{
	enum { DEPTH = 64, ROUNDS = 200 };
	uint8_t seen[DEPTH] = { 0 };

	start_with_disk(NULL);
	for (uint64_t id = 0; id < DEPTH; id++) {
		struct channel_request request =
			make(id, DISK_WRITE, id * 4096, 4096);

		disk_peer_send(&peer, &request);
	}
	disk_peer_show(&peer);
	for (int i = 0; i < DEPTH * ROUNDS; i++) {
		struct channel_request request;

		CHECK(disk_peer_receive(&peer, &response, 5000));
		CHECK_EQ(response.status, 0);
		CHECK_EQ(response.bytes, 4096);
		CHECK(response.id < DEPTH);
		CHECK_EQ(seen[response.id], i / DEPTH);
		seen[response.id]++;
		if (i >= DEPTH * (ROUNDS - 1))
			continue;
		request = make(response.id, i & 1 ? DISK_READ : DISK_WRITE,
			       response.id * 4096, 4096);
		disk_peer_send(&peer, &request);
		disk_peer_show(&peer);
	}

	CHECK(!disk_peer_receive(&peer, &response, 20));
	stop();
}

TEST(large_transfers_run_beside_each_other)
{
	enum { COUNT = 4, BYTES = 262144 };

	start_with_disk(NULL);
	for (uint32_t i = 0; i < COUNT; i++)
		fill(i * BYTES, (uint8_t)(i + 1), BYTES);
	for (uint32_t i = 0; i < COUNT; i++) {
		struct channel_request request =
			make(i, DISK_WRITE, i * BYTES, BYTES);

		request.buffer_offset = i * BYTES;
		disk_peer_send(&peer, &request);
	}
	disk_peer_show(&peer);
	for (int i = 0; i < COUNT; i++) {
		CHECK(disk_peer_receive(&peer, &response, 5000));
		CHECK_EQ(response.status, 0);
	}

	fill(0, 0, COUNT * BYTES);
	for (uint32_t i = 0; i < COUNT; i++) {
		CHECK_EQ(disk_peer_do(&peer, DISK_READ, 0, i * BYTES, BYTES, 0),
			 0);
		CHECK(is_filled(0, (uint8_t)(i + 1), BYTES));
	}
	stop();
}

TEST(a_detached_disk_is_answered_first_and_then_released)
{
	struct attachment gone;

	start_with_disk(NULL);
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, 0, 0, 4096, 0), 0);

	disk_rig_send(&rig, MSG_DISK_DETACH, &peer.attachment,
		      sizeof(peer.attachment));
	disk_rig_expect(&rig, MSG_DISK_DETACHED, &gone, sizeof(gone));

	CHECK_EQ(gone.id, peer.attachment.id);
	CHECK_EQ(gone.generation, peer.attachment.generation);
	struct channel_request late = make(9, DISK_READ, 0, 4096);
	disk_peer_send(&peer, &late);
	disk_peer_show(&peer);
	CHECK(!disk_peer_receive(&peer, &response, 50));
	stop();
}

TEST(what_a_service_answered_before_sigkill_is_on_the_file)
{
	uint8_t written[256] = { 0 }, block[4096];
	int file;

	start_with_disk(NULL);
	for (uint64_t id = 0; id < 60; id++) {
		struct channel_request request =
			make(id, DISK_WRITE, id * 4096, 4096);

		request.buffer_offset = (uint32_t)id * 4096;
		fill(request.buffer_offset, (uint8_t)(id + 1), 4096);
		disk_peer_send(&peer, &request);
	}
	disk_peer_show(&peer);
	CHECK(disk_peer_receive(&peer, &response, 5000));
	(void)kill(rig.pid, SIGKILL);
	do {
		written[response.id] = 1;
	} while (disk_peer_receive(&peer, &response, 50));

	file = open(path, O_RDONLY | O_CLOEXEC);
	for (uint32_t id = 0; id < 60; id++) {
		if (!written[id])
			continue;
		CHECK_EQ(pread(file, block, sizeof(block), id * 4096),
			 sizeof(block));
		CHECK(block[0] == id + 1 && block[4095] == id + 1);
	}
	(void)close(file);
	stop();
}

#if BULKHEAD_FAILPOINTS
static int died_of(const char *environment)
{
	struct channel_request request;
	int status;

	start_with_disk(environment);
	request = make(1, DISK_WRITE, 8192, 4096);
	fill(0, 0xee, 4096);
	disk_peer_send(&peer, &request);
	disk_peer_show(&peer);
	CHECK_EQ(waitpid(rig.pid, &status, 0), rig.pid);
	rig.pid = fork(); /* for disk_rig_stop() to reap */
	if (rig.pid == 0)
		_exit(0);
	CHECK(WIFSIGNALED(status));
	return WTERMSIG(status);
}

static int first_byte_of_file(void)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t byte = 0;
	ssize_t got = pread(file, &byte, 1, 8192);

	(void)close(file);
	return got == 1 ? byte : -1;
}

TEST(a_service_killed_before_the_write_has_written_nothing)
{
	CHECK_EQ(died_of("BULKHEAD_FAILPOINT=disk.before_io=kill"), SIGKILL);

	CHECK_EQ(first_byte_of_file(), -1);
	CHECK(!disk_peer_receive(&peer, &response, 0));
	stop();
}

TEST(a_service_killed_after_the_write_has_not_answered)
{
	CHECK_EQ(died_of("BULKHEAD_FAILPOINT=disk.after_io=kill"), SIGKILL);

	CHECK_EQ(first_byte_of_file(), 0xee);
	CHECK(!disk_peer_receive(&peer, &response, 0));
	stop();
}

TEST(a_service_killed_after_the_response_has_answered)
{
	CHECK_EQ(died_of("BULKHEAD_FAILPOINT=disk.after_response=kill"),
		 SIGKILL);

	CHECK(disk_peer_receive(&peer, &response, 0));
	CHECK_EQ(response.status, 0);
	stop();
}

TEST(a_poisonous_request_kills_and_others_do_not)
{
	CHECK_EQ(died_of("BULKHEAD_POISON_OFFSET=12287"), SIGABRT);
	CHECK(!disk_peer_receive(&peer, &response, 0));
	stop();

	start_with_disk("BULKHEAD_POISON_OFFSET=12288");
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, 0, 8192, 4096, 0), 0);
	stop();
}
#endif

static void attach_other(void)
{
	struct disk_peer_config config =
		tmpfs_file(other_path, sizeof(other_path), "b");

	disk_rig_attach(&rig, &other, &config);
}

static void close_other(void)
{
	disk_peer_close(&other);
	(void)unlink(other_path);
}

static void expect_dropped(void)
{
	struct attachment gone;

	disk_rig_expect(&rig, MSG_DISK_PEER_BROKEN, &gone, sizeof(gone));
	CHECK_EQ(gone.id, peer.attachment.id);
	CHECK_EQ(disk_peer_do(&other, DISK_WRITE, 0, 0, 4096, 0), 0);
}

TEST(a_hostile_peer_cannot_disturb_the_other_client_by_an_index)
{
	uint64_t one = 1;

	start_with_disk(NULL);
	attach_other();
	CHECK_EQ(disk_peer_do(&other, DISK_READ, 0, 0, 4096, 0), 0);

	*peer.channel.out.shared_index = 1u << 30;
	CHECK_EQ(write(peer.kick, &one, sizeof(one)), sizeof(one));

	expect_dropped();
	close_other();
	stop();
}

TEST(a_hostile_peer_cannot_disturb_the_other_client_by_a_request)
{
	struct channel_request request;

	start_with_disk(NULL);
	attach_other();
	request = make(1, DISK_READ, 0, 4096);
	request.buffer_offset = 0xfffff000;

	disk_peer_send(&peer, &request);
	disk_peer_show(&peer);

	expect_dropped();
	close_other();
	stop();
}

TEST(a_hostile_peer_cannot_stop_the_service_by_its_eventfds)
{
	uint64_t full = UINT64_MAX - 1, count;

	start_with_disk(NULL);
	attach_other();
	CHECK_EQ(write(peer.call, &full, sizeof(full)), sizeof(full));
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(write(peer.kick, &full, sizeof(full)), sizeof(full));
		(void)!read(peer.kick, &count, sizeof(count));
		CHECK_EQ(disk_peer_do(&other, DISK_READ, 0, 0, 4096, 0), 0);
	}

	CHECK_EQ(disk_peer_do(&peer, DISK_READ, 0, 0, 4096, 0), 0);
	close_other();
	stop();
}

/* As many of the longest requests as the channel holds, always. */
static void keep_flooding(uint32_t bytes)
{
	struct channel_request request = make(0, DISK_WRITE, 0, bytes);

	while (disk_peer_receive(&peer, &response, 0))
		;
	while (channel_outstanding(&peer.channel) <
	       peer.channel.shape.slot_count)
		disk_peer_send(&peer, &request);
	disk_peer_show(&peer);
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

TEST(a_hostile_peer_cannot_keep_the_service_for_itself)
{
	struct disk_peer_config config = tmpfs_file(path, sizeof(path), "a");
	uint64_t took_ns[200];

	config.buffer_bytes = DISK_TRANSFER_MAX;
	disk_rig_start(&rig, NULL);
	disk_rig_attach(&rig, &peer, &config);
	attach_other();
	for (int i = 0; i < 200; i++) {
		uint64_t before;

		keep_flooding(DISK_TRANSFER_MAX);
		before = clock_now_ns();
		CHECK_EQ(disk_peer_do(&other, DISK_READ, 0, 0, 4096, 0), 0);
		took_ns[i] = clock_now_ns() - before;
	}

	qsort(took_ns, 200, sizeof(took_ns[0]), by_value);
	CHECK(took_ns[100] < 10 * NS_PER_MS);
	close_other();
	stop();
}

TEST(an_eventfd_that_could_block_the_service_is_refused)
{
	struct disk_peer_config config = tmpfs_file(path, sizeof(path), "a");
	struct attachment refused;

	config.has_blocking_call = true;
	disk_rig_start(&rig, NULL);
	disk_rig_attach(&rig, &peer, &config);

	disk_rig_expect(&rig, MSG_DISK_PEER_BROKEN, &refused, sizeof(refused));
	CHECK_EQ(refused.id, peer.attachment.id);
	stop();
}

TEST(a_message_against_the_rules_costs_the_link_and_not_the_service)
{
	struct child_hello hello;
	int link;

	start_with_disk(NULL);
	disk_rig_send(&rig, MSG_MONITOR_PAUSE, NULL, 0);
	link = accept4(rig.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	CHECK(link >= 0);
	control_close(&rig.link);
	rig.link.fd = link;

	disk_rig_expect(&rig, MSG_CHILD_HELLO, &hello, sizeof(hello));
	CHECK_EQ(disk_peer_do(&peer, DISK_READ, 0, 0, 4096, 0), 0);
	stop();
}

TEST(a_service_outlives_its_supervisor_and_reports_to_the_next)
{
	struct child_hello hello;
	struct child_ready ready;
	struct attachment held;

	start_with_disk(NULL);
	control_close(&rig.link);
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, 0, 0, 4096, 0), 0);

	rig.link.fd =
		accept4(rig.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	CHECK(rig.link.fd >= 0);
	disk_rig_expect(&rig, MSG_CHILD_HELLO, &hello, sizeof(hello));
	CHECK_EQ(hello.role, ROLE_DISK);
	CHECK(strcmp(hello.name, "test") == 0);
	CHECK(memcmp(hello.token, "0123456789abcde", TOKEN_BYTES) == 0);
	disk_rig_expect(&rig, MSG_CHILD_READY, &ready, sizeof(ready));
	disk_rig_send(&rig, MSG_CHILD_WELCOME, NULL, 0);
	disk_rig_expect(&rig, MSG_DISK_HELD, &held, sizeof(held));
	disk_rig_expect(&rig, MSG_CHILD_REPORTED, NULL, 0);

	CHECK_EQ(held.id, peer.attachment.id);
	stop();
}

TEST(a_ping_is_answered_and_quit_ends_the_service)
{
	int status;

	start_with_disk(NULL);
	disk_rig_send(&rig, MSG_CHILD_PING, NULL, 0);
	disk_rig_expect(&rig, MSG_CHILD_PONG, NULL, 0);
	disk_rig_send(&rig, MSG_CHILD_QUIT, NULL, 0);

	CHECK_EQ(waitpid(rig.pid, &status, 0), rig.pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	rig.pid = fork();
	if (rig.pid == 0)
		_exit(0);
	stop();
}

TEST(an_idle_service_sleeps)
{
	long before;

	start_with_disk(NULL);
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, 0, 0, 262144, 0), 0);
	CHECK_EQ(disk_peer_do(&peer, DISK_FLUSH, 0, 0, 0, 0), 0);
	(void)usleep(2500000); /* its worker has ended by then */
	before = proc_number("status", "voluntary_ctxt_switches:");
	(void)usleep(1500000);

	CHECK_EQ(proc_number("status", "voluntary_ctxt_switches:"), before);
	CHECK_EQ(proc_number("status", "Threads:"), 1);
	stop();
}

#ifndef __SANITIZE_ADDRESS__ /* which has a memory of its own */
TEST(an_idle_service_is_small)
{
	start_with_disk(NULL);
	CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, 0, 0, 4096, 0), 0);

	/* Nobody but root may weigh a process that has shut itself off. */
	if (geteuid() == 0)
		CHECK(proc_number("smaps_rollup", "Pss:") <= 3 * 1024);
	stop();
}
#endif
