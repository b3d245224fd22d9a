/* SPDX-License-Identifier: MIT */
/* Why a frame was dropped: a counter per port and reason. */
#ifndef NET_SWITCH_DROP_H
#define NET_SWITCH_DROP_H

#include "control/drops.h"

/* "foreign-vlan"; "unknown" beyond. */
const char *switch_drop_name(unsigned reason);

#endif
