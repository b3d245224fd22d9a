/* SPDX-License-Identifier: MIT */
/*
 * An engine: how a monitor runs guest code. Each has a folder beside this file;
 * adding one takes a folder and a line in engines.c. Nothing else in the
 * monitor names an engine; docs/architecture.md, 8, says what other processes
 * know of it.
 *
 *   start    before the monitor's own sandbox, one thread: open what cannot be
 *            opened later, load the guest, but do not run it
 *   attach   in the sandbox, before the I/O thread runs: give every disk and
 *            interface its transport (vhost-user socket or PCI device)
 *   watch    after iothread_start(), before the seal: threads, event sources
 *   sealed   after the seal: from here on a verb may make the guest's
 *            processors run; handler.ready follows
 *   command  a verb; unless it fails, handler.done follows, from the main thread
 *   close    end it and release everything; safe on one that did not start,
 *            and called once
 *
 * Trust      The engine is as hostile as its guest.
 * Threads    The main thread.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_ENGINE_ENGINE_H
#define MONITOR_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/refusal.h"
#include "control/protocol.h"
#include "monitor/io/iothread.h"
#include "sandbox/sandbox.h"

enum engine_verb {
	ENGINE_RESUME,
	ENGINE_PAUSE,
	ENGINE_POWERDOWN,
	ENGINE_RESET,
	ENGINE_SAVE,
	ENGINE_BALLOON,
};

struct engine_handler {
	/* Verbs may be sent. */
	void (*ready)(void *context, enum guest_state state);
	/* The guest changed state by itself. */
	void (*changed)(void *context, enum guest_state state);
	/* The verb sent with this request_id has completed. `text` is a
	 * sentence or NULL. */
	void (*done)(void *context, uint32_t request_id, int status,
		     const char *text);
	/* Progress of the verb with this request_id. */
	void (*progress)(void *context, uint32_t request_id,
			 uint64_t done_bytes, uint64_t total_bytes);
	/* Something an operator should see. */
	void (*event)(void *context, enum event_level level, const char *text);
	/* It cannot do what it was given to do. */
	void (*refused)(void *context, const struct refusal *refusal);
	/* by_guest: the guest powered off. */
	void (*ended)(void *context, int exit_status, bool by_guest);
	void *context;
};

/*
 * The parts of the machine. An engine takes the descriptors that it needs after
 * start() by setting them to NO_FD; settings and disks stay valid until
 * close().
 */
struct engine_machine {
	const struct monitor_settings *settings;
	const struct monitor_disk *disks; /* settings->disk_count of them */
	const struct monitor_nic *nics;
	uint32_t nic_count;
	int *kernel_fd;
	int *initrd_fd;   /* NO_FD: none */
	int *kvm_fd;      /* /dev/kvm; NO_FD for engines that do not need it */
	int *image_fd;    /* a saved image to restore from; NO_FD: boot */
	int *listener_fd; /* where a foreign front end comes; or NO_FD */
	uid_t uid;        /* that the monitor will have */
	gid_t gid;
	uint32_t jail_required; /* layers without which no jail may start */
};

/* A device of its own stands for it, or the first SCSI unit's for all of
 * them. */
static inline bool engine_disk_has_device(const struct monitor_disk *disk)
{
	return disk->bus != DISK_BUS_SCSI || disk->target == 0;
}

/* Arguments of the verbs that have any. */
struct engine_argument {
	int image_fd; /* ENGINE_SAVE: an empty file; taken on success */
	uint64_t memory_bytes; /* ENGINE_BALLOON: memory the guest keeps */
};

struct engine {
	const struct engine_ops *ops;
	struct engine_handler handler;
	void *own;                    /* the engine's */
	struct sandbox_layers layers; /* of a process of its own, if any */
	int serial_fd; /* owned until taken: our end of the guest's console */
	pid_t pid;     /* of a process of its own; 0: none */
	const char *last_words; /* why it ended; "" if nobody knows */
	bool is_paused;
	/* It has ended, and the I/O thread may be waiting for memory that will
	 * never arrive: no thread may wait for it any more. */
	bool is_stuck;
};

struct engine_ops {
	const char *name; /* as in the document */
	uint32_t number;  /* enum engine_kind */
	/* True if the monitor signals a process of the engine's own. */
	bool has_process;
	/* Its devices have no external front end: control queues are ours. */
	bool has_control;
	/* The guest is the engine's own and can be started and ended; not that
	 * of a front end that connects and disconnects. */
	bool has_guest;
	int (*start)(struct engine *engine,
		     const struct engine_machine *machine);
	int (*attach)(struct engine *engine, struct iothread *io);
	int (*watch)(struct engine *engine, sd_event *event);
	int (*sealed)(struct engine *engine);
	/* -EOPNOTSUPP: not a verb of this engine. */
	int (*command)(struct engine *engine, enum engine_verb verb,
		       uint32_t request_id,
		       const struct engine_argument *argument);
	void (*close)(struct engine *engine);
	/* A driver has started on this interface, whose control queue the
	 * engine handles: query its filter. NULL: it handles none. */
	void (*nic_started)(struct engine *engine, uint32_t index);
	/* One row per mnemonic emulated for the guest; NULL: it never is. */
	void (*emulations)(const struct engine *engine,
			   void (*row)(void *context,
				       const struct emulation *row),
			   void *context);
	/* System calls of its threads, beside the monitor's. */
	const struct sandbox_call *calls;
	size_t call_count;
};

/* Nothing started. */
void engine_init(struct engine *engine, const struct engine_handler *handler);

/* Close what start() began, if it was called. Safe twice. */
void engine_close(struct engine *engine);

/* engines.c: the engine of this number (enum engine_kind), or NULL. */
const struct engine_ops *engine_find(uint32_t number);

#endif
