/* SPDX-License-Identifier: MIT */
/*
 * Numbers that are never reused, and the uids that follow from them.
 *
 * Threads    Called with the supervisor's turn (errand.h).
 */
#ifndef SUPERVISOR_IDS_H
#define SUPERVISOR_IDS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct supervisor;

/* Never reused; 0 only when the store has failed for good. That of a child
 * gives it a uid that no living child has. */
uint64_t supervisor_next_id(struct supervisor *supervisor);
uint64_t supervisor_next_generation(struct supervisor *supervisor);
uint64_t supervisor_next_attachment(struct supervisor *supervisor);

/* May a process of this uid be a child of ours? */
bool supervisor_may_be_child(uid_t uid);

/* The uid a child becomes: its own when we are root, else 0 (stay). */
uint32_t supervisor_uid_for(struct supervisor *supervisor, uint64_t id);

#endif
