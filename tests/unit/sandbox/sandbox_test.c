/* SPDX-License-Identifier: MIT */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "lib/harness.h"
#include "sandbox/attempt.h"
#include "sandbox/layers.h"

static int errno_of(long result)
{
	return result < 0 ? errno : 0;
}

static int open_passwd(void)
{
	return errno_of(open("/etc/passwd", O_RDONLY));
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

TEST(every_layer_asked_for_is_told_in_place_or_missing_with_a_reason)
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

/* The layers that can be seen without trying anything; their namespaces. */
static const struct {
	uint32_t layer;
	const char *namespace; /* NULL: it is none */
} visible[] = {
	{ SANDBOX_NO_NEW_PRIVS, NULL },
	{ SANDBOX_CAPABILITIES, NULL },
	{ SANDBOX_LIMITS, NULL },
	{ SANDBOX_MOUNT_NAMESPACE, "self/ns/mnt" },
	{ SANDBOX_NETWORK_NAMESPACE, "self/ns/net" },
	{ SANDBOX_IPC_NAMESPACE, "self/ns/ipc" },
	{ SANDBOX_UTS_NAMESPACE, "self/ns/uts" },
};

static ino_t ops[ARRAY_COUNT(visible)];
static int proc_fd = NO_FD;

static ino_t inode_of(const char *namespace)
{
	struct stat status;

	return fstatat(proc_fd, namespace, &status, 0) < 0 ? 0 : status.st_ino;
}

static bool has_capability(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	uint32_t any = 0;

	if (syscall(SYS_capget, &header, data) < 0)
		return true;
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		any |= data[i].effective | data[i].permitted |
		       data[i].inheritable;
	return any;
}

static bool leaves_cores(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_max > 1;
}

static bool is_seen(size_t index)
{
	if (visible[index].namespace)
		return inode_of(visible[index].namespace) != ops[index];
	if (visible[index].layer == SANDBOX_NO_NEW_PRIVS)
		return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
	return visible[index].layer == SANDBOX_CAPABILITIES ? !has_capability()
							    : !leaves_cores();
}

/* A bit for each that is seen. */
static int look_around(void)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < ARRAY_COUNT(visible); i++)
		seen |= is_seen(i) ? 1u << i : 0;
	return (int)seen;
}

static void open_proc(void)
{
	proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(proc_fd >= 0);
	for (size_t i = 0; i < ARRAY_COUNT(visible); i++)
		if (visible[i].namespace)
			ops[i] = inode_of(visible[i].namespace);
}

TEST(a_layer_is_told_to_be_in_place_where_it_is)
{
	open_proc();
	for (enum who who = AS_ROOT; who < WHO_COUNT; who++) {
		struct sandbox_layers layers;
		int seen;

		if (!attempt_can_be(who))
			continue;
		seen = attempt(who, ENTERED, look_around, &layers);
		CHECK(seen >= 0);
		for (size_t i = 0; i < ARRAY_COUNT(visible); i++)
			CHECK_EQ(!!(seen & (1 << i)),
				 !!(layers.in_place & visible[i].layer));
	}
	close_fd(&proc_fd);
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
		struct sandbox config = attempt_config();
		struct sandbox_layers layers;

		attempt_become_user();
		config.required = SANDBOX_UID;
		_exit(sandbox_enter(&config, &layers) == -EPERM ? 0 : 1);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static int status_of(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

/* A process on a kernel without filters: the question for them fails. */
static int seal_without_seccomp(uint32_t required)
{
	struct sandbox_layers layers = { .required = required };
	const struct sandbox_call refused = {
		.number = __NR_prctl,
		.error = EINVAL,
		.condition_count = 1,
		.conditions = { { .mask = UINT32_MAX,
				  .value = PR_GET_SECCOMP } },
		.reason = "the question",
	};

	if (layers_refuse(&refused, 1) < 0)
		return 1;
	return -sandbox_seal(NULL, 0, &layers);
}

TEST(a_missing_filter_is_a_failure_where_it_is_required)
{
	pid_t required = fork(), optional;

	if (required == 0)
		_exit(seal_without_seccomp(SANDBOX_SECCOMP));
	optional = fork();
	if (optional == 0)
		_exit(seal_without_seccomp(0));

	CHECK_EQ(WEXITSTATUS(status_of(required)), EPERM);
	CHECK_EQ(status_of(optional), 0);
}

TEST(what_is_required_and_missing_is_told_with_its_error)
{
	struct sandbox_layers layers = { .required = SANDBOX_REQUIRED_OF_ROOT,
					 .in_place = SANDBOX_NO_NEW_PRIVS,
					 .missing = SANDBOX_ROOT | SANDBOX_UID |
						    SANDBOX_LANDLOCK };
	const char *text;

	layers.errors[__builtin_ctz(SANDBOX_ROOT)] = EACCES;
	layers.errors[__builtin_ctz(SANDBOX_UID)] = EPERM;
	text = sandbox_missing_text(&layers);

	CHECK(strstr(text, "lacks root (EACCES), uid (EPERM);"));
	CHECK(strstr(text, "allow_missing"));
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

/* In its own process: 0 when the file is refused and the parent can be
 * signalled as asked for, or the kernel has no Landlock. */
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
		CHECK(sandbox_layer_name(i)[0]);
	CHECK_EQ(strcmp(sandbox_layer_name(SANDBOX_LAYER_COUNT), "unknown"), 0);
}
