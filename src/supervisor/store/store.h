/* SPDX-License-Identifier: MIT */
/*
 * The transaction store: everything the supervisor must still know after any
 * crash of itself or of the host.
 *
 * One SQLite file in the state directory (WAL, synchronous=FULL), held by one
 * supervisor at a time. A function that writes is a transaction of its own, or
 * part of the one that store_begin() opened; when it returns 0 outside one, the
 * change is on disk.
 *
 * The recovery path must not wait for a disk, so small facts that the world
 * itself proves again (a child's process id, a restart count, an event) go
 * through store_defer_...(): queued in memory, written by the next transaction
 * or by store_flush_deferred() from the idle loop. A crash loses them; nothing
 * else depends on them (invariant I5: re-adoption reconciles).
 *
 * A commit waits for the disk: an errand (errand.h) steps aside for it, and for
 * others who use the store. The loop only defers; anything else that it asks
 * while an errand is at it fails with -EBUSY.
 *
 * Trust      The file is ours; a damaged one is reported, never believed.
 * Threads    Those of the supervisor, each with its turn.
 * Errors     -ENOENT no such row; -ENOSPC the disk is full; -EIO it fails;
 *            -EUCLEAN the file is damaged; -ENOMEM. After an error inside a
 *            transaction only store_rollback() helps. store_error() has the
 *            sentence.
 */
#ifndef SUPERVISOR_STORE_H
#define SUPERVISOR_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/refusal.h"
#include "control/protocol.h"
#include "definition/network.h"
#include "definition/volume.h"
#include "supervisor/store/lifecycle.h"

#define STORE_SCHEMA_VERSION 1
#define STORE_EVENT_ROWS     10000 /* older events are forgotten */

struct store;

/* Bytes of any number. */
struct store_blob {
	void *data;
	size_t bytes;
};
#define STORE_BLOB_MAX (64u << 10)

/*
 * Open or make the store in `state_dir` (made with mode 0700 when missing).
 * The caller closes it with store_close(). All errors fill the refusal.
 *
 * -EBUSY    another supervisor holds it
 * -EPROTO   written by a newer release; nothing was changed
 * -EUCLEAN  it is damaged, or gone and a copy is there; the refusal names the
 *           way out
 */
int store_open(struct store **ret_store, const char *state_dir,
	       struct refusal *ret_refusal);

/* Write what is deferred and close. Safe on NULL. */
void store_close(struct store *store);

/* -- its copy, for the day on which it is damaged (recover.h) -- */

#define STORE_FILE     "store.db"
#define STORE_COPY     "store.copy"
#define STORE_OLD_COPY "store.copy.1" /* the one before */
#define STORE_ADVICE   "bulkheadd --recover takes its newest whole copy"

/* Has anything been written since the last copy was begun? */
bool store_is_ahead(const struct store *store);

/*
 * Put a whole copy in the place of the last one. An errand; others use the
 * store meanwhile.
 *
 * -EUCLEAN  the store itself is damaged: the last copy stays
 * -ENOSPC and others of the file system: it stays as well
 */
int store_copy(struct store *store);

#define STORE_ERROR_SIZE 160
/* The sentence for the last error; valid until the next call. */
const char *store_error(const struct store *store);

/* Refuse what could not be done for this error of the store. */
int store_refuse(const struct store *store, int error, struct refusal *refusal);

/*
 * One transaction around several writes. Deferred writes queued before it are
 * made first, in the same transaction. They do not nest.
 */
int store_begin(struct store *store);
int store_commit(struct store *store); /* rolled back when it fails */
void store_rollback(struct store *store);

/* Roll back at the end of a scope, unless committed: SCOPED(store_scope_end).*/
struct store_scope {
	struct store *store; /* NULL when nothing is open */
};
int store_scope_begin(struct store_scope *scope, struct store *store);
int store_scope_commit(struct store_scope *scope);
void store_scope_end(struct store_scope *scope);

/* -- partitions -- */

/* The image of a saved guest (image.h has the file). */
struct saved_image {
	uint64_t saved_us; /* CLOCK_REALTIME; 0: there is none */
	uint64_t bytes;    /* that it takes on disk */
};

