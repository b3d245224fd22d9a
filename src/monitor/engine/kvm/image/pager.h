/* SPDX-License-Identifier: MIT */
/*
 * Loads a restored guest's memory from the saved image on demand: touched pages
 * at once, the rest in the background, so that the guest runs before its memory
 * is loaded.
 *
 * The memory stays one file, shared by all its mappings. Each mapping is
 * registered with the pager; a fault in any of them is resolved from the image
 * after the chunk's checksum has been verified. When everything is loaded the
 * pager releases mappings and image.
 *
 *   pager_open()    before the sandbox: needs a privilege
 *   pager_map()     each mapping of the memory file in this process
 *   pager_start()   before the memory is touched
 *   pager_stop()    from the main thread; its thread never blocks on others
 *
 * A damaged chunk is never mapped: a thread that touched it waits until this
 * process ends, which `failed` must bring about. `failed` is called by the
 * pager's thread and may only notify another (pager_failure() returns the
 * reason).
 *
 * Trust      The format of the image is hostile input; the content of the
 *            guest's memory is not checked.
 * Threads    pager_discard() may be called by any thread; the rest by the
 *            owner.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_ENGINE_KVM_PAGER_H
#define MONITOR_ENGINE_KVM_PAGER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/scope.h"
#include "saved/image.h"

#define PAGER_RANGE_MAX 64

struct pager_range {
	uint8_t *host;
	uint64_t offset; /* in the memory file */
	uint64_t bytes;
};

struct pager {
	struct image image;
	int uffd; /* owned; NO_FD: memory is loaded at once, in pager_start() */
	int memory_fd; /* borrowed */
	int wake_fd;   /* owned: the thread is to end */
	struct pager_range ranges[PAGER_RANGE_MAX];
	uint32_t range_count;
	uint64_t *loaded;     /* owned; a bit per chunk */
	uint64_t *discarded;  /* owned; a bit per page, once any was */
	uint8_t *buffer;      /* owned; a chunk */
	pthread_mutex_t lock; /* of loaded, discarded, failure */
	pthread_cond_t ended; /* is_active or failure changed */
	pthread_t thread;
	bool is_running;
	bool is_active;  /* atomic; some of the memory is not loaded yet */
	bool is_hurried; /* atomic; a thread waits for all of it */
	int failure;     /* why it stopped, or 0 */
	uint32_t failed_chunk;
	void (*failed)(void *context);
	void *context;
};

/* A pager that has nothing to do. */
void pager_init(struct pager *pager);

/*
 * Take the image (moved, not copied) of the memory in `memory_fd`, which is
 * empty. Where userfaultfd is not available for KVM's accesses, or not wanted
 * (huge pages cannot be loaded in parts), pager_start() loads all of it.
 *
 * -ENOMEM
 */
int pager_open(struct pager *pager, struct image *image, int memory_fd,
	       bool may_be_lazy, void (*failed)(void *context), void *context);

/* True if the memory is loaded on demand. */
static inline bool pager_is_lazy(const struct pager *pager)
{
	return pager->uffd != NO_FD;
}

/*
 * One more mapping of the memory file.
 *
 * -ENOSPC  there are PAGER_RANGE_MAX
 */
int pager_map(struct pager *pager, void *host, uint64_t offset, uint64_t bytes);

/*
 * Load the memory, or begin to. While all of it is loaded at once, progress is
 * reported to `loaded` unless that is NULL.
 *
 * -EBADMSG  a chunk is damaged (only when all is loaded at once);
 *           pager->failed_chunk says which
 */
int pager_start(struct pager *pager, const struct image_progress *loaded);

/* The content of these pages is no longer needed (the balloon punches them out
 * of the file after this): they are not loaded from the image any more. */
void pager_discard(struct pager *pager, uint64_t offset, uint64_t bytes);

/* Why it failed: 0 or a negative errno, and where. */
int pager_failure(struct pager *pager, uint32_t *ret_chunk);

/*
 * Wait until all memory is loaded, at full speed: a reader of the memory file
 * itself would see missing pages as zeros. Not to be called by a thread that
 * others wait for. -EIO: it failed.
 */
int pager_finish(struct pager *pager);

/*
 * End it, when nothing of the machine runs any more. Safe twice. Memory that is
 * not loaded by then stays inaccessible: a thread that touches it waits until
 * the process ends, since zeros must not be written to a disk in its place.
 */
void pager_stop(struct pager *pager);

#endif
