/* SPDX-License-Identifier: MIT */
/* The thread that writes an image, while the main thread answers as ever. */
#include "monitor/engine/kvm/image/save_private.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/event.h"
#include "base/scope.h"

/* How long a save waits for what the disks' services have been given. What is
 * not answered then is done again after the restore. */
#define DRAIN_NS      (2 * NS_PER_S)
#define DRAIN_STEP_NS (5 * NS_PER_MS)

static void tell(const struct kvm_save *save)
{
	event_signal(save->told_fd);
}

void kvm_save_note_progress(void *context, uint64_t done, uint64_t total)
{
	struct kvm_save *save = context;

	__atomic_store_n(&save->done_bytes, done, __ATOMIC_RELEASE);
	tell(save);
}

struct drain {
	bool is_quiet;
	bool may_be_saved;
};

/* By the I/O thread. */
static void look_for_chunks(struct iothread *io, void *argument)
{
	struct drain *drain = argument;

	*drain = (struct drain){ true, true };
	for (uint32_t i = 0; i < io->disk_count; i++)
		drain->is_quiet &= disk_is_quiet(&io->disks[i].disk);
	for (uint32_t i = 0; i < io->front_count; i++)
		drain->may_be_saved &= front_may_be_saved(&io->fronts[i]);
}

/* What is not answered in time is repeated after the restore, unless it must
 * not be. */
static int drain_disks(struct iothread *io)
{
	const struct timespec step = { .tv_nsec = (long)DRAIN_STEP_NS };
	uint64_t until_ns = clock_now_ns() + DRAIN_NS;
	struct drain drain;

	for (;;) {
		iothread_call(io, look_for_chunks, &drain);
		if (drain.is_quiet && drain.may_be_saved)
			return 0;
		if (clock_now_ns() >= until_ns)
			return drain.may_be_saved ? 0 : -ETIMEDOUT;
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
	int r = 0;

	for (uint32_t i = 0; i < io->disk_count; i++) {
		if (io->disks[i].disk.settings.read_only ||
		    fdatasync(io->disks[i].witness.fd) == 0)
			continue;
		r = -errno;
		/* It is not told a second time. */
		iothread_call(io, owe_error, &io->disks[i].disk);
	}
	return r;
}

/* By the I/O thread. */
static void put_devices(struct iothread *io, void *writer)
{
	for (uint32_t i = 0; i < io->front_count; i++)
		front_state_save(&io->fronts[i], writer);
	for (uint32_t i = 0; i < io->nic_count; i++)
		nic_state_save(&io->nics[i], writer);
}

static int put_state(struct kvm_machine *machine)
{
	struct kvm_save *save = &machine->save;
	SCOPED(state_writer_release) struct state_writer all;
	int r;

	state_writer_init(&all);
	iothread_call(machine->io, put_devices, &all);
	state_put(&all, save->board.bytes, save->board.used);
	r = state_writer_result(&all);
	return r < 0 ? r
		     : image_writer_finish(&save->writer, all.bytes, all.used);
}

static int write_image(struct kvm_machine *machine)
{
	struct kvm_save *save = &machine->save;
	int r;

	/* A guest just restored: what has not come yet is no hole. */
	save->failed_at = "the guest's memory cannot be loaded";
	r = pager_finish(&save->pager);
	if (r < 0)
		return r;
	save->failed_at = "the image cannot be written";
	r = image_writer_memory(&save->writer);
	if (r < 0)
		return r;
	save->failed_at = "a SCSI command that must not be executed twice is "
			  "not answered";
	r = drain_disks(machine->io);
	if (r < 0)
		return r;
	save->failed_at = "a disk cannot be synchronised";
	r = sync_disks(machine->io);
	if (r < 0)
		return r;
	save->failed_at = "the image cannot be written";
	return put_state(machine);
}

void *machine_write_images(void *context)
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