struct partition_record {
	struct partition_definition definition; /* its name is the key */
	struct lifecycle lifecycle;
	uint32_t restarts;   /* of its monitor by policy, since START */
	uint32_t engine;     /* enum engine_kind of its guest, since START */
	uint64_t defined_us; /* CLOCK_REALTIME */
	uint64_t started_us; /* last START; 0: never */
	uint64_t stop_by_ns; /* clock_now_ns() at which STOPPING has an end */
	uint32_t is_autostart_due; /* see autostart.h */
	struct saved_image image;
	char reason[TEXT_SIZE]; /* why it is in this state; may be empty */
};

/*
 * All of it but the definition, by the next transaction or flush; a later one of
 * the same partition takes its place. Never dropped. -ENOMEM
 */
int store_defer_state(struct store *store,
		      const struct partition_record *record);

/* The number of the last state that was deferred, and whether it, and all
 * before it, are on disk. */
uint64_t store_last_state(const struct store *store);
bool store_is_written(const struct store *store, uint64_t state);

/* Insert or replace the whole record. */
int store_put_partition(struct store *store,
			const struct partition_record *record);

/* All of it but the definition. -ENOENT */
int store_put_partition_state(struct store *store,
			      const struct partition_record *record);

int store_get_partition(struct store *store, const char *name,
			struct partition_record *ret_record);

/* -ENOENT; -EBUSY while it has attachments or an intent */
int store_delete_partition(struct store *store, const char *name);

/* A visitor returns 0 to go on; anything else ends the walk and is returned.
 * It must not write. Rows come by name or id. */
int store_each_partition(struct store *store,
			 int (*visit)(void *context,
				      const struct partition_record *record),
			 void *context);

/* -- attachments: one per disk (and console) of an installed partition -- */

struct attachment_record {
	uint64_t id; /* never reused */
	char partition[NAME_SIZE];
	char name[NAME_SIZE]; /* of the disk */
	char file[PATH_SIZE];
	uint64_t device; /* st_dev, or st_rdev of a block device */
	uint64_t inode;
	uint64_t size_bytes;
	uint32_t is_read_only;
	uint32_t is_block_device;
	uint32_t is_created; /* by install, so uninstall may remove it */
	uint32_t access;     /* enum disk_access */
	uint32_t type;       /* enum disk_type */
	uint64_t saved_ns;   /* storage_facts.mark at the last save */
	uint64_t volume_id;  /* whose file it is; 0: its own */
};

int store_put_attachment(struct store *store,
			 const struct attachment_record *record);
int store_get_attachment(struct store *store, uint64_t id,
			 struct attachment_record *ret_record);
int store_delete_attachments(struct store *store, const char *partition);
/* `partition` NULL: all of them. */
int store_each_attachment(struct store *store, const char *partition,
			  int (*visit)(void *context,
				       const struct attachment_record *record),
			  void *context);

/* -- switches, and the interfaces of partitions -- */

struct switch_record {
	uint64_t id; /* attachment of its uplink; never reused */
	struct switch_definition definition; /* its name is the key */
};

int store_put_switch(struct store *store, const struct switch_record *record);
int store_delete_switch(struct store *store, const char *name); /* -ENOENT */
int store_each_switch(struct store *store,
		      int (*visit)(void *context,
				   const struct switch_record *record),
		      void *context);

struct nic_record {
	uint64_t id; /* of the attachment; never reused */
	char partition[NAME_SIZE];
	struct nic_definition definition; /* with its MAC filled in */
};

/* They go with their partition. */
int store_put_nic(struct store *store, const struct nic_record *record);
int store_delete_nic(struct store *store, uint64_t id); /* -ENOENT */
/* All of them, in the order in which they were defined. */
int store_each_nic(struct store *store,
		   int (*visit)(void *context, const struct nic_record *record),
		   void *context);

struct mirror_record {
	uint64_t id; /* of the interface that gets copies; it goes with it */
	uint64_t from_id; /* of the port that is copied; 0: a VLAN is */
	uint32_t vid; /* 0: a port is; with neither it is a mirror no more */
};

int store_put_mirror(struct store *store, const struct mirror_record *record);
int store_each_mirror(struct store *store,
		      int (*visit)(void *context,
				   const struct mirror_record *record),
		      void *context);

/* -- volumes -- */

struct volume_record {
	uint64_t id; /* from STORE_ATTACHMENT, never reused */
	struct volume_definition definition; /* its name is the key */
};

