/* SPDX-License-Identifier: MIT */
/*
 * CRC-32C (Castagnoli; RFC 3720, B.4): finds every burst of up to 32 flipped
 * bits, and a processor has an instruction for it. It finds damage, it does not
 * keep out someone who writes the checksum as well.
 */
#ifndef SAVED_CRC32C_H
#define SAVED_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of the bytes so far, whose sum is `sum` (0: none), and these. */
uint32_t crc32c(uint32_t sum, const void *bytes, size_t count);

/* The same by table, for processors without the instruction. */
uint32_t crc32c_by_table(uint32_t sum, const void *bytes, size_t count);

#endif
