/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "supervisor/errand/errand.h"
#include "supervisor/storage/install.h"
#include "supervisor/storage/install_plan.h"
#include "supervisor/storage/scrub.h"

struct uninstall {
	struct store *store; /* borrowed */
	char partition[NAME_SIZE];
	uint64_t intent_id; /* 0: not yet committed */
	struct plan plan;
	int witness_fds[DISK_COUNT_MAX]; /* NO_FD: nothing to release */
	int other_fds[UNINSTALL_OTHER_MAX];
	unsigned other_count;
	unsigned scrubbed_count; /* files done with, the others last */
	struct scrub *scrub;     /* of the file after those */
};

static void free_uninstall(struct uninstall **uninstall)
{
	uninstall_free(*uninstall);
}

void uninstall_free(struct uninstall *uninstall)
{
	if (!uninstall)
		return;
	errand_step_aside();
	scrub_free(uninstall->scrub);
	for (unsigned i = 0; i < DISK_COUNT_MAX; i++)
		close_fd(&uninstall->witness_fds[i]);
	for (unsigned i = 0; i < uninstall->other_count; i++)
		close_fd(&uninstall->other_fds[i]);
	errand_step_back();
	free(uninstall);
}

static struct uninstall *new_uninstall(struct store *store,
				       const char *partition)
{
	struct uninstall *uninstall = calloc(1, sizeof(*uninstall));

	if (!uninstall)
		return NULL;
	uninstall->store = store;
	(void)text_copy(uninstall->partition, NAME_SIZE, partition);
	for (unsigned i = 0; i < DISK_COUNT_MAX; i++)
		uninstall->witness_fds[i] = NO_FD;
	return uninstall;
}

/* -- what is to be done -- */

static int add_file(void *context, const struct attachment_record *record)
{
	struct plan *plan = context;

	if (plan->file_count == DISK_COUNT_MAX)
		return -EUCLEAN;
	plan->files[plan->file_count++].disk = *record;
	return 0;
}

static bool is_touched(const struct plan *plan, unsigned index)
{
	const struct attachment_record *disk = &plan->files[index].disk;

	if (disk->volume_id)
		return false;
	if (plan->disposal == IMAGES_SCRUB && !disk->is_read_only)
		return true;
	return plan->disposal != IMAGES_KEEP && disk->is_created;
}

/* Hold what will be scrubbed or removed, so that nobody uses it meanwhile. */
static int hold_file(struct uninstall *uninstall, unsigned index,
		     struct refusal *refusal)
{
	const struct attachment_record *held =
		&uninstall->plan.files[index].disk;
	/* No service will write to it, wherever it lies. */
	struct disk_definition disk = {
		.access = held->is_read_only ? DISK_READ_ONLY
					     : DISK_READ_WRITE_UNFENCED
	};
	struct storage_facts facts;
	int r;

	memcpy(disk.file, held->file, PATH_SIZE);
	errand_step_aside();
	r = storage_open_witness(&disk, index, &uninstall->witness_fds[index],
				 &facts, refusal);
	errand_step_back();
	/* Removed by its owner: nothing left to release. */
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	/* Replaced by its owner: not what we were given. */
	if (r == 0 && !facts.is_block_device && facts.inode != held->inode)
		close_fd(&uninstall->witness_fds[index]);
	return r;
}

static int hold_files(struct uninstall *uninstall, struct refusal *refusal)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < uninstall->plan.file_count; i++)
		if (is_touched(&uninstall->plan, i))
			r = hold_file(uninstall, i, refusal);
	return r;
}

static int check_state(const struct uninstall *uninstall,
		       struct refusal *refusal)
{
	struct partition_record record;
	int r = store_get_partition(uninstall->store, uninstall->partition,
				    &record);

	if (r == -ENOENT)
		return refuse(refusal, r, "", "there is no partition %s",
			      uninstall->partition);
	if (r < 0)
		return store_refuse(uninstall->store, r, refusal);
	if (!lifecycle_allows(&record.lifecycle, PARTITION_EVENT_UNINSTALL))
		return refuse(refusal, -EINVAL, "", "partition %s is %s",
			      uninstall->partition,
			      partition_state_name(record.lifecycle.state));
	return 0;
}

/* The intent that an earlier attempt left; what is asked for now counts. */
static int take_intent(struct uninstall *uninstall,
		       enum image_disposal disposal, struct refusal *refusal)
{
	struct plan *plan = &uninstall->plan;
	int r = 0;

