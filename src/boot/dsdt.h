/* SPDX-License-Identifier: MIT */
/*
 * The definition block of the board: the devices that a guest cannot enumerate
 * (boot/acpi.h lists what it declares).
 */
#ifndef BOOT_DSDT_H
#define BOOT_DSDT_H

#include "boot/aml.h"

/* Append it, without the table's header. */
void dsdt_write(struct aml *aml);

#endif
