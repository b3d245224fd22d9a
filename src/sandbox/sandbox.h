/* SPDX-License-Identifier: MIT */
/*
 * Become a role: a process that can do its work and nothing else.
 *
 * In two steps. sandbox_enter() takes away what the process no longer needs to
 * reach (files, network, other processes, privileges); it runs once the
 * settings are there, before any byte of a guest. sandbox_seal() then names
 * the system calls that are left; it is the last thing before CHILD_READY.
 *
 *	sandbox_enter(&config, &layers);
 *	... role messages, descriptors, threads ...
 *	sandbox_seal(calls, ARRAY_COUNT(calls), &layers);
 *	... CHILD_READY with layers.in_place and layers.missing ...
 *
 * Every layer stands alone: one that this host or this user cannot have is
 * recorded as missing, with the errno, and the others are still put in place.
 * docs/threat-model.md says what each holds and what remains without it.
 *
 * Trust      After sandbox_seal() a process that runs an attacker's code can
 *            use its open descriptors and the calls of its table, no more.
 * Threads    sandbox_enter() is called while the process has one thread,
 *            sandbox_seal() from any; it binds every thread, also later ones.
 * Errors     0 or a negative errno. A missing layer is not an error, unless
 *            the configuration requires it: sandbox_seal() misses seccomp,
 *            sandbox_enter() every other.
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

/* Bits; they travel in struct child_ready and struct layer_row, so a number is
 * never given a new meaning. */
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

/* Not the process's own doing, nor its to tell of. */
#define SANDBOX_OF_SUPERVISOR ((uint32_t)(SANDBOX_CGROUP | SANDBOX_CORE))

/* Any user can have these on any host. */
#define SANDBOX_REQUIRED \
	(SANDBOX_NO_NEW_PRIVS | SANDBOX_CAPABILITIES | SANDBOX_SECCOMP)
/* Root can have these too, and without one a child keeps rights of root's. */
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
 * Take every layer that the caller's rights allow. On failure the process is
 * in an undefined state between both and must exit.
 *
 * After it: the process is not dumpable, so /proc/self belongs to root; core
 * dumps are off; no parent-death signal is set; descriptors are untouched.
 *
 * -EPERM  a required layer is missing; ret_layers says which
 */
int sandbox_enter(const struct sandbox *config,
		  struct sandbox_layers *ret_layers);

/*
 * The first step of sandbox_enter() for an ordinary user, alone: enter a user
 * namespace of one's own, and in it the others. For who asks whether it works.
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
 * hold. A call may have several lines, one of which must hold. With `error`
 * the call is refused with that errno instead of allowed: for what a library
 * tries and can do without.
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
 * Lines for a table that starts threads after the seal: clone() for threads
 * only. (clone3() passes its flags by pointer and is refused as unknown; the C
 * library then takes clone().)
 */
#define SANDBOX_THREAD_CALLS                                                \
	SANDBOX_REFUSE(clone3, 38 /* ENOSYS */, "flags cannot be checked"), \
		SANDBOX_CALL_MASK(clone, 0, 0x00010000 /* CLONE_THREAD */,  \
				  0x00010000, "pthread_create"),            \
		SANDBOX_CALL(set_robust_list, "start of a thread"),         \
		SANDBOX_CALL(rseq, "start of a thread")

/*
 * Install the last filter for all threads: the calls of the table and those
 * every process of ours needs (sandbox_base_calls), in this order: the first
 * line that hits decides. Anything else ends the process. No memory can become
 * executable.
 *
 * Base list (base.c): read, write, close, epoll, poll, timers, futex, memory
 * without PROT_EXEC, signal return and masks, exit, getrandom, and the control
 * link: socket(AF_UNIX, SOCK_SEQPACKET), connect, sendmsg, recvmsg. Opening a
 * path is refused with EACCES. Files, fcntl, dup, eventfds, threads and
 * children are each the table's business.
 *
 * A kernel without seccomp is a missing layer.
 *
 * -EPERM   it is missing and required
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

/* The line with which a process lets its threads narrow themselves. A filter
 * that is added can only take away. */
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
 * Prepare, before the seal, a filter of these lines and of those every thread
 * needs (sandbox_thread_calls: locks, memory, eventfds, its end), in this
 * order: the first that hits decides. Anything else ends the process. Without
 * seccomp in the kernel the program is empty.
 *
 * -EINVAL  a line of the table is wrong, or there are too many
 * -ENOMEM
 */
int sandbox_prepare(const struct sandbox_call *calls, size_t count,
		    struct sandbox_program *ret_program);

/* Safe twice. */
void sandbox_program_release(struct sandbox_program *program);

/*
 * After the seal: bind the calling thread, beside what binds its process. An
 * empty program binds nothing.
 *
 * -EACCES  not before sandbox_enter()
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

/* What is open while that layer is missing: a sentence for an operator. */
const char *sandbox_layer_risk(unsigned int index);

/* A sentence for an operator: which required layers are missing, with the
 * errno, and what lets a process start without. Valid until the next call. */
const char *sandbox_lack(const struct sandbox_layers *layers);

/*
 * Write the names of the layers in `bits`, separated by commas, or "none".
 * Always terminated; cut when full.
 */
void sandbox_layer_list(uint32_t bits, char *to, size_t room);

#endif
