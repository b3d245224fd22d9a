/* SPDX-License-Identifier: MIT */
/*
 * What `engine: auto` takes on this host, found out beside the supervisor: the
 * probe guest may hang for a second, and clients of a dead service must not
 * wait for it.
 *
 * Also the two words said to a service manager.
 */
#ifndef SUPERVISOR_ENGINE_H
#define SUPERVISOR_ENGINE_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "probe/probe.h"

struct engine_probe;

/* Start probing in a child process. `qemu` overrides the binary found. */
int engine_probe_start(struct engine_probe **ret_probe, const char *qemu);
void engine_probe_free(struct engine_probe *probe);

/* Call `answered` once, from the loop, or now when the answer is there. */
int engine_probe_watch(struct engine_probe *probe, sd_event *event,
		       void (*answered)(void *context), void *context);

bool engine_probe_has_answered(const struct engine_probe *probe);

/* The answer, waited for when it is not there yet. Valid until free. */
const struct probe_engine *engine_probe_wait(struct engine_probe *probe);

/* READY=1 to the service manager, if there is one. */
int engine_notify_ready(void);

#endif
