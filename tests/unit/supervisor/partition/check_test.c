/* SPDX-License-Identifier: MIT */
#include "supervisor/partition/check.h"

#include <errno.h>
#include <string.h>

#include "lib/harness.h"

static struct partition_definition definition;
static struct refusal refusal;

static void make_definition(void)
{
	definition = (struct partition_definition){
		.name = "web1",
		.disk_count = 2,
		.disks = { { .name = "root", .service = "disk0" },
			   { .name = "data", .service = "disk0" } },
	};
}

static bool has_disk0(void *context, const char *name)
{
	return strcmp(name, "disk0") == 0;
}

TEST(a_service_that_does_not_exist_is_refused)
{
	make_definition();
	CHECK_EQ(check_definition_services(&definition, has_disk0, NULL,
					   &refusal),
		 0);

	(void)text_copy(definition.disks[1].service, NAME_SIZE, "fast");
	CHECK_EQ(check_definition_services(&definition, has_disk0, NULL,
					   &refusal),
		 -EINVAL);
	CHECK_EQ(strcmp(refusal.field, "disks[1].service"), 0);
}
