/* SPDX-License-Identifier: MIT */
/*
 * QMP, the machine protocol of QEMU, as far as a monitor needs it: one JSON
 * object per line, commands with a number, events.
 *
 * Pure: bytes in, calls out; the caller owns the socket.
 *
 * Trust      QEMU is as hostile as its guest. A line that is too long, is not
 *            an object, or answers no pending command is -EBADMSG, and the
 *            caller ends the engine. Values are copied and bounded.
 * Threads    One owner.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_ENGINE_QEMU_QMP_H
#define MONITOR_ENGINE_QEMU_QMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/nic/nic.h"

/* Longest line we take. QEMU's own answers to our commands are shorter, also
 * for an interface with every VLAN there is. */
#define QMP_LINE_MAX    65536
#define QMP_PENDING_MAX 16
#define QMP_TEXT_SIZE   128

enum qmp_event {
	QMP_GREETING,
	QMP_SHUTDOWN,
	QMP_RESET,
	QMP_STOP,
	QMP_RESUME,
	QMP_PANICKED,
};

/* Callbacks to the owner. */
struct qmp_handler {
	/* is_guest: the guest did it, not we (QMP_SHUTDOWN, QMP_RESET). */
	void (*happened)(void *context, enum qmp_event event, bool is_guest);
	/* The command with this number succeeded (0) or failed (-EIO, with
	 * QEMU's own text, printable). */
	void (*answered)(void *context, uint32_t number, int status,
			 const char *text);
	/* This device's receive filter has changed (its QEMU name,
	 * unchecked). */
	void (*filter_changed)(void *context, const char *device);
	/* Before answered(), for a command whose answer contains a filter. */
	void (*filtered)(void *context, uint32_t number,
			 const struct nic_filter *filter);
	void *context;
};

struct qmp {
	struct qmp_handler handler;
	char *line; /* owned; QMP_LINE_MAX bytes, while one is incomplete */
	size_t line_bytes;
	bool has_greeted;
	uint32_t pending[QMP_PENDING_MAX]; /* numbers; 0: free */
};

void qmp_init(struct qmp *qmp, const struct qmp_handler *handler);
void qmp_release(struct qmp *qmp);

/*
 * Bytes came from QEMU.
 *
 * -EBADMSG  it violated the protocol
 */
int qmp_feed(struct qmp *qmp, const char *bytes, size_t count);

/*
 * Write the line that asks for `command`, a literal with JSON `arguments` or
 * NULL, into `room`, and expect an answer with this number (not 0). Returns its length.
 *
 * -EBUSY  too many are unanswered
 */
int qmp_command(struct qmp *qmp, uint32_t number, const char *command,
		const char *arguments, char *to, size_t room);

#endif
