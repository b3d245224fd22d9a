/* SPDX-License-Identifier: MIT */
/*
 * What an install or uninstall does to files, as the journal keeps it: the blob
 * of its intent. Its functions are the effects, each of which may be done again.
 *
 * Errors     Negative errno; where a user can help it, with the refusal.
 */
#ifndef SUPERVISOR_INSTALL_PLAN_H
#define SUPERVISOR_INSTALL_PLAN_H

#include "supervisor/storage/install.h"
#include "supervisor/storage/storage.h"
#include "supervisor/store/journal.h"

struct planned_file {
	struct attachment_record disk; /* of the store, or what it will be */
	uint32_t is_noted; /* install: device and inode are of our file */
	uint32_t unused;
};

/* Grows when the struct changes; a plan of another version is not carried out. */
#define PLAN_VERSION 3

struct plan {
	uint64_t nonce; /* in the names of temporary files */
	uint32_t version;
	uint32_t file_count;
	uint32_t disposal; /* uninstall only: enum image_disposal */
	uint32_t unused;
	struct planned_file files[DISK_COUNT_MAX];
};

/* -EUCLEAN  the journal holds something else */
int plan_load(struct plan *ret_plan, const struct journal_entry *entry);

/* The plan of the partition's intent. -ENOENT none */
int plan_find(struct store *store, const char *partition,
	      enum journal_op *ret_op, uint64_t *ret_id, struct plan *ret_plan);

/* DIRECTORY/.bulkhead-NONCE-INDEX beside the file. -ENAMETOOLONG */
int plan_temporary(const struct plan *plan, unsigned index, char to[PATH_SIZE]);

/* Make the file on disk, its directory entry included, survive a crash. */
int plan_sync_directory(const char *file);

/* Remove what an unfinished install made; what is not ours stays. */
int plan_undo(const struct plan *plan);

/* If asked to, remove the files that install created, unless others took
 * their place. */
int plan_remove(const struct plan *plan);

/* Is the file of this plan still there? */
bool plan_is_left(const struct planned_file *file);

/* The end of the transaction that completes the operation: the partition's new
 * state, and no intent any more (0: there was none). */
int plan_complete(struct store_scope *scope, struct partition_record *record,
		  enum partition_event event, uint64_t intent_id);

#endif
