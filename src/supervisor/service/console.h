/* SPDX-License-Identifier: MIT */
/*
 * The console of one partition that has a monitor: a byte ring between the
 * monitor and the console service.
 *
 * The ring, scroll-back included, belongs to no service: a new instance is
 * given the same one and goes on where its predecessor's log ended, so there
 * is nothing to replay and no fence. A restarted supervisor gets it back from
 * the monitor.
 */
#ifndef SUPERVISOR_CONSOLE_H
#define SUPERVISOR_CONSOLE_H

#include "supervisor/service/binding.h"

struct partition;

#define CONSOLE_SERVICE "console0"

struct console {
	struct binding binding; /* its id is that of its monitor's process */
	int memory;             /* the ring; NO_FD while there is no monitor */
	int to_service;
	int to_monitor;
	int log;                     /* NO_FD: not opened, or there is none */
	struct log_opening *opening; /* under way */
	bool is_place_told;          /* the event that every service is full */
};

extern const struct attachment_ops console_attachments;
extern const struct binding_ops console_binding;

/* Make the ring of a partition that is being started; it is served when
 * it is wanted. */
int console_open(struct partition *partition);

/* Take the ring back from a monitor: descriptors are taken. */
void console_found(struct partition *partition, int fds[3]);

/* Close; the service is told. Safe when there is none. */
void console_close(struct partition *partition);

/*
 * Join a stream socket (borrowed) to the console.
 *
 * -ENOTCONN  no console service is READY
 */
int console_join(struct partition *partition, uint32_t mode, int fd);

/* New settings of one that may be in use. */
void console_changed(struct partition *partition);

/* The console's log, O_RDONLY or O_RDWR; the caller owns it. -ENOENT */
int console_log_open(struct partition *partition, int flags, int *ret_fd);

/* Remove the log. That of another partition, which had the same name, may be
 * there still: the record goes before the log. */
void console_log_remove(struct supervisor *supervisor, const char *name);

/* Give consoles that nobody serves to the active instance. */
void consoles_progress(struct supervisor *supervisor);

#endif
