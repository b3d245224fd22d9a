/* SPDX-License-Identifier: MIT */
/*
 * The console service: its consoles and the loop that serves them.
 *
 * One thread, one poll(). It is woken only by output, input and the supervisor;
 * only input that is waiting for room in a ring is retried on a timer.
 */
#ifndef CONSOLE_SERVICE_H
#define CONSOLE_SERVICE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "console/console.h"
#include "control/child.h"
#include "sandbox/sandbox.h"

/* The control link; per console its eventfd and its readers. */
#define SERVICE_POLLED_MAX (1 + CONSOLE_SERVICE_MAX * (1 + CONSOLE_READERS_MAX))

struct service {
	struct child child;
	uint32_t console_count;
	struct console *consoles[CONSOLE_SERVICE_MAX];
	struct pollfd polled[SERVICE_POLLED_MAX];
};

/* serve.c ---------------------------------------------------------------- */

/* Serve until CHILD_QUIT. */
void service_run(struct service *service);

/* messages.c ------------------------------------------------------------- */

/* Handle what the supervisor sent. */
void service_receive(struct service *service);

/* Report an event to the operators, through the supervisor. */
void service_report(struct service *service, enum event_level level,
		    const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* sandbox.c -------------------------------------------------------------- */

/* Install the last filter. */
int service_seal(struct sandbox_layers *layers);

#endif
