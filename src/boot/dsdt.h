/* SPDX-License-Identifier: MIT */
/*
 * The definition block of the board: what it has that cannot be found by
 * looking (boot/acpi.h says what it promises).
 */
#ifndef BOOT_DSDT_H
#define BOOT_DSDT_H

#include "boot/aml.h"

/* Append it, without the table's header. */
void dsdt_write(struct aml *aml);

#endif
