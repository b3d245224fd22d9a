/* SPDX-License-Identifier: MIT */
/*
 * Devices with byte registers: a wider access becomes one access to each byte,
 * lowest first, as on the ISA bus.
 */
#ifndef MACHINE_BYTEWISE_H
#define MACHINE_BYTEWISE_H

#include <stdint.h>

static inline uint64_t bytewise_read(uint8_t (*read)(void *, uint16_t),
				     void *device, uint64_t offset,
				     uint32_t width)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < width; i++)
		value |= (uint64_t)read(device, (uint16_t)(offset + i))
			 << (8 * i);
	return value;
}

static inline void bytewise_write(void (*write)(void *, uint16_t, uint8_t),
				  void *device, uint64_t offset, uint64_t value,
				  uint32_t width)
{
	for (uint32_t i = 0; i < width; i++)
		write(device, (uint16_t)(offset + i),
		      (uint8_t)(value >> (8 * i)));
}

#endif
