/* SPDX-License-Identifier: MIT */
/*
 * The command line of QEMU: a machine with only the listed devices, whose
 * disks, console and QMP are inherited sockets.
 */
#ifndef MONITOR_ENGINE_QEMU_ARGUMENTS_H
#define MONITOR_ENGINE_QEMU_ARGUMENTS_H

#include <stddef.h>

#include "control/protocol.h"
#include "monitor/engine/engine.h"

/* Descriptors as QEMU sees them. */
#define QEMU_FD_QMP    3
#define QEMU_FD_SERIAL 4
#define QEMU_FD_DISK   5 /* and on: one per disk */

/* Where its files are in the jail. */
#define QEMU_KERNEL "/boot/kernel"
#define QEMU_INITRD "/boot/initrd"
/* Of interface N. QEMU 7.2 accepts no descriptor for a network backend. */
#define QEMU_NIC      "/boot/nic%u"
#define QEMU_NIC_SIZE 24
/* What QEMU calls its device. */
#define QEMU_NIC_DEVICE "nic%u-device"

#define QEMU_ARGUMENT_MAX 160
#define QEMU_TEXT_SIZE    8192

struct qemu_arguments {
	char *list[QEMU_ARGUMENT_MAX + 1]; /* NULL at the end; into `text` */
	size_t count;
	char text[QEMU_TEXT_SIZE];
	size_t text_bytes;
};

/*
 * -ENOSPC  the settings do not fit
 */
int qemu_arguments(const struct engine_machine *machine,
		   struct qemu_arguments *ret_arguments);

#endif
