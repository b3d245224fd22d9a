/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/vcpu/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"
#include "monitor/engine/kvm/calls.h"
#include "monitor/engine/kvm/machine.h"
#include "monitor/engine/kvm/vcpu/exits.h"
#include "monitor/thread/thread.h"

/* Brings a processor out of the guest; its handler has nothing to do. */
#define KICK_SIGNAL SIGUSR1

static void on_kick(int number)
{
}

/* Parking. -------------------------------------------------------------------- */

static uint32_t target_of(const struct vcpus *vcpus)
{
	return __atomic_load_n(&vcpus->target, __ATOMIC_ACQUIRE);
}

/*
 * KVM completes an access that we carried out when it is entered again; with
 * immediate_exit it does nothing else. A long one may come back for its next
 * part.
 */
static void complete(struct vcpu *vcpu)
{
	while (vcpu->has_exited) {
		vcpu->run->immediate_exit = 1;
		vcpu->has_exited = ioctl(vcpu->fd, KVM_RUN, 0) == 0;
		if (vcpu->has_exited)
			exit_handle(vcpu);
	}
}

static void park(struct vcpus *vcpus)
{
	vcpus->parked_count++;
	if (vcpus->parked_count == vcpus->thread_count)
		(void)pthread_cond_signal(&vcpus->parked);
	while (vcpus->target == VCPUS_PARK)
		(void)pthread_cond_wait(&vcpus->target_changed, &vcpus->lock);
	vcpus->parked_count--;
}

/* Park as long as that is target_changed; false: end. */
static bool obey(struct vcpu *vcpu)
{
	struct vcpus *vcpus = &vcpu->machine->vcpus;
	bool is_on;

	/* One kicked, and told to run before it saw that, must be let in again:
	 * below. */
	if (target_of(vcpus) == VCPUS_RUN &&
	    !__atomic_load_n(&vcpu->run->immediate_exit, __ATOMIC_RELAXED))
		return true;
	complete(vcpu);
	(void)pthread_mutex_lock(&vcpus->lock);
	if (vcpus->target == VCPUS_PARK)
		park(vcpus);
	is_on = vcpus->target == VCPUS_RUN;
	/* A kick from now on sets it again. */
	if (is_on)
		vcpu->run->immediate_exit = 0;
	(void)pthread_mutex_unlock(&vcpus->lock);
	return is_on;
}

static void enter(struct vcpu *vcpu)
{
	vcpu->has_exited = ioctl(vcpu->fd, KVM_RUN, 0) == 0;
	if (vcpu->has_exited)
		exit_handle(vcpu);
	else if (errno != EINTR && errno != EAGAIN)
		exit_failed(vcpu, errno);
}

/* No guest runs on a thread that has not been bound as promised. */
static bool narrow(struct vcpu *vcpu)
{
	const struct vcpus *vcpus = &vcpu->machine->vcpus;
	int r = vcpus->is_sealed ? sandbox_narrow(&vcpus->program) : 0;

	if (r)
		exit_failed(vcpu, -r);
	vcpu->is_narrow = r == 0;
	return vcpu->is_narrow;
}

static void *run(void *context)
{
	struct vcpu *vcpu = context;
	sigset_t kick;

	(void)sigemptyset(&kick);
	(void)sigaddset(&kick, KICK_SIGNAL);
	(void)pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
	while (obey(vcpu))
		if (vcpu->is_narrow || narrow(vcpu))
			enter(vcpu);
	return NULL;
}

/* Life. ------------------------------------------------------------------------- */

int vcpus_init(struct vcpus *vcpus, struct kvm_machine *machine, uint32_t count)
{
	memset(vcpus, 0, sizeof(*vcpus));
	vcpus->list = calloc(count, sizeof(*vcpus->list));
	if (!vcpus->list)
		return -ENOMEM;
	vcpus->count = count;
	(void)pthread_mutex_init(&vcpus->lock, NULL);
	(void)pthread_cond_init(&vcpus->target_changed, NULL);
	(void)pthread_cond_init(&vcpus->parked, NULL);
	for (uint32_t i = 0; i < count; i++)
		vcpus->list[i] = (struct vcpu){
			.machine = machine,
			.index = i,
			.fd = NO_FD,
		};
	return 0;
}

