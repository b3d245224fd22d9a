/* SPDX-License-Identifier: MIT */
#include "supervisor/storage/install.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "supervisor/errand/errand.h"
#include "supervisor/storage/install_plan.h"

/* One install on its way. */
struct install {
	struct store *store;
	struct partition_record *record;
	struct refusal *refusal;
	uint64_t intent_id; /* 0: nothing to create, so no intent */
	struct plan plan;
};

static int refuse_store(const struct install *install, int error)
{
	return refuse(install->refusal, error, "", "%s",
		      store_error(install->store));
}

static int refuse_disk(const struct install *install, unsigned index, int error,
		       const char *what)
{
	char field[32];

	(void)snprintf(field, sizeof(field), "disks[%u].file", index);
	return refuse(install->refusal, error, field, "%s: %s", what,
		      strerror(-error));
}

/* -- planning: changes nothing -- */

static bool is_same_image(const struct planned_file *planned, const char *file,
			  uint64_t device, uint64_t inode,
			  uint32_t is_block_device)
{
	if (strcmp(planned->file, file) == 0)
		return true;
	if (planned->is_created || planned->device != device ||
	    planned->is_block_device != is_block_device)
		return false;
	/* A device is the same under any name. */
	return is_block_device || planned->inode == inode;
}

struct reservation {
	const struct planned_file *planned;
	char holder[NAME_SIZE];
};

/* Ends the walk with 1 at the first that conflicts. */
static int check_attachment(void *context,
			    const struct attachment_record *record)
{
	struct reservation *reservation = context;

	if (reservation->planned->is_read_only && record->is_read_only)
		return 0;
	if (!is_same_image(reservation->planned, record->file, record->device,
			   record->inode, record->is_block_device))
		return 0;
	memcpy(reservation->holder, record->partition, NAME_SIZE);
	return 1;
}

static int check_reservations(const struct install *install, unsigned index)
{
	struct reservation reservation = {
		.planned = &install->plan.files[index]
	};
	int r = store_each_attachment(install->store, NULL, check_attachment,
				      &reservation);
	char field[32];

	if (r < 0)
		return refuse_store(install, r);
	if (r == 0)
		return 0;
	(void)snprintf(field, sizeof(field), "disks[%u].file", index);
	return refuse(install->refusal, -EBUSY, field,
		      "is reserved by partition %s", reservation.holder);
}

/* Two names of one image in the same definition. */
static int check_others(const struct install *install, unsigned index)
{
	const struct planned_file *file = &install->plan.files[index];
	char field[32];

	for (unsigned i = 0; i < index; i++) {
		const struct planned_file *other = &install->plan.files[i];

		if ((other->is_read_only && file->is_read_only) ||
		    !is_same_image(other, file->file, file->device, file->inode,
				   file->is_block_device))
			continue;
		(void)snprintf(field, sizeof(field), "disks[%u].file", index);
		return refuse(install->refusal, -EINVAL, field,
			      "is the same image as that of disks[%u]", i);
	}
	return 0;
}

static void note_facts(struct planned_file *file,
		       const struct storage_facts *facts)
{
	file->size_bytes = facts->size_bytes;
	file->device = facts->device;
	file->inode = facts->inode;
	file->is_block_device = facts->is_block_device;
}

static int plan_disk(struct install *install, unsigned index)
{
	const struct disk_definition *disk =
		&install->record->definition.disks[index];
	struct planned_file *file = &install->plan.files[index];
	char temporary[PATH_SIZE];
	struct storage_facts facts;
	int r;

	(void)text_copy(file->file, sizeof(file->file), disk->file);
	(void)text_copy(file->disk, sizeof(file->disk), disk->name);
	file->is_read_only = disk->access == DISK_READ_ONLY;
	errand_step_aside();
	r = storage_inspect(disk, index, &facts, install->refusal);
	file->is_created = r == -ENOENT;
	if (file->is_created)
		r = storage_check_room(disk, index, install->refusal);
	errand_step_back();
	if (r == 0 && file->is_created)
		file->size_bytes = disk->size_bytes;
	else if (r == 0)
		note_facts(file, &facts);
	if (r == 0 && plan_temporary(&install->plan, index, temporary) < 0)
		r = refuse_disk(install, index, -ENAMETOOLONG,
				"cannot be created");
	if (r == 0)
		r = check_reservations(install, index);
	return r < 0 ? r : check_others(install, index);
}

