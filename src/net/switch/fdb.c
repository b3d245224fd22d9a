/* SPDX-License-Identifier: MIT */
#include "net/switch/fdb.h"

#include <errno.h>

void fdb_init(struct fdb *fdb, uint32_t seed)
{
	fdb->seed = seed;
	for (uint32_t i = 0; i < FDB_BUCKET_COUNT; i++)
		fdb->buckets[i] = FDB_NONE;
	fdb->free = FDB_NONE;
}

_Static_assert(FDB_ENTRY_COUNT < FDB_NONE, "an index is 16 bits");

/* A seeded multiply-and-shift over the 60 bits of the key. */
static uint16_t *bucket_of(struct fdb *fdb, uint16_t vid, const struct mac *mac)
{
	uint64_t key = vid;

	for (uint32_t i = 0; i < MAC_BYTES; i++)
		key = key << 8 | mac->bytes[i];
	key ^= (uint64_t)fdb->seed << 16 ^ fdb->seed;
	key *= 0x9e3779b97f4a7c15ull;
	key ^= key >> 29;
	key *= 0xbf58476d1ce4e5b9ull;
	return &fdb->buckets[key >> 52];
}

_Static_assert(FDB_BUCKET_COUNT == 1u << (64 - 52), "the hash's width");

static struct fdb_entry *look_up(const struct fdb *fdb, uint16_t vid,
				 const struct mac *mac)
{
	struct fdb *table = (struct fdb *)(uintptr_t)fdb;
	uint16_t at = *bucket_of(table, vid, mac);

	while (at != FDB_NONE) {
		struct fdb_entry *entry = &table->entries[at];

		if (entry->vid == vid && mac_equals(&entry->mac, mac))
			return entry;
		at = entry->next;
	}
	return NULL;
}

uint16_t fdb_find(const struct fdb *fdb, uint16_t vid, const struct mac *mac)
{
	const struct fdb_entry *entry = look_up(fdb, vid, mac);

	return entry ? entry->port : FDB_NONE;
}

/* A place for a new entry, or FDB_NONE. */
static uint16_t allocate(struct fdb *fdb)
{
	uint16_t at = fdb->free;

	if (at != FDB_NONE)
		fdb->free = fdb->entries[at].next;
	else if (fdb->fresh < FDB_ENTRY_COUNT)
		at = fdb->fresh++;
	return at;
}

static struct fdb_entry *add(struct fdb *fdb, uint16_t vid,
			     const struct mac *mac)
{
	uint16_t *bucket = bucket_of(fdb, vid, mac);
	uint16_t at = allocate(fdb);
	struct fdb_entry *entry;

	if (at == FDB_NONE)
		return NULL;
	entry = &fdb->entries[at];
	*entry = (struct fdb_entry){
		.mac = *mac,
		.vid = vid,
		.next = *bucket,
		.is_used = true,
	};
	*bucket = at;
	return entry;
}

static void drop(struct fdb *fdb, struct fdb_entry *entry)
{
	uint16_t at = (uint16_t)(entry - fdb->entries);
	uint16_t *link = bucket_of(fdb, entry->vid, &entry->mac);

	while (*link != at)
		link = &fdb->entries[*link].next;
	*link = entry->next;
	if (!entry->is_static)
		fdb->learnt[entry->port]--;
	*entry = (struct fdb_entry){ .next = fdb->free };
	fdb->free = at;
}

int fdb_add_static(struct fdb *fdb, uint16_t vid, const struct mac *mac,
		   uint16_t port)
{
	struct fdb_entry *entry = look_up(fdb, vid, mac);

	if (entry && entry->is_static)
		return entry->port == port ? 0 : -EEXIST;
	if (entry)
		fdb->learnt[entry->port]--;
	else
		entry = add(fdb, vid, mac);
	if (!entry)
		return -ENOSPC;
	entry->is_static = true;
	entry->port = port;
	return 0;
}

static enum fdb_learnt see_again(struct fdb *fdb, struct fdb_entry *entry,
				 uint16_t port, uint64_t now_ns,
				 uint16_t *ret_before)
{
	*ret_before = entry->port;
	if (entry->is_static)
		return entry->port == port ? FDB_KNOWN : FDB_TAKE_OVER;
	if (entry->port == port) {
		entry->seen_ns = now_ns;
		return FDB_KNOWN;
	}
	if (fdb->learnt[port] >= FDB_PORT_QUOTA)
		return FDB_FULL;
	fdb->learnt[entry->port]--;
	fdb->learnt[port]++;
	entry->port = port;
	entry->seen_ns = now_ns;
	return FDB_MOVED;
}

enum fdb_learnt fdb_learn(struct fdb *fdb, uint16_t vid, const struct mac *mac,
			  uint16_t port, uint64_t now_ns, uint16_t *ret_before)
{
	struct fdb_entry *entry = look_up(fdb, vid, mac);

	*ret_before = port;
	if (entry)
		return see_again(fdb, entry, port, now_ns, ret_before);
	if (fdb->learnt[port] >= FDB_PORT_QUOTA)
		return FDB_FULL;
	entry = add(fdb, vid, mac);
	if (!entry)
		return FDB_FULL;
	fdb->learnt[port]++;
	entry->port = port;
	entry->seen_ns = now_ns;
	return FDB_NEW;
}

bool fdb_unlearn(struct fdb *fdb, uint16_t vid, const struct mac *mac)
{
	struct fdb_entry *entry = look_up(fdb, vid, mac);

	if (!entry || entry->is_static)
		return false;
	drop(fdb, entry);
	return true;
}

void fdb_forget_port(struct fdb *fdb, uint16_t port)
{
	for (uint32_t i = 0; i < fdb->fresh; i++)
		if (fdb->entries[i].is_used && fdb->entries[i].port == port)
			drop(fdb, &fdb->entries[i]);
}

static bool is_old(const struct fdb_entry *entry, uint64_t now_ns)
{
	return entry->is_used && !entry->is_static && now_ns > entry->seen_ns &&
	       now_ns - entry->seen_ns >= FDB_AGE_NS;
}

void fdb_age(struct fdb *fdb, uint64_t now_ns)
{
	for (uint32_t i = 0; i < fdb->fresh; i++)
		if (is_old(&fdb->entries[i], now_ns))
			drop(fdb, &fdb->entries[i]);
}

const struct fdb_entry *fdb_next(const struct fdb *fdb, size_t *cursor)
{
	while (*cursor < fdb->fresh) {
		const struct fdb_entry *entry = &fdb->entries[(*cursor)++];

		if (entry->is_used)
			return entry;
	}
	return NULL;
}
