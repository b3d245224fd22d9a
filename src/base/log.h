/* SPDX-License-Identifier: MIT */
/*
 * One line per message on stderr, with the <level> prefix that the journal
 * understands and the role and partition set once at start.
 *
 * Text is a sentence fragment followed by key=value. A warning means that the
 * process carries on, and its text says so. Libraries do not log, they return
 * errors; a process logs where it makes the decision. Anything a guest can
 * trigger goes through a struct log_limit, so that no guest can fill the log.
 *
 * Threads    Every function may be called from any thread after log_open().
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR = 3, LOG_WARN = 4, LOG_INFO = 6, LOG_DEBUG = 7 };

/*
 * Name this process, for example "bulkhead-disk" and "disk0". `subject` may be
 * NULL. Both are copied. Lines above `level` are dropped.
 */
void log_open(const char *role, const char *subject, enum log_level level);

void log_line(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Log a line written by another process, under its name instead of ours. `text`
 * is printable. */
void log_of_child(enum log_level level, const char *title, const char *text);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

/* At most one message per second; the rest are counted in `dropped`. */
struct log_limit {
	uint64_t last_ns;
	uint64_t dropped;
};

/* True when a message may be written now. */
bool log_limit_passes(struct log_limit *limit);

#endif
