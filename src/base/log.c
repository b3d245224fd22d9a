/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static char prefix[128] = "bulkhead";
static enum log_level threshold = LOG_INFO;

void log_open(const char *role, const char *subject, enum log_level level)
{
	threshold = level;
	if (subject)
		(void)snprintf(prefix, sizeof(prefix), "%s [%s]", role,
			       subject);
	else
		(void)snprintf(prefix, sizeof(prefix), "%s", role);
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[1024];
	va_list arguments;
	int used, more;

	if (level > threshold)
		return;
	used = snprintf(line, sizeof(line) - 1, "<%d>%s: ", (int)level, prefix);
	va_start(arguments, format);
	more = vsnprintf(line + used, sizeof(line) - 1 - (size_t)used, format,
			 arguments);
	va_end(arguments);
	if (more < 0)
		return;
	used += more;
	if ((size_t)used > sizeof(line) - 2)
		used = (int)sizeof(line) - 2;
	line[used++] = '\n';
	/* One write, so that lines of several processes never mix. */
	(void)!write(STDERR_FILENO, line, (size_t)used);
}

bool log_limit_passes(struct log_limit *limit)
{
	uint64_t now_ns = clock_now_ns();

	if (limit->last_ns && now_ns - limit->last_ns < NS_PER_S) {
		limit->dropped++;
		return false;
	}
	limit->last_ns = now_ns;
	return true;
}
