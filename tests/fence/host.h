/* SPDX-License-Identifier: MIT */
/*
 * A supervisor with one partition of the foreign engine, and its guest: what
 * a test of the fence needs of the whole, without a virtual machine.
 *
 * Errors     A test fails in here.
 */
#ifndef TESTS_FENCE_HOST_H
#define TESTS_FENCE_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/client.h"
#include "fakeguest.h"
#include "slow_disk.h"

#define HOST_BLOCK 4096u

struct host {
	char folder[32];
	char guest_socket[64];
	pid_t supervisor;
	pid_t holder; /* of a killed service's memory; 0: none */
	enum disk_cache cache;
	struct client client;
	struct fakeguest guest;
};

/* Start bulkheadd; with `failpoints` in its environment if not NULL. */
void host_start(struct host *host, const char *failpoints);

/* Serve the device; cache and outage as in the definition. */
void host_serve(struct host *host, const struct slow_disk *disk,
		enum disk_cache cache, uint32_t fail_after_ms);
void host_end(struct host *host);

void host_stop_partition(struct host *host);
void host_start_partition(struct host *host);
/* While a stranger holds its memory: memory_holder.h. */
void host_kill_service(struct host *host);
void host_kill_monitor(struct host *host);

/* A guest. With a buffered disk its writes are durable when answered, so that
 * they are in the kernel until then. */
void guest_connect(struct host *host);

/* Ask for one request of HOST_BLOCK; its slot. A write fills it with `byte`. */
uint32_t guest_write(struct host *host, uint64_t at, uint8_t byte);
uint32_t guest_read(struct host *host, uint64_t at);

/* The status of the next answer; its data stays in its slot. */
uint8_t guest_answer(struct host *host);

#endif
