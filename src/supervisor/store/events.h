/* SPDX-License-Identifier: MIT */
/*
 * What an operator should know: one line in the log, one row in the store, and
 * a call to whoever follows.
 *
 * The row is written later (store_flush_deferred()), so that recording an event
 * never delays a recovery. A subject that talks too much is cut to EVENT_BURST
 * rows at once and one a second after that; what was dropped is counted and
 * told in its next row.
 *
 * Threads    The supervisor's only one.
 */
#ifndef SUPERVISOR_EVENTS_H
#define SUPERVISOR_EVENTS_H

#include "control/protocol.h"
#include "supervisor/store/store.h"

#define EVENT_BURST         20
#define EVENT_BURST_OF_USER 500
#define EVENT_LISTENERS_MAX 32

struct events;

/* `row` is borrowed for the call. Must not add or remove listeners. */
typedef void (*event_listener_t)(void *context, const struct event_row *row);

/* `store` is borrowed until events_free(). -ENOMEM */
int events_new(struct events **ret_events, struct store *store);
void events_free(struct events *events);

/*
 * Record one event. `subject` is "partition web1", "service disk0",
 * "supervisor"; text from a child must be escaped by the caller. Never fails:
 * what cannot be stored is at least logged.
 */
void event_record(struct events *events, enum event_level level,
		  const char *subject, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* What a user asked for, and its outcome: of the subject "user UID", in bursts
 * of EVENT_BURST_OF_USER. */
void event_record_operation(struct events *events, enum event_level level,
			    uid_t uid, const char *text);

/*
 * Call `listener` for each event recorded from now on.
 *
 * -ENOSPC  EVENT_LISTENERS_MAX follow already
 */
int events_follow(struct events *events, event_listener_t listener,
		  void *context);

/* Stop calling it; unknown pairs are ignored. */
void events_unfollow(struct events *events, event_listener_t listener,
		     void *context);

/*
 * Rows with a greater sequence number than `after`, oldest first, at most
 * `limit` of them; includes rows not yet written to disk.
 */
int events_after(struct events *events, uint64_t after, unsigned limit,
		 event_listener_t visit, void *context);

/* For events_after(): the newest `count` rows that are on disk, and what is not
 * yet. */
int events_before_newest(struct events *events, unsigned count,
			 uint64_t *ret_after);

#endif
