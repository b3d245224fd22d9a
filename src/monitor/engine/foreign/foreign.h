/* SPDX-License-Identifier: MIT */
/*
 * The engine `foreign`: somebody else's virtual machine monitor, which comes
 * over a listening socket and wants disk 0 by vhost-user. Its guest is its own
 * business; it may come and go as often as it likes.
 */
#ifndef MONITOR_ENGINE_FOREIGN_FOREIGN_H
#define MONITOR_ENGINE_FOREIGN_FOREIGN_H

#include "monitor/engine/engine.h"

extern const struct engine_ops foreign_engine;

#endif
