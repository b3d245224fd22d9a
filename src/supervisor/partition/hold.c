/* SPDX-License-Identifier: MIT */
#include "supervisor/partition/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "supervisor/errand/errand.h"
#include "supervisor/partition/launch.h"
#include "supervisor/storage/storage_lock.h"
#include "supervisor/supervisor.h"

bool hold_has_any(const struct partition *partition)
{
	for (unsigned i = 0; i < DISK_COUNT_MAX; i++)
		if (partition->held_fds[i] != NO_FD)
			return true;
	return false;
}

void hold_keep(struct partition *partition)
{
	struct errands *errands = partition->supervisor->errands;

	for (unsigned i = 0; i < partition->disk_count; i++) {
		int *witness_fd = &partition->disks[i].witness_fd;

		if (*witness_fd == NO_FD)
			continue;
		errand_close(errands, &partition->held_fds[i]);
		partition->held_fds[i] = take_fd(witness_fd);
	}
}

static int note_disk(const struct disk *disk)
{
	struct store *store = disk->partition->supervisor->store;
	struct attachment_record attachment;
	struct storage_facts facts;
	int r;

	r = storage_find_facts(disk->witness_fd, disk->definition, &facts);
	if (r == 0)
		r = store_get_attachment(store, disk->binding.id, &attachment);
	if (r < 0)
		return r;
	attachment.saved_ns = facts.mark;
	return store_put_attachment(store, &attachment);
}

void hold_note(struct partition *partition)
{
	for (unsigned i = 0; i < partition->disk_count; i++)
		if (partition->disks[i].witness_fd != NO_FD &&
		    note_disk(&partition->disks[i]) < 0)
			partition_event_text(
				partition, EVENT_WARNING,
				"cannot record the state of disk %s: a "
				"legitimate change of it may be rejected later",
				partition->disks[i].definition->name);
}

static void open_disk(struct partition *partition, struct disk *disk)
{
	struct storage_facts facts = disk->facts;
	struct refusal refusal = { 0 };
	int fd = NO_FD;
	int r;

	if (partition->held_fds[disk->index] != NO_FD)
		return;
	errand_step_aside();
	r = storage_open_witness(disk->definition, disk->index, &fd, &facts,
				 &refusal);
	errand_step_back();
	partition->held_fds[disk->index] = fd;
	disk->facts = facts;
	if (r < 0)
		partition_event_text(partition, EVENT_WARNING,
				     "is saved without a lock on %s, which %s",
				     refusal.field, refusal.text);
}

void hold_open(struct partition *partition)
{
	if (launch_load_disks(partition) == 0)
		for (unsigned i = 0; i < partition->disk_count; i++)
			open_disk(partition, &partition->disks[i]);
	partition->disk_count = 0;
}

void hold_drop(struct partition *partition)
{
	struct errands *errands = partition->supervisor->errands;

	for (unsigned i = 0; i < DISK_COUNT_MAX; i++) {
		errand_close(errands, &partition->held_fds[i]);
		errand_close(errands, &partition->listening_fds[i]);
		partition->owes_error[i] = false;
	}
}

void hold_listen(struct disk *disk)
{
	struct partition *partition = disk->partition;
	int *listening_fd = &partition->listening_fds[disk->index];
	int fd;

	if (partition->engine != ENGINE_FOREIGN || *listening_fd != NO_FD)
		return;
	fd = storage_reopen(disk->witness_fd, O_RDONLY);
	if (fd >= 0)
		*listening_fd = fd;
	else
		partition_event_text(partition, EVENT_WARNING,
				     "an error of disk %s would be lost with "
				     "its monitor: %s",
				     disk->definition->name, strerror(-fd));
}

bool hold_owes_error(struct disk *disk)
{
	struct partition *partition = disk->partition;
	int fd = partition->listening_fds[disk->index];

	if (fd != NO_FD && storage_take_error(fd) < 0)
		partition->owes_error[disk->index] = true;
	return partition->owes_error[disk->index];
}

int hold_check(const struct disk *disk, struct refusal *refusal)
{
	struct store *store = disk->partition->supervisor->store;
	struct attachment_record attachment;
	enum storage_change change;
	int r = store_get_attachment(store, disk->binding.id, &attachment);

	if (r < 0)
		return store_refuse(store, r, refusal);
	change = storage_compare(&disk->facts, attachment.saved_ns);
	if (change == STORAGE_UNKNOWN)
		partition_event_text(
			disk->partition, EVENT_WARNING,
			"disk %s is a device that was attached again after the "
			"guest was saved: whether it was written to is unknown",
			disk->definition->name);
	if (change != STORAGE_CHANGED)
		return 0;
	return storage_refuse(
		refusal, disk->index, -EINVAL,
		"was changed after the guest was saved, which would "
		"damage its file systems; stop the partition to discard the "
		"saved state");
}