	if (plan->disposal != disposal) {
		plan->disposal = disposal;
		r = journal_update(uninstall->store, uninstall->intent_id, plan,
				   sizeof(*plan));
	}
	if (r < 0)
		return store_refuse(uninstall->store, r, refusal);
	return hold_files(uninstall, refusal);
}

/* A new intent, or the one that is there. */
static int intend(struct uninstall *uninstall, enum image_disposal disposal,
		  struct refusal *refusal)
{
	enum journal_op op;
	int r = plan_find(uninstall->store, uninstall->partition, &op,
			  &uninstall->intent_id, &uninstall->plan);

	if (r == 0)
		return take_intent(uninstall, disposal, refusal);
	if (r == -ENOENT) {
		uninstall->plan = (struct plan){ .version = PLAN_VERSION };
		uninstall->plan.disposal = disposal;
		r = store_each_attachment(uninstall->store,
					  uninstall->partition, add_file,
					  &uninstall->plan);
	}
	if (r < 0)
		return store_refuse(uninstall->store, r, refusal);
	r = hold_files(uninstall, refusal);
	if (r < 0)
		return r;
	r = journal_intend(uninstall->store, JOURNAL_UNINSTALL,
			   uninstall->partition, &uninstall->plan,
			   sizeof(uninstall->plan), &uninstall->intent_id);
	return r < 0 ? store_refuse(uninstall->store, r, refusal) : 0;
}

int uninstall_begin(struct uninstall **ret_uninstall, struct store *store,
		    const char *partition, enum image_disposal disposal,
		    struct refusal *ret_refusal)
{
	SCOPED(free_uninstall)
	struct uninstall *uninstall = new_uninstall(store, partition);
	int r;

	if (!uninstall)
		return refuse(ret_refusal, -ENOMEM, "", "out of memory");
	r = check_state(uninstall, ret_refusal);
	if (r < 0)
		return r;
	journal_at(JOURNAL_AT_UNINSTALL_BEGUN);
	r = intend(uninstall, disposal, ret_refusal);
	if (r < 0)
		return r;
	journal_at(JOURNAL_AT_UNINSTALL_INTENDED);
	*ret_uninstall = uninstall;
	uninstall = NULL;
	return 0;
}

bool uninstall_is_pending(struct store *store, const char *partition)
{
	enum journal_op op;
	struct plan plan;
	uint64_t id;

	return plan_find(store, partition, &op, &id, &plan) != -ENOENT;
}

int uninstall_fd(const struct uninstall *uninstall)
{
	return uninstall->scrub ? scrub_fd(uninstall->scrub) : NO_FD;
}

const char *uninstall_partition(const struct uninstall *uninstall)
{
	return uninstall->partition;
}

bool uninstall_scrubs(const struct uninstall *uninstall)
{
	return uninstall->plan.disposal == IMAGES_SCRUB;
}

void uninstall_each_attachment(const struct uninstall *uninstall,
			       void (*visit)(void *context, uint64_t id),
			       void *context)
{
	for (unsigned i = 0; i < uninstall->plan.file_count; i++)
		visit(context, uninstall->plan.files[i].disk.id);
}

void uninstall_scrub_also(struct uninstall *uninstall, int *fd)
{
	assert(uninstall->other_count < UNINSTALL_OTHER_MAX);
	uninstall->other_fds[uninstall->other_count++] = take_fd(fd);
}

/* -- doing it -- */

/* The scrub that runs; 0 when it is done. */
static int end_scrub(struct uninstall *uninstall)
{
	int r = scrub_result(uninstall->scrub);

	if (r == -EAGAIN)
		return r;
	scrub_free(uninstall->scrub);
	uninstall->scrub = NULL;
	if (r < 0)
		return r;
	uninstall->scrubbed_count++;
	journal_at(JOURNAL_AT_UNINSTALL_SCRUBBED);
	return 0;
}

/* NO_FD: a read-only disk, or a file that is not there. */
static int fd_of(const struct uninstall *uninstall, unsigned index)
{
	unsigned disk_count = uninstall->plan.file_count;

	return index < disk_count ? uninstall->witness_fds[index]
				  : uninstall->other_fds[index - disk_count];
}

static int begin_scrub(struct uninstall *uninstall, unsigned index)
{
	int fd = fd_of(uninstall, index);
	struct stat status;

	if (index < uninstall->plan.file_count)
		return scrub_start(
			&uninstall->scrub, fd,
			uninstall->plan.files[index].disk.size_bytes);
	if (fstat(fd, &status) < 0)
		return -errno;
	return scrub_start(&uninstall->scrub, fd, (uint64_t)status.st_size);
}

