/* SPDX-License-Identifier: MIT */
/*
 * INSTALL and UNINSTALL of a partition's storage, as journaled operations: a
 * kill at any point leaves, after install_recover(), the old state or the new
 * one, in the store and on the file system.
 *
 * Install reserves every image of the definition and creates those that are
 * missing: under a temporary name beside it, sized, noted in the journal, then
 * renamed without replacing. Uninstall keeps every image, as what is in one is
 * its owner's; asked to, it removes those that install created, or overwrites
 * all of them first.
 *
 * Errors     Negative errno with the refusal filled in. Nothing has changed
 *            then.
 */
#ifndef SUPERVISOR_INSTALL_H
#define SUPERVISOR_INSTALL_H

#include "supervisor/storage/storage.h"
#include "supervisor/store/store.h"

/*
 * Reserve and create the storage of a partition that is UNINSTALLED. On success
 * the attachments and the new state are stored and record->lifecycle is
 * STOPPED.
 *
 * -EBUSY  another partition has reserved an image, or a program holds it
 */
int install_partition(struct store *store, struct partition_record *record,
		      struct refusal *ret_refusal);

/*
 * After storage_open_witness() of an installed disk: is it the image that was
 * installed? `facts` get the size that was installed. A device number that
 * changed since (the host has booted again) is stored.
 *
 * -EINVAL  another file took its place, or it has become smaller
 */
int install_check_disk(struct store *store, uint64_t attachment_id,
		       unsigned index, struct storage_facts *facts,
		       struct refusal *ret_refusal);

struct uninstall;

enum image_disposal {
	IMAGES_KEEP,
	IMAGES_REMOVE, /* those that install created */
	IMAGES_SCRUB,  /* overwrite what may be written, then the same */
	IMAGE_DISPOSAL_COUNT,
};

/*
 * Begin to release the storage of a partition that is STOPPED or SAVED. From
 * here on it will be released, whoever dies; until uninstall_finish() returned
 * 0 the partition is busy. -EBUSY a program holds an image.
 */
int uninstall_begin(struct uninstall **ret_uninstall, struct store *store,
		    const char *partition, enum image_disposal disposal,
		    struct refusal *ret_refusal);

/* To poll for reading after -EAGAIN from uninstall_finish(); NO_FD before. */
int uninstall_fd(const struct uninstall *uninstall);
const char *uninstall_partition(const struct uninstall *uninstall);

bool uninstall_scrubs(const struct uninstall *uninstall);

/* The attachment of each disk that is released. */
void uninstall_each_attachment(const struct uninstall *uninstall,
			       void (*visit)(void *context, uint64_t id),
			       void *context);

/* Besides the images, what else holds a guest's data. Takes the descriptor (of a
 * file, or NO_FD); between uninstall_begin() and uninstall_finish(). */
#define UNINSTALL_OTHER_MAX 4
void uninstall_scrub_also(struct uninstall *uninstall, int *fd);

/*
 * Call at once, and again when uninstall_fd() is readable. With 0 the storage is
 * released and the state stored as UNINSTALLED; -EAGAIN: poll again (the
 * descriptor may be another one). Other errors leave the intent: the operation
 * is tried again at the next start of the supervisor, or by a new
 * uninstall_begin().
 */
int uninstall_finish(struct uninstall *uninstall, struct refusal *ret_refusal);

/* After it returned 0: each image that stays where it is. */
void uninstall_each_left(const struct uninstall *uninstall,
			 void (*visit)(void *context, const char *file,
				       uint64_t size_bytes),
			 void *context);

/* Safe on NULL and at any time; the intent stays if it was not finished. */
void uninstall_free(struct uninstall *uninstall);

/*
 * Was an uninstall begun and not finished, so that the partition must not start
 * from what may be half an image? Also true when that cannot be told.
 */
bool uninstall_is_pending(struct store *store, const char *partition);

/*
 * At start, before any partition runs: undo unfinished installs and take up
 * unfinished uninstalls, each handed to `resume`, which owns it and finishes
 * it like its own. A failure of one is told through `report` and does not stop
 * the others.
 */
struct install_recovery {
	void *context;
	void (*resume)(void *context, struct uninstall *uninstall);
	void (*report)(void *context, const char *partition, const char *text);
};
int install_recover(struct store *store,
		    const struct install_recovery *recovery);

#endif
