/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/save.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"
#include "machine/layout.h"
#include "monitor/engine/kvm/machine.h"
#include "monitor/engine/kvm/vm_state.h"
#include "monitor/thread.h"

/* How long a save waits for what the disks' services have been given. What is
 * not answered then is done again after the restore. */
#define DRAIN_NS      (2 * NS_PER_S)
#define DRAIN_STEP_NS (5 * NS_PER_MS)
/* How long the main thread may take to end a guest without memory. */
#define STUCK_NS (2 * NS_PER_S)

void kvm_save_init(struct kvm_save *save)
{
	*save = (struct kvm_save){ .told_fd = NO_FD, .image_fd = NO_FD };
	pager_init(&save->pager);
	state_writer_init(&save->board);
	(void)sem_init(&save->wanted, 0, 0);
}

static int describe(struct kvm_machine *machine,
		    struct image_machine *ret_described)
{
	struct kvm_save *save = &machine->save;
	int result = 0;

	if (!save->shape.msrs)
		result = vcpu_shape_read(&save->shape, machine->kvm_fd,
					 machine->vm.fd);
	*ret_described = (struct image_machine){
		.memory_bytes = machine->memory.bytes,
		.layout_version = LAYOUT_VERSION,
		.vcpu_count = machine->vcpus.count,
		.disk_count = machine->settings->disk_count,
	};
	return result < 0 ? result
			  : vcpu_describe(machine->vcpus.list[0].fd,
					  &save->shape, ret_described);
}

/* Restoring. -------------------------------------------------------------------- */

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
	int error = pager_failure(&machine->save.pager, &chunk);

	(void)snprintf(text, sizeof(text),
		       "the saved image is damaged: memory at offset %#llx "
		       "(piece %u) %s",
		       (unsigned long long)image_chunk_offset(chunk), chunk,
		       error == -EBADMSG ? "is not what was saved"
					 : strerror(-error));
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
	int result = describe(machine, &wanted);

	if (result == 0)
		result = image_open(&image, take_fd(&fd), &wanted, refusal);
	if (result < 0)
		return result;
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
	for (uint32_t i = 0; i < io->disk_count; i++)
		disk_state_restore(&io->disks[i].disk, reader);
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
	int result = 0;

	for (uint32_t i = 0; i < machine->vcpus.count && result == 0; i++)
		result = vcpu_state_restore(machine->vcpus.list[i].fd,
					    &machine->save.shape, reader,
					    refusal);
	return result;
}

static int restore_states(struct kvm_machine *machine, struct refusal *refusal)
{
	struct state_reader reader;
	int result;

	state_reader_init(&reader, machine->save.state,
			  machine->save.state_bytes);
	iothread_call(machine->io, restore_devices, &reader);
	result = vm_state_restore(machine->vm.fd, &reader);
	if (result == 0)
		result = restore_processors(machine, &reader, refusal);
	if (result < 0)
		return result;
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
	int result;

	if (!pager_is_lazy(pager) && !machine->settings->has_huge_pages)
		handler->event(handler->context, EVENT_INFO,
			       "userfaultfd is not to be had on this host: all "
			       "memory is loaded before the guest goes on");
	result =
		pager_map(pager, machine->memory.map, 0, machine->memory.bytes);
	return result < 0 ? result : pager_start(pager, &loaded);
}

static int restore(struct kvm_machine *machine, struct refusal *refusal)
{
	struct kvm_save *save = &machine->save;
	int result = load_memory(machine);

	if (result < 0)
		return refuse(refusal, result, "image",
			      "the saved image's memory cannot be had: %s",
			      result == -EBADMSG ? "it is damaged"
						 : strerror(-result));
	save->is_frozen = true;
	machine_freeze_small(machine);
	result = restore_states(machine, refusal);
	free(save->state);
	save->state = NULL;
	if (result < 0 && !refusal->text[0])
		return refuse(refusal, result, "image",
			      "the saved image's device state makes no sense");
	vcpus_tell_pause(&machine->vcpus);
	return result;
}

/* Saving: the thread. ------------------------------------------------------------- */

static void tell(const struct kvm_save *save)
{
	static const uint64_t one = 1;

	/* A full eventfd is a signalled one. */
	if (write(save->told_fd, &one, sizeof(one)) < 0)
		return;
}

static void note_progress(void *context, uint64_t done, uint64_t total)
{
	struct kvm_save *save = context;

	__atomic_store_n(&save->done_bytes, done, __ATOMIC_RELEASE);
	tell(save);
}

/* By the I/O thread. */
static void look_for_chunks(struct iothread *io, void *argument)
{
	bool *is_drained = argument;

	*is_drained = true;
	for (uint32_t i = 0; i < io->disk_count; i++)
		if (io->disks[i].disk.lane.is_open &&
		    io->disks[i].disk.lane.out_count > 0)
			*is_drained = false;
}

static void drain_disks(struct iothread *io)
{
	const struct timespec step = { .tv_nsec = (long)DRAIN_STEP_NS };
	uint64_t until_ns = clock_now_ns() + DRAIN_NS;
	bool is_drained = false;

	for (;;) {
		iothread_call(io, look_for_chunks, &is_drained);
		if (is_drained || clock_now_ns() >= until_ns)
			return;
		(void)nanosleep(&step, NULL);
	}
}

