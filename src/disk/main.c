/* SPDX-License-Identifier: MIT */
/*
 * bulkhead-disk: serves disks to monitors. Started by bulkheadd with its
 * control link on descriptor 3; it takes no arguments.
 */
#include "disk/provider_file.h"
#include "service/service_main.h"
#include "target/service.h"

#define DESCRIPTORS_MAX (64 + 5 * DISK_SERVICE_DISKS_MAX)

int main(void)
{
	static const struct service_role role = {
		.program = "bulkhead-disk",
		.role = ROLE_DISK,
		.descriptors_most = DESCRIPTORS_MAX,
		.init = service_init,
		.seal = service_seal,
		.run = service_run,
	};
	static struct service service = { .provider_ops = &provider_file };

	return service_main(&role, &service.child, &service);
}
