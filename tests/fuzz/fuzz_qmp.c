/* SPDX-License-Identifier: MIT */
/*
 * The input is what QEMU sends: the first byte says in which pieces it comes
 * and how many commands wait for an answer. No number may be answered that was
 * not asked, and none twice.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/engine/qemu/qmp.h"

#define COMMANDS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int answers[COMMANDS + 1];

static void happened(void *context, enum qmp_event event, bool is_guest)
{
}

static void answered(void *context, uint32_t number, int status,
		     const char *text)
{
	if (number == 0 || number > COMMANDS || ++answers[number] > 1)
		abort();
}

static void filter_changed(void *context, const char *device)
{
	if (strlen(device) > QMP_LINE_MAX)
		abort();
}

static void filtered(void *context, uint32_t number,
		     const struct nic_filter *filter)
{
	if (filter->group_count > NIC_GROUP_MAX)
		abort();
}

static void ask(struct qmp *qmp)
{
	char line[128];

	for (uint32_t i = 1; i <= COMMANDS; i++) {
		answers[i] = 0;
		if (qmp_command(qmp, i, "stop", NULL, line, sizeof(line)) <= 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	const struct qmp_handler handler = { happened, answered, filter_changed,
					     filtered, NULL };
	size_t piece = bytes > 0 ? data[0] + 1u : 1;
	struct qmp qmp;

	qmp_init(&qmp, &handler);
	ask(&qmp);
	for (size_t at = 1; at < bytes; at += piece) {
		size_t count = bytes - at < piece ? bytes - at : piece;

		if (qmp_feed(&qmp, (const char *)data + at, count) < 0)
			break;
	}
	qmp_release(&qmp);
	return 0;
}
