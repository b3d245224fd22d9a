/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/small.h"

#include <linux/virtio_ids.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "monitor/engine/kvm/machine.h"

/* As others give them. */
#define CLASS_CONSOLE 0x078000u /* communication controller, other */
#define CLASS_OTHER   0x00ff00u /* unclassified */

/* What the devices need. ----------------------------------------------------- */

static size_t put_output(void *context, const uint8_t *bytes, size_t count)
{
	struct kvm_machine *machine = context;

	return kvm_console_put(&machine->console, LINE_VIRTIO, bytes, count);
}

static void console_has_room(void *context)
{
	machine_note(context, NOTE_CONSOLE);
}

static void give_back(void *context, gpa_t gpa, uint64_t bytes)
{
	struct kvm_machine *machine = context;

	kvm_memory_give_back(&machine->memory, &machine->save.pager, gpa,
			     bytes);
}

static void balloon_changed(void *context)
{
	machine_note(context, NOTE_BALLOON);
}

static void serve_console(void *device)
{
	virtio_console_serve(device);
}

static void serve_rng(void *device)
{
	virtio_rng_serve(device);
}

static void serve_balloon(void *device)
{
	struct virtio_balloon *balloon = device;
	struct kvm_machine *machine = balloon->ops.context;
	struct small_devices *all = &machine->small;
	uint64_t refused;

	virtio_balloon_serve(balloon);
	refused = virtio_balloon_refused(balloon);
	if (refused != all->refused && log_limit_passes(&all->refused_limit))
		log_warn("the guest returned ranges that are not its memory, "
			 "ignoring them ranges=%llu",
			 (unsigned long long)refused);
	all->refused = refused;
}

static void init_devices(struct kvm_machine *machine)
{
	const struct virtio_console_handler line = {
		.put = put_output,
		.room = console_has_room,
		.context = machine,
	};
	const struct virtio_balloon_handler host = {
		.give_back = give_back,
		.changed = balloon_changed,
		.context = machine,
	};
	struct small_devices *all = &machine->small;

	virtio_console_init(&all->console,
			    &all->functions[SMALL_CONSOLE].memory, &line);
	virtio_rng_init(&all->rng, &all->functions[SMALL_RNG].memory);
	virtio_balloon_init(&all->balloon,
			    &all->functions[SMALL_BALLOON].memory,
			    machine->settings->has_huge_pages != 0, &host);
}

/* Life. ------------------------------------------------------------------------ */

struct kind {
	uint8_t slot;
	uint16_t device_id;
	uint16_t queue_count;
	uint32_t class_code;
	const struct virtio_device_ops *ops;
	void (*serve)(void *device);
};

/* clang-format off */
static const struct kind kinds[SMALL_COUNT] = {
	[SMALL_CONSOLE] = { SLOT_CONSOLE, VIRTIO_ID_CONSOLE, VIRTIO_CONSOLE_QUEUES,
			    CLASS_CONSOLE, &virtio_console_ops, serve_console },
	[SMALL_RNG] = { SLOT_RNG, VIRTIO_ID_RNG, VIRTIO_RNG_QUEUES,
			CLASS_OTHER, &virtio_rng_ops, serve_rng },
	[SMALL_BALLOON] = { SLOT_BALLOON, VIRTIO_ID_BALLOON, VIRTIO_BALLOON_QUEUES,
			    CLASS_OTHER, &virtio_balloon_ops, serve_balloon },
};
/* clang-format on */

static int add_function(struct kvm_machine *machine,
			struct small_function *function,
			const struct kind *kind, struct virtio_small *device)
{
	const struct virtio_pci_settings settings = {
		.device_id = kind->device_id,
		.class_code = kind->class_code,
		.queue_count = kind->queue_count,
		.queue_size = VIRTIO_SMALL_QUEUE_SIZE,
		.ops = kind->ops,
		.device = device,
	};
	struct virtio_transport transport;
	int r;

	function->all = &machine->small;
	function->serve = kind->serve;
	function->device = device;
	r = virtio_pci_init(&function->pci, &machine->pci, kind->slot,
			    &settings);
	if (r < 0)
		return r;
	transport = virtio_pci_transport(&function->pci);
	virtio_small_connect(device, &transport);
	return 0;
}

