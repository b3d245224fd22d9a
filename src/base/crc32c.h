/* SPDX-License-Identifier: MIT */
/*
 * CRC-32C (Castagnoli; RFC 3720, B.4): detects every burst of up to 32 flipped
 * bits, and processors have an instruction for it. It detects damage, not an
 * attacker who rewrites the checksum as well.
 */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of the bytes so far, which is `sum` (0: none), and these. */
uint32_t crc32c(uint32_t sum, const void *bytes, size_t count);

/* The same from a table, for processors without the instruction. */
uint32_t crc32c_by_table(uint32_t sum, const void *bytes, size_t count);

#endif
