/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/failpoint.h"
#include "supervisor/errand/errand.h"
#include "supervisor/store/store_sql.h"

/* Reserved at once, and half of it at least whenever all is written: more than
 * can be wanted until the next time. Not more of attachments' ids than that: a
 * crash skips what is left, and MAC addresses are made of 24 bits of them. */
static const uint32_t blocks[STORE_COUNTER_COUNT] = {
	[STORE_ATTACHMENT] = 1000, [STORE_GENERATION] = 50000,
	[STORE_INSTANCE] = 50000,  [STORE_EVENT] = 50000,
	[STORE_INTENT] = 1000,
};

struct deferred {
	TAILQ_ENTRY(deferred) link;
	enum row_verb verb; /* PUT, UPDATE or DELETE */
	enum store_row row;
	uint64_t record[]; /* of this row type */
};

/* -- the queue -- */

static enum row_worth worth_of(const struct deferred *deferred)
{
	return store_row_types[deferred->row].worth;
}

static bool is_state(const struct deferred *deferred)
{
	return worth_of(deferred) == ROW_WORTH_ALL;
}

static void forget(struct store *store, struct deferred_list *list,
		   struct deferred *deferred)
{
	TAILQ_REMOVE(list, deferred, link);
	store->deferred_count--;
	store->state_count -= is_state(deferred);
	free(deferred);
}

/* Make room: the oldest of those that are worth least, but no state. */
static void drop_one(struct store *store)
{
	struct deferred *deferred, *dropped = NULL;

	TAILQ_FOREACH(deferred, &store->deferred, link)
		if (!is_state(deferred) &&
		    (!dropped || worth_of(deferred) < worth_of(dropped)))
			dropped = deferred;
	if (!dropped)
		return;
	forget(store, &store->deferred, dropped);
	store->dropped_count++;
}

static int queue(struct store *store, enum row_verb verb, enum store_row row,
		 const void *record)
{
	size_t bytes = store_row_types[row].record_bytes;
	struct deferred *deferred = malloc(sizeof(*deferred) + bytes);

	if (!deferred) {
		store->dropped_count++;
		return -ENOMEM;
	}
	if (store->deferred_count >= STORE_DEFERRED_MAX)
		drop_one(store);
	deferred->verb = verb;
	deferred->row = row;
	memcpy(deferred->record, record, bytes);
	TAILQ_INSERT_TAIL(&store->deferred, deferred, link);
	store->deferred_count++;
	store->state_count += is_state(deferred);
	return 0;
}

void store_defer_child(struct store *store, const struct child_record *record)
{
	(void)queue(store, ROW_PUT, ROW_CHILD, record);
}

void store_defer_child_gone(struct store *store, uint64_t instance)
{
	const struct child_record record = { .instance = instance };

	(void)queue(store, ROW_DELETE, ROW_CHILD, &record);
}

void store_defer_service_restarts(struct store *store, const char *name,
				  uint32_t restarts)
{
	struct service_record record = { .restarts = restarts };

	(void)text_copy(record.name, sizeof(record.name), name);
	(void)queue(store, ROW_UPDATE, ROW_SERVICE, &record);
}

void store_defer_event(struct store *store, const struct event_row *row)
{
	(void)queue(store, ROW_PUT, ROW_EVENT, row);
}

const struct event_row *store_queued_event(const struct store *store,
					   uint64_t after)
{
	const struct deferred *deferred;

	TAILQ_FOREACH(deferred, &store->deferred, link) {
		const struct event_row *row = (const void *)deferred->record;

		if (deferred->row == ROW_EVENT && row->sequence > after)
			return row;
	}
	return NULL;
}

static const char *name_of(const struct deferred *state)
{
	const struct partition_record *record = (const void *)state->record;

	return record->definition.name;
}

/* One that waits already, of the same partition. */
static struct deferred *find_state(struct store *store, const char *name)
{
	struct deferred *deferred;

