/* SPDX-License-Identifier: MIT */
#include "supervisor/storage/install.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "definition/rules.h"
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

static int refuse_disk(const struct install *install, unsigned index, int error,
		       const char *what)
{
	return storage_refuse(install->refusal, index, error, "%s: %s", what,
			      strerror(-error));
}

/* -- planning: changes nothing -- */

/* Is it the image of another one, and written to by either? */
static bool conflicts(const struct attachment_record *disk,
		      const struct attachment_record *other)
{
	if (disk->volume_id && disk->volume_id == other->volume_id)
		return disk->type != other->type ||
		       !rules_access_goes_with(disk->access, other->access);
	if (disk->is_read_only && other->is_read_only)
		return false;
	if (strcmp(disk->file, other->file) == 0)
		return true;
	if (disk->is_created || disk->device != other->device ||
	    disk->is_block_device != other->is_block_device)
		return false;
	/* A device is the same under any name. */
	return disk->is_block_device || disk->inode == other->inode;
}

struct reservation {
	const struct attachment_record *disk;
	char holder[NAME_SIZE];
	/* It is of the volume, and this is what conflicts. */
	const char *key;
};

/* Ends the walk with 1 at the first that conflicts. */
static int check_attachment(void *context,
			    const struct attachment_record *record)
{
	struct reservation *reservation = context;

	const struct attachment_record *disk = reservation->disk;

	memcpy(reservation->holder, record->partition, NAME_SIZE);
	reservation->key = disk->type != record->type ? "type" : "access";
	if (!disk->volume_id || disk->volume_id != record->volume_id)
		reservation->key = NULL;
	return conflicts(disk, record);
}

static int refuse_key(const struct install *install, unsigned index,
		      const struct reservation *reservation)
{
	char field[32];

	(void)snprintf(field, sizeof(field), "disks[%u].%s", index,
		       reservation->key);
	return refuse(install->refusal, -EBUSY, field,
		      "does not go with that of the disk by which partition %s "
		      "has the volume",
		      reservation->holder);
}

static int check_reservations(const struct install *install, unsigned index)
{
	struct reservation reservation = {
		.disk = &install->plan.files[index].disk
	};
	int r = store_each_attachment(install->store, NULL, check_attachment,
				      &reservation);

	if (r < 0)
		return store_refuse(install->store, r, install->refusal);
	if (r && reservation.key)
		return refuse_key(install, index, &reservation);
	return r ? storage_refuse(install->refusal, index, -EBUSY,
				  "is reserved by partition %s",
				  reservation.holder)
		 : 0;
}

/* Two names of one image in the same definition. */
static int check_others(const struct install *install, unsigned index)
{
	const struct planned_file *files = install->plan.files;

	for (unsigned i = 0; i < index; i++)
		if (conflicts(&files[index].disk, &files[i].disk))
			return storage_refuse(install->refusal, index, -EINVAL,
					      "is the same image as that of "
					      "disks[%u]",
					      i);
	return 0;
}

static void note_facts(struct attachment_record *planned,
		       const struct storage_facts *facts)
{
	planned->size_bytes = facts->size_bytes;
	planned->device = facts->device;
	planned->inode = facts->inode;
	planned->is_block_device = facts->is_block_device;
}

/* What is to be installed as this disk; a volume's file is the volume's. */
static int resolve(const struct install *install, unsigned index,
		   struct disk_definition *ret_disk, uint64_t *ret_volume_id)
{
	struct volume_record volume;
	char field[32];
	int r;

	*ret_disk = install->record->definition.disks[index];
	*ret_volume_id = 0;
	if (!ret_disk->volume[0])
		return 0;
	r = store_get_volume(install->store, ret_disk->volume, &volume);
	(void)snprintf(field, sizeof(field), "disks[%u].volume", index);
	if (r == -ENOENT)
		return refuse(install->refusal, r, field,
			      "there is no volume %s", ret_disk->volume);
	if (r < 0)
		return store_refuse(install->store, r, install->refusal);
	rules_take_volume(ret_disk, &volume.definition);
	*ret_volume_id = volume.id;
	if (ret_disk->type == DISK_TYPE_TAPE && ret_disk->cache == DISK_DIRECT)
		return refuse(install->refusal, -EINVAL, field,
			      "must have cache: buffered for a tape, whose "
			      "blocks have any length");
	return 0;
}

static int inspect(struct install *install, unsigned index,
		   const struct disk_definition *disk)
{
	struct attachment_record *planned = &install->plan.files[index].disk;
	struct storage_facts facts;
	int r;

	errand_step_aside();
	r = storage_inspect(disk, index, &facts, install->refusal);
	planned->is_created = r == -ENOENT;
	if (planned->is_created)
		r = storage_check_room(disk, index, install->refusal);
	errand_step_back();
	planned->size_bytes = disk->size_bytes;
	if (r == 0 && !planned->is_created)
		note_facts(planned, &facts);
	return r;
}

