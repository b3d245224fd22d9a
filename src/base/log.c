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

/* One write, so that lines of several processes never mix. */
static void put_line(char *line, size_t room, int used)
{
	if ((size_t)used > room - 2)
		used = (int)room - 2;
	line[used++] = '\n';
	(void)!write(STDERR_FILENO, line, (size_t)used);
}

void log_of_child(enum log_level level, const char *title, const char *text)
{
	char line[1024];

	put_line(line, sizeof(line),
		 snprintf(line, sizeof(line) - 1, "<%d>%s: %s", (int)level,
			  title, text));
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
	put_line(line, sizeof(line), used + more);
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