/* By the I/O thread. */
static void owe_error(struct iothread *io, void *disk)
{
	disk_owe_error(disk);
}

/* What the guest wrote and did not flush is lost to it if this host ends before
 * the restore; the guest does not expect a power cut. */
static int sync_disks(struct iothread *io)
{
	int result = 0;

	for (uint32_t i = 0; i < io->disk_count; i++) {
		if (io->disks[i].disk.settings.read_only ||
		    fdatasync(io->disks[i].witness.fd) == 0)
			continue;
		result = -errno;
		/* It is not told a second time. */
		iothread_call(io, owe_error, &io->disks[i].disk);
	}
	return result;
}

/* By the I/O thread. */
static void put_devices(struct iothread *io, void *writer)
{
	for (uint32_t i = 0; i < io->disk_count; i++)
		disk_state_save(&io->disks[i].disk, writer);
	for (uint32_t i = 0; i < io->nic_count; i++)
		nic_state_save(&io->nics[i], writer);
}

static int put_state(struct kvm_machine *machine)
{
	struct kvm_save *save = &machine->save;
	SCOPED(state_writer_release) struct state_writer all;
	int result;

	state_writer_init(&all);
	iothread_call(machine->io, put_devices, &all);
	state_put(&all, save->board.bytes, save->board.used);
	result = state_writer_result(&all);
	return result < 0 ? result
			  : image_writer_finish(&save->writer, all.bytes,
						all.used);
}

static int write_image(struct kvm_machine *machine)
{
	struct kvm_save *save = &machine->save;
	int result;

	/* A guest just restored: what has not come yet is no hole. */
	save->failed_at = "the guest's memory cannot be had";
	result = pager_finish(&save->pager);
	if (result < 0)
		return result;
	save->failed_at = "the image cannot be written";
	result = image_writer_memory(&save->writer);
	if (result < 0)
		return result;
	drain_disks(machine->io);
	save->failed_at = "a disk cannot be synchronised";
	result = sync_disks(machine->io);
	if (result < 0)
		return result;
	save->failed_at = "the image cannot be written";
	return put_state(machine);
}

static void *run(void *context)
{
	struct kvm_machine *machine = context;
	struct kvm_save *save = &machine->save;

	for (;;) {
		while (sem_wait(&save->wanted) < 0)
			;
		if (save->must_end)
			return NULL;
		save->result = write_image(machine);
		__atomic_store_n(&save->is_done, true, __ATOMIC_RELEASE);
		tell(save);
	}
}

/* Saving: the main thread. ---------------------------------------------------------- */

/* By the I/O thread. */
static void freeze_devices(struct iothread *io, void *argument)
{
	for (uint32_t i = 0; i < io->disk_count; i++)
		disk_freeze(&io->disks[i].disk);
	for (uint32_t i = 0; i < io->nic_count; i++)
		nic_freeze(&io->nics[i]);
}

/* By the I/O thread. */
static void thaw_devices(struct iothread *io, void *argument)
{
	for (uint32_t i = 0; i < io->disk_count; i++)
		disk_thaw(&io->disks[i].disk);
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
	int result;

	state_writer_release(&save->board);
	result = vm_state_save(machine->vm.fd, &save->board);
	for (uint32_t i = 0; i < machine->vcpus.count && result == 0; i++)
		result = vcpu_state_save(machine->vcpus.list[i].fd,
					 &save->shape, &save->board);
	if (result < 0)
		return result;
	save_board(machine, &save->board);
	return state_writer_result(&save->board);
}

static int prepare(struct kvm_machine *machine, int image_fd)
{
	struct kvm_save *save = &machine->save;
	const struct image_progress progress = { note_progress, save };
	struct image_machine described;
	int result = describe(machine, &described);

	if (result == 0)
		result = take_states(machine);
	return result < 0 ? result
			  : image_writer_open(&save->writer, image_fd,
					      machine->memory.fd, &described,
					      &progress);
}

int machine_save(struct kvm_machine *machine, uint32_t request_id, int image_fd)
{
	struct kvm_save *save = &machine->save;
	bool was_frozen = save->is_frozen;
	int result;

	if (!machine->engine->is_paused || save->is_saving)
		return -EBUSY;
	save->is_frozen = true;
	machine_freeze_small(machine);
	iothread_call(machine->io, freeze_devices, NULL);
	result = prepare(machine, image_fd);
	if (result < 0) {
		/* Restored and never run: that is as it was. */
		if (!was_frozen)
			machine_thaw(machine);
		return result;
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
	int result;

	save->told_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (save->told_fd < 0) {
		save->told_fd = NO_FD;
		return -errno;
	}
	result = sd_event_add_io(event, &save->source, save->told_fd, EPOLLIN,
				 on_told, machine);
	if (result >= 0)
		result = thread_start(&save->thread, "save", run, machine);
	save->has_thread = result == 0;
	if (result < 0 || !save->is_restoring)
		return result;
	return restore(machine, refusal);
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
