/* SPDX-License-Identifier: MIT */
/*
 * bulkhead-net: carries frames between partitions, and out. Started by bulkheadd
 * with its control link on descriptor 3; it takes no arguments.
 */
#include "net/service.h"
#include "service/service_main.h"

#define DESCRIPTORS_MAX (64 + 2 * NET_SERVICE_PORTS_MAX)

int main(void)
{
	static const struct service_role role = {
		.program = "bulkhead-net",
		.role = ROLE_NET,
		.descriptors_most = DESCRIPTORS_MAX,
		.init = service_init,
		.seal = service_seal,
		.run = service_run,
	};
	static struct service service;

	return service_main(&role, &service.child, &service);
}
