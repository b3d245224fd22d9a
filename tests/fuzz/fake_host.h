/* SPDX-License-Identifier: MIT */
/*
 * The host as the supervisor under test sees it: time that passes when it is
 * told to, processes that exist in a table only, peers with the credentials
 * that they name. The calls of libc that ask for these are defined in
 * fake_host.c and so answered here, between fake_host_begin() and _end(), and
 * by the kernel otherwise (libFuzzer uses them, too). Nothing is executed, no
 * process is killed, no interface of the host is touched, nothing waits for
 * a disk.
 */
#ifndef TESTS_FUZZ_FAKE_HOST_H
#define TESTS_FUZZ_FAKE_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/control.h"

#define FAKE_PROCESSES_MAX 256

/* One that the supervisor has started. */
struct fake_process {
	pid_t pid; /* 0: the place is free */
	bool is_dead;
	bool was_killed; /* by the supervisor */
	uint32_t role;
	char name[32];          /* of the partition or the service */
	struct control control; /* the child's end; owned by the player */
	int pidfd;              /* an eventfd, readable when it is dead */
};

void fake_host_begin(void);
void fake_host_end(void);

void fake_host_pass_ms(uint64_t ms);

/* All places, free ones too. */
struct fake_process *fake_host_processes(void);

/* It ends by itself. */
void fake_host_exit(struct fake_process *process);

/* How often something was made durable since fake_host_begin(). */
unsigned fake_host_syncs(void);

/* From now on nothing can be made durable, or it can again. */
void fake_host_break_disk(bool is_broken);

/* Connect to a socket of the supervisor as this process; NO_FD: refused. */
int fake_host_connect(const char *path, pid_t pid, uid_t uid);

#endif
