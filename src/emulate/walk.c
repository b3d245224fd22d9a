/* SPDX-License-Identifier: MIT */
#include "emulate/walk.h"

#include <asm/processor-flags.h>
#include <errno.h>

#define EFER_LMA (1ull << 10)
#define EFER_NX  (1ull << 11)

#define ENTRY_PRESENT    (1ull << 0)
#define ENTRY_WRITABLE   (1ull << 1)
#define ENTRY_USER       (1ull << 2)
#define ENTRY_ACCESSED   (1ull << 5)
#define ENTRY_DIRTY      (1ull << 6)
#define ENTRY_LARGE      (1ull << 7)
#define ENTRY_NO_EXECUTE (1ull << 63)
#define ENTRY_RIGHTS     (ENTRY_WRITABLE | ENTRY_USER)

#define FAULT_PRESENT  (1u << 0)
#define FAULT_WRITE    (1u << 1)
#define FAULT_USER     (1u << 2)
#define FAULT_RESERVED (1u << 3)
#define FAULT_FETCH    (1u << 4)
#define FAULT_KEY      (1u << 5)

#define LEVEL_MAX 5
/* Tries until nobody has changed the tables in between. */
#define TRY_MAX 8

/* A paging mode. */
struct mode {
	unsigned int levels;
	unsigned int bits; /* of the address for each level */
	size_t entry_bytes;
};

struct entry {
	uint64_t gpa;
	uint64_t value;
};

struct path {
	struct mode mode;
	struct entry entries[LEVEL_MAX]; /* from the root down */
	unsigned int count;
	unsigned int shift; /* of the page found: 1 << shift bytes */
	uint64_t rights;    /* ENTRY_RIGHTS that all of them give */
	bool is_executable;
};

static struct mode mode_of(const struct walk *walk)
{
	if (!(walk->cr4 & X86_CR4_PAE))
		return (struct mode){ 2, 10, 4 };
	if (!(walk->efer & EFER_LMA))
		return (struct mode){ 3, 9, 8 };
	return (struct mode){ walk->cr4 & X86_CR4_LA57 ? 5 : 4, 9, 8 };
}

/* The four entries at the top of PAE have neither rights nor other bits. */
static bool is_pae_top(const struct path *path, unsigned int level)
{
	return path->mode.levels == 3 && level == 3;
}

static uint64_t address_mask(const struct walk *walk)
{
	unsigned int bits = walk->physical_bits;

	if (bits < 32 || bits > 52)
		bits = 52;
	return ((1ull << bits) - 1) & ~0xfffull;
}

static uint64_t root_of(const struct walk *walk, const struct mode *mode)
{
	if (mode->levels == 2)
		return walk->cr3 & 0xfffff000;
	if (mode->levels == 3)
		return walk->cr3 & 0xffffffe0;
	return walk->cr3 & address_mask(walk);
}

static unsigned int shift_of(const struct mode *mode, unsigned int level)
{
	return 12 + (level - 1) * mode->bits;
}

static bool is_large(const struct walk *walk, const struct path *path,
		     unsigned int level, uint64_t value)
{
	if (!(value & ENTRY_LARGE) || level == 1)
		return false;
	if (path->mode.levels == 2)
		return walk->cr4 & X86_CR4_PSE;
	return level == 2 || (level == 3 && path->mode.levels > 3);
}

/* Bits that must be zero. */
static uint64_t reserved_of(const struct walk *walk, const struct path *path,
			    unsigned int level, bool is_leaf)
{
	uint64_t reserved;

	if (path->mode.levels == 2)
		return is_leaf && level == 2 ? 1ull << 21 : 0;
	reserved = ~(address_mask(walk) | 0xfff) & 0x000fffffffffffff;
	if (!(walk->efer & EFER_NX))
		reserved |= ENTRY_NO_EXECUTE;
	if (is_leaf && level > 1)
		reserved |= ((1ull << shift_of(&path->mode, level)) - 1) &
			    ~0x1fffull;
	if (!is_leaf && level >= 4)
		reserved |= ENTRY_LARGE;
	return reserved;
}

static uint64_t next_table(const struct walk *walk, const struct path *path,
			   uint64_t value)
{
	return path->mode.levels == 2 ? value & 0xfffff000
				      : value & address_mask(walk);
}

/* One entry; 0, or bits of a page fault's error code beside the access's. */
static int read_entry(const struct walk *walk, struct path *path,
		      uint64_t table, unsigned int index, uint64_t *ret_value)
{
	struct entry *entry = &path->entries[path->count];

	entry->gpa = table + index * path->mode.entry_bytes;
	entry->value = 0;
	if (!walk->read(walk->context, entry->gpa, &entry->value,
			path->mode.entry_bytes) ||
	    !(entry->value & ENTRY_PRESENT))
		return -EFAULT;
	path->count++;
	*ret_value = entry->value;
	return 0;
}

static void take_rights(const struct walk *walk, struct path *path,
			unsigned int level, uint64_t value)
{
	if (is_pae_top(path, level))
		return;
	path->rights &= value;
	if ((walk->efer & EFER_NX) && path->mode.entry_bytes == 8 &&
	    (value & ENTRY_NO_EXECUTE))
		path->is_executable = false;
}

