/* SPDX-License-Identifier: MIT */
/*
 * bulkhead-console: keeps, logs and serves the consoles of partitions. Started
 * by bulkheadd with its control link on descriptor 3; it takes no arguments.
 */
#include "console/service.h"
#include "service/service_main.h"

/* What a ring's mapping, its eventfds, its log and its readers need. */
#define DESCRIPTORS_MAX (64 + 3 * CONSOLE_SERVICE_MAX + SERVICE_POLLED_MAX)

int main(void)
{
	static const struct service_role role = {
		.program = "bulkhead-console",
		.role = ROLE_CONSOLE,
		.descriptors_most = DESCRIPTORS_MAX,
		.seal = service_seal,
		.run = service_run,
	};
	static struct service service;

	return service_main(&role, &service.child, &service);
}