static int make_plan(struct install *install)
{
	struct plan *plan = &install->plan;
	int r = 0;

	if (getrandom(&plan->nonce, sizeof(plan->nonce), 0) !=
	    sizeof(plan->nonce))
		return refuse(install->refusal, -EIO, "", "no random numbers");
	plan->version = PLAN_VERSION;
	plan->file_count = install->record->definition.disk_count;
	for (unsigned i = 0; r == 0 && i < plan->file_count; i++)
		r = plan_disk(install, i);
	return r;
}

/* -- effects -- */

static int make_file(const char *path, uint64_t bytes)
{
	SCOPED(close_fd) int fd = NO_FD;

	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		  0600);
	if (fd < 0)
		return -errno;
	journal_at(JOURNAL_AT_INSTALL_CREATED);
	if (ftruncate(fd, (off_t)bytes) < 0 || fsync(fd) < 0)
		return -errno;
	journal_at(JOURNAL_AT_INSTALL_SIZED);
	return 0;
}

/* The new image passes the same checks as one that was there. */
static int note_file(struct install *install, unsigned index,
		     const char *temporary)
{
	struct disk_definition disk = install->record->definition.disks[index];
	struct planned_file *file = &install->plan.files[index];
	struct storage_facts facts;
	int r;

	(void)text_copy(disk.file, sizeof(disk.file), temporary);
	errand_step_aside();
	r = storage_inspect(&disk, index, &facts, install->refusal);
	errand_step_back();
	if (r < 0)
		return r;
	note_facts(file, &facts);
	file->is_noted = true;
	r = journal_update(install->store, install->intent_id, &install->plan,
			   sizeof(install->plan));
	if (r < 0)
		return refuse_store(install, r);
	journal_at(JOURNAL_AT_INSTALL_NOTED);
	return 0;
}

static int name_file(const char *temporary, const char *file)
{
	if (renameat2(AT_FDCWD, temporary, AT_FDCWD, file, RENAME_NOREPLACE) <
	    0)
		return -errno;
	return plan_sync_directory(file);
}

static int create_file(struct install *install, unsigned index)
{
	struct planned_file *file = &install->plan.files[index];
	char temporary[PATH_SIZE];
	int r = plan_temporary(&install->plan, index, temporary);

	if (r == 0) {
		errand_step_aside();
		r = make_file(temporary, file->size_bytes);
		errand_step_back();
	}
	if (r < 0)
		return refuse_disk(install, index, r, "cannot be created");
	r = note_file(install, index, temporary);
	if (r < 0)
		return r;
	errand_step_aside();
	r = name_file(temporary, file->file);
	errand_step_back();
	if (r < 0)
		return refuse_disk(install, index, r, "cannot be named");
	journal_at(JOURNAL_AT_INSTALL_NAMED);
	return 0;
}

static int create_files(struct install *install)
{
	int r = journal_intend(install->store, JOURNAL_INSTALL,
			       install->record->definition.name, &install->plan,
			       sizeof(install->plan), &install->intent_id);

	if (r < 0)
		return refuse_store(install, r);
	journal_at(JOURNAL_AT_INSTALL_INTENDED);
	for (unsigned i = 0; r == 0 && i < install->plan.file_count; i++)
		if (install->plan.files[i].is_created)
			r = create_file(install, i);
	return r;
}

/* -- completion: one transaction -- */

static int put_attachment(struct install *install, unsigned index)
{
	const struct planned_file *file = &install->plan.files[index];
	struct attachment_record attachment = {
		.device = file->device,
		.inode = file->inode,
		.size_bytes = file->size_bytes,
		.is_read_only = file->is_read_only,
		.is_block_device = file->is_block_device,
		.is_created = file->is_created,
	};
	const struct partition_definition *definition =
		&install->record->definition;
	int r = store_next(install->store, STORE_ATTACHMENT, &attachment.id);

	if (r < 0)
		return r;
	memcpy(attachment.partition, definition->name, NAME_SIZE);
	memcpy(attachment.name, file->disk, NAME_SIZE);
	memcpy(attachment.service, definition->disks[index].service, NAME_SIZE);
	memcpy(attachment.file, file->file, PATH_SIZE);
	return store_put_attachment(install->store, &attachment);
}

