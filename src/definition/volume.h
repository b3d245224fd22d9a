/* SPDX-License-Identifier: MIT */
/*
 * The definition of a volume: storage that is defined apart from partitions, so
 * that several may name it. As partition.h: fixed width, no padding, unused bytes
 * zero, checked by whoever receives it.
 */
#ifndef DEFINITION_VOLUME_H
#define DEFINITION_VOLUME_H

#include <stdint.h>

#include "definition/partition.h"

#define VOLUME_COUNT_MAX 256

struct volume_definition {
	char name[NAME_SIZE];
	char service[NAME_SIZE]; /* the disk service that serves it */
	char file[PATH_SIZE];    /* absolute */
	uint64_t size_bytes;     /* 0: the size the file has at install */
	uint32_t cache;          /* enum disk_cache */
	uint32_t reserved;
	char description[DESCRIPTION_SIZE]; /* may be empty */
};
_Static_assert(sizeof(struct volume_definition) == 592, "no padding");

#endif
