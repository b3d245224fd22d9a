/* SPDX-License-Identifier: MIT */
/*
 * The engine `qemu`: a QEMU process in a jail that runs the guest's
 * processors, and whose disks are ours over vhost-user.
 *
 *   qemu_start()    before the monitor's own sandbox: QEMU runs, stopped
 *   qemu_watch()    afterwards, once the I/O thread serves its disks
 *   handler.ready   QEMU speaks QMP: verbs may be sent
 *   handler.ended   it is gone, and reaped
 *
 * Trust      QEMU is as hostile as its guest. Breaking QMP ends it.
 * Threads    The main thread.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_ENGINE_QEMU_QEMU_H
#define MONITOR_ENGINE_QEMU_QEMU_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "control/protocol.h"
#include "monitor/engine/qemu/qmp.h"
#include "monitor/engine/qemu/words.h"
#include "sandbox/jail.h"

enum qemu_verb {
	QEMU_NONE,
	QEMU_CAPABILITIES,
	QEMU_CONTINUE,
	QEMU_STOP,
	QEMU_POWERDOWN,
	QEMU_RESET,
};

struct qemu_handler {
	void (*ready)(void *context);
	/* The guest did something by itself. */
	void (*changed)(void *context, enum guest_state state);
	/* The verb sent with this request_id has its outcome. */
	void (*done)(void *context, uint32_t request_id, int status,
		     const char *text);
	/* by_guest: it had asked to be switched off. */
	void (*ended)(void *context, int exit_status, bool by_guest);
	void *context;
};

/* A verb under way. */
struct qemu_pending {
	uint32_t number; /* QMP's; 0: free */
	uint32_t request_id;
	enum qemu_verb verb;
};

struct qemu {
	struct qemu_handler handler;
	struct jailed jailed;
	struct sandbox_layers layers;
	int qmp_fd;    /* owned */
	int serial_fd; /* owned until taken: our end of the console */
	int disk_fds[DISK_COUNT_MAX]; /* owned until taken: our ends */
	struct qmp qmp;
	struct words words; /* the last ones are the reason of its end */
	sd_event_source *qmp_source;
	sd_event_source *end_source;
	struct qemu_pending pending[QMP_PENDING_MAX];
	uint32_t last_number;
	uint64_t reset_ns; /* the last reset */
	bool is_started;
	bool is_guest_off; /* the guest switched itself off */
	bool is_panicked;
	bool is_paused;
};

/* What the machine is made of. Descriptors are borrowed. */
struct qemu_machine {
	const struct monitor_settings *settings;
	const struct monitor_disk *disks;
	int kernel_fd;
	int initrd_fd; /* NO_FD: none */
	uid_t uid;
	gid_t gid;
};

void qemu_init(struct qemu *qemu, const struct qemu_handler *handler);

/*
 * Start QEMU with its processors stopped.
 *
 * -ENOSPC  the settings do not fit on a command line
 * other    as jail_start()
 */
int qemu_start(struct qemu *qemu, const struct qemu_machine *machine);

/* Speak QMP with it and notice its end. */
int qemu_watch(struct qemu *qemu, sd_event *event);

/*
 * Send a verb; handler.done follows, unless it could not be sent.
 *
 * -EBUSY, -EAGAIN  QEMU does not keep up
 * -ESRCH           it is gone
 */
int qemu_command(struct qemu *qemu, enum qemu_verb verb, uint32_t request_id);

/* Kill it if it runs, reap it, close everything. Safe twice. */
void qemu_close(struct qemu *qemu);

#endif
