/* SPDX-License-Identifier: MIT */
/*
 * Addresses of what the loader creates, all below 640 KiB, which kernels reuse
 * only after they have read it.
 */
#ifndef BOOT_PLACE_H
#define BOOT_PLACE_H

#define PLACE_GDT         0x00500ull
#define PLACE_START_INFO  0x06000ull /* PVH; module list and map behind it */
#define PLACE_BOOT_PARAMS 0x07000ull
#define PLACE_STACK_END   0x09000ull /* one page below */
#define PLACE_PAGE_TABLES 0x09000ull /* six pages */
#define PLACE_CMDLINE     0x20000ull
#define PLACE_CMDLINE_MAX 0x10000u /* with its NUL */
#define PLACE_EBDA        0x9fc00ull
#define PLACE_VIDEO       0xa0000ull
#define PLACE_KERNEL      0x100000ull /* kernels and initrds from here on */

#endif