int machine_add_small(struct kvm_machine *machine)
{
	struct small_devices *all = &machine->small;
	struct virtio_small *devices[SMALL_COUNT] = { &all->console.small,
						      &all->rng.small,
						      &all->balloon.small };
	int r = 0;

	all->machine = machine;
	init_devices(machine);
	for (uint32_t i = 0; i < SMALL_COUNT && r == 0; i++) {
		guestmem_init(&all->functions[i].memory);
		r = kvm_memory_lend(&machine->memory,
				    &all->functions[i].memory);
		if (r == 0)
			r = add_function(machine, &all->functions[i], &kinds[i],
					 devices[i]);
	}
	return r;
}

static int on_kick(sd_event_source *source, int fd, uint32_t events,
		   void *context)
{
	struct small_function *function = context;
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		return 0;
	/* After a freeze all are served once. */
	if (!function->all->is_frozen)
		function->serve(function->device);
	return 0;
}

int machine_watch_small(struct kvm_machine *machine, sd_event *event)
{
	int r = 0;

	for (uint32_t i = 0; i < SMALL_COUNT; i++) {
		struct small_function *function = &machine->small.functions[i];

		for (uint32_t q = 0; q < kinds[i].queue_count && r >= 0; q++)
			r = sd_event_add_io(event, &function->kicks[q],
					    function->pci.queues[q].kick_fd,
					    EPOLLIN, on_kick, function);
	}
	return r < 0 ? r : 0;
}

void machine_remove_small(struct kvm_machine *machine)
{
	static const struct virtio_transport nobody;

	if (!machine->small.machine)
		return;
	for (uint32_t i = 0; i < SMALL_COUNT; i++) {
		struct small_function *function = &machine->small.functions[i];

		for (uint32_t q = 0; q < VIRTIO_SMALL_QUEUES; q++)
			function->kicks[q] =
				sd_event_source_unref(function->kicks[q]);
		if (function->device)
			virtio_small_connect(function->device, &nobody);
		virtio_pci_release(&function->pci);
		guestmem_clear(&function->memory);
	}
	machine->small.machine = NULL;
}

void machine_freeze_small(struct kvm_machine *machine)
{
	machine->small.is_frozen = true;
}

void machine_thaw_small(struct kvm_machine *machine)
{
	machine->small.is_frozen = false;
	for (uint32_t i = 0; i < SMALL_COUNT; i++)
		machine->small.functions[i].serve(
			machine->small.functions[i].device);
	machine_note(machine, NOTE_CONSOLE);
}

void machine_serve_console(struct kvm_machine *machine)
{
	if (!machine->small.is_frozen)
		virtio_console_serve(&machine->small.console);
}

size_t machine_push_console(struct kvm_machine *machine, const uint8_t *bytes,
			    size_t count)
{
	return virtio_console_push(&machine->small.console, bytes, count);
}

/* The balloon. -------------------------------------------------------------------- */

void machine_set_balloon(struct kvm_machine *machine, uint64_t keep_bytes)
{
	uint64_t all_bytes = machine->memory.bytes;

	machine->small.is_balloon_due = true;
	virtio_balloon_set_target(&machine->small.balloon,
				  all_bytes - min_u64(keep_bytes, all_bytes));
	machine_apply_balloon(machine);
}

void machine_apply_balloon(struct kvm_machine *machine)
{
	const struct engine_handler *handler = &machine->engine->handler;
	struct virtio_balloon *balloon = &machine->small.balloon;
	uint64_t held_bytes = virtio_balloon_held_bytes(balloon);
	char text[96];

	if (!machine->small.is_balloon_due ||
	    held_bytes != virtio_balloon_target_bytes(balloon))
		return;
	machine->small.is_balloon_due = false;
	(void)snprintf(
		text, sizeof(text), "the guest keeps %llu MiB of memory",
		(unsigned long long)(machine->memory.bytes - held_bytes) >> 20);
	handler->event(handler->context, EVENT_INFO, text);
}

/* Saving. ---------------------------------------------------------------------------- */

void machine_save_small(const struct kvm_machine *machine,
			struct state_writer *writer)
{
	kvm_console_save(&machine->console, writer);
	virtio_console_save(&machine->small.console, writer);
	virtio_rng_save(&machine->small.rng, writer);
	virtio_balloon_save(&machine->small.balloon, writer);
}

void machine_restore_small(struct kvm_machine *machine,
			   struct state_reader *reader)
{
	kvm_console_restore(&machine->console, reader);
	virtio_console_restore(&machine->small.console, reader);
	virtio_rng_restore(&machine->small.rng, reader);
	virtio_balloon_restore(&machine->small.balloon, reader);
}
