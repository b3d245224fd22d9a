/* SPDX-License-Identifier: MIT */
/* Threads of processors and the targets they obey, without KVM: to enter one
 * fails at once, which is the quickest guest there is; or, where a test says so,
 * is to be in the guest for a moment. */
#include "monitor/engine/kvm/vcpu/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/harness.h"
#include "monitor/engine/kvm/machine.h"

#define COUNT 8

static struct kvm_machine machine;
static bool is_guest_there;
static uint32_t stays[COUNT]; /* of each processor in its guest; atomic */

/* In place of the C library's: what KVM does. */
int ioctl(int fd, unsigned long request, ...)
{
	uint32_t i = 0;

	errno = ENOTTY;
	if (!is_guest_there || request != KVM_RUN)
		return -1;
	while (i < COUNT && machine.vcpus.list[i].fd != fd)
		i++;
	errno = EINTR;
	if (i == COUNT || machine.vcpus.list[i].run->immediate_exit)
		return -1;
	__atomic_fetch_add(&stays[i], 1, __ATOMIC_RELAXED);
	(void)usleep(1000);
	errno = EINTR;
	return -1;
}

static struct vcpus *open_vcpus(void)
{
	struct vcpus *vcpus = &machine.vcpus;

	machine.note_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	CHECK(machine.note_fd >= 0);
	CHECK_EQ(vcpus_init(vcpus, &machine, COUNT), 0);
	vcpus->run_bytes = sizeof(struct kvm_run);
	for (uint32_t i = 0; i < COUNT; i++) {
		void *map = mmap(NULL, vcpus->run_bytes, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		CHECK(map != MAP_FAILED);
		vcpus->list[i].run = map;
		vcpus->list[i].fd = eventfd(0, EFD_CLOEXEC);
	}
	return vcpus;
}

static void close_vcpus(struct vcpus *vcpus)
{
	vcpus_end(vcpus);
	CHECK_EQ(close(machine.note_fd), 0);
}

TEST(processors_begin_parked)
{
	struct vcpus *vcpus = open_vcpus();

	CHECK_EQ(vcpus_start(vcpus), 0);
	vcpus_park_all(vcpus);

	CHECK_EQ(vcpus->parked_count, COUNT);
	CHECK_EQ(machine_take_notes(&machine), 0);
	close_vcpus(vcpus);
}

TEST(a_processor_that_cannot_run_parks_all_and_says_why)
{
	struct vcpus *vcpus = open_vcpus();

	CHECK_EQ(vcpus_start(vcpus), 0);
	vcpus_run(vcpus);
	while (machine_take_notes(&machine) != NOTE_FAILED)
		(void)usleep(1000);
	vcpus_park_all(vcpus);

	CHECK_EQ(vcpus->target, VCPUS_PARK);
	CHECK(strstr(machine.failure, "stopped"));
	close_vcpus(vcpus);
}

TEST(no_target_is_lost_among_many)
{
	struct vcpus *vcpus = open_vcpus();

	CHECK_EQ(vcpus_start(vcpus), 0);
	for (unsigned int i = 0; i < 500; i++) {
		vcpus_run(vcpus);
		vcpus_park_all(vcpus);
		CHECK_EQ(vcpus->parked_count, COUNT);
	}

	close_vcpus(vcpus);
}

/* True once all have been in their guests again. */
static bool all_have_run(void)
{
	uint32_t before[COUNT];

	for (uint32_t i = 0; i < COUNT; i++)
		before[i] = __atomic_load_n(&stays[i], __ATOMIC_RELAXED);
	for (uint32_t i = 0, tries = 0; i < COUNT && tries < 2000;) {
		if (__atomic_load_n(&stays[i], __ATOMIC_RELAXED) > before[i]) {
			i++;
			continue;
		}
		(void)usleep(1000);
		if (++tries == 2000)
			return false;
	}
	return true;
}

TEST(processors_run_on_that_were_told_to_before_they_had_parked)
{
	struct vcpus *vcpus = open_vcpus();

	is_guest_there = true;
	CHECK_EQ(vcpus_start(vcpus), 0);
	vcpus_run(vcpus);
	CHECK(all_have_run());

	for (unsigned int i = 0; i < 20; i++) {
		vcpus_park(vcpus);
		vcpus_run(vcpus);
		CHECK(all_have_run());
	}

	close_vcpus(vcpus);
}

TEST(a_parked_processor_is_ended)
{
	struct vcpus *vcpus = open_vcpus();

	CHECK_EQ(vcpus_start(vcpus), 0);
	vcpus_end(vcpus);
	vcpus_end(vcpus);
	vcpus_run(vcpus);

	CHECK(!vcpus->list);
	CHECK_EQ(close(machine.note_fd), 0);
}