/* Follow the tables down to the page. */
static int follow(const struct walk *walk, uint64_t linear, struct path *path,
		  uint32_t *ret_error_code)
{
	uint64_t table = root_of(walk, &path->mode);

	for (unsigned int level = path->mode.levels; level > 0; level--) {
		unsigned int shift = shift_of(&path->mode, level);
		unsigned int index = (unsigned int)(linear >> shift) &
				     ((1u << path->mode.bits) - 1);
		uint64_t value;
		bool is_leaf;

		if (is_pae_top(path, level))
			index &= 3;
		if (read_entry(walk, path, table, index, &value) < 0)
			return -EFAULT;
		is_leaf = level == 1 || is_large(walk, path, level, value);
		if (!is_pae_top(path, level) &&
		    (value & reserved_of(walk, path, level, is_leaf))) {
			*ret_error_code |= FAULT_PRESENT | FAULT_RESERVED;
			return -EFAULT;
		}
		take_rights(walk, path, level, value);
		path->shift = shift;
		if (is_leaf)
			return 0;
		table = next_table(walk, path, value);
	}
	return 0;
}

static bool is_user(const struct walk *walk)
{
	return walk->cpl == 3;
}

static bool may_supervisor(const struct walk *walk, const struct path *path,
			   enum emulate_access access)
{
	bool is_user_page = path->rights & ENTRY_USER;

	if (access == EMULATE_FETCH)
		return !(is_user_page && (walk->cr4 & X86_CR4_SMEP));
	if (is_user_page && (walk->cr4 & X86_CR4_SMAP) &&
	    !(walk->rflags & X86_EFLAGS_AC))
		return false;
	return access != EMULATE_WRITE || (path->rights & ENTRY_WRITABLE) ||
	       !(walk->cr0 & X86_CR0_WP);
}

static bool may_access(const struct walk *walk, const struct path *path,
		       enum emulate_access access)
{
	if (access == EMULATE_FETCH && !path->is_executable)
		return false;
	if (!is_user(walk))
		return may_supervisor(walk, path, access);
	if (!(path->rights & ENTRY_USER))
		return false;
	return access != EMULATE_WRITE || (path->rights & ENTRY_WRITABLE);
}

/* Protection keys: two bits for each, no access and no writes. */
static bool may_key(const struct walk *walk, const struct path *path,
		    enum emulate_access access)
{
	uint64_t leaf = path->entries[path->count - 1].value;
	uint32_t key = walk->pkru >> (leaf >> 59 & 15) * 2;

	if (!(walk->cr4 & X86_CR4_PKE) || !(walk->efer & EFER_LMA) ||
	    access == EMULATE_FETCH || !(path->rights & ENTRY_USER))
		return true;
	if (key & 1)
		return false;
	return access != EMULATE_WRITE || !(key & 2) ||
	       (!is_user(walk) && !(walk->cr0 & X86_CR0_WP));
}

static int check_rights(const struct walk *walk, const struct path *path,
			enum emulate_access access, uint32_t *ret_error_code)
{
	*ret_error_code |= FAULT_PRESENT;
	if (!may_access(walk, path, access))
		return -EFAULT;
	if (may_key(walk, path, access))
		return 0;
	*ret_error_code |= FAULT_KEY;
	return -EFAULT;
}

/* False: an entry was changed meanwhile. */
static bool mark(const struct walk *walk, const struct path *path,
		 enum emulate_access access)
{
	for (unsigned int i = 0; i < path->count; i++) {
		const struct entry *entry = &path->entries[i];
		uint64_t wanted = entry->value | ENTRY_ACCESSED;

		if (is_pae_top(path, path->mode.levels - i))
			continue;
		if (i == path->count - 1 && access == EMULATE_WRITE)
			wanted |= ENTRY_DIRTY;
		if (wanted != entry->value &&
		    !walk->exchange(walk->context, entry->gpa, entry->value,
				    wanted, path->mode.entry_bytes))
			return false;
	}
	return true;
}

static uint64_t page_of(const struct walk *walk, const struct path *path)
{
	uint64_t leaf = path->entries[path->count - 1].value;
	uint64_t within = (1ull << path->shift) - 1;

	if (path->mode.levels > 2)
		return leaf & address_mask(walk) & ~within;
	if (path->shift == 12)
		return leaf & 0xfffff000;
	/* 4 MiB pages beyond 4 GiB: bits 13 to 20 are bits 32 to 39. */
	return (leaf & 0xffc00000) | (leaf >> 13 & 0xff) << 32;
}

static uint32_t code_of(const struct walk *walk, enum emulate_access access)
{
	uint32_t code = is_user(walk) ? FAULT_USER : 0;

	if (access == EMULATE_WRITE)
		code |= FAULT_WRITE;
	if (access == EMULATE_FETCH &&
	    ((walk->cr4 & X86_CR4_SMEP) ||
	     ((walk->efer & EFER_NX) && (walk->cr4 & X86_CR4_PAE))))
		code |= FAULT_FETCH;
	return code;
}

static int try_once(const struct walk *walk, uint64_t linear,
		    enum emulate_access access, struct path *path,
		    uint32_t *ret_error_code)
{
	int r;

	*path = (struct path){
		.mode = mode_of(walk),
		.rights = ENTRY_RIGHTS,
		.is_executable = true,
	};
	*ret_error_code = code_of(walk, access);
	r = follow(walk, linear, path, ret_error_code);
	return r ? r : check_rights(walk, path, access, ret_error_code);
}

int walk_translate(const struct walk *walk, uint64_t linear,
		   enum emulate_access access, uint64_t *ret_gpa,
		   uint32_t *ret_error_code)
{
	struct path path;

	if (!(walk->cr0 & X86_CR0_PG)) {
		*ret_gpa = linear;
		return 0;
	}
	for (int i = 0; i < TRY_MAX; i++) {
		int error =
			try_once(walk, linear, access, &path, ret_error_code);

		if (error)
			return error;
		if (mark(walk, &path, access))
			break;
		/* Who changes tables that fast gets no more than a page whose
		 * bits are not set, as without a barrier. */
	}
	*ret_gpa = page_of(walk, &path) | (linear & ((1ull << path.shift) - 1));
	return 0;
}
