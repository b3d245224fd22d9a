/* SPDX-License-Identifier: MIT */
/* Memory that is right in all but its seals. */
#ifndef TESTS_UNIT_CHANNEL_RESEALED_H
#define TESTS_UNIT_CHANNEL_RESEALED_H

/* The seals that are wanted: without one of them its size can change. */
#define SEAL_COUNT 3
extern const int wanted_seals[SEAL_COUNT];

/* A copy of `memfd`, which is closed, with all seals but one; -1: with all. */
int resealed_without(int memfd, int left_out);

#endif
