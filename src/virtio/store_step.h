/* SPDX-License-Identifier: MIT */
/*
 * A mark after each store at which a successor may find the record half
 * updated.
 *
 * Empty in a normal build. A test that defines STORE_STEP before including the
 * .c files inspects memory as of that store, which makes a death there
 * deterministic.
 */
#ifndef VIRTIO_STORE_STEP_H
#define VIRTIO_STORE_STEP_H

#ifndef STORE_STEP
#define STORE_STEP() ((void)0)
#endif

#endif
