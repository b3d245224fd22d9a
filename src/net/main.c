/* SPDX-License-Identifier: MIT */
/*
 * bulkhead-net: carries frames between partitions, and out. Started by bulkheadd with its
 * control link on descriptor 3; it takes no arguments.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "net/service.h"

#define DESCRIPTORS_MOST (64 + 2 * NET_SERVICE_PORTS_MAX)

static struct service service;

/* One arena is enough for a loop that allocates only when ports come and go;
 * a second would be paid for by every idle service. */
static void keep_memory_small(void)
{
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_TRIM_THRESHOLD, 64 * 1024);
}

static int enter_sandbox(struct child *child, struct sandbox_layers *ret_layers)
{
	struct sandbox wish = {
		.root_fd = child->meet_fd,
		.uid = child->settings.uid,
		.gid = child->settings.gid,
		.required = child->settings.required,
		.file_count = DESCRIPTORS_MOST,
	};
	int error = sandbox_enter(&wish, ret_layers);

	child_close_meet(child);
	return error;
}

static int start(struct child *child)
{
	struct sandbox_layers layers = { 0 };
	int error;

	error = child_open(child, ROLE_NET);
	if (error)
		return error;
	log_open("bulkhead-net", child->settings.name,
		 (enum log_level)child->settings.log_level);
	error = enter_sandbox(child, &layers);
	if (!error) {
		service_init(&service);
		error = service_seal(&layers);
	}
	if (!error)
		error = child_ready(child, layers.in_place, layers.missing);
	if (error == -EPERM)
		child_say(child, EVENT_ERROR, sandbox_lack(&layers));
	return error;
}

int main(void)
{
	int error;

	keep_memory_small();
	log_open("bulkhead-net", NULL, LOG_INFO);
	error = start(&service.child);
	if (error) {
		log_error("cannot start error=%s", strerrorname_np(-error));
		return 1;
	}
	service_run(&service);
	return 0;
}
