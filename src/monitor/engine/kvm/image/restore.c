/* SPDX-License-Identifier: MIT */
/* From an image to a machine that goes on. */
#include "monitor/engine/kvm/image/save_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"
#include "monitor/engine/kvm/image/vm_state.h"

/* How long the main thread may take to end a guest without memory. */
#define STUCK_NS (2 * NS_PER_S)

/* By the pager's thread. The main thread ends the guest; unless it waits for
 * that memory itself. */
static void memory_failed(void *context)
{
	struct kvm_machine *machine = context;
	const struct timespec patience = {
		.tv_sec = (time_t)(STUCK_NS / NS_PER_S),
	};
	char text[160];
	uint32_t chunk;
	int r = pager_failure(&machine->save.pager, &chunk);

	(void)snprintf(text, sizeof(text),
		       "the saved image is damaged: memory at offset %#llx "
		       "(piece %u) %s",
		       (unsigned long long)image_chunk_offset(chunk), chunk,
		       r == -EBADMSG ? "is not what was saved" : strerror(-r));
	machine_fail(machine, text);
	(void)nanosleep(&patience, NULL);
	if (__atomic_load_n(&machine->is_over, __ATOMIC_ACQUIRE))
		return;
	log_error("ending at once: %s", text);
	_exit(EXIT_FAILURE);
}

int machine_open_image(struct kvm_machine *machine, int image_fd,
		       struct refusal *refusal)
{
	SCOPED(close_fd) int fd = image_fd;
	struct kvm_save *save = &machine->save;
	struct image_machine wanted;
	struct image image;
	int r = machine_describe(machine, &wanted);

	if (r == 0)
		r = image_open(&image, take_fd(&fd), &wanted, refusal);
	if (r < 0)
		return r;
	save->state = image.state;
	save->state_bytes = image.state_bytes;
	image.state = NULL;
	save->is_restoring = true;
	return pager_open(&save->pager, &image, machine->memory.fd,
			  !machine->settings->has_huge_pages, memory_failed,
			  machine);
}

/* By the I/O thread. */
static void restore_devices(struct iothread *io, void *reader)
{
	for (uint32_t i = 0; i < io->front_count; i++)
		front_state_restore(&io->fronts[i], reader);
	for (uint32_t i = 0; i < io->nic_count; i++)
		nic_state_restore(&io->nics[i], reader);
}

static void restore_board(struct kvm_machine *machine,
			  struct state_reader *reader)
{
	(void)pthread_mutex_lock(&machine->board);
	serial_restore(&machine->serial, reader);
	rtc_restore(&machine->rtc, reader);
	power_restore(&machine->power, reader);
	machine_restore_small(machine, reader);
	/* Last: it starts the queues of the devices restored before. */
	pci_restore(&machine->pci, reader);
	(void)pthread_mutex_unlock(&machine->board);
}

static int restore_processors(struct kvm_machine *machine,
			      struct state_reader *reader,
			      struct refusal *refusal)
{
	int r = 0;

	for (uint32_t i = 0; i < machine->vcpus.count && r == 0; i++)
		r = vcpu_state_restore(machine->vcpus.list[i].fd,
				       &machine->save.shape, reader, refusal);
	return r;
}

static int restore_states(struct kvm_machine *machine, struct refusal *refusal)
{
	struct state_reader reader;
	int r;

	state_reader_init(&reader, machine->save.state,
			  machine->save.state_bytes);
	iothread_call(machine->io, restore_devices, &reader);
	r = vm_state_restore(machine->vm.fd, &reader);
	if (r == 0)
		r = restore_processors(machine, &reader, refusal);
	if (r < 0)
		return r;
	restore_board(machine, &reader);
	if (reader.at != reader.count)
		state_refuse(&reader);
	return state_reader_result(&reader);
}

static void note_loaded(void *context, uint64_t done, uint64_t total)
{
	const struct kvm_machine *machine = context;
	const struct engine_handler *handler = &machine->engine->handler;

	handler->progress(handler->context, 0, done, total);
}

static int load_memory(struct kvm_machine *machine)
{
	const struct image_progress loaded = { note_loaded, machine };
	const struct engine_handler *handler = &machine->engine->handler;
	struct pager *pager = &machine->save.pager;
	int r;

	if (!pager_is_lazy(pager) && !machine->settings->has_huge_pages)
		handler->event(handler->context, EVENT_INFO,
			       "userfaultfd is not available on this host: all "
			       "memory is loaded before the guest continues");
	r = pager_map(pager, machine->memory.map, 0, machine->memory.bytes);
	return r < 0 ? r : pager_start(pager, &loaded);
}

int machine_restore(struct kvm_machine *machine, struct refusal *refusal)
{
	struct kvm_save *save = &machine->save;
	int r = load_memory(machine);

	if (r < 0)
		return refuse(refusal, r, "image",
			      "the saved image's memory cannot be loaded: %s",
			      r == -EBADMSG ? "it is damaged" : strerror(-r));
	save->is_frozen = true;
	machine_freeze_small(machine);
	r = restore_states(machine, refusal);
	free(save->state);
	save->state = NULL;
	if (r < 0 && !refusal->text[0])
		return refuse(refusal, r, "image",
			      "the saved image's device state is invalid");
	vcpus_tell_pause(&machine->vcpus);
	return r;
}