/* -EAGAIN while one runs. */
static int scrub_files(struct uninstall *uninstall)
{
	int r = uninstall->scrub ? end_scrub(uninstall) : 0;

	while (r == 0 &&
	       uninstall->scrubbed_count <
		       uninstall->plan.file_count + uninstall->other_count) {
		unsigned index = uninstall->scrubbed_count;

		if (!uninstall_scrubs(uninstall) ||
		    fd_of(uninstall, index) == NO_FD) {
			uninstall->scrubbed_count++;
			continue;
		}
		r = begin_scrub(uninstall, index);
		if (r == 0)
			r = -EAGAIN;
	}
	return r;
}

static int complete(struct uninstall *uninstall)
{
	SCOPED(store_scope_end) struct store_scope scope = { 0 };
	struct store *store = uninstall->store;
	struct partition_record record;
	int r = store_scope_begin(&scope, store);

	/* What was deferred of its state is there now. */
	if (r == 0)
		r = store_get_partition(store, uninstall->partition, &record);
	if (r == 0)
		r = store_delete_attachments(store, uninstall->partition);
	record.image = (struct saved_image){ 0 };
	record.is_autostart_due = false;
	if (r == 0)
		r = plan_complete(&scope, &record, PARTITION_EVENT_UNINSTALL,
				  uninstall->intent_id);
	if (r < 0)
		return r;
	journal_at(JOURNAL_AT_UNINSTALL_COMPLETED);
	return 0;
}

int uninstall_finish(struct uninstall *uninstall, struct refusal *ret_refusal)
{
	int r = scrub_files(uninstall);

	if (r == -EAGAIN)
		return r;
	if (r < 0)
		return refuse(ret_refusal, r, "",
			      "a file cannot be scrubbed: %s", strerror(-r));
	errand_step_aside();
	r = plan_remove(&uninstall->plan);
	errand_step_back();
	if (r < 0)
		return refuse(ret_refusal, r, "",
			      "an image cannot be removed: %s", strerror(-r));
	r = complete(uninstall);
	return r < 0 ? store_refuse(uninstall->store, r, ret_refusal) : 0;
}

void uninstall_each_left(const struct uninstall *uninstall,
			 void (*visit)(void *context, const char *file,
				       uint64_t size_bytes),
			 void *context)
{
	for (unsigned i = 0; i < uninstall->plan.file_count; i++) {
		const struct planned_file *file = &uninstall->plan.files[i];

		if (plan_is_left(file))
			visit(context, file->disk.file, file->disk.size_bytes);
	}
}

/* -- at start -- */

struct recovering {
	struct store *store;
	const struct install_recovery *recovery;
};

static int undo_install(const struct recovering *recovering,
			const struct journal_entry *entry)
{
	struct plan plan;
	int r = plan_load(&plan, entry);

	if (r == 0)
		r = plan_undo(&plan);
	return r < 0 ? r : journal_end(recovering->store, entry->id);
}

static int resume_uninstall(const struct recovering *recovering,
			    const struct journal_entry *entry)
{
	const struct install_recovery *recovery = recovering->recovery;
	struct uninstall *uninstall;
	struct refusal refusal = { 0 };
	struct plan plan;
	int r = plan_load(&plan, entry);

	if (r < 0)
		r = refuse(&refusal, r, "", "its journal entry is damaged");
	else
		r = uninstall_begin(
			&uninstall, recovering->store, entry->subject,
			(enum image_disposal)plan.disposal, &refusal);
	if (r == 0)
		recovery->resume(recovery->context, uninstall);
	else
		recovery->report(recovery->context, entry->subject,
				 refusal.text);
	return 0;
}

static int recover_entry(void *context, const struct journal_entry *entry)
{
	const struct recovering *recovering = context;
	const struct install_recovery *recovery = recovering->recovery;
	int r;

	if (entry->op == JOURNAL_UNINSTALL)
		return resume_uninstall(recovering, entry);
	r = undo_install(recovering, entry);
	recovery->report(recovery->context, entry->subject,
			 r < 0 ? strerror(-r)
			       : "an unfinished install was undone");
	return 0;
}

int install_recover(struct store *store,
		    const struct install_recovery *recovery)
{
	struct recovering recovering = { store, recovery };

	return journal_each(store, recover_entry, &recovering);
}
