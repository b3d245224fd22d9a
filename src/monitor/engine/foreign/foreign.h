/* SPDX-License-Identifier: MIT */
/*
 * The engine `foreign`: another virtual machine monitor, which connects to a
 * listening socket and uses disk 0 over vhost-user. Its guest is not ours; it
 * may connect and disconnect at any time.
 */
#ifndef MONITOR_ENGINE_FOREIGN_FOREIGN_H
#define MONITOR_ENGINE_FOREIGN_FOREIGN_H

#include "monitor/engine/engine.h"

extern const struct engine_ops foreign_engine;

#endif