static int open_one(struct vcpus *vcpus, struct vcpu *vcpu, int vm_fd)
{
	void *map;

	vcpu->fd = ioctl(vm_fd, KVM_CREATE_VCPU, (unsigned long)vcpu->index);
	if (vcpu->fd < 0) {
		vcpu->fd = NO_FD;
		return -errno;
	}
	map = mmap(NULL, vcpus->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		   vcpu->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	vcpu->run = map;
	vcpu->has_exited = false;
	return 0;
}

int vcpus_open(struct vcpus *vcpus, int kvm_fd, int vm_fd,
	       struct refusal *refusal)
{
	int bytes = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	int r = bytes < (int)sizeof(struct kvm_run) ? -ENOSYS : 0;

	vcpus->run_bytes = (uint32_t)bytes;
	for (uint32_t i = 0; i < vcpus->count && r == 0; i++)
		r = open_one(vcpus, &vcpus->list[i], vm_fd);
	if (r == 0)
		return 0;
	vcpus_close(vcpus);
	return refuse(refusal, r, "cpu.virtual",
		      "KVM cannot create %u processors: %s", vcpus->count,
		      strerror(-r));
}

void vcpus_close(struct vcpus *vcpus)
{
	for (uint32_t i = 0; i < vcpus->count; i++) {
		struct vcpu *vcpu = &vcpus->list[i];

		if (vcpu->run)
			(void)munmap(vcpu->run, vcpus->run_bytes);
		vcpu->run = NULL;
		close_fd(&vcpu->fd);
	}
}

static int start_one(struct vcpus *vcpus, struct vcpu *vcpu)
{
	char name[16];
	int r;

	(void)snprintf(name, sizeof(name), "vcpu%u", vcpu->index);
	r = thread_start(&vcpu->thread, name, run, vcpu);
	vcpu->has_thread = r == 0;
	return r;
}

int vcpus_start(struct vcpus *vcpus)
{
	const struct sigaction action = { .sa_handler = on_kick };
	int r = sigaction(KICK_SIGNAL, &action, NULL) < 0 ? -errno : 0;

	if (r == 0)
		r = sandbox_prepare(kvm_vcpu_calls, kvm_vcpu_call_count,
				    &vcpus->program);
	(void)pthread_mutex_lock(&vcpus->lock);
	vcpus->thread_count = vcpus->count;
	(void)pthread_mutex_unlock(&vcpus->lock);
	for (uint32_t i = 0; i < vcpus->count && r == 0; i++)
		r = start_one(vcpus, &vcpus->list[i]);
	return r;
}

void vcpus_seal(struct vcpus *vcpus)
{
	vcpus->is_sealed = true;
}

/* The target. ------------------------------------------------------------------------ */

static void kick(const struct vcpu *vcpu)
{
	if (vcpu->run)
		vcpu->run->immediate_exit = 1;
	if (vcpu->has_thread)
		(void)pthread_kill(vcpu->thread, KICK_SIGNAL);
}

static void set_target(struct vcpus *vcpus, enum vcpus_target target)
{
	(void)pthread_mutex_lock(&vcpus->lock);
	if (vcpus->target != target && vcpus->target != VCPUS_END) {
		bool was_running = vcpus->target == VCPUS_RUN;

		__atomic_store_n(&vcpus->target, target, __ATOMIC_RELEASE);
		for (uint32_t i = 0; was_running && i < vcpus->count; i++)
			kick(&vcpus->list[i]);
		(void)pthread_cond_broadcast(&vcpus->target_changed);
	}
	(void)pthread_mutex_unlock(&vcpus->lock);
}

void vcpus_run(struct vcpus *vcpus)
{
	set_target(vcpus, VCPUS_RUN);
}

void vcpus_park(struct vcpus *vcpus)
{
	set_target(vcpus, VCPUS_PARK);
}

void vcpus_park_all(struct vcpus *vcpus)
{
	vcpus_park(vcpus);
	(void)pthread_mutex_lock(&vcpus->lock);
	while (vcpus->parked_count < vcpus->thread_count)
		(void)pthread_cond_wait(&vcpus->parked, &vcpus->lock);
	(void)pthread_mutex_unlock(&vcpus->lock);
}

void vcpus_tell_pause(struct vcpus *vcpus)
{
	/* A guest without such a clock needs no telling. */
	for (uint32_t i = 0; i < vcpus->count; i++)
		(void)ioctl(vcpus->list[i].fd, KVM_KVMCLOCK_CTRL, 0);
}

void vcpus_end(struct vcpus *vcpus)
{
	if (!vcpus->list)
		return;
	set_target(vcpus, VCPUS_END);
	for (uint32_t i = 0; i < vcpus->count; i++)
		if (vcpus->list[i].has_thread)
			(void)pthread_join(vcpus->list[i].thread, NULL);
	vcpus_close(vcpus);
	sandbox_program_release(&vcpus->program);
	free(vcpus->list);
	(void)pthread_mutex_destroy(&vcpus->lock);
	(void)pthread_cond_destroy(&vcpus->target_changed);
	(void)pthread_cond_destroy(&vcpus->parked);
	memset(vcpus, 0, sizeof(*vcpus));
}
