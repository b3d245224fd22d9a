/* SPDX-License-Identifier: MIT */
#include "service/service_main.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* One arena is enough for a loop that allocates only when clients come and go;
 * a second would be paid for by every idle service. */
static void keep_memory_small(void)
{
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_TRIM_THRESHOLD, 64 * 1024);
}

static int enter_sandbox(const struct service_role *role, struct child *child,
			 struct sandbox_layers *ret_layers)
{
	const struct sandbox config = {
		.root_fd = child->meet_fd,
		.uid = child->settings.uid,
		.gid = child->settings.gid,
		.required = child->settings.required,
		.file_count = role->descriptors_most,
	};
	int r = sandbox_enter(&config, ret_layers);

	child_close_meet(child);
	return r;
}

static int start(const struct service_role *role, struct child *child,
		 struct service *service)
{
	struct sandbox_layers layers = { 0 };
	int r;

	r = child_open(child, role->role);
	if (r < 0)
		return r;
	log_open(role->program, child->settings.name,
		 (enum log_level)child->settings.log_level);
	r = enter_sandbox(role, child, &layers);
	if (r == 0 && role->init)
		r = role->init(service);
	if (r == 0)
		r = role->seal(&layers);
	if (r == 0)
		r = child_ready(child, layers.in_place, layers.missing);
	if (r == -EPERM)
		child_say(child, EVENT_ERROR, sandbox_missing_text(&layers));
	return r;
}

int service_main(const struct service_role *role, struct child *child,
		 struct service *service)
{
	int r;

	keep_memory_small();
	log_open(role->program, NULL, LOG_INFO);
	r = start(role, child, service);
	if (r < 0) {
		log_error("cannot start error=%s", strerrorname_np(-r));
		return EXIT_FAILURE;
	}
	role->run(service);
	return EXIT_SUCCESS;
}
