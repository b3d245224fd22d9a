/* SPDX-License-Identifier: MIT */
/*
 * Which frames the guest wants, as QEMU tells it: it keeps the control queue of
 * an interface, whose frames it does not see.
 *
 * Trust      The answer is as hostile as the guest. What makes no sense is a
 *            filter that takes everything, which is no one's loss but its own.
 */
#ifndef MONITOR_ENGINE_QEMU_FILTER_H
#define MONITOR_ENGINE_QEMU_FILTER_H

#include <jansson.h>

#include "monitor/nic/nic.h"

/* What query-rx-filter returned for one interface. -EBADMSG: something else */
int filter_read(const json_t *returned, struct nic_filter *ret_filter);

#endif
