/* SPDX-License-Identifier: MIT */
/*
 * Gives a restored guest its memory piece by piece from the saved image: what
 * somebody touches at once, the rest in the background, so that the guest runs
 * before its memory is there.
 *
 * The memory stays one file, shared by everyone who maps it. Each mapping is
 * told to the pager; a fault in any of them is answered from the image, after
 * the chunk's checksum was found right. When all is there the pager lets go of
 * mappings and image.
 *
 *   pager_open()    before the sandbox: needs a privilege
 *   pager_map()     each mapping of the memory file in this process
 *   pager_start()   before anyone touches the memory
 *   pager_stop()    from the main thread; its thread waits for nobody
 *
 * A damaged chunk is given to nobody: whoever touched it waits until this
 * process ends, which is what `failed` is to see to. `failed` is called by the
 * pager's thread and may only pass the word on (pager_failure() has it).
 *
 * Trust      The image is hostile as far as its format goes; what a guest's
 *            memory holds is the guest's business.
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
	bool is_active;  /* atomic; some of the memory is not there yet */
	bool is_hurried; /* atomic; somebody waits for all of it */
	int failure;     /* why it stopped, or 0 */
	uint32_t failed_chunk;
	void (*failed)(void *context);
	void *context;
};

/* A pager that has nothing to do. */
void pager_init(struct pager *pager);

/*
 * Take the image (moved, not copied) of the memory in `memory_fd`, which is
 * empty. Where userfaultfd is not to be had for KVM's accesses, or not wanted
 * (huge pages do not come in pieces), pager_start() loads all of it.
 *
 * -ENOMEM
 */
int pager_open(struct pager *pager, struct image *image, int memory_fd,
	       bool may_be_lazy, void (*failed)(void *context), void *context);

/* True if the memory will come on demand. */
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
 * Have the memory there, or on its way. While all is loaded at once,
 * `loaded`, unless NULL, is told how far that is.
 *
 * -EBADMSG  a chunk is damaged (only when all is loaded at once);
 *           pager->failed_chunk says which
 */
int pager_start(struct pager *pager, const struct image_progress *loaded);

/* Nobody wants what these pages held (the balloon punches them out of the file
 * after this): they are not to come from the image any more. */
void pager_discard(struct pager *pager, uint64_t offset, uint64_t bytes);

/* Why it failed: 0 or a negative errno, and where. */
int pager_failure(struct pager *pager, uint32_t *ret_chunk);

/*
 * Wait until all memory is there, which is made to come without rests: who
 * reads the memory file itself sees what is missing as zeros. Any thread but
 * one that serves others. -EIO: it failed.
 */
int pager_finish(struct pager *pager);

/*
 * End it, when nothing of the machine runs any more. Safe twice. What has not
 * come then stays out of reach: whoever touches it waits until the process
 * ends, for a disk must not be given zeros in its place.
 */
void pager_stop(struct pager *pager);

#endif
