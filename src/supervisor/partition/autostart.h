/* SPDX-License-Identifier: MIT */
/*
 * Partitions that start by themselves with the supervisor: once in each life of
 * the machine room, which begins when no child of an earlier one runs. That a
 * partition is due is stored before the first child of this life is started,
 * and until its guest runs, so no death of the supervisor loses it. What an
 * operator stopped afterwards is not due.
 */
#ifndef SUPERVISOR_AUTOSTART_H
#define SUPERVISOR_AUTOSTART_H

#include "supervisor/partition/partition.h"

struct supervisor;

/* A life begins: note who is due. */
void autostart_begin(struct supervisor *supervisor);

/* Start who is due. What is refused, or fails, is tried again with growing
 * pauses, and told once. */
void autostart_go(struct supervisor *supervisor);

/* A STOP of a partition that is STOPPED and due: it is so no more. */
int autostart_give_up(struct partition *partition, const struct ticket *ticket,
		      struct refusal *refusal);

#endif
