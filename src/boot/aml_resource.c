/* SPDX-License-Identifier: MIT */
/* Resource descriptors: ACPI 6.4, 6.4.2 and 6.4.3. */
#include <errno.h>

#include "boot/aml.h"

#define WORD_PREFIX 0x0b
#define END_TAG     0x79

/* The buffer's size is a word behind its length; it counts what follows. */
#define SIZE_OFFSET     3u
#define RESOURCE_OFFSET 6u

void aml_begin_resources(struct aml *aml)
{
	aml_op(aml, AML_NAME);
	aml_path(aml, "_CRS");
	aml_begin(aml, AML_BUFFER);
	aml_bytes(aml, (const uint8_t[]){ WORD_PREFIX, 0, 0 }, 3);
}

/* The end tag's checksum may be 0, which stands for any. */
void aml_end_resources(struct aml *aml)
{
	size_t at, bytes;

	aml_bytes(aml, (const uint8_t[]){ END_TAG, 0 }, 2);
	if (aml->error == 0 && aml->depth == 0)
		aml->error = -EINVAL;
	if (aml->error != 0)
		return;
	at = aml->open[aml->depth - 1];
	bytes = aml->used - at - RESOURCE_OFFSET;
	aml->bytes[at + SIZE_OFFSET + 1] = (uint8_t)bytes;
	aml->bytes[at + SIZE_OFFSET + 2] = (uint8_t)(bytes >> 8);
	aml_end(aml);
}

static void word(struct aml *aml, uint16_t value)
{
	aml_bytes(aml, &value, sizeof(value));
}

static void dword(struct aml *aml, uint32_t value)
{
	aml_bytes(aml, &value, sizeof(value));
}

/* All 16 address lines are decoded; it cannot be moved. */
void aml_ports(struct aml *aml, uint16_t first, uint8_t count)
{
	aml_bytes(aml, (const uint8_t[]){ 0x47, 0x01 }, 2);
	word(aml, first);
	word(aml, first);
	aml_bytes(aml, (const uint8_t[]){ 1, count }, 2);
}

/* Without flags it is edge triggered and active high. */
void aml_isa_interrupt(struct aml *aml, uint32_t number)
{
	aml_byte(aml, 0x22);
	word(aml, (uint16_t)(1u << number));
}

/* Consumer, level triggered, active high, exclusive; one number. */
void aml_level_interrupt(struct aml *aml, uint32_t gsi)
{
	aml_bytes(aml, (const uint8_t[]){ 0x89, 6, 0, 0x01, 1 }, 5);
	dword(aml, gsi);
}

void aml_memory(struct aml *aml, uint32_t base, uint32_t bytes)
{
	aml_bytes(aml, (const uint8_t[]){ 0x86, 9, 0, 1 }, 4);
	dword(aml, base);
	dword(aml, bytes);
}

/* Produced, fixed at both ends; memory is read-write and not cacheable. */
void aml_memory_window(struct aml *aml, uint32_t base, uint32_t bytes)
{
	aml_bytes(aml, (const uint8_t[]){ 0x87, 23, 0, 0, 0x0c, 0x01 }, 6);
	dword(aml, 0);
	dword(aml, base);
	dword(aml, base + bytes - 1);
	dword(aml, 0);
	dword(aml, bytes);
}

void aml_bus_window(struct aml *aml, uint16_t first, uint16_t last)
{
	aml_bytes(aml, (const uint8_t[]){ 0x88, 13, 0, 2, 0x0c, 0 }, 6);
	word(aml, 0);
	word(aml, first);
	word(aml, last);
	word(aml, 0);
	word(aml, (uint16_t)(last - first + 1));
}
