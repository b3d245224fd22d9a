/* SPDX-License-Identifier: MIT */
#include "supervisor/storage/install_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/scope.h"

static bool is_sound(const struct plan *plan)
{
	if (plan->version != PLAN_VERSION ||
	    plan->file_count > DISK_COUNT_MAX ||
	    plan->disposal >= IMAGE_DISPOSAL_COUNT)
		return false;
	for (unsigned i = 0; i < plan->file_count; i++) {
		const struct attachment_record *disk = &plan->files[i].disk;

		if (!text_is_terminated(disk->file, PATH_SIZE) ||
		    !text_is_terminated(disk->partition, NAME_SIZE) ||
		    !text_is_terminated(disk->name, NAME_SIZE) ||
		    disk->file[0] != '/')
			return false;
	}
	return true;
}

int plan_load(struct plan *ret_plan, const struct journal_entry *entry)
{
	if (entry->blob.bytes != sizeof(*ret_plan))
		return -EUCLEAN;
	memcpy(ret_plan, entry->blob.data, sizeof(*ret_plan));
	return is_sound(ret_plan) ? 0 : -EUCLEAN;
}

struct search {
	const char *partition;
	enum journal_op op;
	uint64_t id;
	struct plan *plan;
};

/* Ends the walk with 1 when it has found it. */
static int match(void *context, const struct journal_entry *entry)
{
	struct search *search = context;
	int r;

	if (strcmp(entry->subject, search->partition) != 0)
		return 0;
	search->op = (enum journal_op)entry->op;
	search->id = entry->id;
	r = plan_load(search->plan, entry);
	return r < 0 ? r : 1;
}

int plan_find(struct store *store, const char *partition,
	      enum journal_op *ret_op, uint64_t *ret_id, struct plan *ret_plan)
{
	struct search search = { .partition = partition, .plan = ret_plan };
	int r = journal_each(store, match, &search);

	if (r < 0)
		return r;
	if (r == 0)
		return -ENOENT;
	*ret_op = search.op;
	*ret_id = search.id;
	return 0;
}

static size_t directory_bytes(const char *file)
{
	return (size_t)(strrchr(file, '/') - file) + 1;
}

int plan_temporary(const struct plan *plan, unsigned index, char to[PATH_SIZE])
{
	const char *file = plan->files[index].disk.file;
	int length = snprintf(to, PATH_SIZE, "%.*s.bulkhead-%016llx-%u",
			      (int)directory_bytes(file), file,
			      (unsigned long long)plan->nonce, index);

	return length < 0 || length >= PATH_SIZE ? -ENAMETOOLONG : 0;
}

int plan_sync_directory(const char *file)
{
	SCOPED(close_fd) int fd = NO_FD;
	char directory[PATH_SIZE];

	(void)snprintf(directory, sizeof(directory), "%.*s",
		       (int)directory_bytes(file), file);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

/*
 * 1 it is there, 0 none of ours is. By inode alone: the number of the device
 * may be another after the host has booted again.
 */
static int find_ours(const struct planned_file *file)
{
	struct stat status;

	if (lstat(file->disk.file, &status) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	return S_ISREG(status.st_mode) && status.st_ino == file->disk.inode;
}

/* 1 removed, 0 none of ours there. */
static int remove_if_ours(const struct planned_file *file)
{
	int r = find_ours(file);

	if (r <= 0)
		return r;
	return unlink(file->disk.file) < 0 ? -errno : 1;
}

bool plan_is_left(const struct planned_file *file)
{
	return file->disk.is_block_device || find_ours(file) != 0;
}

static int undo_file(const struct plan *plan, unsigned index)
{
	const struct planned_file *file = &plan->files[index];
	char temporary[PATH_SIZE];
	int r = plan_temporary(plan, index, temporary);

	if (r < 0)
		return r;
	if (unlink(temporary) == 0)
		return plan_sync_directory(file->disk.file);
	if (errno != ENOENT && errno != ENOTDIR)
		return -errno;
	/* No temporary name: never made, or renamed after it was noted. A
	 * volume's may be another partition's disk by now. */
	r = file->is_noted && !file->disk.volume_id ? remove_if_ours(file) : 0;
	return r <= 0 ? r : plan_sync_directory(file->disk.file);
}

int plan_undo(const struct plan *plan)
{
	int first = 0;

	for (unsigned i = 0; i < plan->file_count; i++) {
		int r = plan->files[i].disk.is_created ? undo_file(plan, i) : 0;

		if (first == 0)
			first = r;
	}
	journal_at(JOURNAL_AT_UNDO_REMOVED);
	return first;
}

int plan_remove(const struct plan *plan)
{
	for (unsigned i = 0; i < plan->file_count; i++) {
		bool is_removed = plan->disposal != IMAGES_KEEP &&
				  plan->files[i].disk.is_created;
		int r = is_removed ? remove_if_ours(&plan->files[i]) : 0;

		if (r > 0)
			r = plan_sync_directory(plan->files[i].disk.file);
		if (r < 0)
			return r;
		journal_at(JOURNAL_AT_UNINSTALL_REMOVED);
	}
	return 0;
}

int plan_complete(struct store_scope *scope, struct partition_record *record,
		  enum partition_event event, uint64_t intent_id)
{
	int r = lifecycle_apply(&record->lifecycle, event);

	record->reason[0] = '\0';
	if (r == 0)
		r = store_put_partition_state(scope->store, record);
	if (r == 0 && intent_id)
		r = journal_end(scope->store, intent_id);
	journal_at(event == PARTITION_EVENT_INSTALL
			   ? JOURNAL_AT_INSTALL_COMPLETING
			   : JOURNAL_AT_UNINSTALL_COMPLETING);
	return r < 0 ? r : store_scope_commit(scope);
}
