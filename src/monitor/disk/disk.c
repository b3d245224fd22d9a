/* SPDX-License-Identifier: MIT */
#include "monitor/disk/disk.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/scope.h"

static bool is_block_size(uint32_t bytes)
{
	return bytes >= DISK_BLOCK_BYTES_MIN && bytes <= DISK_BLOCK_BYTES_MAX &&
	       (bytes & (bytes - 1)) == 0;
}

/* A SCSI unit says itself how large it is, and may have no medium. */
static bool has_possible_size(const struct monitor_disk *settings)
{
	return settings->bus == DISK_BUS_SCSI ||
	       (settings->size_bytes >= settings->logical_block_bytes &&
		settings->size_bytes <= DISK_BYTES_MAX &&
		settings->size_bytes % settings->logical_block_bytes == 0);
}

static bool is_possible(const struct monitor_disk *settings)
{
	return settings->queue_count >= 1 &&
	       settings->queue_count <= QUEUE_COUNT_MAX &&
	       is_block_size(settings->logical_block_bytes) &&
	       is_block_size(settings->physical_block_bytes) &&
	       settings->physical_block_bytes >=
		       settings->logical_block_bytes &&
	       has_possible_size(settings) &&
	       settings->hang_ms >= HANG_MS_MIN &&
	       settings->hang_ms <= HANG_MS_MAX &&
	       settings->outage < OUTAGE_COUNT &&
	       settings->bus < DISK_BUS_COUNT &&
	       settings->type < DISK_TYPE_COUNT;
}

int disk_init(struct disk *disk, const struct monitor_disk *settings,
	      const struct disk_ops *ops)
{
	memset(disk, 0, sizeof(*disk));
	disk->lane.kick_fd = disk->lane.call_fd = NO_FD;
	disk->local.fd = NO_FD;
	if (!is_possible(settings))
		return -EINVAL;
	disk->settings = *settings;
	disk->ops = *ops;
	disk->now_ns = clock_now_ns();
	/* Waiting for the first service is held to the same policy. */
	disk->lost_ns = disk->now_ns;
	return 0;
}

void disk_release(struct disk *disk)
{
	lane_close(&disk->lane);
}
