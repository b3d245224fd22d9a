/* SPDX-License-Identifier: MIT */
#include "supervisor/partition/save.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/scope.h"
#include "supervisor/errand/errand.h"
#include "supervisor/partition/hold.h"
#include "supervisor/partition/monitor_private.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/storage/image.h"
#include "supervisor/supervisor.h"

/* Progress is told to the client no more often. */
#define TELL_NS (100 * NS_PER_MS)

static const char *state_dir(const struct partition *partition)
{
	return partition->supervisor->config.state_dir;
}

static const char *name_of(const struct partition *partition)
{
	return partition->record.definition.name;
}

int save_store_record(struct partition *partition,
		      const struct partition_record *record)
{
	int r = store_put_partition_state(partition->supervisor->store, record);
	/* It may have changed since the record was copied, and is not written. */
	const struct partition_definition definition =
		partition->record.definition;

	if (r < 0)
		return r;
	partition->record = *record;
	partition->record.definition = definition;
	return 0;
}

static void remove_image(void *context)
{
	struct partition *partition = context;

	partition_occupy(partition);
	errand_step_aside();
	image_remove(state_dir(partition), name_of(partition));
	errand_step_back();
	partition_vacate(partition);
}

/* To free a large file takes long: an errand waits for it, others do not. */
static void remove_image_aside(struct partition *partition)
{
	if (errand_is_current())
		remove_image(partition);
	else
		errand_run(partition->supervisor->errands, remove_image,
			   partition);
}

static void ask(struct partition *partition, uint32_t type, const int *fd)
{
	partition_ask(partition, type, PARTITION_EVENT_COUNT, NULL, 0, fd);
}

static int on_impatient(sd_event_source *source, uint64_t usec, void *data);

/* A step, or the next part of it, has this long. */
static void be_patient(struct partition *partition)
{
	partition_arm(partition, partition->supervisor->config.save_ms,
		      on_impatient);
}

/* Saving. */

static void begin_step(struct partition *partition, enum save_step step,
		       uint32_t type, const int *fd)
{
	partition->save.step = step;
	partition->save.done_bytes = 0;
	ask(partition, type, fd);
	be_patient(partition);
}

static void write_image(struct partition *partition)
{
	int fd = take_fd(&partition->image_fd);

	begin_step(partition, SAVE_WRITING, MSG_MONITOR_SAVE, &fd);
	close_fd(&fd);
}

/* The guest goes on as if nobody had asked. */
static void taken_back(struct partition *partition)
{
	struct supervisor *supervisor = partition->supervisor;
	struct ticket nobody = { 0 };
	struct refusal refusal;

	partition->save.step = SAVE_NOT;
	partition_disarm(partition);
	partition_must(partition, PARTITION_EVENT_FAILED, "");
	ticket_failed(supervisor, &partition->ticket, partition->save.status,
		      partition->save.reason);
	if (supervisor->is_ending)
		(void)partition_stop(partition, &nobody, 0, false, &refusal);
}

static void take_back(struct partition *partition, int status,
		      const char *reason)
{
	char why[TEXT_SIZE];

	(void)snprintf(why, sizeof(why), "%s",
		       reason[0] ? reason : strerror(-status));
	memcpy(partition->save.reason, why, sizeof(why));
	partition->save.status = status;
	close_fd(&partition->image_fd);
	partition_event_text(partition, EVENT_WARNING, "is not saved: %s", why);
	if (partition->record.lifecycle.before == PARTITION_RUNNING)
		begin_step(partition, SAVE_TAKING_BACK, MSG_MONITOR_RESUME,
			   NULL);
	else
		taken_back(partition);
	/* Last: much may happen meanwhile. */
	remove_image_aside(partition);
}

static int on_impatient(sd_event_source *source, uint64_t usec, void *data)
{
	struct partition *partition = data;

	partition_disarm(partition);
	if (partition->save.step == SAVE_TAKING_BACK)
		process_kill(partition->monitor, "it cannot resume its guest");
	else
		take_back(partition, -ETIMEDOUT,
			  "its monitor makes no progress");
	return 0;
}

