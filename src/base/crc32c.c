/* SPDX-License-Identifier: MIT */
#include "base/crc32c.h"

#include <pthread.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* bits reversed */

static uint32_t table[256];

static void fill_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t value = i;

		for (int bit = 0; bit < 8; bit++)
			value = value >> 1 ^ (value & 1 ? POLYNOMIAL : 0);
		table[i] = value;
	}
}

uint32_t crc32c_by_table(uint32_t sum, const void *bytes, size_t count)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const uint8_t *next = bytes;

	(void)pthread_once(&once, fill_table);
	sum = ~sum;
	for (; count > 0; count--)
		sum = table[(sum ^ *next++) & 0xff] ^ sum >> 8;
	return ~sum;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t
by_instruction(uint32_t sum, const void *bytes, size_t count)
{
	const uint8_t *next = bytes;
	uint64_t state = ~sum;
	uint64_t word;

	for (; count >= sizeof(word); count -= sizeof(word)) {
		memcpy(&word, next, sizeof(word));
		state = __builtin_ia32_crc32di(state, word);
		next += sizeof(word);
	}
	for (; count > 0; count--)
		state = __builtin_ia32_crc32qi((uint32_t)state, *next++);
	return ~(uint32_t)state;
}

uint32_t crc32c(uint32_t sum, const void *bytes, size_t count)
{
	return __builtin_cpu_supports("sse4.2")
		       ? by_instruction(sum, bytes, count)
		       : crc32c_by_table(sum, bytes, count);
}
#else
uint32_t crc32c(uint32_t sum, const void *bytes, size_t count)
{
	return crc32c_by_table(sum, bytes, count);
}
#endif
