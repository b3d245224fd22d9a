/* SPDX-License-Identifier: MIT */
/*
 * bulkhead-console: keeps, logs and serves the consoles of partitions. Started
 * by bulkheadd with its control link on descriptor 3; it takes no arguments.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "console/service.h"

/* What a ring's mapping, its eventfds, its log and its readers need. */
#define DESCRIPTORS_MOST (64 + 3 * CONSOLE_SERVICE_MAX + SERVICE_POLLED_MOST)

static struct service service;

static int enter_sandbox(struct child *child, struct sandbox_layers *ret_layers)
{
	struct sandbox wish = {
		.root_fd = child->meet_fd,
		.uid = child->settings.uid,
		.gid = child->settings.gid,
		.required = child->settings.required,
		.file_count = DESCRIPTORS_MOST,
	};
	int r = sandbox_enter(&wish, ret_layers);

	child_close_meet(child);
	return r;
}

static int start(struct child *child)
{
	struct sandbox_layers layers = { 0 };
	int r;

	r = child_open(child, ROLE_CONSOLE);
	if (r < 0)
		return r;
	log_open("bulkhead-console", child->settings.name,
		 (enum log_level)child->settings.log_level);
	r = enter_sandbox(child, &layers);
	if (r == 0)
		r = service_seal(&layers);
	if (r == 0)
		r = child_ready(child, layers.in_place, layers.missing);
	if (r == -EPERM)
		child_say(child, EVENT_ERROR, sandbox_lack(&layers));
	return r;
}

int main(void)
{
	int r;

	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_TRIM_THRESHOLD, 64 * 1024);
	log_open("bulkhead-console", NULL, LOG_INFO);
	r = start(&service.child);
	if (r < 0) {
		log_error("cannot start error=%s", strerrorname_np(-r));
		return 1;
	}
	service_run(&service);
	return 0;
}
