/* SPDX-License-Identifier: MIT */
/* Needs a /dev/kvm that makes machines; they run nothing here. */
#include "monitor/engine/kvm/vcpu/vcpu_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "base/scope.h"
#include "lib/harness.h"
#include "monitor/engine/kvm/image/vm_state.h"

struct box {
	int kvm_fd;
	int vm_fd;
	int vcpu_fd;
	struct vcpu_shape shape;
};

struct cpuid_room {
	struct kvm_cpuid2 table;
	struct kvm_cpuid_entry2 entries[256];
};

static void set_cpuid(const struct box *box)
{
	static struct cpuid_room cpuid;

	cpuid.table.nent = 256;
	CHECK_EQ(ioctl(box->kvm_fd, KVM_GET_SUPPORTED_CPUID, &cpuid), 0);
	CHECK_EQ(ioctl(box->vcpu_fd, KVM_SET_CPUID2, &cpuid), 0);
}

static void open_box(struct box *box)
{
	struct kvm_pit_config pit = { 0 };

	*box = (struct box){ .vm_fd = NO_FD, .vcpu_fd = NO_FD };
	box->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (box->kvm_fd >= 0)
		box->vm_fd = ioctl(box->kvm_fd, KVM_CREATE_VM, 0);
	if (box->vm_fd >= 0 && (ioctl(box->vm_fd, KVM_CREATE_IRQCHIP) < 0 ||
				ioctl(box->vm_fd, KVM_CREATE_PIT2, &pit) < 0))
		close_fd(&box->vm_fd);
	if (box->vm_fd < 0)
		test_skip("there is no KVM");
	box->vcpu_fd = ioctl(box->vm_fd, KVM_CREATE_VCPU, 0);
	CHECK(box->vcpu_fd >= 0);
	set_cpuid(box);
	CHECK_EQ(vcpu_shape_read(&box->shape, box->kvm_fd, box->vm_fd), 0);
}

static void close_box(struct box *box)
{
	vcpu_shape_release(&box->shape);
	close_fd(&box->vcpu_fd);
	close_fd(&box->vm_fd);
	close_fd(&box->kvm_fd);
}

static void set_registers(const struct box *box)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;

	CHECK_EQ(ioctl(box->vcpu_fd, KVM_GET_REGS, &regs), 0);
	regs.rax = 0x1122334455667788;
	regs.rip = 0x1000;
	CHECK_EQ(ioctl(box->vcpu_fd, KVM_SET_REGS, &regs), 0);
	CHECK_EQ(ioctl(box->vcpu_fd, KVM_GET_SREGS, &sregs), 0);
	sregs.cr2 = 0xabcd000;
	CHECK_EQ(ioctl(box->vcpu_fd, KVM_SET_SREGS, &sregs), 0);
}

static void save(const struct box *box, struct state_writer *writer)
{
	state_writer_init(writer);
	CHECK_EQ(vm_state_save(box->vm_fd, writer), 0);
	CHECK_EQ(vcpu_state_save(box->vcpu_fd, &box->shape, writer), 0);
}

static int restore(const struct box *box, const uint8_t *bytes, size_t count,
		   struct refusal *refusal)
{
	struct state_reader reader;
	int result;

	state_reader_init(&reader, bytes, count);
	result = vm_state_restore(box->vm_fd, &reader);
	return result < 0 ? result
			  : vcpu_state_restore(box->vcpu_fd, &box->shape,
					       &reader, refusal);
}

TEST(a_processor_goes_on_with_the_registers_that_it_had)
{
	struct state_writer writer;
	struct refusal refusal = { 0 };
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct box box;
	struct box other;

	open_box(&box);
	set_registers(&box);
	save(&box, &writer);
	open_box(&other);
	if (restore(&other, writer.bytes, writer.used, &refusal) < 0) {
		printf("%s\n", refusal.text);
		CHECK(false);
	}
	CHECK_EQ(ioctl(other.vcpu_fd, KVM_GET_REGS, &regs), 0);
	CHECK_EQ((long long)regs.rax, 0x1122334455667788);
	CHECK_EQ((long long)regs.rip, 0x1000);
	CHECK_EQ(ioctl(other.vcpu_fd, KVM_GET_SREGS, &sregs), 0);
	CHECK_EQ((long long)sregs.cr2, 0xabcd000);
	state_writer_release(&writer);
	close_box(&other);
	close_box(&box);
}

