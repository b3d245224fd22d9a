/* SPDX-License-Identifier: MIT */
/*
 * What an operator has to know before anything else: that the store cannot be
 * written, and children that nobody manages. `bulkhead doctor` shows it, and so
 * does systemd, beside what it knows of the unit.
 */
#ifndef SUPERVISOR_STATUS_H
#define SUPERVISOR_STATUS_H

#include <stddef.h>

struct supervisor;

/* A flush of the store has ended with `r`. */
void status_flushed(struct supervisor *supervisor, int r);

/* One line, to systemd: when something of it has changed. */
void status_tell(const struct supervisor *supervisor);

#endif
