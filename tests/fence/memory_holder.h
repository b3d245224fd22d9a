/* SPDX-License-Identifier: MIT */
/*
 * A stranger who keeps the memory map of a process alive beyond its death, as
 * a debugger or a monitoring tool may at any moment. Without one the kernel
 * ends a process that uses libaio only after its last request, so that the
 * death alone would be the fence; with one it does not. Needs root.
 *
 * Errors     A test fails in here.
 */
#ifndef TESTS_FENCE_MEMORY_HOLDER_H
#define TESTS_FENCE_MEMORY_HOLDER_H

#include <sys/types.h>

/* Begin to hold; the stranger. */
pid_t memory_hold(pid_t pid);
void memory_let_go(pid_t holder);

#endif
