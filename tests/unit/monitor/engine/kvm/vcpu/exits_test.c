/* SPDX-License-Identifier: MIT */
/* What comes out of a guest, without one: the shared page is ours. */
#include "monitor/engine/kvm/vcpu/exits.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "lib/harness.h"
#include "monitor/engine/kvm/calls.h"
#include "monitor/engine/kvm/machine.h"
#include "monitor/engine/kvm/notes.h"

#define DATA_OFFSET 4096

static struct kvm_machine machine;
static struct vcpu vcpu;
static union {
	struct kvm_run run;
	uint8_t bytes[2 * DATA_OFFSET];
} page;

static uint64_t seen[16];
static uint32_t seen_count;

static uint64_t read_device(void *device, uint64_t offset, uint32_t width)
{
	return 0x1122334455667788ull + offset;
}

static void write_device(void *device, uint64_t offset, uint64_t value,
			 uint32_t width)
{
	if (seen_count < 16)
		seen[seen_count++] = value << 8 | offset;
}

static const struct bus_ops ops = { .read = read_device,
				    .write = write_device };

static void open_machine(void)
{
	const struct bus_range port = { 0x10, 8, &ops, NULL };
	const struct bus_range memory = { 0xd0000000, 0x1000, &ops, NULL };

	machine.note_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	CHECK(machine.note_fd >= 0);
	machine.vcpus.target = VCPUS_RUN;
	CHECK_EQ(bus_add(&machine.ports, &port), 0);
	CHECK_EQ(bus_add(&machine.mmio, &memory), 0);
	vcpu = (struct vcpu){ .machine = &machine, .run = &page.run, .fd = -1 };
}

static void close_machine(void)
{
	CHECK_EQ(close(machine.note_fd), 0);
}

static void access_port(uint16_t port, uint8_t size, uint32_t count,
			uint8_t direction)
{
	page.run.exit_reason = KVM_EXIT_IO;
	page.run.io.port = port;
	page.run.io.size = size;
	page.run.io.count = count;
	page.run.io.direction = direction;
	page.run.io.data_offset = DATA_OFFSET;
	exit_handle(&vcpu);
}

static void access_memory(uint64_t gpa, uint32_t bytes, bool is_write)
{
	page.run.exit_reason = KVM_EXIT_MMIO;
	page.run.mmio.phys_addr = gpa;
	page.run.mmio.len = bytes;
	page.run.mmio.is_write = is_write;
	exit_handle(&vcpu);
}

static bool is_parking(void)
{
	return machine.vcpus.target == VCPUS_PARK;
}

TEST(a_string_of_port_writes_reaches_the_device_in_order)
{
	open_machine();
	memcpy(page.bytes + DATA_OFFSET, "abc", 3);

	access_port(0x12, 1, 3, KVM_EXIT_IO_OUT);

	CHECK_EQ(seen_count, 3);
	CHECK_EQ(seen[0], 'a' << 8 | 2);
	CHECK_EQ(seen[2], 'c' << 8 | 2);
	close_machine();
}

TEST(a_port_read_gives_what_the_device_says)
{
	open_machine();

	access_port(0x10, 2, 1, KVM_EXIT_IO_IN);

	CHECK_EQ(page.bytes[DATA_OFFSET], 0x88);
	CHECK_EQ(page.bytes[DATA_OFFSET + 1], 0x77);
	close_machine();
}

TEST(memory_of_a_device_is_read_and_written)
{
	open_machine();

	access_memory(0xd0000004, 8, false);
	CHECK_EQ(page.run.mmio.data[0], 0x8c);
	memset(page.run.mmio.data, 0, 8);
	page.run.mmio.data[0] = 7;
	access_memory(0xd0000004, 4, true);

	CHECK_EQ(seen[0], 7 << 8 | 4);
	close_machine();
}

TEST(a_hostile_guest_cannot_reach_what_nobody_claims)
{
	static const uint64_t places[] = { 0,          0xcfffffff,
					   0xd0000ffe, 0xfffffffffffffffe,
					   UINT64_MAX, 0xfee00000 };

	open_machine();

	for (unsigned int i = 0; i < 6; i++) {
		memset(page.run.mmio.data, 0, 8);
		access_memory(places[i], 4, true);
		access_memory(places[i], 4, false);
		CHECK_EQ(page.run.mmio.data[3], 0xff);
	}
	access_port(0xffff, 4, 1, KVM_EXIT_IO_IN);
	CHECK_EQ(page.bytes[DATA_OFFSET + 3], 0xff);

	CHECK_EQ(seen_count, 0);
	CHECK(!is_parking());
	close_machine();
}

