/* SPDX-License-Identifier: MIT */
#include "document/units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "base/text.h"

void size_write(char to[UNIT_ROOM], uint64_t bytes)
{
	static const char suffixes[] = { '\0', 'K', 'M', 'G', 'T' };
	size_t step = 0;

	while (bytes && bytes % 1024 == 0 && step + 1 < sizeof(suffixes)) {
		bytes /= 1024;
		step++;
	}
	(void)snprintf(to, UNIT_ROOM, "%llu%.1s", (unsigned long long)bytes,
		       &suffixes[step]);
}

static const struct time_unit {
	const char *suffix;
	uint64_t ms;
} units[] = { { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };

void time_write(char to[UNIT_ROOM], uint64_t ms)
{
	size_t i = 0;

	while (ms % units[i].ms != 0 || (ms == 0 && units[i].ms > 1000))
		i++;
	(void)snprintf(to, UNIT_ROOM, "%llu%s",
		       (unsigned long long)(ms / units[i].ms), units[i].suffix);
}

static const struct time_unit *find_unit(const char *suffix)
{
	for (size_t i = 0; i < ARRAY_COUNT(units); i++)
		if (strcmp(units[i].suffix, suffix) == 0)
			return &units[i];
	return NULL;
}

int time_parse(const char *text, uint64_t most_ms, uint64_t *ret_ms)
{
	size_t digits = strspn(text, "0123456789");
	const struct time_unit *unit = find_unit(text + digits);
	char number[UNIT_ROOM];
	uint64_t value;
	int r;

	if (!unit || digits == 0 || digits >= sizeof(number))
		return -EINVAL;
	memcpy(number, text, digits);
	number[digits] = '\0';
	r = text_parse_u64(number, most_ms / unit->ms, &value);
	if (r < 0)
		return r;
	*ret_ms = value * unit->ms;
	return 0;
}
