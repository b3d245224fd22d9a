/* SPDX-License-Identifier: MIT */
#include <elf.h>
#include <string.h>

#include "base/count.h"
#include "boot/kernel.h"

/* Xen's public/elfnote.h */
#define XEN_ELFNOTE_PHYS32_ENTRY 18
#define NOTE_ALIGNMENT           4

static bool is_pvh(const Elf32_Nhdr *note, const uint8_t *name)
{
	return note->n_type == XEN_ELFNOTE_PHYS32_ENTRY &&
	       note->n_namesz == sizeof("Xen") &&
	       memcmp(name, "Xen", sizeof("Xen")) == 0 &&
	       note->n_descsz >= sizeof(uint32_t);
}

/*
 * Name and descriptor are padded to four bytes each, in ELF of both sizes. The
 * sums cannot wrap: each is of numbers below 2^32 in 64 bits.
 */
uint32_t elf_note_pvh_entry(const uint8_t *notes, size_t bytes)
{
	uint64_t at = 0;
	Elf32_Nhdr note;
	uint32_t entry;

	while (bytes - at >= sizeof(note)) {
		uint64_t name, descriptor, next;

		memcpy(&note, notes + at, sizeof(note));
		name = at + sizeof(note);
		descriptor = name + align_up_u64(note.n_namesz, NOTE_ALIGNMENT);
		next = descriptor + align_up_u64(note.n_descsz, NOTE_ALIGNMENT);
		if (next > bytes)
			return 0;
		memcpy(&entry, notes + min_u64(descriptor, bytes - 4), 4);
		if (is_pvh(&note, notes + name))
			return entry;
		at = next;
	}
	return 0;
}