TEST(a_triple_fault_stops_all_processors_and_asks_for_a_reset)
{
	open_machine();
	page.run.exit_reason = KVM_EXIT_SHUTDOWN;

	exit_handle(&vcpu);

	CHECK(is_parking());
	CHECK_EQ(machine_take_notes(&machine), NOTE_TRIPLE_FAULT);
	CHECK_EQ(machine_take_notes(&machine), 0);
	close_machine();
}

TEST(a_processor_that_cannot_be_entered_ends_the_guest_with_a_reason)
{
	open_machine();
	page.run.exit_reason = KVM_EXIT_FAIL_ENTRY;
	page.run.fail_entry.hardware_entry_failure_reason = 0x21;

	exit_handle(&vcpu);

	CHECK(is_parking());
	CHECK_EQ(machine_take_notes(&machine), NOTE_FAILED);
	CHECK(strstr(machine.failure, "virtual processor 0"));
	CHECK(strstr(machine.failure, "0x21"));
	close_machine();
}

TEST(an_exit_that_nobody_knows_ends_the_guest)
{
	open_machine();
	page.run.exit_reason = 4711;

	exit_handle(&vcpu);

	CHECK_EQ(machine_take_notes(&machine), NOTE_FAILED);
	CHECK(strstr(machine.failure, "0x1267"));
	close_machine();
}

TEST(a_hostile_guest_that_locks_the_bus_is_slowed_down_and_runs_on)
{
	uint64_t began_ns = clock_now_ns();

	open_machine();
	page.run.exit_reason = KVM_EXIT_X86_BUS_LOCK;

	for (int i = 0; i < 10; i++)
		exit_handle(&vcpu);

	CHECK(clock_now_ns() - began_ns >= 10 * NS_PER_MS);
	CHECK_EQ(machine.notes, 0);
	close_machine();
}

TEST(a_guest_that_was_interrupted_runs_on_unless_its_state_is_lost)
{
	open_machine();
	page.run.exit_reason = KVM_EXIT_NOTIFY;
	page.run.notify.flags = 0;
	exit_handle(&vcpu);
	CHECK_EQ(machine.notes, 0);

	page.run.notify.flags = KVM_NOTIFY_CONTEXT_INVALID;
	exit_handle(&vcpu);
	CHECK(strstr(machine.failure, "lost its state"));
	close_machine();
}

TEST(memory_that_the_host_cannot_give_ends_the_guest)
{
	open_machine();

	exit_failed(&vcpu, EFAULT);

	CHECK_EQ(machine_take_notes(&machine), NOTE_FAILED);
	CHECK(strstr(machine.failure, strerror(EFAULT)));
	close_machine();
}

TEST(the_first_reason_is_the_one_told)
{
	open_machine();

	machine_fail(&machine, "one");
	machine_fail(&machine, "two");

	CHECK_EQ(strcmp(machine.failure, "one"), 0);
	close_machine();
}

static uint64_t read_pending(void *device, uint64_t offset, uint32_t width)
{
	return msix_pending_read(device, offset, width);
}

/* What a processor's thread does, and no more than it may. */
static int ask_narrowed(void)
{
	struct sandbox_program program;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    sandbox_prepare(kvm_vcpu_calls, kvm_vcpu_call_count, &program) <
		    0 ||
	    sandbox_narrow(&program) < 0)
		return 2;
	access_memory(0xd0002000, 4, false);
	return page.run.mmio.data[0] == 1 << 1 ? 0 : 1;
}

TEST(a_hostile_guest_cannot_end_its_monitor_by_asking_what_is_pending)
{
	static const struct machine_ops board_ops;
	static const struct bus_ops pending_ops = { .read = read_pending };
	struct msix msix;
	const struct bus_range range = { 0xd0002000, 8, &pending_ops, &msix };
	int status;
	pid_t pid;

	open_machine();
	CHECK_EQ(msix_init(&msix, 2, GSI_MSI, &board_ops), 0);
	CHECK_EQ(bus_add(&machine.mmio, &range), 0);
	msix_fire(&msix, 1);

	pid = fork();
	if (pid == 0)
		_exit(ask_narrowed());

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	msix_release(&msix);
	close_machine();
}

static void count_event(void *context, enum event_level level, const char *text)
{
	(*(int *)context)++;
}

TEST(a_hostile_guest_cannot_flood_its_operator_with_warnings)
{
	int events = 0;
	struct engine engine = {
		.handler = { .event = count_event, .context = &events },
	};

	open_machine();
	machine.engine = &engine;

	for (int i = 0; i < 1000; i++) {
		machine_note(&machine, NOTE_CRASH_KERNEL);
		machine_handle_notes(&machine);
	}

	CHECK(events >= 1 && events < 10);
	close_machine();
}
