/* SPDX-License-Identifier: MIT */
/*
 * Saving a machine to an image, and restoring one from it.
 *
 * Saving: the processors are parked, the disks frozen, the board's state taken;
 * then a thread writes memory and waits for the disk, while the main thread
 * continues as usual. The disks' state is taken last: requests answered
 * meanwhile need not be repeated, and the disks' data in the host's cache is on
 * stable storage before the image is.
 *
 * Restoring: the image is opened and checked while the machine is created;
 * states are set once there are threads, with memory loaded on demand
 * (pager.h).
 *
 * Threads    The main thread.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_ENGINE_KVM_SAVE_H
#define MONITOR_ENGINE_KVM_SAVE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/refusal.h"
#include "machine/state.h"
#include "monitor/engine/kvm/image/pager.h"
#include "monitor/engine/kvm/vcpu/vcpu_state.h"
#include "saved/image.h"

struct kvm_machine;

struct kvm_save {
	struct vcpu_shape shape;

	/* Restoring. */
	struct pager pager;
	uint8_t *state; /* owned; until it was restored */
	size_t state_bytes;
	bool is_restoring;

	/* Saving. The thread always exists, because none can be created
	 * later. */
	pthread_t thread;
	bool has_thread;
	bool must_end;
	sem_t wanted; /* by the thread */
	int told_fd;  /* owned: the thread has made progress */
	sd_event_source *source;
	struct image_writer writer;
	struct state_writer board; /* all but the disks */
	int image_fd;              /* owned */
	uint32_t request_id;
	uint64_t done_bytes; /* atomic */
	bool is_done;        /* atomic; then: */
	int result;
	const char *failed_at; /* doing what */
	bool is_saving;
	bool is_frozen; /* until the guest resumes */
};

void kvm_save_init(struct kvm_save *save);

/*
 * In engine start(): the image to restore this machine from, instead of a
 * kernel. Takes `image_fd`. Errors as image_open(), with a sentence.
 */
int machine_open_image(struct kvm_machine *machine, int image_fd,
		       struct refusal *refusal);

/*
 * In engine watch(), before the processors' threads: make the thread that
 * saves; and if there is an image, set all states from it.
 *
 * -EBADMSG, -ENOTSUP  with a sentence, if it is the image's fault
 */
int machine_watch_saving(struct kvm_machine *machine, sd_event *event,
			 struct refusal *refusal);

/*
 * Begin to save; handler.progress and handler.done follow. Takes `image_fd`
 * unless it fails.
 *
 * -EBUSY  it runs, or is being saved
 */
int machine_save(struct kvm_machine *machine, uint32_t request_id,
		 int image_fd);

/* The guest is about to resume: what was frozen thaws, and an image being
 * written is abandoned. */
void machine_thaw(struct kvm_machine *machine);

/* Its memory cannot be loaded: threads that wait for it do so until the process
 * ends, and must not be waited for. */
bool machine_is_stuck(struct kvm_machine *machine);

/* End saving, while the I/O thread runs. Safe twice, as the other. */
void kvm_save_end(struct kvm_save *save);

/* Release everything, after all other users of the memory. */
void kvm_save_close(struct kvm_save *save);

#endif
