/* SPDX-License-Identifier: MIT */
/*
 * A guest's memory to boot in, and files made of bytes, for tests of the boot
 * loader. Whatever goes wrong here fails the test.
 */
#ifndef TESTS_BOOT_GUEST_H
#define TESTS_BOOT_GUEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/refusal.h"
#include "boot/boot.h"
#include "guestmem/guestmem.h"

struct boot_guest {
	struct guestmem memory;
	struct boot_config config;
	struct boot_entry entry;
	struct refusal refusal;
};

/* One processor, an empty command line, no kernel, no initrd. */
void boot_guest_open(struct boot_guest *guest, uint64_t memory_bytes);
void boot_guest_close(struct boot_guest *guest);

/* Give it files; the guest owns their descriptors. */
void boot_guest_kernel(struct boot_guest *guest, const void *bytes,
		       size_t count);
void boot_guest_initrd(struct boot_guest *guest, const void *bytes,
		       size_t count);

/* What boot_load() says; it takes no kernel that boot_check_kernel() does not. */
int boot_guest_load(struct boot_guest *guest);

#endif