static int plan_disk(struct install *install, unsigned index)
{
	const struct partition_definition *definition =
		&install->record->definition;
	struct attachment_record *planned = &install->plan.files[index].disk;
	char temporary[PATH_SIZE];
	struct disk_definition disk;
	int r = resolve(install, index, &disk, &planned->volume_id);

	if (r < 0)
		return r;
	memcpy(planned->partition, definition->name, NAME_SIZE);
	memcpy(planned->name, disk.name, NAME_SIZE);
	memcpy(planned->file, disk.file, PATH_SIZE);
	planned->access = disk.access;
	planned->type = disk.type;
	planned->is_read_only = rules_access_reads(disk.access);
	r = inspect(install, index, &disk);
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
	struct planned_file *file = &install->plan.files[index];
	struct disk_definition disk;
	struct storage_facts facts;
	uint64_t volume_id;
	int r = resolve(install, index, &disk, &volume_id);

	if (r < 0)
		return r;
	(void)text_copy(disk.file, sizeof(disk.file), temporary);
	errand_step_aside();
	r = storage_inspect(&disk, index, &facts, install->refusal);
	errand_step_back();
	if (r < 0)
		return r;
	note_facts(&file->disk, &facts);
	file->is_noted = true;
	r = journal_update(install->store, install->intent_id, &install->plan,
			   sizeof(install->plan));
	if (r < 0)
		return store_refuse(install->store, r, install->refusal);
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
	const struct attachment_record *planned =
		&install->plan.files[index].disk;
	bool is_tape =
		install->record->definition.disks[index].type == DISK_TYPE_TAPE;
	char temporary[PATH_SIZE];
	int r = plan_temporary(&install->plan, index, temporary);

	if (r == 0) {
		errand_step_aside();
		/* Nothing is recorded on a new tape. */
		r = make_file(temporary, is_tape ? 0 : planned->size_bytes);
		errand_step_back();
	}
	if (r < 0)
		return refuse_disk(install, index, r, "cannot be created");
	r = note_file(install, index, temporary);
	if (r < 0)
		return r;
	errand_step_aside();
	r = name_file(temporary, planned->file);
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
		return store_refuse(install->store, r, install->refusal);
	journal_at(JOURNAL_AT_INSTALL_INTENDED);
	for (unsigned i = 0; r == 0 && i < install->plan.file_count; i++)
		if (install->plan.files[i].disk.is_created)
			r = create_file(install, i);
	return r;
}

/* -- completion: one transaction -- */

static int put_attachment(struct install *install, unsigned index)
{
	struct attachment_record *disk = &install->plan.files[index].disk;
	struct attachment_record row = *disk;
	int r = store_next(install->store, STORE_ATTACHMENT, &row.id);

	/* A volume's file is not the partition's to remove. */
	row.is_created &= !row.volume_id;
	return r < 0 ? r : store_put_attachment(install->store, &row);
}

static int complete(struct install *install)
{
	SCOPED(store_scope_end) struct store_scope scope = { 0 };
	struct partition_record record = *install->record;
	int r = store_scope_begin(&scope, install->store);

	if (r < 0)
		return store_refuse(install->store, r, install->refusal);
	/* Another install may have been faster. */
	for (unsigned i = 0; r == 0 && i < install->plan.file_count; i++)
		r = check_reservations(install, i);
	if (r < 0)
		return r;
	for (unsigned i = 0; r == 0 && i < install->plan.file_count; i++)
		r = put_attachment(install, i);
	if (r == 0)
		r = plan_complete(&scope, &record, PARTITION_EVENT_INSTALL,
				  install->intent_id);
	if (r < 0)
		return store_refuse(install->store, r, install->refusal);
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
		if (plan->files[i].disk.is_created)
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

int install_check_disk(struct store *store, uint64_t attachment_id,
		       unsigned index, struct storage_facts *facts,
		       struct refusal *ret_refusal)
{
	struct attachment_record attachment;
	int r = store_get_attachment(store, attachment_id, &attachment);

	if (r < 0)
		return store_refuse(store, r, ret_refusal);
	if (facts->is_block_device != (attachment.is_block_device != 0) ||
	    (!facts->is_block_device && facts->inode != attachment.inode))
		return storage_refuse(ret_refusal, index, -EINVAL,
				      "is not the image that was installed; "
				      "uninstall and install again");
	if (!facts->is_growing && facts->size_bytes < attachment.size_bytes)
		return storage_refuse(ret_refusal, index, -EINVAL,
				      "is smaller than when it was installed");
	facts->size_bytes = attachment.size_bytes;
	if (facts->device == attachment.device)
		return 0;
	attachment.device = facts->device;
	attachment.inode = facts->inode;
	r = store_put_attachment(store, &attachment);
	return r < 0 ? store_refuse(store, r, ret_refusal) : 0;
}
