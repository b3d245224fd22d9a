/* SPDX-License-Identifier: MIT */
/*
 * The ACPI tables of the emulated board: a hardware-reduced machine (ACPI 6.4,
 * 4.1) without PM timer, SCI or PM1 registers.
 *
 * What the tables declare and the board must implement (machine/layout.h):
 *   PORT_SLEEP   sleep control, one byte; SLP_TYPx is SLEEP_TYPE_OFF in bits
 *                2 to 4, SLP_EN is bit 5; status is the byte after it
 *   PORT_RESET   writing the byte RESET_VALUE resets the machine
 *   PORT_EVENTS  one byte: EVENT_POWER_BUTTON pending; writing ones clears.
 *                GSI_EVENTS is level triggered, active high, and is raised
 *                while any event is pending
 *   GSI_SERIAL   edge triggered, active high, as any ISA interrupt; so GSI_RTC
 *   PCI          bus 0 of segment 0, ECAM at LAYOUT_ECAM_BASE, BARs in 32-bit
 *                memory only, no INTx: no function has an interrupt pin
 *   no 8042 (its reset line aside), no VGA; the RTC is there
 *   local APICs have the ids 0 to cpu_count - 1, the IOAPIC id 0 and GSI 0 up
 *
 * Trust      The only outside input is the processor count, which the caller
 *            has checked.
 */
#ifndef BOOT_ACPI_H
#define BOOT_ACPI_H

#include <stdint.h>

#include "guestmem/guestmem.h"

/*
 * Write all tables at LAYOUT_ACPI_BASE and clear the rest of their
 * LAYOUT_ACPI_BYTES. *ret_rsdp is the address of the RSDP.
 *
 * -EFAULT  that memory is not mapped
 * -ERANGE  cpu_count is not 1 to VCPU_MAX
 */
int acpi_write(struct guestmem *memory, uint32_t cpu_count, gpa_t *ret_rsdp);

#endif
