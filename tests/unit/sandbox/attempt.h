/* SPDX-License-Identifier: MIT */
/*
 * Try something in a sandboxed process and see what comes of it.
 *
 * Each attempt runs in a process of its own, as root's child with a foreign
 * uid (when the test is root) and as an ordinary user's.
 */
#ifndef TESTS_SANDBOX_ATTEMPT_H
#define TESTS_SANDBOX_ATTEMPT_H

#include "sandbox/sandbox.h"

enum who { AS_ROOT, AS_USER, WHO_COUNT };

/* How far the process went into its sandbox before the attempt. */
enum depth { ENTERED, SEALED };

/* An attempt got what it wanted (0), or an errno; or the process was killed
 * by a signal, which is given as a negative number. */
#define SUCCEEDED 0
#define KILLED    (-SIGSYS)

/* False when the test itself is an ordinary user and cannot be root. */
bool attempt_can_be(enum who who);

/* A config as the processes of ours make it. The meet directory and its
 * listening socket "supervisor" are made once per test and removed at its
 * end. */
struct sandbox attempt_config(void);

/* The listening socket of the meet directory. */
int attempt_listener(void);

/* The seal of the role under test: role_*.c. */
int role_seal(struct sandbox_layers *layers);

/* False for a thread that leaves the control link to others. */
extern const bool role_meets_supervisor;

/*
 * Enter a sandbox and run `try`, which returns 0 or an errno. `ret_layers` may
 * be NULL.
 */
int attempt(enum who who, enum depth depth, int (*try)(void),
	    struct sandbox_layers *ret_layers);

/*
 * In the sandbox, sealed: make each system call below `count`, with arguments
 * that do nothing, in a process of its own. ret_ended gets what attempt() gives
 * for each.
 */
void attempt_each_call(enum who who, size_t count, int *ret_ended);

/* Become the ordinary user of the tests; a no-op for one already. */
void attempt_become_user(void);

#endif