	TAILQ_FOREACH(deferred, &store->deferred, link)
		if (is_state(deferred) && strcmp(name_of(deferred), name) == 0)
			return deferred;
	return NULL;
}

int store_defer_state(struct store *store,
		      const struct partition_record *record)
{
	struct deferred *deferred = find_state(store, record->definition.name);

	store->last_state++;
	if (!deferred)
		return queue(store, ROW_UPDATE, ROW_PARTITION, record);
	memcpy(deferred->record, record, sizeof(*record));
	return 0;
}

uint64_t store_last_state(const struct store *store)
{
	return store->last_state;
}

bool store_is_written(const struct store *store, uint64_t state)
{
	return state <= store->written_state;
}

static void free_list(struct store *store, struct deferred_list *list)
{
	while (!TAILQ_EMPTY(list))
		forget(store, list, TAILQ_FIRST(list));
}

void store_free_deferred(struct store *store)
{
	free_list(store, &store->deferred);
}

/* -- writing it -- */

/* What is not defined any more has no state, and who is gone stays so. */
static int write_one(struct store *store, const struct deferred *deferred)
{
	int r = store_write(store, deferred->verb, deferred->row,
			    deferred->record);

	if (r == -ENOENT)
		return 0;
	store->event_count += r == 0 && deferred->row == ROW_EVENT;
	return r;
}

static int reserve(struct store *store, enum store_counter which)
{
	struct counter *counter = &store->counters[which];
	const struct counter_record record = {
		.id = which, .reserved = counter->next + blocks[which] - 1
	};

	int r;

	counter->last = record.reserved; /* a rollback takes it back */
	r = store_write(store, ROW_PUT, ROW_COUNTER, &record);
	if (r < 0)
		counter->last = counter->last_on_disk;
	return r;
}

static bool is_low(const struct store *store, unsigned which)
{
	const struct counter *counter = &store->counters[which];

	return counter->last + 1 < counter->next + blocks[which] / 2;
}

static int refill(struct store *store)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < STORE_COUNTER_COUNT; i++)
		if (is_low(store, i))
			r = reserve(store, (enum store_counter)i);
	return r;
}

static void take_all(struct store *store)
{
	struct deferred *deferred, *next;

	if (!store->keeps_states) {
		TAILQ_CONCAT(&store->draining, &store->deferred, link);
		store->draining_state = store->last_state;
		return;
	}
	for (deferred = TAILQ_FIRST(&store->deferred); deferred;
	     deferred = next) {
		next = TAILQ_NEXT(deferred, link);
		if (is_state(deferred))
			continue;
		TAILQ_REMOVE(&store->deferred, deferred, link);
		TAILQ_INSERT_TAIL(&store->draining, deferred, link);
	}
}