int store_put_volume(struct store *store, const struct volume_record *record);
int store_get_volume(struct store *store, const char *name,
		     struct volume_record *ret_record);
int store_delete_volume(struct store *store, const char *name);
int store_each_volume(struct store *store,
		      int (*visit)(void *context,
				   const struct volume_record *record),
		      void *context);

/* -- services -- */

struct service_record {
	char name[NAME_SIZE];
	uint32_t role; /* enum role */
	uint32_t standby_count;
	uint32_t restarts; /* since it was defined */
};

int store_put_service(struct store *store, const struct service_record *record);
int store_delete_service(struct store *store, const char *name);
int store_each_service(struct store *store,
		       int (*visit)(void *context,
				    const struct service_record *record),
		       void *context);
void store_defer_service_restarts(struct store *store, const char *name,
				  uint32_t restarts);

/* -- children: who was running, to know them again after our own death -- */

#define CGROUP_SIZE 128

struct child_record {
	uint64_t instance;   /* the key; from STORE_INSTANCE, never reused */
	uint64_t start_time; /* process_birth() */
	uint64_t generation; /* that this instance serves; 0: none */
	int32_t pid;
	uint32_t role; /* enum role */
	uint32_t uid;
	uint32_t is_standby;
	char name[NAME_SIZE]; /* of the partition or service */
	uint8_t token[TOKEN_BYTES];
	char cgroup[CGROUP_SIZE]; /* may be empty */
};

int store_put_child(struct store *store, const struct child_record *record);
int store_each_child(struct store *store,
		     int (*visit)(void *context,
				  const struct child_record *record),
		     void *context);
void store_defer_child(struct store *store, const struct child_record *record);
void store_defer_child_gone(struct store *store, uint64_t instance);

/* -- numbers that are never handed out twice -- */

enum store_counter {
	STORE_ATTACHMENT, /* attachment ids */
	STORE_GENERATION, /* of channels */
	STORE_INSTANCE,   /* of children */
	STORE_EVENT,      /* sequence numbers of events */
	STORE_INTENT,     /* of the journal */
	STORE_COUNTER_COUNT,
};

/*
 * The next number, from 1. Many are reserved on disk at a time, and more of
 * them by whatever is written next; this never writes, so that nobody waits.
 * A crash skips numbers.
 *
 * -EAGAIN  the store could not be written for so long that none is left
 */
int store_next(struct store *store, enum store_counter which,
	       uint64_t *ret_number);

/* -- events -- */

void store_defer_event(struct store *store, const struct event_row *row);
/* Those in the queue as well. */
int store_each_event(struct store *store, uint64_t after, unsigned limit,
		     int (*visit)(void *context, const struct event_row *row),
		     void *context);

/* The number before the newest `count` rows that are on disk. */
int store_before_newest(struct store *store, unsigned count,
			uint64_t *ret_after);

/* -- single facts -- */

enum store_fact {
	STORE_KEY,          /* of children's tokens (token.h) */
	STORE_IS_RECOVERED, /* it was a copy; who runs has not been asked yet */
};

/* Zero bytes: forget it. */
int store_put_fact(struct store *store, enum store_fact fact, const void *value,
		   size_t bytes);
/* -ENOENT; -EUCLEAN of another size */
int store_get_fact(struct store *store, enum store_fact fact, void *ret_value,
		   size_t bytes);

/* -- deferred writes -- */

/* Is there something to flush: a state; anything else (deferred writes or low
 * counters)? */
bool store_has_state(const struct store *store);
bool store_has_deferred(const struct store *store);

/*
 * Write it all in one transaction. With states among it they are on disk when
 * it returns 0; else nobody waits for the disk (save for the rare checkpoint):
 * a crash of ours loses none of it. On error everything stays queued, except
 * that beyond STORE_DEFERRED_MAX the oldest events are dropped.
 */
#define STORE_DEFERRED_MAX 1024
int store_flush_deferred(struct store *store);

/* The same for what has happened, or ends something: on a full disk it takes the
 * room that is kept back for that in the state directory. */
int store_flush_at_all_costs(struct store *store);

/* All but the states, so that nobody waits for the disk. */
int store_flush_but_states(struct store *store);

#endif
