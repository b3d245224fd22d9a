/* SPDX-License-Identifier: MIT */
/*
 * The monitor of one partition: a main thread that talks to the supervisor and
 * the engine, and an I/O thread that moves the guest's requests.
 *
 *   main.c       wiring
 *   messages.c   requests of the supervisor
 *   launch.c     from settings to a running engine in a sandbox
 *   report.c     reports to the supervisor
 *
 *   MONITOR_FRESH       --CONFIGURE-->   MONITOR_CONFIGURED
 *   MONITOR_CONFIGURED  --LAUNCH-->      MONITOR_STARTING
 *   MONITOR_STARTING    --engine ready, CHILD_READY sent--> MONITOR_RUNNING
 *   any                 --engine ended-->    MONITOR_ENDED
 *
 *   FRESH, CONFIGURED: not in the sandbox yet, and no guest data exists.
 *   STARTING, RUNNING: in the sandbox, sealed. ENDED: still to be reported to
 *   the supervisor; then the process exits.
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/log.h"
#include "control/child.h"
#include "control/protocol.h"
#include "monitor/console.h"
#include "monitor/engine/engine.h"
#include "monitor/io/iothread.h"
#include "sandbox/sandbox.h"

enum monitor_state {
	MONITOR_FRESH,
	MONITOR_CONFIGURED,
	MONITOR_STARTING,
	MONITOR_RUNNING,
	MONITOR_ENDED,
};

/* The channel of a service that was there early. */
struct channel_plan {
	uint64_t generation;
	int fds[3]; /* owned */
	bool is_alone;
	bool is_known;
};

/* A disk as received, until the I/O thread has it. */
struct disk_plan {
	struct monitor_disk settings;
	int witness_fd; /* owned */
	struct channel_plan channel;
	bool is_known;
	bool owes_error; /* an earlier monitor's */
};

/* An interface as received, likewise. */
struct nic_plan {
	struct monitor_nic settings;
	struct channel_plan channel;
};

struct monitor {
	enum monitor_state state; /* written by monitor_enter() */
	sd_event *event;
	struct child child;
	sd_event_source *link_source;
	int link_fd; /* the one that link_source watches */
	sd_event_source *retry_source;
	struct monitor_settings settings;
	struct sandbox_layers layers;

	/* Owned; an engine takes what it keeps. */
	int kernel_fd;
	int initrd_fd;
	int listener_fd;
	int kvm_fd;
	int image_fd;
	struct disk_plan plans[DISK_COUNT_MAX];
	struct nic_plan nic_plans[NIC_COUNT_MAX];
	uint32_t nic_count; /* of those received */

	struct console console;
	struct engine engine;
	struct iothread io;
	struct sandbox_program io_program; /* owned */
	struct sandbox_program witness_program;
	struct guest_change guest; /* the latest state of the guest */
	bool is_guest_reported;    /* the supervisor has had it */
	struct log_limit event_limit;
};

/* Will the I/O thread answer a caller that waits for it? */
static inline bool monitor_has_io(const struct monitor *monitor)
{
	return monitor->io.is_running && !monitor->engine.is_stuck;
}

/* The one writer of monitor->state. */
void monitor_enter(struct monitor *monitor, enum monitor_state state);

/* messages.c: handle pending messages of the control link. An error ends the
 * process. */
int monitor_receive(struct monitor *monitor);

/* launch.c: start the engine, enter the sandbox, start I/O, seal. */
int monitor_launch(struct monitor *monitor);

/* report.c ----------------------------------------------------------------- */

/* The guest's state changed; report it to the supervisor, if there is one. */
void report_guest(struct monitor *monitor, enum guest_state state,
		  int exit_status);

/* Report an event to the operators; rate-limited. */
void report_text(struct monitor *monitor, enum event_level level,
		 const char *text);
void report_refusal(struct monitor *monitor, const struct refusal *refusal);

/* Why the engine ended, for the operator. */
void report_engine_end(struct monitor *monitor, int exit_status);

/* An outcome of a verb. `text` may be NULL. */
void report_done(struct monitor *monitor, uint32_t request_id, int status,
		 const char *text);

/* Progress of a verb. */
void report_progress(struct monitor *monitor, uint32_t request_id,
		     uint64_t done_bytes, uint64_t total_bytes);

/* One MONITOR_COUNTERS per disk. */
void report_counters(struct monitor *monitor);

/* Everything we hold, to a supervisor that adopts us. */
void report_held(struct monitor *monitor);

/* Pass on the notices of the I/O thread. */
void report_notices(struct monitor *monitor);

/* CHILD_READY; the state becomes MONITOR_RUNNING. */
void report_ready(struct monitor *monitor);

#endif
