/* SPDX-License-Identifier: MIT */
/*
 * The engine `qemu`: a QEMU process in a jail that runs the guest's processors,
 * with our disks over vhost-user. It is started with its processors stopped,
 * and is ready once it speaks QMP.
 *
 * Trust      QEMU is as hostile as its guest. Breaking QMP ends it.
 * Threads    The main thread.
 * Errors     0 or a negative errno. Of start(): -EINVAL no kernel, or an
 *            initial RAM disk that was not announced -ENOSPC the settings do
 *            not fit on a command line other as jail_start() Of command():
 *            -EBUSY, -EAGAIN QEMU is not keeping up -ESRCH it is gone
 */
#ifndef MONITOR_ENGINE_QEMU_QEMU_H
#define MONITOR_ENGINE_QEMU_QEMU_H

#include "monitor/engine/engine.h"

extern const struct engine_ops qemu_engine;

#endif
