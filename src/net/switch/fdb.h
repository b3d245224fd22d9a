/* SPDX-License-Identifier: MIT */
/*
 * The forwarding database: which port has a (VID, MAC).
 *
 * Static entries come from configuration and never move or age. Learnt ones do
 * both; each port has a quota of them and the table has room for every quota,
 * so a port that forges addresses cannot exhaust the entries of others. Trunks
 * have no entries: they receive all unknown destinations anyway.
 *
 * Threads    One.
 * Errors     0 or a negative errno.
 */
#ifndef NET_SWITCH_FDB_H
#define NET_SWITCH_FDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/switch/ethernet.h"

#define FDB_BUCKET_COUNT 4096u
#define FDB_PORT_COUNT   256u
#define FDB_PORT_QUOTA   64u /* learnt entries of one port */
#define FDB_PORT_STATIC  32u /* static ones: a VLAN each, and its PVID */
#define FDB_ENTRY_COUNT  (FDB_PORT_COUNT * (FDB_PORT_QUOTA + FDB_PORT_STATIC))
#define FDB_AGE_NS       (300ull * 1000000000ull) /* 802.1Q, table 8-6 */
#define FDB_NONE         UINT16_MAX

struct fdb_entry {
	struct mac mac;
	uint16_t vid;
	uint16_t port;
	uint16_t next; /* of its bucket, or of the free list */
	bool is_used;
	bool is_static;
	uint64_t seen_ns;
};

struct fdb {
	uint16_t buckets[FDB_BUCKET_COUNT];
	uint16_t free;  /* list of entries that were freed */
	uint16_t fresh; /* entries from here on were never used */
	uint16_t learnt[FDB_PORT_COUNT]; /* per port */
	uint32_t seed; /* so that nobody can cause collisions */
	struct fdb_entry entries[FDB_ENTRY_COUNT];
};

enum fdb_learnt {
	FDB_KNOWN,     /* nothing new */
	FDB_NEW,       /* a new entry */
	FDB_MOVED,     /* a learnt one was at another port */
	FDB_TAKE_OVER, /* a static one is at another port; nothing changed */
	FDB_FULL,      /* no room, or the port's quota is used up */
};

/* `fdb` is zeroed: its entries take no memory until they are used. */
void fdb_init(struct fdb *fdb, uint32_t seed);

/*
 * Add a static entry; it replaces a learnt one with the same key.
 *
 * -EEXIST  it is static at another port
 * -ENOSPC
 */
int fdb_add_static(struct fdb *fdb, uint16_t vid, const struct mac *mac,
		   uint16_t port);

/* A frame with this source arrived at this port. */
enum fdb_learnt fdb_learn(struct fdb *fdb, uint16_t vid, const struct mac *mac,
			  uint16_t port, uint64_t now_ns, uint16_t *ret_before);

/* It was seen beyond a trunk: remove its learnt entry. True if there was
 * one. */
bool fdb_unlearn(struct fdb *fdb, uint16_t vid, const struct mac *mac);

/* The port, or FDB_NONE. */
uint16_t fdb_find(const struct fdb *fdb, uint16_t vid, const struct mac *mac);

/* Remove all entries of a port, static ones included. */
void fdb_forget_port(struct fdb *fdb, uint16_t port);

/* Remove learnt entries that were not seen for FDB_AGE_NS. */
void fdb_age(struct fdb *fdb, uint64_t now_ns);

/* The entry at or after *cursor, which moves beyond it; NULL at the end. */
const struct fdb_entry *fdb_next(const struct fdb *fdb, size_t *cursor);

#endif
