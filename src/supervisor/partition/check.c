/* SPDX-License-Identifier: MIT */
#include "supervisor/partition/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int check_definition_services(const struct partition_definition *definition,
			      bool (*has_service)(void *context,
						  const char *name),
			      void *context, struct refusal *ret_refusal)
{
	for (uint32_t i = 0; i < definition->disk_count; i++) {
		const char *service = definition->disks[i].service;
		char field[32];

		if (has_service(context, service))
			continue;
		(void)snprintf(field, sizeof(field), "disks[%u].service", i);
		return refuse(ret_refusal, -EINVAL, field,
			      "there is no disk service %s", service);
	}
	return 0;
}

int check_name(const char name[NAME_SIZE], const char *field,
	       struct refusal *ret_refusal)
{
	static const char none[NAME_SIZE];
	size_t length = strnlen(name, NAME_SIZE);

	if (!text_is_name(name, NAME_SIZE))
		return refuse(ret_refusal, -EINVAL, field, TEXT_NAME_RULE);
	if (memcmp(name + length, none, NAME_SIZE - length) != 0)
		return refuse(ret_refusal, -EINVAL, field,
			      "has bytes behind its end");
	return 0;
}
