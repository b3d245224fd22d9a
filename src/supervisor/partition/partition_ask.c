/* SPDX-License-Identifier: MIT */
/*
 * Questions to a monitor: a verb that it answers with MONITOR_DONE. The last
 * one has a deadline and may have a client that waits; those before it were
 * given up on, but what they asked for may still happen, and then counts.
 */
#include <errno.h>
#include <string.h>

#include "supervisor/partition/partition_private.h"
#include "supervisor/supervisor.h"

static struct question *question_of(struct partition *partition, uint32_t id)
{
	return &partition->questions[id % QUESTIONS_MAX];
}

static void disarm(struct partition *partition)
{
	partition->question_timer =
		sd_event_source_disable_unref(partition->question_timer);
}

static int on_unanswered(sd_event_source *source, uint64_t usec, void *data)
{
	struct partition *partition = data;

	disarm(partition);
	switch (partition_state(partition)) {
	case PARTITION_STARTING:
		process_kill(partition->monitor, "it cannot run its guest");
		break;
	case PARTITION_RUNNING:
	case PARTITION_PAUSED:
		ticket_failed(partition->supervisor, &partition->ticket,
			      -ETIMEDOUT,
			      "its monitor does not answer; the operation may "
			      "still complete");
		break;
	case PARTITION_UNDEFINED:
	case PARTITION_UNINSTALLED:
	case PARTITION_STOPPED:
	case PARTITION_SAVED:
	case PARTITION_SAVING:    /* has a patience of its own */
	case PARTITION_RESTORING: /* of its process */
	case PARTITION_STOPPING:
	case PARTITION_STATE_COUNT:
		break;
	}
	return 0;
}

void partition_ask(struct partition *partition, uint32_t type,
		   enum partition_event event, const void *body,
		   size_t body_bytes, const int *fd)
{
	uint32_t id = ++partition->verb_id;

	*question_of(partition, id) =
		(struct question){ .id = id, .event = event };
	disarm(partition);
	(void)sd_event_add_time_relative(
		partition->supervisor->event, &partition->question_timer,
		CLOCK_MONOTONIC,
		(uint64_t)partition->supervisor->config.verb_ms * 1000, 1000,
		on_unanswered, partition);
	process_send(partition->monitor, type, id, body, body_bytes, fd,
		     fd ? 1 : 0);
}

bool partition_answered(struct partition *partition, uint32_t id,
			enum partition_event *ret_event)
{
	struct question *question = question_of(partition, id);

	if (id == 0 || question->id != id)
		return false;
	*ret_event = question->event;
	*question = (struct question){ 0 };
	if (id == partition->verb_id)
		disarm(partition);
	return true;
}

void partition_forget_questions(struct partition *partition)
{
	memset(partition->questions, 0, sizeof(partition->questions));
	disarm(partition);
}
