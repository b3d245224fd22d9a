/* SPDX-License-Identifier: MIT */
/*
 * The guest's receive filter, as QEMU reports it: QEMU handles the control
 * queue of an interface whose frames it does not see.
 *
 * Trust      The answer is as hostile as the guest. An invalid one becomes a
 *            filter that accepts everything, at the guest's own cost.
 */
#ifndef MONITOR_ENGINE_QEMU_FILTER_H
#define MONITOR_ENGINE_QEMU_FILTER_H

#include <jansson.h>

#include "monitor/nic/nic.h"

/* What query-rx-filter returned for one interface. -EBADMSG: something else */
int filter_read(const json_t *returned, struct nic_filter *ret_filter);

#endif
