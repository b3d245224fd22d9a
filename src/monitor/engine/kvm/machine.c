/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/event.h"
#include "base/scope.h"
#include "base/text.h"
#include "machine/layout.h"
#include "monitor/engine/kvm/disks.h"
#include "monitor/engine/kvm/load.h"
#include "monitor/engine/kvm/nics.h"

/* What the board needs. --------------------------------------------------------- */

static void set_line(void *context, uint32_t gsi, bool is_high)
{
	struct kvm_machine *machine = context;

	vm_set_line(&machine->vm, gsi, is_high);
}

static bool put_serial(void *context, uint8_t byte)
{
	struct kvm_machine *machine = context;

	return kvm_console_put(&machine->console, LINE_SERIAL, &byte, 1) == 1;
}

static void serial_has_room(void *context)
{
	machine_note(context, NOTE_CONSOLE);
}

static uint64_t real_ns(void *context)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void rearm(void *context, uint64_t deadline_ns)
{
	struct kvm_machine *machine = context;

	machine->clock_ns = deadline_ns;
	machine_note(machine, NOTE_CLOCK);
}

static void power_happened(void *context, enum power_event event)
{
	static const enum machine_note notes[] = {
		[POWER_OFF] = NOTE_OFF,
		[POWER_RESET] = NOTE_RESET,
		[POWER_PANIC] = NOTE_PANIC,
		[POWER_CRASH_KERNEL] = NOTE_CRASH_KERNEL,
	};

	machine_note(context, notes[event]);
}

static struct line line(struct kvm_machine *machine, uint32_t gsi)
{
	return (struct line){ .set = set_line, .context = machine, .gsi = gsi };
}

static int add_serial(struct kvm_machine *machine)
{
	const struct line pin = line(machine, GSI_SERIAL);
	const struct serial_ops ops = {
		.put = put_serial,
		.room = serial_has_room,
		.context = machine,
	};

	serial_init(&machine->serial, &pin, &ops);
	return serial_attach(&machine->serial, &machine->ports);
}

static int add_clock(struct kvm_machine *machine)
{
	const struct line pin = line(machine, GSI_RTC);
	const struct rtc_ops ops = {
		.now_ns = real_ns,
		.rearm = rearm,
		.context = machine,
	};

	machine->clock_ns = RTC_NEVER;
	rtc_init(&machine->rtc, &pin, &ops);
	return rtc_attach(&machine->rtc, &machine->ports);
}

static int add_power(struct kvm_machine *machine)
{
	const struct line pin = line(machine, GSI_EVENTS);
	const struct power_ops ops = {
		.happened = power_happened,
		.context = machine,
	};

	power_init(&machine->power, &pin, &ops);
	return power_attach(&machine->power, &machine->ports);
}

static void control_reset(void *context, uint8_t value)
{
	struct kvm_machine *machine = context;

	power_write(&machine->power, PORT_RESET_CONTROL, value);
}

static int build_board(struct kvm_machine *machine)
{
	int r;

	machine->ops = vm_ops(&machine->vm);
	r = add_serial(machine);
	if (r == 0)
		r = add_clock(machine);
	if (r == 0)
		r = add_power(machine);
	if (r == 0)
		r = pci_init(&machine->pci, &machine->ports, &machine->mmio,
			     &machine->ops);
	if (r < 0)
		return r;
	machine->pci.reset_control = control_reset;
	machine->pci.reset_context = machine;
	return machine_add_small(machine);
}

/* Life. ---------------------------------------------------------------------------- */

static int make_processors(struct kvm_machine *machine, struct refusal *refusal)
{
	int r = vm_open(&machine->vm, machine->kvm_fd,
			machine->settings->cpu_count, &machine->memory,
			refusal);

	if (r == 0)
		r = vcpus_open(&machine->vcpus, machine->kvm_fd, machine->vm.fd,
			       refusal);
	if (r < 0)
		return r;
	r = machine_start_identity(machine);
	return r < 0 ? refuse(refusal, r, "engine",
			      "KVM does not accept its own processor: %s",
			      strerror(-r))
		     : 0;
}

static void init(struct kvm_machine *machine, struct engine *engine,
		 const struct engine_machine *wanted)
{
	memset(machine, 0, sizeof(*machine));
	machine->engine = engine;
	machine->settings = wanted->settings;
	machine->kvm_fd = take_fd(wanted->kvm_fd);
	machine->kernel_fd = take_fd(wanted->kernel_fd);
	machine->initrd_fd = take_fd(wanted->initrd_fd);
	machine->memory.fd = NO_FD;
	machine->vm.fd = NO_FD;
	machine->note_fd = NO_FD;
	guestmem_init(&machine->guest);
	kvm_save_init(&machine->save);
	(void)pthread_mutex_init(&machine->board, NULL);
	(void)pthread_mutex_init(&machine->failing, NULL);
}

