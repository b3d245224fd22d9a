/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "boot/place.h"
#include "boot/tables.h"
#include "machine/layout.h"

#define RAM      1
#define RESERVED 2

static void add(struct memory_map *map, uint64_t start, uint64_t end,
		uint32_t type)
{
	if (end > start)
		map->ranges[map->count++] = (struct boot_e820_entry){
			.addr = start, .size = end - start, .type = type
		};
}

/*
 * The EBDA and the ACPI tables are reserved and not "ACPI data": some kernels
 * take the latter for memory once they have read it, and a reset does not.
 */
void memory_map_fill(struct memory_map *map, uint64_t low_end,
		     uint64_t high_end)
{
	memset(map, 0, sizeof(*map));
	add(map, 0, PLACE_EBDA, RAM);
	add(map, PLACE_EBDA, PLACE_VIDEO, RESERVED);
	add(map, LAYOUT_ACPI_BASE, LAYOUT_ACPI_BASE + LAYOUT_ACPI_BYTES,
	    RESERVED);
	add(map, PLACE_KERNEL, low_end, RAM);
	add(map, LAYOUT_ECAM_BASE, LAYOUT_ECAM_BASE + LAYOUT_ECAM_BYTES,
	    RESERVED);
	/* The identity map page and behind it the three of the TSS. */
	add(map, LAYOUT_IDENTITY, LAYOUT_TSS + 3 * LAYOUT_PAGE_BYTES, RESERVED);
	add(map, LAYOUT_HIGH_BASE, high_end, RAM);
}
