/* SPDX-License-Identifier: MIT */
/*
 * Has anybody written to a block device since? It has no time of change, but
 * the kernel counts what is written to it, for as long as it is there.
 */
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/types.h>

#include "supervisor/storage/storage_lock.h"

#define LINE_SIZE 256

static bool read_line(const char *path, char line[LINE_SIZE])
{
	FILE *file = fopen(path, "re");
	bool is_read = file && fgets(line, LINE_SIZE, file);

	if (file)
		(void)fclose(file);
	return is_read;
}

/* Sectors written and discarded; false where nobody counts. */
static bool read_written(dev_t device, uint64_t *ret_sectors)
{
	char path[64], line[LINE_SIZE];
	uint64_t written, discarded = 0;

	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/queue/iostats",
		       major(device), minor(device));
	if (read_line(path, line) && line[0] == '0')
		return false;
	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat",
		       major(device), minor(device));
	if (!read_line(path, line) ||
	    sscanf(line,
		   "%*u %*u %*u %*u %*u %*u %" SCNu64
		   " %*u %*u %*u %*u %*u %*u %" SCNu64,
		   &written, &discarded) < 1)
		return false;
	*ret_sectors = written + discarded;
	return true;
}

static uint32_t mix(uint32_t hash, const void *data, size_t bytes)
{
	const uint8_t *byte = data;

	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ byte[i]) * 16777619u; /* FNV-1a */
	return hash;
}

/* This start of the host, and this appearance of the device. */
static bool find_epoch(int fd, uint32_t *ret_epoch)
{
	char boot[LINE_SIZE];
	uint64_t sequence;

	if (!read_line("/proc/sys/kernel/random/boot_id", boot) ||
	    ioctl(fd, BLKGETDISKSEQ, &sequence) < 0)
		return false;
	*ret_epoch = mix(mix(2166136261u, boot, strlen(boot)), &sequence,
			 sizeof(sequence)) |
		     1;
	return true;
}

uint64_t storage_device_mark(int fd, uint64_t device)
{
	uint64_t sectors;
	uint32_t epoch;

	if (!read_written((dev_t)device, &sectors) || !find_epoch(fd, &epoch))
		return 0;
	return (uint64_t)epoch << 32 | (uint32_t)sectors;
}

enum storage_change storage_compare(const struct storage_facts *now,
				    uint64_t mark)
{
	if (!now->is_block_device)
		return now->mark == mark ? STORAGE_SAME : STORAGE_CHANGED;
	if (now->mark == 0 || now->mark >> 32 != mark >> 32)
		return STORAGE_UNKNOWN;
	return now->mark == mark ? STORAGE_SAME : STORAGE_CHANGED;
}