static int make_memory(struct kvm_machine *machine, struct refusal *refusal)
{
	const struct monitor_settings *settings = machine->settings;
	int r = kvm_memory_open(&machine->memory, settings->memory_bytes,
				settings->has_huge_pages != 0, refusal);

	return r < 0 ? r : kvm_memory_lend(&machine->memory, &machine->guest);
}

static int make_rest(struct kvm_machine *machine, struct refusal *refusal)
{
	int r = vcpus_init(&machine->vcpus, machine,
			   machine->settings->cpu_count);

	if (r == 0)
		r = make_processors(machine, refusal);
	return r == 0 ? build_board(machine) : r;
}

static int make_booting(struct kvm_machine *machine, struct refusal *refusal)
{
	struct loading loading;
	struct refusal rule = { 0 };
	int loaded;
	int r;

	loading_begin(&loading, machine);
	r = make_rest(machine, refusal);
	loaded = loading_end(&loading, &rule);
	if (r < 0)
		return r;
	resets_begin(&machine->resets, clock_now_ns());
	if (loaded == 0)
		return machine_begin(machine, &loading.entry, refusal);
	*refusal = rule;
	return loaded;
}

static int make(struct kvm_machine *machine,
		const struct engine_machine *wanted, struct refusal *refusal)
{
	int r = make_memory(machine, refusal);

	if (r < 0)
		return r;
	if (*wanted->image_fd == NO_FD)
		return make_booting(machine, refusal);
	r = make_rest(machine, refusal);
	return r < 0 ? r
		     : machine_open_image(machine, take_fd(wanted->image_fd),
					  refusal);
}

int machine_open(struct kvm_machine *machine, struct engine *engine,
		 const struct engine_machine *wanted, struct refusal *refusal)
{
	int r;

	init(machine, engine, wanted);
	machine->note_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (machine->note_fd < 0) {
		machine->note_fd = NO_FD;
		return -errno;
	}
	r = kvm_console_open(&machine->console, machine, &engine->serial_fd);
	return r == 0 ? make(machine, wanted, refusal) : r;
}

void machine_close(struct kvm_machine *machine)
{
	vcpus_end(&machine->vcpus);
	kvm_save_end(&machine->save);
	machine->note_source = sd_event_source_unref(machine->note_source);
	machine->clock_source = sd_event_source_unref(machine->clock_source);
	machine_remove_disks(machine);
	machine_remove_nics(machine);
	machine_remove_small(machine);
	if (machine->ops.context)
		pci_release(&machine->pci);
	kvm_console_close(&machine->console);
	kvm_save_close(&machine->save);
	vm_close(&machine->vm);
	guestmem_clear(&machine->guest);
	kvm_memory_close(&machine->memory);
	close_fd(&machine->note_fd);
	close_fd(&machine->kernel_fd);
	close_fd(&machine->initrd_fd);
	close_fd(&machine->kvm_fd);
}

static void reset_board(struct kvm_machine *machine)
{
	(void)pthread_mutex_lock(&machine->board);
	pci_reset(&machine->pci);
	serial_reset(&machine->serial);
	rtc_reset(&machine->rtc);
	power_reset(&machine->power);
	(void)pthread_mutex_unlock(&machine->board);
	kvm_console_reset(&machine->console);
}

int machine_reset(struct kvm_machine *machine, struct refusal *refusal)
{
	int r;

	/* With the old machine, which takes what was bound to it along. */
	reset_board(machine);
	vcpus_close(&machine->vcpus);
	vm_close(&machine->vm);
	r = make_processors(machine, refusal);
	return r == 0 ? machine_load(machine, refusal) : r;
}

/* Notes. ----------------------------------------------------------------------------- */

void machine_note(struct kvm_machine *machine, enum machine_note note)
{
	if (note & NOTES_FINAL)
		vcpus_park(&machine->vcpus);
	(void)__atomic_fetch_or(&machine->notes, note, __ATOMIC_ACQ_REL);
	event_signal(machine->note_fd);
}

void machine_fail(struct kvm_machine *machine, const char *text)
{
	(void)pthread_mutex_lock(&machine->failing);
	if (!machine->has_failed)
		(void)text_copy(machine->failure, sizeof(machine->failure),
				text);
	machine->has_failed = true;
	(void)pthread_mutex_unlock(&machine->failing);
	machine_note(machine, NOTE_FAILED);
}

uint32_t machine_take_notes(struct kvm_machine *machine)
{
	uint64_t count;

	/* Empty: somebody asks before the event was seen. */
	if (read(machine->note_fd, &count, sizeof(count)) < 0)
		count = 0;
	return __atomic_exchange_n(&machine->notes, 0, __ATOMIC_ACQ_REL);
}
