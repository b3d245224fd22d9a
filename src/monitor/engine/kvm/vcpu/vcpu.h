/* SPDX-License-Identifier: MIT */
/*
 * The virtual processors of a machine: a thread each, which runs the guest
 * while the machine's target is that they run, and parks otherwise.
 *
 *   VCPUS_PARK  --vcpus_run()-->   VCPUS_RUN
 *   VCPUS_RUN   --vcpus_park()-->  VCPUS_PARK
 *   any         --vcpus_end()-->   VCPUS_END
 *
 * A processor that parks has completed its pending access (to a port or memory
 * of the board), so its registers may be read and written. One that cannot
 * continue (a triple fault, an error of KVM's) asks the machine to park all and
 * reports why.
 *
 * Nothing waits for a processor to leave the guest: it is notified by KVM's
 * immediate_exit and then by a signal, so that no wake-up is lost.
 *
 * Threads    vcpus_park() any thread; the rest the main thread. The state of
 *            a processor may be touched while all are parked.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_ENGINE_KVM_VCPU_H
#define MONITOR_ENGINE_KVM_VCPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/refusal.h"
#include "sandbox/sandbox.h"

struct cpuid_table;
struct kvm_machine;
struct kvm_run;

enum vcpus_target { VCPUS_PARK, VCPUS_RUN, VCPUS_END };

struct vcpu {
	struct kvm_machine *machine;
	uint32_t index;      /* and the id of its local APIC */
	int fd;              /* owned */
	struct kvm_run *run; /* owned mapping, shared with the kernel */
	pthread_t thread;
	bool has_thread;
	bool is_narrow;  /* its thread has installed its filter */
	bool has_exited; /* the exit in `run` is not completed yet */
};

struct vcpus {
	struct vcpu *list; /* owned */
	uint32_t count;
	uint32_t run_bytes;
	/* Taken last of all locks. */
	pthread_mutex_t lock;
	pthread_cond_t target_changed; /* by those who park */
	pthread_cond_t parked;         /* by who waits for them */
	uint32_t target; /* enum vcpus_target; atomic, written locked */
	uint32_t parked_count;
	uint32_t thread_count;
	/* Owned; each thread installs it before it first enters the guest, once
	 * is_sealed. */
	struct sandbox_program program;
	bool is_sealed; /* written before the first vcpus_run() */
};

/* Processors without a machine and without threads. */
int vcpus_init(struct vcpus *vcpus, struct kvm_machine *machine,
	       uint32_t count);

/*
 * Create them in KVM in their power-on state: the first may run, the others
 * wait for it. May be repeated with a new machine after vcpus_close(), while
 * all are parked.
 */
int vcpus_open(struct vcpus *vcpus, int kvm_fd, int vm_fd,
	       struct refusal *refusal);
void vcpus_close(struct vcpus *vcpus);

/* Start the threads, parked. */
int vcpus_start(struct vcpus *vcpus);

/* The process is sealed: threads install their own filters before they first
 * run the guest. To be called before the first vcpus_run(). */
void vcpus_seal(struct vcpus *vcpus);

void vcpus_run(struct vcpus *vcpus);

/* Make them park soon. */
void vcpus_park(struct vcpus *vcpus);

/* The same, and wait until they have. */
void vcpus_park_all(struct vcpus *vcpus);

/* Let the guest's watchdogs know of a pause, before it runs again. */
void vcpus_tell_pause(struct vcpus *vcpus);

/* End the threads and release everything. Safe twice, and on zeroed ones. */
void vcpus_end(struct vcpus *vcpus);

#endif