static int complete(struct install *install)
{
	SCOPED(store_scope_end) struct store_scope scope = { 0 };
	struct partition_record record = *install->record;
	int r = store_scope_begin(&scope, install->store);

	if (r < 0)
		return refuse_store(install, r);
	/* Another install may have been faster. */
	for (unsigned i = 0; r == 0 && i < install->plan.file_count; i++)
		r = check_reservations(install, i);
	if (r < 0)
		return r;
	for (unsigned i = 0; r == 0 && i < install->plan.file_count; i++)
		r = put_attachment(install, i);
	if (r == 0)
		r = lifecycle_apply(&record.lifecycle, PARTITION_EVENT_INSTALL);
	record.reason[0] = '\0';
	if (r == 0)
		r = store_put_partition_state(install->store, &record);
	if (r == 0 && install->intent_id)
		r = journal_end(install->store, install->intent_id);
	journal_at(JOURNAL_AT_INSTALL_COMPLETING);
	if (r == 0)
		r = store_scope_commit(&scope);
	if (r < 0)
		return refuse_store(install, r);
	*install->record = record;
	journal_at(JOURNAL_AT_INSTALL_COMPLETED);
	return 0;
}

static int undo(const struct plan *plan)
{
	int r;

	errand_step_aside();
	r = plan_undo(plan);
	errand_step_back();
	return r;
}

/* After a failure: the files go, then the intent. If either fails, the intent
 * stays and the next install or start of the supervisor undoes it. */
static void give_up(const struct install *install)
{
	if (install->intent_id && undo(&install->plan) == 0)
		(void)journal_end(install->store, install->intent_id);
}

/* What an earlier install could not undo. */
static int undo_leftover(struct store *store, const char *partition)
{
	enum journal_op op;
	struct plan plan;
	uint64_t id;
	int r = plan_find(store, partition, &op, &id, &plan);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = undo(&plan);
	return r < 0 ? r : journal_end(store, id);
}

static bool creates_files(const struct plan *plan)
{
	for (unsigned i = 0; i < plan->file_count; i++)
		if (plan->files[i].is_created)
			return true;
	return false;
}

int install_partition(struct store *store, struct partition_record *record,
		      struct refusal *ret_refusal)
{
	struct install install = { .store = store,
				   .record = record,
				   .refusal = ret_refusal };
	int r;

	if (!lifecycle_allows(&record->lifecycle, PARTITION_EVENT_INSTALL))
		return refuse(ret_refusal, -EINVAL, "", "partition %s is %s",
			      record->definition.name,
			      partition_state_name(record->lifecycle.state));
	r = undo_leftover(store, record->definition.name);
	if (r < 0)
		return refuse(ret_refusal, r, "",
			      "an earlier install cannot be undone: %s",
			      strerror(-r));
	journal_at(JOURNAL_AT_INSTALL_BEGUN);
	r = make_plan(&install);
	if (r == 0 && creates_files(&install.plan))
		r = create_files(&install);
	if (r == 0)
		r = complete(&install);
	if (r < 0)
		give_up(&install);
	return r;
}

static int refuse_image(struct refusal *refusal, unsigned index,
			const char *rule)
{
	char field[32];

	(void)snprintf(field, sizeof(field), "disks[%u].file", index);
	return refuse(refusal, -EINVAL, field, "%s", rule);
}

int install_check_disk(struct store *store, uint64_t attachment_id,
		       unsigned index, struct storage_facts *facts,
		       struct refusal *ret_refusal)
{
	struct attachment_record attachment;
	int r = store_get_attachment(store, attachment_id, &attachment);

	if (r < 0)
		return refuse(ret_refusal, r, "", "%s", store_error(store));
	if (facts->is_block_device != (attachment.is_block_device != 0) ||
	    (!facts->is_block_device && facts->inode != attachment.inode))
		return refuse_image(ret_refusal, index,
				    "is not the image that was installed; "
				    "uninstall and install again");
	if (facts->size_bytes < attachment.size_bytes)
		return refuse_image(ret_refusal, index,
				    "is smaller than when it was installed");
	facts->size_bytes = attachment.size_bytes;
	if (facts->device == attachment.device)
		return 0;
	attachment.device = facts->device;
	attachment.inode = facts->inode;
	r = store_put_attachment(store, &attachment);
	if (r < 0)
		return refuse(ret_refusal, r, "", "%s", store_error(store));
	return 0;
}
