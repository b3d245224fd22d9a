/* SPDX-License-Identifier: MIT */
#include "sandbox/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "lib/harness.h"
#include "sandbox/attempt.h"
#include "sandbox/layers.h"

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

	check_refused(connect_abstract, ECONNREFUSED);
}

static int connect_supervisor(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX,
				       .sun_path = "supervisor" };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	return errno_of(
		connect(fd, (struct sockaddr *)&address, sizeof(address)));
}

TEST(a_sandboxed_process_finds_the_supervisor_again)
{
	for (enum who who = AS_ROOT; who < WHO_COUNT; who++) {
		SCOPED(close_fd) int fd = NO_FD;

		if (!attempt_can_be(who))
			continue;
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
	return errno_of(mount("tmpfs", "/", "tmpfs", 0, NULL));
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

static void *nothing(void *argument)
{
	return argument;
}

static int start_thread(void)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, nothing, NULL);

	return error ? error : pthread_join(thread, NULL);
}

TEST(a_table_may_allow_threads)
{
	for (enum who who = AS_ROOT; who < WHO_COUNT; who++)
		if (attempt_can_be(who))
			CHECK_EQ(attempt(who, SEALED, start_thread, NULL), 0);
}

static int dumpable(void)
{
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0;
}

TEST(a_sandboxed_process_leaves_no_core)
{
	for (enum who who = AS_ROOT; who < WHO_COUNT; who++)
		if (attempt_can_be(who))
			CHECK_EQ(attempt(who, ENTERED, dumpable, NULL), 0);
}

static int read_nothing(void)
{
	return 0;
}

TEST(every_layer_wished_for_is_in_place_or_missing_with_a_reason)
{
	for (enum who who = AS_ROOT; who < WHO_COUNT; who++) {
		struct sandbox_layers layers;

		if (!attempt_can_be(who))
			continue;
		CHECK_EQ(attempt(who, SEALED, read_nothing, &layers), 0);
		CHECK_EQ(layers.in_place & layers.missing, 0);
		for (unsigned int i = 0; i < SANDBOX_LAYER_COUNT; i++)
			CHECK_EQ(!!(layers.missing & (1u << i)),
				 layers.errors[i] != 0);
		CHECK_EQ((layers.in_place | layers.missing) &
				 ~(uint32_t)(SANDBOX_USER_NAMESPACE),
			 SANDBOX_NO_NEW_PRIVS | SANDBOX_NOT_DUMPABLE |
				 SANDBOX_LIMITS | SANDBOX_MOUNT_NAMESPACE |
				 SANDBOX_NETWORK_NAMESPACE |
				 SANDBOX_IPC_NAMESPACE | SANDBOX_UTS_NAMESPACE |
				 SANDBOX_ROOT | SANDBOX_UID |
				 SANDBOX_CAPABILITIES | SANDBOX_LANDLOCK |
				 SANDBOX_SECCOMP);
	}
}

TEST(an_ordinary_user_is_told_that_its_uid_is_shared)
{
	struct sandbox_layers layers;

	CHECK_EQ(attempt(AS_USER, ENTERED, read_nothing, &layers), 0);
	CHECK(layers.missing & SANDBOX_UID);
	CHECK(!(layers.missing & SANDBOX_CAPABILITIES));
}

TEST(a_required_layer_that_is_missing_is_a_failure)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct sandbox wish = attempt_wish();
		struct sandbox_layers layers;

		attempt_become_user();
		wish.required = SANDBOX_UID;
		_exit(sandbox_enter(&wish, &layers) == -EPERM ? 0 : 1);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static int count_limit(void)
{
	struct rlimit limit;

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_max == 256 ? 0 : 1;
}

TEST(the_number_of_descriptors_is_bounded)
{
	CHECK_EQ(attempt(AS_USER, ENTERED, count_limit, NULL), 0);
}

static int go[2];

static void *wait_then_open(void *argument)
{
	char byte;

	(void)!read(go[0], &byte, 1);
	(void)syscall(SYS_getppid);
	return argument;
}

/* The thread is older than the filter; it must be bound all the same. */
TEST(a_thread_older_than_the_seal_is_sealed)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct sandbox_layers layers = { 0 };
		pthread_t thread;

		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		(void)!pipe(go);
		(void)pthread_create(&thread, NULL, wait_then_open, NULL);
		if (sandbox_seal(NULL, 0, &layers) < 0)
			_exit(1);
		(void)!write(go[1], "", 1);
		(void)pthread_join(thread, NULL);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static int status_of(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

/* In its own process: 0 when the file is refused and the parent can be
 * signalled as wished, or the kernel has no Landlock. */
static int under_landlock(bool may_signal, int wanted_errno)
{
	int error;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return 1;
	error = layers_landlock(may_signal);
	if (error == -ENOSYS || error == -EOPNOTSUPP)
		return 0;
	if (error < 0 || open_passwd() != EACCES)
		return 2;
	/* Its scope for signals came with ABI 6. */
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 6)
		return 0;
	return errno_of(kill(getppid(), 0)) == wanted_errno ? 0 : 3;
}

TEST(landlock_alone_refuses_files_and_signals)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(under_landlock(false, EPERM));
	CHECK_EQ(status_of(pid), 0);
}

TEST(a_process_that_may_signal_still_cannot_open_a_file)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(under_landlock(true, 0));
	CHECK_EQ(status_of(pid), 0);
}

TEST(a_wrong_line_of_a_table_is_refused)
{
	struct sandbox_call bad_argument = SANDBOX_CALL_IF(dup, 6, 0, "none");
	struct sandbox_call no_reason = { .number = __NR_dup };
	struct sandbox_layers layers = { 0 };

	CHECK_EQ(sandbox_seal(&bad_argument, 1, &layers), -EINVAL);
	CHECK_EQ(sandbox_seal(&no_reason, 1, &layers), -EINVAL);
	CHECK_EQ(layers.in_place, 0);
}

TEST(every_call_of_the_shared_list_has_a_reason)
{
	for (size_t i = 0; i < sandbox_base_call_count; i++)
		CHECK(sandbox_base_calls[i].reason[0]);
}

TEST(layers_are_listed_by_name)
{
	char text[64];

	sandbox_layer_list(SANDBOX_ROOT | SANDBOX_UID, text, sizeof(text));
	CHECK_EQ(strcmp(text, "root,uid"), 0);
	sandbox_layer_list(0, text, sizeof(text));
	CHECK_EQ(strcmp(text, "none"), 0);
	sandbox_layer_list(UINT32_MAX, text, 8);
	CHECK(strlen(text) < 8);
	for (unsigned int i = 0; i < SANDBOX_LAYER_COUNT; i++)
		CHECK(sandbox_layer_name(i)[0] && sandbox_layer_risk(i)[0]);
	CHECK_EQ(strcmp(sandbox_layer_name(SANDBOX_LAYER_COUNT), "unknown"), 0);
}
