/* SPDX-License-Identifier: MIT */
/*
 * What no process of ours can do, whatever its table says: this file is linked
 * once with each role's own table (role_*.c), and apart.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rendezvous.h"
#include "base/scope.h"
#include "lib/harness.h"
#include "sandbox/attempt.h"

/* What an attempt needs to know about the world outside. */
static pid_t victim;
static struct sockaddr_in host_port;

static int errno_of(long result)
{
	return result < 0 ? errno : 0;
}

/* An attempt must fail once entered and must kill, or fail, once sealed. */
static void check_refused(int (*try)(void), int sealed)
{
	for (enum who who = AS_ROOT; who < WHO_COUNT; who++) {
		if (!attempt_can_be(who))
			continue;
		CHECK(attempt(who, ENTERED, try, NULL) > 0);
		CHECK_EQ(attempt(who, SEALED, try, NULL), sealed);
	}
}

/* Something that only the filter refuses. */
static void check_killed(int (*try)(void))
{
	for (enum who who = AS_ROOT; who < WHO_COUNT; who++) {
		if (!attempt_can_be(who))
			continue;
		CHECK_EQ(attempt(who, ENTERED, try, NULL), SUCCEEDED);
		CHECK_EQ(attempt(who, SEALED, try, NULL), KILLED);
	}
}

static int open_passwd(void)
{
	return errno_of(open("/etc/passwd", O_RDONLY));
}

TEST(a_sandboxed_process_cannot_open_a_file)
{
	check_refused(open_passwd, EACCES);
}

static int open_parent(void)
{
	return errno_of(open("../../../../etc/passwd", O_RDONLY));
}

TEST(a_sandboxed_process_cannot_climb_out_of_its_root)
{
	check_refused(open_parent, EACCES);
}

static int create_file(void)
{
	return errno_of(open("new", O_CREAT | O_WRONLY, 0600));
}

TEST(a_sandboxed_process_cannot_create_a_file)
{
	check_refused(create_file, EACCES);
}

static int read_proc(void)
{
	return errno_of(open("/proc/self/status", O_RDONLY));
}

TEST(a_sandboxed_process_cannot_read_proc)
{
	check_refused(read_proc, EACCES);
}

static int connect_network(void)
{
	SCOPED(close_fd) int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		return errno;
	return errno_of(
		connect(fd, (struct sockaddr *)&host_port, sizeof(host_port)));
}

TEST(a_sandboxed_process_cannot_reach_the_network)
{
	SCOPED(close_fd) int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t bytes = sizeof(host_port);

	host_port.sin_family = AF_INET;
	host_port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_EQ(bind(fd, (struct sockaddr *)&host_port, bytes), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&host_port, &bytes), 0);
	CHECK_EQ(listen(fd, 1), 0);
	CHECK_EQ(connect_network(), 0);

	check_refused(connect_network, KILLED);
}

static socklen_t abstract_name(struct sockaddr_un *ret_address)
{
	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->sun_family = AF_UNIX;
	(void)snprintf(ret_address->sun_path + 1, 32, "bulkhead-test-%d",
		       (int)victim);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 32);
}

static int connect_abstract(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	struct sockaddr_un address;
	socklen_t bytes = abstract_name(&address);

	return errno_of(connect(fd, (struct sockaddr *)&address, bytes));
}

TEST(a_sandboxed_process_cannot_reach_an_abstract_socket)
{
	SCOPED(close_fd) int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	struct sockaddr_un address;
	socklen_t bytes;

	victim = getpid();
	bytes = abstract_name(&address);
	CHECK_EQ(bind(fd, (struct sockaddr *)&address, bytes), 0);
	CHECK_EQ(listen(fd, 1), 0);

	/* Not there for lack of its namespace, or refused by Landlock. */
	for (enum who who = AS_ROOT; who < WHO_COUNT; who++) {
		if (!attempt_can_be(who))
			continue;
		CHECK(attempt(who, ENTERED, connect_abstract, NULL) > 0);
		CHECK(attempt(who, SEALED, connect_abstract, NULL) !=
		      SUCCEEDED);
	}
}

static int connect_named(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t bytes = offsetof(struct sockaddr_un, sun_path) + strlen(name);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	(void)strcpy(address.sun_path, name);
	return errno_of(
		connect(fd, (struct sockaddr *)&address, (socklen_t)bytes + 1));
}

static int connect_supervisor(void)
{
	return connect_named(RENDEZVOUS_NAME);
}

/* The shortest path that a client socket can have. */
static int connect_as_client(void)
{
	return connect_named("/bulkhead.sock");
}

TEST(a_sandboxed_process_cannot_connect_to_the_client_socket)
{
	for (enum who who = AS_ROOT; who < WHO_COUNT; who++)
		if (attempt_can_be(who))
			CHECK_EQ(attempt(who, SEALED, connect_as_client, NULL),
				 KILLED);
}

