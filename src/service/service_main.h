/* SPDX-License-Identifier: MIT */
/*
 * What every service process does before it serves: receive its settings, enter
 * its sandbox, seal it, and report that it is ready.
 */
#ifndef SERVICE_SERVICE_MAIN_H
#define SERVICE_SERVICE_MAIN_H

#include <stdint.h>

#include "control/child.h"
#include "sandbox/sandbox.h"

/* Each service has its own. */
struct service;

struct service_role {
	const char *program; /* "bulkhead-disk" */
	enum role role;
	uint32_t descriptors_most;
	/* In the sandbox, before the seal; may be NULL. 0 or a negative
	 * errno. */
	int (*init)(struct service *service);
	/* Install the last filter. */
	int (*seal)(struct sandbox_layers *layers);
	/* Serve until child->is_quitting. */
	void (*run)(struct service *service);
};

/* For main() to return. `child` is the service's. */
int service_main(const struct service_role *role, struct child *child,
		 struct service *service);

#endif