/* The record decides. */
static int record_image(struct partition *partition, char why[TEXT_SIZE])
{
	struct partition_record record = partition->record;
	int r;

	errand_step_aside();
	(void)failpoint("save.written");
	r = image_publish(state_dir(partition), name_of(partition),
			  &record.image.bytes);
	(void)failpoint("save.named");
	errand_step_back();
	if (r < 0) {
		(void)snprintf(why, TEXT_SIZE, "%s", strerror(-r));
		return r;
	}
	record.image.saved_us = clock_real_us();
	r = save_store_record(partition, &record);
	if (r < 0)
		(void)snprintf(why, TEXT_SIZE, "%s",
			       store_error(partition->supervisor->store));
	else
		(void)failpoint("save.recorded");
	return r;
}

/* An errand: its monitor has written the image. If it has died since, this says
 * what its end is. */
static void commit(void *context)
{
	struct partition *partition = context;
	char why[TEXT_SIZE] = "";
	int r;

	partition_occupy(partition);
	partition->save.step = SAVE_COMMITTING;
	partition_disarm(partition);
	r = record_image(partition, why);
	partition->save.step = SAVE_NOT;
	if (partition->end.is_pending) {
		partition->end.event = monitor_end_event(partition, true);
		if (r == 0)
			partition->end.reason[0] = '\0';
	} else if (r < 0) {
		take_back(partition, r, why);
	} else {
		process_quit(partition->monitor, QUIT_MS);
	}
	partition_vacate(partition);
}

void save_answered(struct partition *partition, int status, const char *text)
{
	switch (partition->save.step) {
	case SAVE_NOT:
		break;
	case SAVE_PAUSING:
	case SAVE_WRITING:
		if (status < 0) {
			take_back(partition, status, text);
		} else if (partition->save.step == SAVE_PAUSING) {
			(void)failpoint("save.paused");
			write_image(partition);
		} else {
			errand_run(partition->supervisor->errands, commit,
				   partition);
		}
		break;
	case SAVE_COMMITTING:
		break;
	case SAVE_TAKING_BACK:
		if (status < 0)
			process_kill(partition->monitor, text);
		else
			taken_back(partition);
		break;
	}
}

bool save_is_undecided(const struct partition *partition)
{
	return !partition->record.image.saved_us &&
	       partition->save.step != SAVE_COMMITTING;
}

void save_give_up(struct partition *partition)
{
	partition->save.step = SAVE_NOT;
	partition_disarm(partition);
	save_forget_image(partition);
}

void save_reconcile(struct partition *partition)
{
	/* What it was asked it has done, and that is being recorded. */
	if (partition->save.step == SAVE_COMMITTING)
		return;
	if (partition->record.image.saved_us)
		process_quit(partition->monitor, QUIT_MS);
	else
		take_back(partition, -EIO,
			  "the supervisor and its monitor lost contact");
}

static void first_step(struct partition *partition)
{
	(void)failpoint("save.begun");
	if (partition->record.lifecycle.before == PARTITION_RUNNING)
		begin_step(partition, SAVE_PAUSING, MSG_MONITOR_PAUSE, NULL);
	else
		write_image(partition);
}

static int begin_save(struct partition *partition, struct refusal *refusal)
{
	int fd = NO_FD;
	int r;

	errand_step_aside();
	r = image_create(state_dir(partition), name_of(partition), &fd);
	errand_step_back();
	if (r < 0)
		return refuse(refusal, r, "",
			      "no image can be created in %s: %s",
			      state_dir(partition), strerror(-r));
	partition->image_fd = fd;
	r = partition->end.is_pending
		    ? -ECANCELED
		    : partition_try(partition, PARTITION_EVENT_SAVE, "");
	if (r == 0 && !partition->end.is_pending &&
	    partition_state(partition) == PARTITION_SAVING)
		return 0;
	if (r < 0)
		save_forget_image(partition);
	return r < 0 && r != -ECANCELED
		       ? partition_refuse_store(partition, r, refusal)
		       : refuse(refusal, -ECANCELED, "state",
				"partition %s was stopped, or has ended",
				name_of(partition));
}

int partition_save(struct partition *partition, const struct ticket *ticket,
		   struct refusal *refusal)
{
	int r = partition_check_engine_verb(partition, PARTITION_EVENT_SAVE,
					    refusal);

