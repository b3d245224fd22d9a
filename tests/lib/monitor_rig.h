/* SPDX-License-Identifier: MIT */
/*
 * The real bulkhead-monitor, engine `foreign`, under a supervisor played by
 * the test, its disk served by real bulkhead-disk processes that the test
 * starts and kills. The binaries are named by BULKHEAD_MONITOR and
 * BULKHEAD_DISK.
 *
 * Everything fails the test by check_failed() when it goes wrong.
 */
#ifndef TESTS_MONITOR_RIG_H
#define TESTS_MONITOR_RIG_H

#include <stdint.h>
#include <sys/types.h>

#include "control/control.h"
#include "control/protocol.h"
#include "lib/disk_rig.h"

#define MONITOR_RIG_DISK_BYTES (64ull << 20)

struct monitor_rig {
	pid_t pid;
	struct control link;
	int listener; /* the rendezvous socket */
	int front;    /* the socket where the front end connects */
	char folder[64];
	char socket_path[96]; /* where the front end connects */
	char file_path[96];   /* the disk, on tmpfs */
	int witness;
	struct service_rig service;
	uint64_t generation;
	bool owes_error;  /* the next monitor is told so */
	bool local_reads; /* the next monitor has them */
};

/* Start the monitor and wait for CHILD_READY. No service yet. */
void monitor_rig_start(struct monitor_rig *rig);
/* Kill both, reap, and remove what was made. */
void monitor_rig_stop(struct monitor_rig *rig);
/* Kill the monitor and, as the fence, its service; start another for the same
 * front end. No service yet. */
void monitor_rig_replace(struct monitor_rig *rig);

/* Start a service and announce its generation. */
void monitor_rig_up(struct monitor_rig *rig);
/* Kill the service, wait for its end (the fence of blocking I/O), and tell
 * the monitor. */
void monitor_rig_kill_service(struct monitor_rig *rig);

void monitor_rig_send(struct monitor_rig *rig, uint32_t type,
		      uint32_t request_id, const void *body, size_t body_bytes);
/* Wait, at most five seconds, for a message of this type; others before it are
 * dropped. */
void monitor_rig_expect(struct monitor_rig *rig, uint32_t type,
			struct message *ret_message);

/* The supervisor dies, and another is there: accepts the monitor's new link. */
void monitor_rig_lose_supervisor(struct monitor_rig *rig);
void monitor_rig_adopt(struct monitor_rig *rig);

#endif
