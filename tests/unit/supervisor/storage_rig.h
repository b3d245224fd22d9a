/* SPDX-License-Identifier: MIT */
/*
 * A disk's image, and what is found of it.
 */
#ifndef TESTS_UNIT_SUPERVISOR_STORAGE_RIG_H
#define TESTS_UNIT_SUPERVISOR_STORAGE_RIG_H

#include <sys/types.h>

#include "supervisor/storage/storage.h"

struct storage_rig {
	struct disk_definition disk;
	struct storage_facts facts;
	struct refusal refusal;
};

/* An image of zeros on a file system that knows O_DIRECT; of 0 bytes: a name
 * only. */
void storage_rig_make(struct storage_rig *rig, off_t bytes);
void storage_rig_write(struct storage_rig *rig, const void *from, size_t bytes,
		       off_t offset);

/* storage.h's, of it as disk 3: 0 or an error. */
int storage_rig_inspect(struct storage_rig *rig);

/* storage.h's: the descriptor or an error. */
int storage_rig_witness(struct storage_rig *rig);
int storage_rig_generation(struct storage_rig *rig, int witness);

#endif
