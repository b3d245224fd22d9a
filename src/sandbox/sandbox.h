/* SPDX-License-Identifier: MIT */
/*
 * Drop privileges: become a process that can do its role's work and nothing
 * else.
 *
 * In two steps: sandbox_enter() removes access to what the process no longer
 * needs (files, network, other processes, privileges); it runs once the
 * settings have arrived, before any guest data. sandbox_seal() then restricts
 * the system calls to a list; it is the last step before CHILD_READY.
 *
 *	sandbox_enter(&config, &layers);
 *	... role messages, descriptors, threads ...
 *	sandbox_seal(calls, ARRAY_COUNT(calls), &layers);
 *	... CHILD_READY with layers.in_place and layers.missing ...
 *
 * The layers are independent: one that is unavailable on this host or to this
 * user is recorded as missing, with the errno, and the others are still put in
 * place. docs/threat-model.md says what each protects and what is exposed
 * without it.
 *
 * Trust      After sandbox_seal() a process that runs an attacker's code can
 *            use its open descriptors and the calls of its table, no more.
 * Threads    sandbox_enter() is called while the process has one thread,
 *            sandbox_seal() from any; it applies to every thread, later ones
 *            included.
 * Errors     0 or a negative errno. A missing layer is not an error unless the
 *            configuration requires it: sandbox_seal() checks seccomp,
 *            sandbox_enter() all others.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>

/* Bits; they appear in struct child_ready and struct layer_row, so a number is
 * never reused. */
enum sandbox_layer {
	SANDBOX_NO_NEW_PRIVS = 1u << 0,   /* exec never raises rights */
	SANDBOX_NOT_DUMPABLE = 1u << 1,   /* no ptrace, no core, no /proc/PID */
	SANDBOX_LIMITS = 1u << 2,         /* rlimits */
	SANDBOX_USER_NAMESPACE = 1u << 3, /* only asked for when not root */
	SANDBOX_MOUNT_NAMESPACE = 1u << 4,
	SANDBOX_NETWORK_NAMESPACE = 1u << 5,
	SANDBOX_IPC_NAMESPACE = 1u << 6,
	SANDBOX_UTS_NAMESPACE = 1u << 7,
	SANDBOX_ROOT = 1u << 8,           /* "/" is config.root_fd */
	SANDBOX_UID = 1u << 9,            /* a uid that owns nothing */
	SANDBOX_CAPABILITIES = 1u << 10,  /* none, and none to be had */
	SANDBOX_LANDLOCK = 1u << 11,      /* no path can be opened */
	SANDBOX_SECCOMP = 1u << 12,       /* by sandbox_seal() */
	SANDBOX_CGROUP = 1u << 13,        /* by the supervisor: cgroup.h */
	SANDBOX_PID_NAMESPACE = 1u << 14, /* by jail_start(): jail.h */
	SANDBOX_CORE = 1u << 15,          /* by the supervisor: core.h */
};

#define SANDBOX_LAYER_COUNT 16

/* Applied by the supervisor, so not reported by the process itself. */
#define SANDBOX_OF_SUPERVISOR ((uint32_t)(SANDBOX_CGROUP | SANDBOX_CORE))

/* Available to any user on any host. */
#define SANDBOX_REQUIRED \
	(SANDBOX_NO_NEW_PRIVS | SANDBOX_CAPABILITIES | SANDBOX_SECCOMP)
/* Also available to root, whose children would keep root's rights without. */
#define SANDBOX_REQUIRED_OF_ROOT (SANDBOX_REQUIRED | SANDBOX_ROOT | SANDBOX_UID)

struct sandbox_layers {
	uint32_t required;               /* as asked for */
	uint32_t in_place;               /* bits of enum sandbox_layer */
	uint32_t missing;                /* asked for, not in place */
	int errors[SANDBOX_LAYER_COUNT]; /* errno by bit index, if missing */
};

/* Zero and NO_FD mean: leave as it is. */
struct sandbox {
	/* Borrowed directory that becomes "/" and the working directory; the
	 * caller closes it afterwards. The process reaches connect("name") of
	 * the sockets in it, and no file. */
	int root_fd;
	uid_t uid;             /* to become, if the caller is root */
	gid_t gid;             /* likewise; supplementary groups are emptied */
	uint32_t file_count;   /* RLIMIT_NOFILE */
	uint64_t locked_bytes; /* RLIMIT_MEMLOCK */
	uint64_t file_bytes;   /* RLIMIT_FSIZE: of any file it writes */
	uint32_t required;     /* layers without which it is no sandbox */
	/* A process that is to signal others started before (a monitor its
	 * engine) cannot have Landlock's scope for signals. */
	bool may_signal;
};

/*
 * Put in place every layer that the caller's rights allow. On failure the
 * process is left half sandboxed and must exit.
 *
 * Afterwards the process is not dumpable, so /proc/self belongs to root; core
 * dumps are off; no parent-death signal is set; descriptors are untouched.
 *
 * -EPERM  a required layer is missing; ret_layers says which
 */
int sandbox_enter(const struct sandbox *config,
		  struct sandbox_layers *ret_layers);

/*
 * Only the first step of sandbox_enter() for an ordinary user: enter a new user
 * namespace, and in it the others. For probing whether that works.
 */
int sandbox_try_namespaces(void);

/* A condition on one argument: (argument & mask) == value. */
struct sandbox_condition {
	uint32_t argument; /* 0 to 5 */
	uint64_t mask;
	uint64_t value;
};

