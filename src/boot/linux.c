/* SPDX-License-Identifier: MIT */
/* Documentation/x86/zero-page.rst */
#include <string.h>

#include "boot/place.h"
#include "boot/tables.h"

#define LOADER_UNKNOWN 0xff

_Static_assert(sizeof(struct boot_params) == 4096, "the zero page");

static void name_files(struct boot_params *params,
		       const struct boot_initrd *initrd)
{
	struct setup_header *header = &params->hdr;

	header->cmd_line_ptr = PLACE_CMDLINE;
	header->ramdisk_image = (uint32_t)initrd->gpa;
	header->ramdisk_size = (uint32_t)initrd->bytes;
	params->ext_ramdisk_image = (uint32_t)(initrd->gpa >> 32);
	params->ext_ramdisk_size = (uint32_t)(initrd->bytes >> 32);
}

int linux_tables_write(struct guestmem *memory,
		       const struct boot_kernel *kernel,
		       const struct boot_initrd *initrd,
		       const struct memory_map *map, gpa_t rsdp)
{
	struct boot_params params = { .hdr = kernel->header };

	params.hdr.type_of_loader = LOADER_UNKNOWN;
	/* No real-mode code runs: what is for it alone, it finds as nothing. */
	params.hdr.loadflags &= (uint8_t)~CAN_USE_HEAP;
	params.hdr.setup_data = 0;
	params.acpi_rsdp_addr = rsdp;
	name_files(&params, initrd);
	params.e820_entries = (uint8_t)map->count;
	memcpy(params.e820_table, map->ranges,
	       map->count * sizeof(map->ranges[0]));
	return guestmem_write(memory, PLACE_BOOT_PARAMS, &params,
			      sizeof(params));
}
