/* SPDX-License-Identifier: MIT */
#include "supervisor/store/events.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

#define SUBJECTS_MAX 64
#define SUBJECT_SIZE sizeof(((struct event_row *)0)->subject)

/* How much one subject has said lately. */
struct talker {
	char subject[SUBJECT_SIZE]; /* empty: free */
	uint64_t last_ns;           /* when `budget` was right */
	unsigned burst;             /* rows it may add at once */
	unsigned budget;            /* and now */
	unsigned dropped;           /* since its last row */
};

struct listener {
	event_listener_t call;
	void *context;
};

struct events {
	struct store *store;
	struct talker talkers[SUBJECTS_MAX];
	struct listener listeners[EVENT_LISTENERS_MAX];
	unsigned listener_count;
};

int events_new(struct events **ret_events, struct store *store)
{
	struct events *events = calloc(1, sizeof(*events));

	if (!events)
		return -ENOMEM;
	events->store = store;
	*ret_events = events;
	return 0;
}

void events_free(struct events *events)
{
	free(events);
}

/* The talker of this subject, or the one silent longest made into it. */
static struct talker *find_talker(struct events *events, const char *subject,
				  unsigned burst)
{
	struct talker *oldest = &events->talkers[0];

	for (unsigned i = 0; i < SUBJECTS_MAX; i++) {
		struct talker *talker = &events->talkers[i];

		if (strcmp(talker->subject, subject) == 0)
			return talker;
		if (talker->last_ns < oldest->last_ns)
			oldest = talker;
	}
	memset(oldest, 0, sizeof(*oldest));
	(void)snprintf(oldest->subject, sizeof(oldest->subject), "%s", subject);
	oldest->burst = burst;
	oldest->budget = burst;
	return oldest;
}

/* One row a second, up to a burst. */
static bool may_talk(struct talker *talker)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t seconds = (now_ns - talker->last_ns) / NS_PER_S;

	if (talker->last_ns == 0 || seconds >= talker->burst - talker->budget) {
		talker->budget = talker->burst;
		talker->last_ns = now_ns;
	} else {
		talker->budget += (unsigned)seconds;
		talker->last_ns += seconds * NS_PER_S;
	}
	if (talker->budget == 0) {
		talker->dropped++;
		return false;
	}
	talker->budget--;
	return true;
}

static uint64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void append_dropped(struct event_row *row, struct talker *talker)
{
	char note[48];
	size_t length = strlen(row->text);
	size_t note_bytes;

	if (talker->dropped == 0)
		return;
	note_bytes = (size_t)snprintf(note, sizeof(note), " (%u dropped)",
				      talker->dropped);
	if (length + note_bytes >= sizeof(row->text))
		length = sizeof(row->text) - 1 - note_bytes;
	memcpy(row->text + length, note, note_bytes + 1);
	talker->dropped = 0;
}

static enum log_level log_level_of(enum event_level level)
{
	if (level == EVENT_ERROR)
		return LOG_ERROR;
	return level == EVENT_WARNING ? LOG_WARN : LOG_INFO;
}

/* Stored, if it gets a number; told in any case. */
static void publish(struct events *events, struct event_row *row)
{
	log_line(log_level_of((enum event_level)row->level), "%s: %s",
		 row->subject, row->text);
	if (store_next(events->store, STORE_EVENT, &row->sequence) == 0)
		store_defer_event(events->store, row);
	for (unsigned i = 0; i < events->listener_count; i++)
		events->listeners[i].call(events->listeners[i].context, row);
}

static void record(struct events *events, unsigned burst, struct event_row *row)
{
	struct talker *talker = find_talker(events, row->subject, burst);

	if (!may_talk(talker))
		return;
	row->time_us = now_us();
	append_dropped(row, talker);
	publish(events, row);
}

void event_record(struct events *events, enum event_level level,
		  const char *subject, const char *format, ...)
{
	struct event_row row = { .level = level };
	va_list arguments;

	(void)snprintf(row.subject, sizeof(row.subject), "%s", subject);
	va_start(arguments, format);
	(void)vsnprintf(row.text, sizeof(row.text), format, arguments);
	va_end(arguments);
	record(events, EVENT_BURST, &row);
}

void event_record_operation(struct events *events, enum event_level level,
			    uid_t uid, const char *text)
{
	struct event_row row = { .level = level };

	(void)snprintf(row.subject, sizeof(row.subject), "user %u", uid);
	(void)snprintf(row.text, sizeof(row.text), "%s", text);
	record(events, EVENT_BURST_OF_USER, &row);
}

int events_follow(struct events *events, event_listener_t listener,
		  void *context)
{
	if (events->listener_count == EVENT_LISTENERS_MAX)
		return -ENOSPC;
	events->listeners[events->listener_count++] =
		(struct listener){ listener, context };
	return 0;
}

void events_unfollow(struct events *events, event_listener_t listener,
		     void *context)
{
	for (unsigned i = 0; i < events->listener_count; i++) {
		struct listener *found = &events->listeners[i];

		if (found->call != listener || found->context != context)
			continue;
		*found = events->listeners[--events->listener_count];
		return;
	}
}

struct visit {
	event_listener_t call;
	void *context;
};

static int visit_row(void *context, const struct event_row *row)
{
	const struct visit *visit = context;

	visit->call(visit->context, row);
	return 0;
}

int events_after(struct events *events, uint64_t after, unsigned limit,
		 event_listener_t visit, void *context)
{
	struct visit visiting = { visit, context };

	return store_each_event(events->store, after, limit, visit_row,
				&visiting);
}

int events_before_newest(struct events *events, unsigned count,
			 uint64_t *ret_after)
{
	return store_before_newest(events->store, count, ret_after);
}
