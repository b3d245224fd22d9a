/* SPDX-License-Identifier: MIT */
/*
 * The address map of a machine of engine kvm, shared by the boot loader, the
 * ACPI tables, the buses and the vCPUs.
 *
 *   0000_0000            RAM, up to LOW_END
 *   000e_0000            ACPI tables (reserved in the memory map)
 *   c000_0000            32-bit PCI window (BARs)
 *   e000_0000            ECAM of bus 0
 *   fec0_0000 fee0_0000  IOAPIC, local APIC (in the kernel)
 *   fffb_c000            identity map page and TSS of KVM (Intel only)
 *   1_0000_0000          RAM beyond LOW_END
 *
 * Sources: PCI Firmware 3.2, 4.1 (ECAM); ACPI 6.4, 4.8.3.7 (sleep registers of
 * a hardware-reduced machine) and 5.6.9 (generic event device).
 */
#ifndef MACHINE_LAYOUT_H
#define MACHINE_LAYOUT_H

#include <stdint.h>

#define LAYOUT_PAGE_BYTES 4096u

/* Guest-physical addresses. */
#define LAYOUT_ACPI_BASE  0x000e0000ull
#define LAYOUT_ACPI_BYTES 0x00020000u
#define LAYOUT_LOW_END    0xc0000000ull /* RAM below here, the rest from HIGH */
#define LAYOUT_HIGH_BASE  0x100000000ull
#define LAYOUT_PCI_BASE   0xc0000000ull
#define LAYOUT_PCI_BYTES  0x20000000u
#define LAYOUT_ECAM_BASE  0xe0000000ull
#define LAYOUT_ECAM_BYTES 0x00100000u /* bus 0: 32 devices, 8 functions */
#define LAYOUT_IOAPIC     0xfec00000ull
#define LAYOUT_LAPIC      0xfee00000ull
#define LAYOUT_IDENTITY   0xfffbc000ull
#define LAYOUT_TSS        0xfffbd000ull

/* Ports. */
#define PORT_SERIAL        0x3f8
#define PORT_SERIAL_COUNT  8
#define PORT_RTC           0x70
#define PORT_RTC_COUNT     2
#define PORT_I8042_DATA    0x60
#define PORT_I8042         0x64
#define PORT_PCI_ADDRESS   0xcf8 /* mechanism 1, for guests without MCFG */
#define PORT_PCI_DATA      0xcfc
#define PORT_SLEEP         0x600 /* ACPI sleep control; status one above */
#define PORT_EVENTS        0x604 /* pending events of the GED, cleared by 1s */
#define PORT_RESET         0x608 /* ACPI reset register: RESET_VALUE */
#define PORT_PVPANIC       0x505 /* as QEMU's pvpanic, so Linux knows it */
#define RESET_VALUE        0x42
#define SLEEP_TYPE_OFF     5
#define EVENT_POWER_BUTTON 0x01

/* Interrupts (GSIs). Those above the IOAPIC's pins carry MSI-X vectors. */
#define GSI_SERIAL 4
#define GSI_RTC    8
#define GSI_EVENTS 9
#define GSI_MSI    24
#define GSI_COUNT  1024

/* Device numbers on bus 0; function 0 each. */
#define SLOT_HOST    0
#define SLOT_DISK    1 /* to 8 */
#define SLOT_NIC     9 /* to 16 */
#define SLOT_CONSOLE 17
#define SLOT_RNG     18
#define SLOT_BALLOON 19
#define SLOT_COUNT   32

/* The version of this map, for saved partitions: a guest cannot be resumed on
 * another one. */
#define LAYOUT_VERSION 1

#define VCPU_MAX 64

#endif
