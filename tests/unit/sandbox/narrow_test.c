/* SPDX-License-Identifier: MIT */
/* Threads of a monitor: what each kind can and cannot do, tried. */
#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/count.h"
#include "lib/harness.h"
#include "monitor/engine/kvm/calls.h"
#include "monitor/sandbox.h"

#define SUCCEEDED 0
#define KILLED    (-SIGSYS)

struct kind {
	const struct sandbox_call *calls;
	const size_t *count;
};

static const struct kind processor = { kvm_vcpu_calls, &kvm_vcpu_call_count };
static const struct kind io = { monitor_io_calls, &monitor_io_call_count };
static const struct kind witness = { monitor_witness_calls,
				     &monitor_witness_call_count };

static struct sandbox_program program;
static int (*wanted)(void);

static void *narrow_and_try(void *context)
{
	if (sandbox_narrow(&program) < 0)
		_exit(253);
	_exit(wanted());
}

/* In a process without its own filter: what is refused, the thread's does. */
static void in_child(const struct kind *kind, int (*try)(void))
{
	pthread_t thread;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    sandbox_prepare(kind->calls, *kind->count, &program) < 0 ||
	    program.count == 0)
		_exit(254);
	wanted = try;
	if (pthread_create(&thread, NULL, narrow_and_try, NULL) != 0)
		_exit(252);
	(void)pthread_join(thread, NULL);
	_exit(251);
}

static int as(const struct kind *kind, int (*try)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		in_child(kind, try);
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int errno_of(long result)
{
	return result < 0 ? errno : 0;
}

static int run_guest(void)
{
	return errno_of(ioctl(-1, KVM_RUN, 0));
}

static int make_machine(void)
{
	return errno_of(ioctl(-1, KVM_CREATE_VM, 0));
}

static int add_memory(void)
{
	return errno_of(ioctl(-1, KVM_SET_USER_MEMORY_REGION, NULL));
}

static int raise_line(void)
{
	return errno_of(ioctl(-1, KVM_IRQ_LINE, NULL));
}

static int receive_descriptors(void)
{
	struct msghdr in = { 0 };

	return errno_of(recvmsg(-1, &in, 0));
}

static int synchronise(void)
{
	return errno_of(fdatasync(-1));
}

static int make_memory_file(void)
{
	return errno_of(memfd_create("x", 0));
}

static int make_socket(void)
{
	return errno_of(socket(AF_UNIX, SOCK_SEQPACKET, 0));
}

static int close_nothing(void)
{
	return errno_of(close(-1));
}

static int start_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, narrow_and_try, NULL);
}

static int signal_itself(void)
{
	(void)signal(SIGUSR1, SIG_IGN);
	return errno_of(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1));
}

static int signal_another(void)
{
	return errno_of(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int map_memory(void)
{
	void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return map == MAP_FAILED ? errno : errno_of(munmap(map, 4096));
}

static int map_code(void)
{
	void *map = mmap(NULL, 4096, PROT_READ | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return map == MAP_FAILED ? errno : 0;
}

/* x32 calls have numbers of their own and must not slip through. */
static int call_x32(void)
{
	return errno_of(syscall(0x40000000 | 39));
}

/* -EBADF: it came through to the kernel. */
TEST(a_processors_thread_runs_guests_and_makes_no_machines)
{
	CHECK_EQ(as(&processor, run_guest), EBADF);
	CHECK_EQ(as(&processor, raise_line), EBADF);
	CHECK_EQ(as(&processor, make_machine), KILLED);
	CHECK_EQ(as(&processor, add_memory), KILLED);
}

TEST(a_processors_thread_receives_and_closes_nothing)
{
	CHECK_EQ(as(&processor, receive_descriptors), KILLED);
	CHECK_EQ(as(&processor, make_memory_file), KILLED);
	CHECK_EQ(as(&processor, synchronise), KILLED);
	CHECK_EQ(as(&processor, close_nothing), KILLED);
}

TEST(the_io_thread_runs_no_guest)
{
	CHECK_EQ(as(&io, receive_descriptors), EBADF);
	CHECK_EQ(as(&io, close_nothing), EBADF);
	CHECK_EQ(as(&io, raise_line), EBADF);
	CHECK_EQ(as(&io, run_guest), KILLED);
	CHECK_EQ(as(&io, make_machine), KILLED);
	CHECK_EQ(as(&io, synchronise), KILLED);
}

TEST(a_witness_synchronises_and_does_nothing_else)
{
	CHECK_EQ(as(&witness, synchronise), EBADF);
	CHECK_EQ(as(&witness, receive_descriptors), KILLED);
	CHECK_EQ(as(&witness, run_guest), KILLED);
	CHECK_EQ(as(&witness, close_nothing), KILLED);
}

TEST(no_narrowed_thread_reaches_further_than_its_process)
{
	static const struct kind *const kinds[] = { &processor, &io, &witness };

	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		CHECK_EQ(as(kinds[i], make_socket), KILLED);
		CHECK_EQ(as(kinds[i], start_thread), KILLED);
		CHECK_EQ(as(kinds[i], map_code), KILLED);
		CHECK_EQ(as(kinds[i], call_x32), KILLED);
		CHECK_EQ(as(kinds[i], signal_another), KILLED);
		CHECK_EQ(as(kinds[i], signal_itself), SUCCEEDED);
		CHECK_EQ(as(kinds[i], map_memory), SUCCEEDED);
	}
}

TEST(a_wrong_line_is_refused)
{
	const struct sandbox_call no_reason = { .number = __NR_read };
	const struct sandbox_call no_argument =
		SANDBOX_CALL_IF(ioctl, 6, 0, "there is none");

	CHECK_EQ(sandbox_prepare(&no_reason, 1, &program), -EINVAL);
	CHECK_EQ(sandbox_prepare(&no_argument, 1, &program), -EINVAL);
	CHECK_EQ(sandbox_prepare(&no_argument, SIZE_MAX / 64, &program),
		 -EINVAL);
}
