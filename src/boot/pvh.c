/* SPDX-License-Identifier: MIT */
/* Xen's public/arch-x86/hvm/start_info.h, version 1 */
#include "boot/place.h"
#include "boot/tables.h"

#define START_MAGIC 0x336ec578

struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t module_count;
	uint64_t modules_gpa;
	uint64_t cmdline_gpa;
	uint64_t rsdp_gpa;
	uint64_t map_gpa;
	uint32_t map_count;
	uint32_t reserved;
};

struct start_module {
	uint64_t gpa;
	uint64_t bytes;
	uint64_t cmdline_gpa;
	uint64_t reserved;
};

struct start_range {
	uint64_t gpa;
	uint64_t bytes;
	uint32_t type;
	uint32_t reserved;
};

/* One page, as the kernel finds it. */
struct start_page {
	struct start_info info;
	struct start_module module;
	struct start_range ranges[MEMORY_MAP_MAX];
};

_Static_assert(sizeof(struct start_info) == 56, "hvm_start_info");
_Static_assert(sizeof(struct start_module) == 32, "hvm_modlist_entry");
_Static_assert(sizeof(struct start_range) == 24, "hvm_memmap_table_entry");
_Static_assert(PLACE_START_INFO + sizeof(struct start_page) <=
		       PLACE_BOOT_PARAMS,
	       "the start info keeps to its page");

int pvh_tables_write(struct guestmem *memory, const struct boot_initrd *initrd,
		     const struct memory_map *map, gpa_t rsdp)
{
	struct start_page page = {
		.info = {
			.magic = START_MAGIC,
			.version = 1,
			.module_count = initrd->bytes ? 1 : 0,
			.modules_gpa = PLACE_START_INFO +
				       offsetof(struct start_page, module),
			.cmdline_gpa = PLACE_CMDLINE,
			.rsdp_gpa = rsdp,
			.map_gpa = PLACE_START_INFO +
				   offsetof(struct start_page, ranges),
			.map_count = map->count,
		},
		.module = { .gpa = initrd->gpa, .bytes = initrd->bytes },
	};

	for (uint32_t i = 0; i < map->count; i++)
		page.ranges[i] = (struct start_range){
			.gpa = map->ranges[i].addr,
			.bytes = map->ranges[i].size,
			.type = map->ranges[i].type,
		};
	return guestmem_write(memory, PLACE_START_INFO, &page, sizeof(page));
}
