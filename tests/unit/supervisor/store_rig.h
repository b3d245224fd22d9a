/* SPDX-License-Identifier: MIT */
/*
 * A store in a directory of its own, and rows to put into it.
 */
#ifndef TESTS_UNIT_SUPERVISOR_STORE_RIG_H
#define TESTS_UNIT_SUPERVISOR_STORE_RIG_H

#include "supervisor/store/store.h"

struct store_rig {
	char directory[64]; /* "": not made yet */
	struct store *store;
	struct refusal refusal;
};

void store_rig_make_directory(struct store_rig *rig);

/* Open it, in a new directory if there is none; close it, and remove that. */
void store_rig_open(struct store_rig *rig);
void store_rig_reopen(struct store_rig *rig);
void store_rig_close(struct store_rig *rig);
/* The directory only, of a store that is closed. */
void store_rig_remove(struct store_rig *rig);

/* Behind the back of a store that is closed. */
void store_rig_sql(struct store_rig *rig, const char *sql);

struct partition_record store_rig_partition(const char *name);

int store_rig_partitions(struct store_rig *rig);
int store_rig_children(struct store_rig *rig);

#endif