int store_drain(struct store *store)
{
	const struct deferred *deferred;
	int r = refill(store);

	take_all(store);
	TAILQ_FOREACH(deferred, &store->draining, link) {
		if (r == 0)
			r = write_one(store, deferred);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : store_trim_events(store);
}

void store_drain_committed(struct store *store)
{
	free_list(store, &store->draining);
	store->commit_count++;
	store->event_count_on_disk = store->event_count;
	store->written_state = store->draining_state;
	for (unsigned i = 0; i < STORE_COUNTER_COUNT; i++)
		store->counters[i].last_on_disk = store->counters[i].last;
}

/* What was queued meanwhile is newer. */
static void queue_again(struct store *store)
{
	struct deferred *deferred;

	while ((deferred = TAILQ_LAST(&store->draining, deferred_list))) {
		if (is_state(deferred) &&
		    find_state(store, name_of(deferred))) {
			forget(store, &store->draining, deferred);
			continue;
		}
		TAILQ_REMOVE(&store->draining, deferred, link);
		TAILQ_INSERT_HEAD(&store->deferred, deferred, link);
	}
	while (store->deferred_count > STORE_DEFERRED_MAX &&
	       store->deferred_count > store->state_count)
		drop_one(store);
}

void store_drain_rolled_back(struct store *store)
{
	queue_again(store);
	store->event_count = store->event_count_on_disk;
	for (unsigned i = 0; i < STORE_COUNTER_COUNT; i++)
		store->counters[i].last = store->counters[i].last_on_disk;
}

bool store_has_state(const struct store *store)
{
	return store->state_count > 0;
}

bool store_has_deferred(const struct store *store)
{
	if (store->deferred_count > store->state_count)
		return true;
	for (unsigned i = 0; i < STORE_COUNTER_COUNT; i++)
		if (is_low(store, i))
			return true;
	return false;
}

/* SQLite runs this pragma when it compiles it. */
static void set_synchronous(struct store *store, const char *pragma)
{
	(void)sqlite3_exec(store->database, pragma, NULL, NULL, NULL);
}

/*
 * Without a state among it, without waiting for the disk: the rest is worth
 * nothing after the host itself has died, as the children have died with it.
 * The next commit of an operation makes it durable.
 */
static int flush(struct store *store)
{
	bool is_lazy = store->keeps_states || store->state_count == 0;
	int r;

	if (is_lazy)
		set_synchronous(store, "PRAGMA synchronous = NORMAL");
	/* The transaction that begins writes what is queued. */
	r = store_begin(store);
	if (r == 0)
		r = store_commit(store);
	if (is_lazy)
		set_synchronous(store, "PRAGMA synchronous = FULL");
	else if (r == 0)
		(void)failpoint("state.after");
	return r;
}

int store_flush_deferred(struct store *store)
{
	int r = store_lock(store);

	if (r < 0)
		return r;
	r = flush(store);
	store_unlock(store);
	return r;
}

int store_flush_but_states(struct store *store)
{
	int r = store_lock(store);

	if (r < 0)
		return r;
	store->keeps_states = true;
	r = flush(store);
	store->keeps_states = false;
	store_unlock(store);
	return r;
}

/* Again, as soon as there is any. */
static void keep_room_back(struct store *store)
{
	struct stat status;

	if (fstat(store->reserve_fd, &status) < 0 ||
	    status.st_size >= (off_t)STORE_RESERVE_BYTES)
		return;
	errand_step_aside();
	(void)fallocate(store->reserve_fd, 0, 0, STORE_RESERVE_BYTES);
	errand_step_back();
}

int store_flush_at_all_costs(struct store *store)
{
	int r = store_lock(store);

	if (r < 0)
		return r;
	store->may_use_reserve = true;
	r = flush(store);
	store->may_use_reserve = false;
	if (r == 0)
		keep_room_back(store);
	store_unlock(store);
	return r;
}

/* -- numbers -- */

/* Children of a store that was lost may live, with their uids and groups. */
static uint64_t somewhere(void)
{
	uint32_t number = 0;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return 0;
	return number;
}

int store_load_counters(struct store *store)
{
	for (uint64_t i = 0; i < STORE_COUNTER_COUNT; i++) {
		struct counter *counter = &store->counters[i];
		struct counter_record record = { 0 };
		int r = store_get(store, ROW_COUNTER, &i, &record);

		if (r < 0 && r != -ENOENT)
			return r;
		if (r == -ENOENT && i == STORE_INSTANCE)
			record.reserved = somewhere();
		/* What the last life reserved and did not use is lost. */
		counter->last = record.reserved;
		counter->last_on_disk = record.reserved;
		counter->next = record.reserved + 1;
	}
	return 0;
}

int store_next(struct store *store, enum store_counter which,
	       uint64_t *ret_number)
{
	struct counter *counter = &store->counters[which];

	/* What a transaction has reserved counts when it is on disk. */
	if (counter->next > counter->last_on_disk) {
		(void)snprintf(store->error, sizeof(store->error),
			       "the store: no numbers are left until it can "
			       "be written");
		return -EAGAIN;
	}
	*ret_number = counter->next++;
	return 0;
}