#define SANDBOX_CONDITION_COUNT 2

/*
 * One line of a table: a system call that is allowed when all its conditions
 * hold. If a call has several lines, one of them must match. With `error` the
 * call fails with that errno instead: for calls that a library tries but can do
 * without.
 */
struct sandbox_call {
	int number; /* __NR_... */
	int error;  /* 0: allow */
	uint32_t condition_count;
	struct sandbox_condition conditions[SANDBOX_CONDITION_COUNT];
	const char *reason;
};

#define SANDBOX_CALL(call_, reason_)                        \
	{                                                   \
		.number = __NR_##call_, .reason = (reason_) \
	}

/*
 * Allowed only when the int argument `index_` is `value_`. (The kernel looks at
 * the low half of a register that holds an int; so does this.)
 */
#define SANDBOX_CALL_IF(call_, index_, value_, reason_)                  \
	SANDBOX_CALL_MASK(call_, index_, UINT32_MAX, (uint32_t)(value_), \
			  reason_)

/* Allowed only when the bits `mask_` of argument `index_` are `value_`. */
#define SANDBOX_CALL_MASK(call_, index_, mask_, value_, reason_)   \
	{                                                          \
		.number = __NR_##call_, .condition_count = 1,      \
		.conditions = { { .argument = (index_),            \
				  .mask = (uint64_t)(mask_),       \
				  .value = (uint64_t)(value_) } }, \
		.reason = (reason_)                                \
	}

#define SANDBOX_REFUSE(call_, error_, reason_)                                 \
	{                                                                      \
		.number = __NR_##call_, .error = (error_), .reason = (reason_) \
	}

/*
 * Lines for a role that starts threads after the seal: clone() for threads
 * only. (clone3() passes its flags by pointer, so it fails with ENOSYS; the C
 * library then falls back to clone().)
 */
#define SANDBOX_THREAD_CALLS                                                \
	SANDBOX_REFUSE(clone3, 38 /* ENOSYS */, "flags cannot be checked"), \
		SANDBOX_CALL_MASK(clone, 0, 0x00010000 /* CLONE_THREAD */,  \
				  0x00010000, "pthread_create"),            \
		SANDBOX_CALL(set_robust_list, "start of a thread"),         \
		SANDBOX_CALL(rseq, "start of a thread")

/*
 * Install the final filter for all threads: the calls of the table and those
 * that every Bulkhead process needs (sandbox_base_calls), in this order; the
 * first matching line decides. Anything else kills the process. No memory can
 * become executable.
 *
 * Base list (base.c): read, write, close, epoll, poll, timers, futex, memory
 * without PROT_EXEC, signal return and masks, exit, getrandom, and the control
 * link: socket(AF_UNIX, SOCK_SEQPACKET), connect, sendmsg, recvmsg. Opening a
 * path fails with EACCES. Files, fcntl, dup, eventfds, threads and children are
 * left to the table.
 *
 * A kernel without seccomp is a missing layer.
 *
 * -EPERM   seccomp is missing and required
 * -EINVAL  a line of the table is wrong
 * -ENOMEM
 */
int sandbox_seal(const struct sandbox_call *calls, size_t count,
		 struct sandbox_layers *layers);

/* A filter for a thread, ready to be installed. */
struct sandbox_program {
	struct sock_filter *steps; /* owned */
	uint16_t count;
};

/* The line that allows a process's threads to install further filters. An
 * additional filter can only restrict. */
#define SANDBOX_NARROW_CALL                                           \
	{                                                             \
		.number = __NR_seccomp, .condition_count = 2,         \
		.conditions = { { .argument = 0,                      \
				  .mask = UINT32_MAX,                 \
				  .value = SECCOMP_SET_MODE_FILTER }, \
				{ .argument = 1,                      \
				  .mask = UINT32_MAX,                 \
				  .value = 0 } },                     \
		.reason = "a thread gives up what only others need"   \
	}

/*
 * Prepare, before the seal, a filter of these lines and of those that every
 * thread needs (sandbox_thread_calls: locks, memory, eventfds, exit), in this
 * order; the first matching line decides. Anything else kills the process.
 * Without seccomp in the kernel the program is empty.
 *
 * -EINVAL  a line of the table is wrong, or there are too many
 * -ENOMEM
 */
int sandbox_prepare(const struct sandbox_call *calls, size_t count,
		    struct sandbox_program *ret_program);

/* Safe twice. */
void sandbox_program_release(struct sandbox_program *program);

/*
 * After the seal: install the filter for the calling thread, in addition to
 * that of its process. An empty program does nothing.
 *
 * -EACCES  sandbox_enter() has not been called
 * -ENOMEM
 */
int sandbox_narrow(const struct sandbox_program *program);

/* The shared list, for documentation and tests. */
extern const struct sandbox_call sandbox_base_calls[];
extern const size_t sandbox_base_call_count;
extern const struct sandbox_call sandbox_thread_calls[];
extern const size_t sandbox_thread_call_count;

/* Short name of a layer by bit index ("landlock"); "unknown" beyond. */
const char *sandbox_layer_name(unsigned int index);

/* A sentence for an operator: which required layers are missing, with the
 * errno, and which setting lets a process start without them. Valid until the
 * next call. */
const char *sandbox_missing_text(const struct sandbox_layers *layers);

/*
 * Write the names of the layers in `bits`, separated by commas, or "none".
 * Always terminated; truncated when full.
 */
void sandbox_layer_list(uint32_t bits, char *to, size_t room);

#endif
