/* SPDX-License-Identifier: MIT */
/*
 * A mark after each store that a successor may find half way.
 *
 * Nothing in a build of ours. A test that defines STORE_STEP before including
 * the .c files looks at memory as it is at that store: death there, made
 * deterministic.
 */
#ifndef VIRTIO_STORE_STEP_H
#define VIRTIO_STORE_STEP_H

#ifndef STORE_STEP
#define STORE_STEP() ((void)0)
#endif

#endif
