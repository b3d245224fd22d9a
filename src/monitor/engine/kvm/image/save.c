/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/image/save.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/scope.h"
#include "machine/layout.h"
#include "monitor/engine/kvm/image/save_private.h"
#include "monitor/engine/kvm/image/vm_state.h"
#include "monitor/thread/thread.h"

void kvm_save_init(struct kvm_save *save)
{
	*save = (struct kvm_save){ .told_fd = NO_FD, .image_fd = NO_FD };
	pager_init(&save->pager);
	state_writer_init(&save->board);
	(void)sem_init(&save->wanted, 0, 0);
}

int machine_describe(struct kvm_machine *machine,
		     struct image_machine *ret_described)
{
	struct kvm_save *save = &machine->save;
	int r = 0;

	if (!save->shape.msrs)
		r = vcpu_shape_read(&save->shape, machine->kvm_fd,
				    machine->vm.fd);
	*ret_described = (struct image_machine){
		.memory_bytes = machine->memory.bytes,
		.layout_version = LAYOUT_VERSION,
		.vcpu_count = machine->vcpus.count,
		.disk_count = machine->settings->disk_count,
	};
	return r < 0 ? r
		     : vcpu_describe(machine->vcpus.list[0].fd, &save->shape,
				     ret_described);
}

/* By the I/O thread. */
static void freeze_devices(struct iothread *io, void *argument)
{
	for (uint32_t i = 0; i < io->front_count; i++)
		front_freeze(&io->fronts[i]);
	for (uint32_t i = 0; i < io->nic_count; i++)
		nic_freeze(&io->nics[i]);
}

/* By the I/O thread. */
static void thaw_devices(struct iothread *io, void *argument)
{
	for (uint32_t i = 0; i < io->front_count; i++)
		front_thaw(&io->fronts[i]);
	for (uint32_t i = 0; i < io->nic_count; i++)
		nic_thaw(&io->nics[i]);
}

void machine_thaw(struct kvm_machine *machine)
{
	if (!machine->save.is_frozen)
		return;
	if (machine->save.is_saving)
		image_writer_stop(&machine->save.writer);
	machine->save.is_frozen = false;
	iothread_call(machine->io, thaw_devices, NULL);
	machine_thaw_small(machine);
}

static void save_board(struct kvm_machine *machine, struct state_writer *writer)
{
	(void)pthread_mutex_lock(&machine->board);
	serial_save(&machine->serial, writer);
	rtc_save(&machine->rtc, writer);
	power_save(&machine->power, writer);
	machine_save_small(machine, writer);
	pci_save(&machine->pci, writer);
	(void)pthread_mutex_unlock(&machine->board);
}

static int take_states(struct kvm_machine *machine)
{
	struct kvm_save *save = &machine->save;
	int r;

	state_writer_release(&save->board);
	r = vm_state_save(machine->vm.fd, &save->board);
	for (uint32_t i = 0; i < machine->vcpus.count && r == 0; i++)
		r = vcpu_state_save(machine->vcpus.list[i].fd, &save->shape,
				    &save->board);
	if (r < 0)
		return r;
	save_board(machine, &save->board);
	return state_writer_result(&save->board);
}

static int prepare(struct kvm_machine *machine, int image_fd)
{
	struct kvm_save *save = &machine->save;
	const struct image_progress progress = { kvm_save_note_progress, save };
	struct image_machine described;
	int r = machine_describe(machine, &described);

	if (r == 0)
		r = take_states(machine);
	return r < 0 ? r
		     : image_writer_open(&save->writer, image_fd,
					 machine->memory.fd, &described,
					 &progress);
}

int machine_save(struct kvm_machine *machine, uint32_t request_id, int image_fd)
{
	struct kvm_save *save = &machine->save;
	bool was_frozen = save->is_frozen;
	int r;

	if (!machine->engine->is_paused || save->is_saving)
		return -EBUSY;
	save->is_frozen = true;
	machine_freeze_small(machine);
	iothread_call(machine->io, freeze_devices, NULL);
	r = prepare(machine, image_fd);
	if (r < 0) {
		/* Restored and never run: that is as it was. */
		if (!was_frozen)
			machine_thaw(machine);
		return r;
	}
	save->image_fd = image_fd;
	save->request_id = request_id;
	save->done_bytes = 0;
	save->is_done = false;
	save->is_saving = true;
	(void)sem_post(&save->wanted);
	return 0;
}

static void say_outcome(struct kvm_machine *machine)
{
	const struct engine_handler *handler = &machine->engine->handler;
	const struct kvm_save *save = &machine->save;
	char text[160];

	if (save->result == 0) {
		handler->done(handler->context, save->request_id, 0, NULL);
		return;
	}
	(void)snprintf(text, sizeof(text), "%s: %s", save->failed_at,
		       strerror(-save->result));
	handler->done(handler->context, save->request_id, save->result, text);
}

/* It stands frozen until it is ended, or told to run after all. */
static void finish(struct kvm_machine *machine)
{
	struct kvm_save *save = &machine->save;

	image_writer_close(&save->writer);
	state_writer_release(&save->board);
	close_fd(&save->image_fd);
	save->is_saving = false;
	say_outcome(machine);
}

static int on_told(sd_event_source *source, int fd, uint32_t events,
		   void *context)
{
	struct kvm_machine *machine = context;
	struct kvm_save *save = &machine->save;
	const struct engine_handler *handler = &machine->engine->handler;
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0 || !save->is_saving)
		return 0;
	handler->progress(handler->context, save->request_id,
			  __atomic_load_n(&save->done_bytes, __ATOMIC_ACQUIRE),
			  machine->memory.bytes);
	if (__atomic_load_n(&save->is_done, __ATOMIC_ACQUIRE))
		finish(machine);
	return 0;
}

int machine_watch_saving(struct kvm_machine *machine, sd_event *event,
			 struct refusal *refusal)
{
	struct kvm_save *save = &machine->save;
	int r;

	save->told_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (save->told_fd < 0) {
		save->told_fd = NO_FD;
		return -errno;
	}
	r = sd_event_add_io(event, &save->source, save->told_fd, EPOLLIN,
			    on_told, machine);
	if (r >= 0)
		r = thread_start(&save->thread, "save", machine_write_images,
				 machine);
	save->has_thread = r == 0;
	if (r < 0 || !save->is_restoring)
		return r;
	return machine_restore(machine, refusal);
}

bool machine_is_stuck(struct kvm_machine *machine)
{
	uint32_t chunk;

	return pager_failure(&machine->save.pager, &chunk) < 0;
}

void kvm_save_end(struct kvm_save *save)
{
	if (save->has_thread) {
		image_writer_stop(&save->writer);
		save->must_end = true;
		(void)sem_post(&save->wanted);
		(void)pthread_join(save->thread, NULL);
	}
	save->has_thread = false;
}

void kvm_save_close(struct kvm_save *save)
{
	kvm_save_end(save);
	save->source = sd_event_source_unref(save->source);
	image_writer_close(&save->writer);
	state_writer_release(&save->board);
	vcpu_shape_release(&save->shape);
	pager_stop(&save->pager);
	free(save->state);
	save->state = NULL;
	close_fd(&save->image_fd);
	close_fd(&save->told_fd);
}
