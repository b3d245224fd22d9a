/* SPDX-License-Identifier: MIT */
#include "sandbox/jail.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "lib/harness.h"
#include "sandbox/attempt.h"
#include "sandbox/layers.h"

#define FOREIGN 64001

/* Status 77: the layer that the script tries was not to be had here. */
#define MISSING 77

/*
 * Run a shell script in a jail and return its exit status. The script has the
 * file "kernel" as /boot/kernel and the given descriptor as 5.
 */
static int run_script(char *script, uint32_t layer, int fd)
{
	char *const arguments[] = { (char *)"sh", (char *)"-c", script, NULL };
	SCOPED(close_fd) int file = memfd_create("kernel", 0);
	struct jail_file files[] = { { file, "/boot/kernel" } };
	struct jail_fd fds[] = { { 2, 2 }, { fd, 5 } };
	struct jail jail = {
		.program = "/bin/sh",
		.arguments = arguments,
		.fds = fds,
		.fd_count = fd == NO_FD ? 1 : 2,
		.files = files,
		.file_count = 1,
		.uid = FOREIGN,
		.gid = FOREIGN,
	};
	struct sandbox_layers layers;
	struct jailed jailed;
	int status;

	CHECK_EQ(write(file, "image\n", 6), 6);
	CHECK_EQ(jail_start(&jail, &jailed, &layers), 0);
	CHECK_EQ(waitpid(jailed.pid, &status, 0), jailed.pid);
	close_fd(&jailed.pidfd);
	CHECK(WIFEXITED(status));
	return layers.missing & layer ? MISSING : WEXITSTATUS(status);
}

/* As root's child and as an ordinary user's, wherever the layer is in place. */
static void check_script(const char *script, uint32_t layer, int fd)
{
	bool is_tried = false;

	for (enum who who = AS_ROOT; who < WHO_COUNT; who++) {
		int status;
		pid_t pid;

		if (!attempt_can_be(who))
			continue;
		pid = fork();
		if (pid == 0) {
			if (who == AS_USER)
				attempt_become_user();
			exit(run_script((char *)script, layer, fd));
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFEXITED(status));
		if (WEXITSTATUS(status) == MISSING)
			continue;
		CHECK_EQ(WEXITSTATUS(status), 0);
		is_tried = true;
	}
	if (!is_tried)
		test_skip("the layer is not to be had");
}

TEST(a_jailed_program_cannot_read_the_hosts_files)
{
	check_script("! test -e /etc/passwd && ! test -e /root && "
		     "! test -e /proc/1 && ! test -e /sys/kernel",
		     SANDBOX_ROOT, NO_FD);
}

TEST(a_jailed_program_cannot_write_a_file)
{
	check_script("for d in / /usr /boot /dev /etc; do "
		     "if (: >$d/new) 2>/dev/null; then exit 1; fi; done; "
		     "! (: >>/boot/kernel) 2>/dev/null",
		     SANDBOX_ROOT, NO_FD);
}

TEST(a_jailed_program_reads_the_files_it_was_given)
{
	check_script("read -r line </boot/kernel && test \"$line\" = image",
		     SANDBOX_ROOT, NO_FD);
}

TEST(a_jailed_program_finds_a_socket_by_its_name)
{
	char *const arguments[] = {
		(char *)"perl", (char *)"-MSocket", (char *)"-e",
		(char *)"socket(S, PF_UNIX, SOCK_STREAM, 0);"
			"connect(S, sockaddr_un('/boot/line')) or exit 1;"
			"syswrite(S, 'hello')",
		NULL
	};
	SCOPED(close_fd)
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct jail_socket sockets[] = { { listener, "/boot/line" } };
	struct jail jail = { .program = "/usr/bin/perl",
			     .arguments = arguments,
			     .sockets = sockets,
			     .socket_count = 1,
			     .uid = geteuid() == 0 ? FOREIGN : 0,
			     .gid = geteuid() == 0 ? FOREIGN : 0 };
	SCOPED(close_fd) int line = NO_FD;
	struct sandbox_layers layers;
	struct jailed jailed;
	char heard[8] = "";
	int result = jail_start(&jail, &jailed, &layers);

	if (layers.missing & SANDBOX_ROOT) {
		CHECK_EQ(result, -EPERM);
		test_skip("a root of its own is not to be had");
	}
	CHECK_EQ(result, 0);
	line = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK(line >= 0);
	CHECK_EQ(read(line, heard, sizeof(heard)), 5);
	CHECK_EQ(strcmp(heard, "hello"), 0);
	jail_close(&jailed);
}

