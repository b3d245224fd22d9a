/* SPDX-License-Identifier: MIT */
/* Making a machine, without KVM. */
#include "monitor/engine/kvm/vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "lib/harness.h"

static unsigned interruptions; /* that KVM will still have */
static int create_error;

static uint64_t caps[256];

static void note_cap(const struct kvm_enable_cap *cap)
{
	if (cap->cap < 256)
		caps[cap->cap] = cap->args[0];
}

/* In place of the C library's: what KVM does. */
int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;

	va_start(arguments, request);
	if (request == KVM_ENABLE_CAP)
		note_cap(va_arg(arguments, const struct kvm_enable_cap *));
	va_end(arguments);
	if (request != KVM_CREATE_VM)
		return 0;
	errno = create_error;
	if (interruptions > 0 && interruptions--)
		errno = EINTR;
	return errno ? -1 : eventfd(0, EFD_CLOEXEC);
}

TEST(a_signal_keeps_no_machine_from_being_made)
{
	const struct kvm_memory memory = { .range_count = 0 };
	struct refusal refusal = { 0 };
	struct vm vm;

	interruptions = 3;
	CHECK_EQ(vm_open(&vm, 0, 1, &memory, &refusal), 0);
	CHECK_EQ(interruptions, 0);
	CHECK(vm.fd >= 0);
	vm_close(&vm);
}

TEST(a_guest_may_neither_lock_the_bus_nor_keep_a_processor_nor_count)
{
	const struct kvm_memory memory = { .range_count = 0 };
	struct refusal refusal = { 0 };
	struct vm vm;

	CHECK_EQ(vm_open(&vm, 0, 1, &memory, &refusal), 0);
	CHECK_EQ(caps[KVM_CAP_X86_BUS_LOCK_EXIT], KVM_BUS_LOCK_DETECTION_EXIT);
	CHECK_EQ(caps[KVM_CAP_X86_NOTIFY_VMEXIT],
		 KVM_X86_NOTIFY_VMEXIT_ENABLED);
	CHECK_EQ(caps[KVM_CAP_PMU_CAPABILITY], KVM_PMU_CAP_DISABLE);
	vm_close(&vm);
}

TEST(a_machine_that_kvm_does_not_make_is_refused)
{
	const struct kvm_memory memory = { .range_count = 0 };
	struct refusal refusal = { 0 };
	struct vm vm;

	create_error = ENOMEM;
	CHECK_EQ(vm_open(&vm, 0, 1, &memory, &refusal), -ENOMEM);
	CHECK_EQ(strcmp(refusal.field, "engine"), 0);
	CHECK(strstr(refusal.text, "cannot create the machine"));
	vm_close(&vm);
}
