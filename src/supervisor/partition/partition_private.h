/* SPDX-License-Identifier: MIT */
/* What the files of partitions, launch.c and those of monitor_private.h share
 * and nobody else needs. */
#ifndef SUPERVISOR_PARTITION_PRIVATE_H
#define SUPERVISOR_PARTITION_PRIVATE_H

#include "supervisor/partition/partition.h"

/* request_id of MONITOR_COUNT; verbs count up from 1 and never reach it. */
#define PARTITION_COUNT_REQUEST UINT32_MAX

enum partition_state partition_state(const struct partition *partition);

/*
 * Apply an event that was asked for: checked, on disk, told. In an errand.
 * Negative: refused by the table or by the store, and nothing has changed.
 */
int partition_try(struct partition *partition, enum partition_event event,
		  const char *reason);

/* Apply one that has happened, or that ends something, which needs no room on a
 * disk: in memory now, and stored as soon as the store can. */
void partition_must(struct partition *partition, enum partition_event event,
		    const char *reason);

/* STOP with its deadline, so that the next supervisor keeps to it. */
int partition_try_stop(struct partition *partition, uint32_t deadline_ms);

/*
 * While an errand is at work on it, it is not freed, takes no verb, and does
 * not end: an end that comes meanwhile (end.is_pending, which the errand looks
 * at when it is back) waits for it.
 */
void partition_occupy(struct partition *partition);
void partition_vacate(struct partition *partition);

/*
 * Ask the monitor. When it is done `event` is applied, unless that is
 * PARTITION_EVENT_COUNT. Has a deadline: a start fails then, any other verb is
 * only answered. `fd` may be NULL.
 */
void partition_ask(struct partition *partition, uint32_t type,
		   enum partition_event event, const void *body,
		   size_t body_bytes, const int *fd);

/* It is done. False: it was not asked, or that was forgotten. */
bool partition_answered(struct partition *partition, uint32_t id,
			enum partition_event *ret_event);

/* No answer means anything any more. */
void partition_forget_questions(struct partition *partition);

/*
 * The monitor is gone, or was never there: let go of the disks, and when all
 * are released apply `event` and tell who waits. A start that failed because of
 * a field (end.field) is told as a refusal.
 */
void partition_end(struct partition *partition, enum partition_event event,
		   const char *reason);

/* The same for one whose disks a monitor may still have used: they are fenced
 * first, by witnesses that are opened again where they are lost. */
void partition_end_fenced(struct partition *partition,
			  enum partition_event event, const char *reason);

/* Refuse what another operation is in the way of. */
int partition_check_busy(const struct partition *partition,
			 struct refusal *refusal);

/* Refuse one that begins something while the supervisor is shutting down. */
int partition_check_ending(const struct partition *partition,
			   enum partition_event event, struct refusal *refusal);

/* Refuse a verb that the state or a shutdown does not allow or that another one
 * is in the way of; the second also what is a foreign VMM's business. */
int partition_check_verb(struct partition *partition,
			 enum partition_event event, struct refusal *refusal);
int partition_check_engine_verb(struct partition *partition,
				enum partition_event event,
				struct refusal *refusal);
int partition_refuse_store(struct partition *partition, int error,
			   struct refusal *refusal);
void partition_tell_state(struct partition *partition);

/* An uninstall that has ended, or must. */
void partition_drop_uninstall(struct partition *partition);

/* Counters are in, or will not come: answer the PARTITION_SHOW. */
void partition_counted(struct partition *partition);

void partition_arm(struct partition *partition, uint64_t ms,
		   sd_event_time_handler_t handler);
void partition_disarm(struct partition *partition);

/*
 * STOPPING: resume if paused, press the button, switch off at the deadline of
 * the record. One that was pressed before is pressed again and wins no time.
 */
void partition_press_power_button(struct partition *partition);

/* Its monitor is READY: serve them all. */
void partition_want_disks(struct partition *partition);

/* A disk's outage policy wants a pause; its disk is back. */
void partition_pause_by_policy(struct partition *partition);
void partition_disk_came_up(struct partition *partition);
extern const struct disk_owner_ops partition_disk_owner;

#endif
