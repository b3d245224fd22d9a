/* SPDX-License-Identifier: MIT */
/*
 * What a child writes to its standard error, as lines of our log: under the
 * child's name, whatever it claims to be, printable, and bounded in length and
 * number. A child never waits for it; what finds no room is lost. So is what a
 * child writes after the supervisor that started it has died: what matters
 * comes over its control link.
 *
 * Trust      The child may be hostile.
 * Threads    The supervisor's only one.
 */
#ifndef SUPERVISOR_CHILD_LOG_H
#define SUPERVISOR_CHILD_LOG_H

#include <systemd/sd-event.h>

struct child_log;

/*
 * `title` is copied. The caller owns *ret_fd, the end for the child.
 *
 * -EMFILE, -ENFILE, -ENOMEM
 */
int child_log_new(struct child_log **ret_log, sd_event *event,
		  const char *title, int *ret_fd);

/* Take what is left, and free. NULL is nothing. */
void child_log_free(struct child_log *log);

#endif
