/* SPDX-License-Identifier: MIT */
/* Restoring a partition that was saved; save.c has the rest of save.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/scope.h"
#include "supervisor/errand/errand.h"
#include "supervisor/partition/hold.h"
#include "supervisor/partition/launch.h"
#include "supervisor/partition/monitor_private.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/partition/save.h"
#include "supervisor/storage/image.h"
#include "supervisor/supervisor.h"

/* Why a partition that is RUNNING may have stopped processors; stored with its
 * state. */
#define RESTORED "restored, about to run"

static const char *state_dir(const struct partition *partition)
{
	return partition->supervisor->config.state_dir;
}

static const char *name_of(const struct partition *partition)
{
	return partition->record.definition.name;
}

/* What its disks were locked by before is what they are locked by again. */
static int begin_restore(struct partition *partition, struct refusal *refusal)
{
	SCOPED(close_fd) int fd = NO_FD;
	int r;

	errand_step_aside();
	r = image_open(state_dir(partition), name_of(partition), &fd);
	errand_step_back();
	if (r < 0)
		return refuse(refusal, r, "image",
			      "the image of partition %s cannot be opened: %s",
			      name_of(partition), strerror(-r));
	r = launch_begin(partition, PARTITION_EVENT_RESTORE, refusal);
	if (r == 0)
		partition->image_fd = take_fd(&fd);
	else if (r != -ECANCELED)
		hold_open(partition);
	return r;
}

int partition_restore(struct partition *partition, const struct ticket *ticket,
		      struct refusal *refusal)
{
	int r;

	r = partition_check_verb(partition, PARTITION_EVENT_RESTORE, refusal);
	if (r < 0)
		return r;
	partition_occupy(partition);
	r = begin_restore(partition, refusal);
	if (r == 0) {
		(void)failpoint("restore.begun");
		partition->ticket = *ticket;
		partition->save.done_bytes = 0;
		launch_go(partition);
	}
	partition_vacate(partition);
	return r;
}

/* The image is used up: first its record, then its file. */
static int consume(struct partition *partition)
{
	struct partition_record record = partition->record;
	bool is_to_run;
	int r;

	(void)failpoint("restore.ready");
	r = lifecycle_apply(&record.lifecycle, PARTITION_EVENT_READY);
	if (r < 0)
		return r;
	is_to_run = record.lifecycle.state == PARTITION_RUNNING;
	record.image = (struct saved_image){ 0 };
	(void)snprintf(record.reason, sizeof(record.reason), "%s",
		       is_to_run ? RESTORED : "");
	r = save_store_record(partition, &record);
	if (r < 0)
		return r;
	(void)failpoint("restore.recorded");
	errand_step_aside();
	image_remove(state_dir(partition), name_of(partition));
	errand_step_back();
	(void)failpoint("restore.consumed");
	return 0;
}

static void run_restored(struct partition *partition)
{
	struct ticket nobody = { 0 };
	struct refusal refusal;
	int r;

	partition->save.step = SAVE_COMMITTING;
	r = consume(partition);
	partition->save.step = SAVE_NOT;
	/* What its end is depends on whether that is on record. */
	if (partition->end.is_pending) {
		partition->end.event = monitor_end_event(partition, true);
		return;
	}
	if (r < 0) {
		process_kill(partition->monitor,
			     store_error(partition->supervisor->store));
		return;
	}
	/* Not before: what it left in flight changes its disks. */
	partition_want_disks(partition);
	if (partition_state(partition) == PARTITION_RUNNING)
		restore_resume(partition);
	else if (partition_state(partition) == PARTITION_PAUSED)
		restore_done(partition);
	if (partition->supervisor->is_ending)
		(void)partition_stop(partition, &nobody, 0, false, &refusal);
}

/* An errand. */
static void run_aside(void *context)
{
	struct partition *partition = context;

	partition_occupy(partition);
	run_restored(partition);
	partition_vacate(partition);
}

void restore_ready(struct partition *partition)
{
	if (partition->save.step == SAVE_COMMITTING)
		return;
	if (partition->is_stop_wanted)
		process_quit(partition->monitor, QUIT_MS);
	else
		errand_run(partition->supervisor->errands, run_aside,
			   partition);
}

bool restore_is_unfinished(const struct partition *partition)
{
	return partition_state(partition) == PARTITION_RUNNING &&
	       strcmp(partition->record.reason, RESTORED) == 0;
}

void restore_resume(struct partition *partition)
{
	partition_ask(partition, MSG_MONITOR_RESUME, PARTITION_EVENT_COUNT,
		      NULL, 0, NULL);
}

void restore_done(struct partition *partition)
{
	(void)failpoint("restore.resumed");
	partition->record.reason[0] = '\0';
	(void)store_defer_state(partition->supervisor->store,
				&partition->record);
	partition_tell_state(partition);
	ticket_stored(partition->supervisor, &partition->ticket);
}
