/* SPDX-License-Identifier: MIT */
/*
 * The states of a partition. The only ways between them are the table of
 * lifecycle.c.
 *
 *   UNDEFINED    Unknown; never stored.
 *   UNINSTALLED  The definition is stored; nothing on the host belongs to it.
 *   STOPPED      Its storage is reserved; it has no process.
 *   STARTING     A monitor exists or is being made; no guest instruction has
 *                run, or its kernel is not answered for yet.
 *   RUNNING      A monitor lives and its virtual processors run.
 *   PAUSED       A monitor lives, no virtual processor runs; requests in flight
 *                may finish or stay recorded.
 *   SAVING       As PAUSED, its memory is being written; has a deadline. Only a
 *                forced STOP is taken, and cancels the save; so does RESTART.
 *   SAVED        No process; a complete image of its memory is stored. STOP
 *                discards it.
 *   RESTORING    A monitor lives and reads the image; has a deadline. READY
 *                consumes the image: no guest runs on from it twice.
 *   STOPPING     The guest was asked to power off; has a deadline.
 *
 * STARTING, RUNNING and PAUSED are active; STOPPED and SAVED are inactive. The
 * monitor's death is two events, because policy decides between them: RESTART
 * only after every disk's fence is lifted (invariant I4).
 *
 * The numbers of the states are stored and sent: add, never change.
 */
#ifndef SUPERVISOR_LIFECYCLE_H
#define SUPERVISOR_LIFECYCLE_H

#include <stdbool.h>

enum partition_state {
	PARTITION_UNDEFINED,
	PARTITION_UNINSTALLED,
	PARTITION_STOPPED,
	PARTITION_STARTING,
	PARTITION_RUNNING,
	PARTITION_PAUSED,
	PARTITION_SAVING,
	PARTITION_SAVED,
	PARTITION_RESTORING,
	PARTITION_STOPPING,
	PARTITION_STATE_COUNT,
};

/* Named as the verbs of the CLI and the messages are. */
enum partition_event {
	PARTITION_EVENT_DEFINE,
	PARTITION_EVENT_INSTALL,
	PARTITION_EVENT_START,
	PARTITION_EVENT_BOOTED,
	PARTITION_EVENT_PAUSE,
	PARTITION_EVENT_RESUME,
	PARTITION_EVENT_SAVE,
	PARTITION_EVENT_SAVED,
	PARTITION_EVENT_RESTORE,
	PARTITION_EVENT_READY,
	PARTITION_EVENT_FAILED,
	PARTITION_EVENT_STOP,
	PARTITION_EVENT_OFF,
	PARTITION_EVENT_UNINSTALL,
	PARTITION_EVENT_UNDEFINE,
	PARTITION_EVENT_MONITOR_LOST,
	PARTITION_EVENT_RESTART,
	PARTITION_EVENT_COUNT,
};

struct lifecycle {
	enum partition_state state; /* written by lifecycle_apply() alone */
	/* RUNNING or PAUSED: what it was when SAVE or RESTART came, RUNNING
	 * after START. Means something in STARTING, SAVING, SAVED and RESTORING
	 * only. */
	enum partition_state before;
};

/*
 * Follow the table.
 *
 * -EINVAL  not possible in this state; nothing changed
 */
int lifecycle_apply(struct lifecycle *lifecycle, enum partition_event event);

/* Would lifecycle_apply() succeed? Changes nothing. */
bool lifecycle_allows(const struct lifecycle *lifecycle,
		      enum partition_event event);

/*
 * A lifecycle from two stored numbers.
 *
 * -EBADMSG  not a pair that lifecycle_apply() could have left behind
 */
int lifecycle_load(struct lifecycle *ret_lifecycle, unsigned state,
		   unsigned before);

/* "running" and "pause"; never NULL, for any number. */
const char *partition_state_name(enum partition_state state);
const char *partition_event_name(enum partition_event event);

/* True when a monitor may exist: active, saving, restoring or stopping. */
bool partition_has_monitor(enum partition_state state);

#endif
