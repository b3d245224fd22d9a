/* SPDX-License-Identifier: MIT */
/*
 * A machine into a saved image, and a machine from one.
 *
 * Saving: the processors are parked, the disks frozen, the board's state taken;
 * then a thread writes memory and waits for the disk, while the main thread
 * does what it always does. The disks' state is taken last: what their services
 * answered meanwhile need not be done again, and what the host's cache holds of
 * them is on stable storage when the image is.
 *
 * Restoring: the image is opened and checked while the machine is made; states
 * are set once there are threads, with memory coming on demand (pager.h).
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

	/* Saving. The thread exists always, because none can be made later. */
	pthread_t thread;
	bool has_thread;
	bool must_end;
	sem_t wanted; /* by the thread */
	int told_fd;  /* owned: the thread has got on */
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
	bool is_frozen; /* until the guest goes on */
};

void kvm_save_init(struct kvm_save *save);

/*
 * In engine start(): the image that this machine goes on from, in place of a
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

/* The guest is about to go on: what was frozen thaws, and an image being
 * written comes to nothing. */
void machine_thaw(struct kvm_machine *machine);

/* Its memory cannot be had: whoever waits for it waits until the process
 * ends, and must not be waited for. */
bool machine_is_stuck(struct kvm_machine *machine);

/* End saving, while the I/O thread runs. Safe twice, as the other. */
void kvm_save_end(struct kvm_save *save);

/* Release everything, after everyone else let go of the memory. */
void kvm_save_close(struct kvm_save *save);

#endif
