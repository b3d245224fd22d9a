/* SPDX-License-Identifier: MIT */
/*
 * The engine `kvm`: our own machine on the KVM API. Its processors are threads
 * of the monitor, its disks are PCI devices in front of the same struct disk
 * that the other engines serve by vhost-user.
 *
 * Errors     Of start(), each also reported as an event: -EINVAL, -E2BIG
 *            kernel, initrd or command line (boot/boot.h) -ERANGE more
 *            processors than this host's KVM supports -ENODEV no /dev/kvm was
 *            passed in -ENOMEM the host does not have that much memory
 */
#ifndef MONITOR_ENGINE_KVM_KVM_H
#define MONITOR_ENGINE_KVM_KVM_H

#include "monitor/engine/engine.h"

extern const struct engine_ops kvm_engine;

#endif