TEST(a_jailed_program_cannot_see_other_processes)
{
	check_script("test $$ = 1 && ! kill -0 2 2>/dev/null",
		     SANDBOX_PID_NAMESPACE, NO_FD);
}

TEST(a_jailed_program_cannot_mount_or_make_namespaces)
{
	check_script("! mount -t tmpfs none /usr 2>/dev/null && "
		     "! unshare -U true 2>/dev/null",
		     SANDBOX_SECCOMP, NO_FD);
}

/* Each with a user namespace, which gives the right to all others. */
TEST(a_jailed_program_cannot_make_namespaces_by_starting_a_process)
{
	check_script(
		"exec perl -e '"
		"for (0, 0x20000, 0x2000000, 0x4000000, 0x8000000,"
		"     0x20000000, 0x40000000) {"
		"  my $pid = syscall(56, 0x10000000 | $_ | 17, 0, 0, 0, 0);"
		"  exit(1) if $pid != -1 || $! != 1;"
		"}'",
		SANDBOX_SECCOMP, NO_FD);
}

/* Its flags cannot be seen; a C library that gets ENOSYS takes clone(). */
TEST(a_jailed_program_has_no_clone3_and_starts_processes_all_the_same)
{
	check_script("perl -e 'exit(syscall(435, 0, 0) != -1 || $! != 38)' && "
		     "perl -e 'exit(system(\"/bin/true\") != 0)'",
		     SANDBOX_SECCOMP, NO_FD);
}

TEST(a_jailed_program_inherits_only_what_is_listed)
{
	SCOPED(close_fd) int listed = open("/dev/null", O_RDWR | O_CLOEXEC);
	SCOPED(close_fd) int other = open("/dev/null", O_RDWR);

	CHECK(listed >= 0 && other >= 0);
	check_script("(: >&5) && for n in 3 4 6 7 8 9; do "
		     "if (eval \": >&$n\") 2>/dev/null; then exit 1; fi; done",
		     0, listed);
}

