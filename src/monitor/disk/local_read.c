/* SPDX-License-Identifier: MIT */
#include "monitor/disk/local_read.h"

#include <errno.h>

#include "base/count.h"
#include "base/memory_file.h"
#include "base/scope.h"
#include "monitor/disk/table.h"

#define PAUSE_MAX 63

void local_reads_open(struct local_reads *local, int fd)
{
	/* A file system in memory refuses RWF_NOWAIT, and needs none. */
	local->flags = file_is_in_memory(fd) ? 0 : RWF_NOWAIT;
	local->fd = fd;
}

/* Nothing that is unanswered, or never will be answered, changes this. */
static bool is_settled(const struct disk *disk, const struct work *work)
{
	return disk->was_up && !disk->local.has_strays &&
	       disk->lane.stale_count == 0 &&
	       !overlap_is_changing(&disk->overlap, work->offset_bytes,
				    work->bytes);
}

/* A read in vain costs time, so where they are many few are tried; during an
 * outage all, since nobody else answers. */
static bool is_worth_it(struct disk *disk)
{
	struct local_reads *local = &disk->local;

	if (local->to_pass == 0 || !disk_is_served(disk))
		return true;
	local->to_pass--;
	return false;
}

static int find_pieces(struct disk *disk, const struct work *work)
{
	if (work->segment_count > LOCAL_READ_PIECES)
		return -E2BIG;
	for (uint32_t i = 0; i < work->segment_count; i++) {
		const struct ring_segment *segment = &work->segments[i];
		uint8_t *at = guestmem_at(&disk->front->memory, segment->gpa,
					  segment->bytes);

		if (!at)
			return -EFAULT;
		disk->local.pieces[i] = (struct iovec){ at, segment->bytes };
	}
	return 0;
}

static bool read_whole(struct disk *disk, const struct work *work)
{
	struct local_reads *local = &disk->local;
	ssize_t got;

	if (find_pieces(disk, work) < 0)
		return false;
	got = preadv2(local->fd, local->pieces, (int)work->segment_count,
		      (off_t)work->offset_bytes, local->flags);
	if (got < 0 && errno == EOPNOTSUPP)
		local->fd = NO_FD;
	return got >= 0 && (uint64_t)got == work->data_bytes;
}

static void note_read(struct disk *disk, const struct work *work)
{
	disk->local.pause = 0;
	disk->copied_bytes += work->data_bytes;
	disk->counters.reads++;
	disk->counters.read_bytes += work->data_bytes;
	disk->counters.local_reads++;
}

static void note_failure(struct local_reads *local)
{
	local->to_pass = local->pause;
	local->pause = (uint32_t)min_u64(2 * local->pause + 1, PAUSE_MAX);
}

bool local_read(struct disk *disk, const struct front_queue *queue,
		const struct work *work)
{
	if (disk->local.fd == NO_FD || work->class != REQUEST_READ ||
	    work->data_bytes > LOCAL_READ_BYTES_MAX || !queue_is_live(queue) ||
	    !is_settled(disk, work) || !is_worth_it(disk))
		return false;
	if (!read_whole(disk, work)) {
		note_failure(&disk->local);
		return false;
	}
	note_read(disk, work);
	return true;
}