	if (r < 0)
		return r;
	if (partition->engine != ENGINE_KVM)
		return refuse(refusal, -EOPNOTSUPP, "engine",
			      "partition %s runs under qemu, which cannot save "
			      "guests; the kvm engine can",
			      name_of(partition));
	partition_occupy(partition);
	r = begin_save(partition, refusal);
	if (r == 0) {
		partition->ticket = *ticket;
		first_step(partition);
	}
	partition_vacate(partition);
	return r;
}

void save_progressed(struct partition *partition, uint32_t request_id,
		     const struct progress *progress)
{
	bool is_saving = partition->save.step == SAVE_WRITING &&
			 request_id == partition->verb_id;
	uint64_t now_ns = clock_now_ns();

	if ((!is_saving && partition_state(partition) != PARTITION_RESTORING) ||
	    progress->done_bytes <= partition->save.done_bytes)
		return;
	partition->save.done_bytes = progress->done_bytes;
	if (is_saving)
		be_patient(partition);
	else
		process_extend(partition->monitor);
	if (now_ns - partition->save.told_ns < TELL_NS)
		return;
	partition->save.told_ns = now_ns;
	ticket_row(partition->supervisor, &partition->ticket, MSG_PROGRESS,
		   progress, NULL);
}

/* The image. */

int save_discard(struct partition *partition, const struct ticket *ticket,
		 struct refusal *refusal)
{
	struct partition_record record = partition->record;
	struct ticket who = *ticket;
	int r;

	r = partition_check_verb(partition, PARTITION_EVENT_STOP, refusal);
	if (r < 0)
		return r;
	r = lifecycle_apply(&record.lifecycle, PARTITION_EVENT_STOP);
	if (r < 0)
		return r;
	record.image = (struct saved_image){ 0 };
	record.reason[0] = '\0';
	partition_occupy(partition);
	r = save_store_record(partition, &record);
	if (r < 0) {
		partition_vacate(partition);
		return partition_refuse_store(partition, r, refusal);
	}
	(void)failpoint("discard.recorded");
	hold_drop(partition);
	save_forget_image(partition);
	partition_vacate(partition);
	partition_tell_state(partition);
	ticket_done(partition->supervisor, &who);
	return 0;
}

void save_forget_image(struct partition *partition)
{
	close_fd(&partition->image_fd);
	if (!partition->record.image.saved_us)
		remove_image_aside(partition);
}

struct sweep {
	struct supervisor *supervisor;
	unsigned unknown_count;
	unsigned set_aside_count;
};

/* What the store does not know may be all that is left of somebody's guest: a
 * store that was lost or moved away has no record of it. */
static bool is_kept(void *context, const char *name)
{
	struct sweep *sweep = context;
	const struct partition *partition =
		partition_find(sweep->supervisor, name);

	if (!partition)
		sweep->unknown_count++;
	/* It may be newer than the copy that the store was. */
	if (partition && !partition->record.image.saved_us &&
	    sweep->supervisor->is_recovering) {
		sweep->set_aside_count++;
		(void)image_keep(sweep->supervisor->config.state_dir, name);
		return true;
	}
	return !partition || partition->record.image.saved_us;
}

void save_recover(struct supervisor *supervisor)
{
	struct sweep sweep = { .supervisor = supervisor };
	unsigned removed =
		image_sweep(supervisor->config.state_dir, is_kept, &sweep);
	struct partition *partition;

	TAILQ_FOREACH(partition, &supervisor->partitions, link)
		if (partition_state(partition) == PARTITION_SAVED &&
		    !partition->uninstall)
			hold_open(partition);
	if (removed)
		supervisor_event(supervisor, EVENT_INFO, "supervisor",
				 "removed %u images that belong to no saved "
				 "partition",
				 removed);
	if (sweep.set_aside_count)
		supervisor_event(supervisor, EVENT_WARNING, "supervisor",
				 "kept %u images that the store's copy does "
				 "not know, in %s/saved/kept",
				 sweep.set_aside_count,
				 supervisor->config.state_dir);
	if (sweep.unknown_count)
		supervisor_event(supervisor, EVENT_WARNING, "supervisor",
				 "kept %u images of partitions that are not "
				 "defined, in %s/saved",
				 sweep.unknown_count,
				 supervisor->config.state_dir);
}