TEST(a_jailed_program_cannot_reach_the_network)
{
	SCOPED(close_fd) int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t bytes = sizeof(address);
	char script[160];

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_EQ(bind(fd, (struct sockaddr *)&address, bytes), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
	CHECK_EQ(listen(fd, 1), 0);
	(void)snprintf(script, sizeof(script),
		       "! bash -c 'exec 3<>/dev/tcp/127.0.0.1/%u' 2>/dev/null",
		       ntohs(address.sin_port));

	check_script(script, SANDBOX_NETWORK_NAMESPACE, NO_FD);
}

static struct jail sleeper(void)
{
	static char *const arguments[] = { (char *)"sleep", (char *)"60",
					   NULL };

	return (struct jail){
		.program = "/bin/sleep",
		.arguments = arguments,
		.uid = FOREIGN,
		.gid = FOREIGN,
	};
}

static bool ends_within(int pidfd, int ms)
{
	struct pollfd poller = { .fd = pidfd, .events = POLLIN };

	return poll(&poller, 1, ms) == 1;
}

TEST(a_jailed_program_ends_with_its_starter)
{
	SCOPED(close_fd) int pidfd = NO_FD;
	int ends[2], status;
	pid_t starter, sleeping = 0;

	CHECK_EQ(pipe(ends), 0);
	starter = fork();
	if (starter == 0) {
		struct jail jail = sleeper();
		struct sandbox_layers layers;
		struct jailed jailed;

		CHECK_EQ(jail_start(&jail, &jailed, &layers), 0);
		(void)!write(ends[1], &jailed.pid, sizeof(jailed.pid));
		for (;;)
			(void)pause();
	}
	CHECK_EQ(read(ends[0], &sleeping, sizeof(sleeping)), sizeof(sleeping));
	pidfd = (int)syscall(SYS_pidfd_open, sleeping, 0);
	CHECK(pidfd >= 0 && !ends_within(pidfd, 50));

	CHECK_EQ(kill(starter, SIGKILL), 0);
	CHECK_EQ(waitpid(starter, &status, 0), starter);
	CHECK(ends_within(pidfd, 5000));
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* Tells what came of its attempt, then of a second one by fork, and stays. */
static int start_rebel(int to, struct jailed *ret_jailed)
{
	static char *const arguments[] = {
		(char *)"perl", (char *)"-e",
		(char *)"fork;"
			"syscall(157, 1, 0, 0, 0, 0);"
			"open(OUT, '>&=3'); syswrite(OUT, 'x');"
			"sleep 60",
		NULL
	};
	const struct jail_fd fds[] = { { to, 3 } };
	const struct jail jail = { .program = "/usr/bin/perl",
				   .arguments = arguments,
				   .fds = fds,
				   .fd_count = 1,
				   .uid = FOREIGN,
				   .gid = FOREIGN };
	struct sandbox_layers layers;

	return jail_start(&jail, ret_jailed, &layers);
}

/* Its end and its child's close the pipe. */
TEST(a_captured_program_cannot_outlive_its_starter)
{
	int ends[2], status;
	pid_t starter;
	char byte;

	CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
	starter = fork();
	if (starter == 0) {
		struct jailed jailed;

		if (start_rebel(ends[1], &jailed) < 0)
			_exit(1);
		for (;;)
			(void)pause();
	}
	(void)close(ends[1]);
	CHECK_EQ(read(ends[0], &byte, 1), 1);
	CHECK_EQ(read(ends[0], &byte, 1), 1);

	CHECK_EQ(kill(starter, SIGKILL), 0);
	CHECK_EQ(waitpid(starter, &status, 0), starter);
	CHECK_EQ(read(ends[0], &byte, 1), 0);
	(void)close(ends[0]);
}

/* As the filter of a container: no clone3(), and no namespace but root's. */
static void enter_container(void)
{
	static const struct sandbox_call refused[] = {
		{ .number = __NR_clone3, .error = ENOSYS, .reason = "new" },
		{ .number = __NR_clone,
		  .error = EPERM,
		  .condition_count = 1,
		  .conditions = { { .mask = CLONE_NEWPID,
				    .value = CLONE_NEWPID } },
		  .reason = "a namespace" },
		{ .number = __NR_unshare,
		  .error = EPERM,
		  .reason = "likewise" },
	};

	CHECK_EQ(layers_refuse(refused, ARRAY_COUNT(refused)), 0);
}

static void start_in_container(uint32_t required, int wanted)
{
	struct jail jail = sleeper();
	struct sandbox_layers layers = { 0 };
	struct jailed jailed = { .pidfd = NO_FD };
	int result;

	attempt_become_user();
	enter_container();
	jail.required = required;
	result = jail_start(&jail, &jailed, &layers);
	CHECK_EQ(result, wanted);
	CHECK(layers.missing & SANDBOX_ROOT);
	CHECK_EQ(layers.required, required);
	jail_close(&jailed);
	exit(0);
}

TEST(a_program_is_started_in_a_container_if_no_root_is_required)
{
	const struct {
		uint32_t required;
		int wanted;
	} cases[] = { { SANDBOX_REQUIRED, 0 },
		      { SANDBOX_REQUIRED | SANDBOX_ROOT, -EPERM } };

	for (size_t i = 0; i < 2; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			start_in_container(cases[i].required, cases[i].wanted);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
	}
}

TEST(closing_kills_and_reaps)
{
	struct jail jail = sleeper();
	struct sandbox_layers layers;
	struct jailed jailed;

	CHECK_EQ(jail_start(&jail, &jailed, &layers), 0);
	CHECK(!ends_within(jailed.pidfd, 50));
	jail_close(&jailed);
	jail_close(&jailed);

	CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
	CHECK_EQ(errno, ECHILD);
}

TEST(a_program_that_is_not_there_is_an_error)
{
	struct jail jail = sleeper();
	struct sandbox_layers layers;
	struct jailed jailed;

	jail.program = "/usr/bin/no-such-program";
	CHECK_EQ(jail_start(&jail, &jailed, &layers), -ENOENT);
	CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}

TEST(a_path_outside_boot_is_refused)
{
	const char *const paths[] = { "/etc/x", "/boot/", "/boot/..",
				      "/boot/a/b", "boot/a" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct jail_file file = { 0, paths[i] };
		struct jail jail = sleeper();
		struct sandbox_layers layers;
		struct jailed jailed;

		jail.files = &file;
		jail.file_count = 1;
		CHECK_EQ(jail_start(&jail, &jailed, &layers), -EINVAL);
	}
}

TEST(a_number_out_of_range_is_refused)
{
	struct jail_fd fd = { 0, JAIL_FD_MAX };
	struct jail jail = sleeper();
	struct sandbox_layers layers;
	struct jailed jailed;

	jail.fds = &fd;
	jail.fd_count = 1;
	CHECK_EQ(jail_start(&jail, &jailed, &layers), -EINVAL);
}

TEST(an_ordinary_user_may_require_a_uid_and_is_refused)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct jail jail = sleeper();
		struct sandbox_layers layers;
		struct jailed jailed;

		attempt_become_user();
		jail.required = SANDBOX_UID;
		CHECK_EQ(jail_start(&jail, &jailed, &layers), -EPERM);
		CHECK(layers.missing & SANDBOX_UID);
		exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}