TEST(a_sandboxed_process_finds_the_supervisor_again)
{
	for (enum who who = AS_ROOT; who < WHO_COUNT; who++) {
		SCOPED(close_fd) int fd = NO_FD;

		if (!attempt_can_be(who))
			continue;
		if (!role_meets_supervisor) {
			CHECK_EQ(attempt(who, SEALED, connect_supervisor, NULL),
				 KILLED);
			continue;
		}
		CHECK_EQ(attempt(who, SEALED, connect_supervisor, NULL), 0);
		fd = accept(attempt_listener(), NULL, NULL);
		CHECK(fd >= 0);
	}
}

static void start_victim(void)
{
	victim = fork();
	if (victim == 0) {
		attempt_become_user();
		for (;;)
			(void)pause();
	}
	CHECK(victim > 0);
}

static void end_victim(void)
{
	CHECK_EQ(kill(victim, SIGKILL), 0);
	CHECK_EQ(waitpid(victim, NULL, 0), victim);
}

static int trace_victim(void)
{
	return errno_of(ptrace(PTRACE_SEIZE, victim, 0, 0));
}

TEST(a_sandboxed_process_cannot_trace_another)
{
	start_victim();

	check_refused(trace_victim, KILLED);
	end_victim();
}

static int kill_victim(void)
{
	return errno_of(kill(victim, 0));
}

/* Without Landlock's scope only the filter keeps it from its own user's. */
TEST(a_sandboxed_process_cannot_signal_another)
{
	start_victim();

	for (enum who who = AS_ROOT; who < WHO_COUNT; who++)
		if (attempt_can_be(who))
			CHECK_EQ(attempt(who, SEALED, kill_victim, NULL),
				 KILLED);
	if (attempt_can_be(AS_ROOT))
		CHECK_EQ(attempt(AS_ROOT, ENTERED, kill_victim, NULL), EPERM);
	end_victim();
}

static int mount_tmpfs(void)
{
	return errno_of(mount("tmpfs", ".", "tmpfs", 0, NULL));
}

TEST(a_sandboxed_process_cannot_mount)
{
	check_refused(mount_tmpfs, KILLED);
}

static int exec_program(void)
{
	return errno_of(execl("/bin/true", "true", (char *)NULL));
}

TEST(a_sandboxed_process_cannot_run_a_program)
{
	check_refused(exec_program, KILLED);
}

static int become_root(void)
{
	return errno_of(setuid(0));
}

TEST(a_sandboxed_process_cannot_become_root)
{
	check_refused(become_root, KILLED);
}

static int make_namespace(void)
{
	return errno_of(unshare(CLONE_NEWUTS));
}

TEST(a_sandboxed_process_cannot_make_a_namespace)
{
	check_refused(make_namespace, KILLED);
}

static int regain_capability(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	memset(data, 0xff, sizeof(data));
	return errno_of(syscall(SYS_capset, &header, data));
}

TEST(a_sandboxed_process_cannot_regain_a_capability)
{
	check_refused(regain_capability, KILLED);
}

static int fork_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return errno_of(pid);
}

TEST(a_sandboxed_process_cannot_fork)
{
	check_killed(fork_child);
}

static int map_executable(void)
{
	void *map = mmap(NULL, 4096, PROT_READ | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return map == MAP_FAILED ? errno : 0;
}

TEST(a_sandboxed_process_cannot_map_executable_memory)
{
	check_killed(map_executable);
}

static int make_executable(void)
{
	void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return errno_of(mprotect(map, 4096, PROT_READ | PROT_EXEC));
}

TEST(a_sandboxed_process_cannot_make_memory_executable)
{
	check_killed(make_executable);
}

static int lock_file(void)
{
	struct flock lock = { .l_type = F_RDLCK };

	(void)fcntl(0, F_OFD_GETLK, &lock);
	return 0;
}

TEST(a_sandboxed_process_cannot_lift_a_lock)
{
	check_killed(lock_file);
}

static int duplicate(void)
{
	return errno_of(dup(0));
}

static int duplicate_by_fcntl(void)
{
	return errno_of(fcntl(0, F_DUPFD, 0));
}

/* A duplicate elsewhere would keep a fence's lock alive. */
TEST(a_sandboxed_process_cannot_duplicate_a_descriptor)
{
	check_killed(duplicate);
	check_killed(duplicate_by_fcntl);
}

static int make_blocking(void)
{
	return errno_of(fcntl(0, F_SETFL, 0));
}

/* Eventfds are shared with services that must never wait on them. */
TEST(a_sandboxed_process_cannot_make_a_shared_eventfd_block)
{
	check_killed(make_blocking);
}

static int ask_terminal(void)
{
	char byte = 0;

	(void)ioctl(0, TIOCSTI, &byte);
	return 0;
}

TEST(a_sandboxed_process_asks_no_device_what_it_was_not_told)
{
	check_killed(ask_terminal);
}

static int setup_ring(void)
{
	char parameters[128] = { 0 };

	(void)syscall(SYS_io_uring_setup, 1, parameters);
	return 0;
}

TEST(a_sandboxed_process_cannot_use_io_uring)
{
	check_killed(setup_ring);
}

/* A disk service needs 256 requests at once, others none. */
static int setup_large_context(void)
{
	unsigned long context = 0;

	(void)syscall(SYS_io_setup, 257, &context);
	return 0;
}

TEST(a_sandboxed_process_cannot_take_a_larger_context_of_asynchronous_io)
{
	check_killed(setup_large_context);
}