TEST(a_hostile_image_cannot_be_cut_within_a_processor)
{
	struct state_writer writer;
	struct box box;

	open_box(&box);
	save(&box, &writer);
	for (size_t count = 0; count < writer.used; count += 7)
		CHECK_EQ(restore(&box, writer.bytes, count, NULL), -EBADMSG);
	state_writer_release(&writer);
	close_box(&box);
}

/* Where the table of the first leaf is in the section: behind its head and the
 * count. */
static void promise_everything(uint8_t *section, uint32_t index, uint32_t flags)
{
	struct kvm_cpuid_entry2 entry;
	uint32_t count;

	memcpy(&count, section + 8, sizeof(count));
	for (uint32_t i = 0; i < count; i++) {
		uint8_t *at = section + 12 + i * sizeof(entry);

		memcpy(&entry, at, sizeof(entry));
		if (entry.function == 1)
			entry = (struct kvm_cpuid_entry2){ .function = 1,
							   .index = index,
							   .flags = flags,
							   .ecx = UINT32_MAX,
							   .edx = UINT32_MAX };
		memcpy(at, &entry, sizeof(entry));
	}
}

static void check_promise_refused(uint32_t index, uint32_t flags)
{
	struct state_writer writer;
	struct refusal refusal;
	struct state_reader reader;
	struct box box;

	open_box(&box);
	state_writer_init(&writer);
	CHECK_EQ(vcpu_state_save(box.vcpu_fd, &box.shape, &writer), 0);
	promise_everything(writer.bytes, index, flags);
	state_reader_init(&reader, writer.bytes, writer.used);
	CHECK_EQ(vcpu_state_restore(box.vcpu_fd, &box.shape, &reader, &refusal),
		 -ENOTSUP);
	CHECK(strstr(refusal.text, "features that this host lacks"));
	state_writer_release(&writer);
	close_box(&box);
}

TEST(a_guest_that_was_promised_more_than_this_host_has_is_refused)
{
	check_promise_refused(0, 0);
}

/* KVM looks at an index only where its flag says that it means something. */
TEST(a_hostile_image_cannot_hide_a_promise_behind_an_index)
{
	check_promise_refused(7, 0);
	check_promise_refused(UINT32_MAX, 0);
}

/* The registers are the section's end. */
static int restore_with_last_msr(const struct box *box, uint32_t index,
				 uint64_t value, struct refusal *refusal)
{
	struct kvm_msr_entry entry = { .index = index, .data = value };
	struct state_writer writer;
	struct state_reader reader;
	int result;

	state_writer_init(&writer);
	CHECK_EQ(vcpu_state_save(box->vcpu_fd, &box->shape, &writer), 0);
	memcpy(writer.bytes + writer.used - sizeof(entry), &entry,
	       sizeof(entry));
	state_reader_init(&reader, writer.bytes, writer.used);
	result =
		vcpu_state_restore(box->vcpu_fd, &box->shape, &reader, refusal);
	state_writer_release(&writer);
	return result;
}

TEST(a_hostile_image_cannot_set_registers_that_no_save_reads)
{
	struct refusal refusal = { 0 };
	struct box box;
	uint32_t index;

	open_box(&box);
	CHECK(box.shape.msr_count > 0);
	index = box.shape.msrs[0];
	CHECK_EQ(restore_with_last_msr(&box, index, 0, &refusal), 0);
	/* KVM would take it still. */
	box.shape.msrs[0] = UINT32_MAX;
	CHECK_EQ(restore_with_last_msr(&box, index, 1, &refusal), -ENOTSUP);
	CHECK(strstr(refusal.text, "not part of a processor's state"));
	/* It never had a value. */
	CHECK_EQ(restore_with_last_msr(&box, index, 0, NULL), 0);
	close_box(&box);
}

TEST(a_machine_describes_its_processor)
{
	struct image_machine machine = { 0 };
	struct box box;

	open_box(&box);
	CHECK_EQ(vcpu_describe(box.vcpu_fd, &box.shape, &machine), 0);
	CHECK(machine.tsc_khz > 0);
	CHECK(machine.xsave_bytes >= 4096);
	CHECK(machine.vendor[0] != '\0');
	close_box(&box);
}
