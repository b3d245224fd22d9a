/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/failpoint.h"
#include "supervisor/errand/errand.h"
#include "supervisor/store/store_sql.h"

#define COUNTER_BLOCK 1000
#define COUNTER_LOW   500

enum deferred_kind {
	DEFERRED_CHILD,
	DEFERRED_CHILD_GONE,
	DEFERRED_SERVICE_RESTARTS,
	DEFERRED_EVENT,
	DEFERRED_STATE,
};

struct deferred {
	TAILQ_ENTRY(deferred) link;
	enum deferred_kind kind;
	union {
		struct child_record child;
		struct service_record service;
		struct event_row event;
		struct partition_record *partition; /* owned: it is large */
	};
};

/* -- the queue -- */

static void forget(struct store *store, struct deferred_list *list,
		   struct deferred *deferred)
{
	TAILQ_REMOVE(list, deferred, link);
	store->deferred_count--;
	if (deferred->kind == DEFERRED_STATE) {
		store->state_count--;
		free(deferred->partition);
	}
	free(deferred);
}

/* Make room: an old event is worth least, a state of a partition most. */
static void drop_one(struct store *store)
{
	struct deferred *deferred, *dropped = NULL;

	TAILQ_FOREACH(deferred, &store->deferred, link) {
		if (deferred->kind == DEFERRED_EVENT) {
			dropped = deferred;
			break;
		}
		if (!dropped && deferred->kind != DEFERRED_STATE)
			dropped = deferred;
	}
	if (!dropped)
		return;
	forget(store, &store->deferred, dropped);
	store->dropped_count++;
}

static struct deferred *queue(struct store *store, enum deferred_kind kind)
{
	struct deferred *deferred = calloc(1, sizeof(*deferred));

	if (!deferred) {
		store->dropped_count++;
		return NULL;
	}
	if (store->deferred_count >= STORE_DEFERRED_MAX)
		drop_one(store);
	deferred->kind = kind;
	TAILQ_INSERT_TAIL(&store->deferred, deferred, link);
	store->deferred_count++;
	return deferred;
}

void store_defer_child(struct store *store, const struct child_record *record)
{
	struct deferred *deferred = queue(store, DEFERRED_CHILD);

	if (deferred)
		deferred->child = *record;
}

void store_defer_child_gone(struct store *store, uint64_t instance)
{
	struct deferred *deferred = queue(store, DEFERRED_CHILD_GONE);

	if (deferred)
		deferred->child.instance = instance;
}

void store_defer_service_restarts(struct store *store, const char *name,
				  uint32_t restarts)
{
	struct deferred *deferred = queue(store, DEFERRED_SERVICE_RESTARTS);

	if (!deferred)
		return;
	(void)text_copy(deferred->service.name, sizeof(deferred->service.name),
			name);
	deferred->service.restarts = restarts;
}

void store_defer_event(struct store *store, const struct event_row *row)
{
	struct deferred *deferred = queue(store, DEFERRED_EVENT);

	if (deferred)
		deferred->event = *row;
}

const struct event_row *store_queued_event(const struct store *store,
					   uint64_t after)
{
	const struct deferred *deferred;

	TAILQ_FOREACH(deferred, &store->deferred, link)
		if (deferred->kind == DEFERRED_EVENT &&
		    deferred->event.sequence > after)
			return &deferred->event;
	return NULL;
}

/* One that waits already, of the same partition. */
static struct deferred *find_state(struct store *store, const char *name)
{
	struct deferred *deferred;

	TAILQ_FOREACH(deferred, &store->deferred, link)
		if (deferred->kind == DEFERRED_STATE &&
		    strcmp(deferred->partition->definition.name, name) == 0)
			return deferred;
	return NULL;
}

int store_defer_state(struct store *store,
		      const struct partition_record *record)
{
	struct deferred *deferred = find_state(store, record->definition.name);
	struct partition_record *copy;

	store->last_state++;
	if (deferred) {
		*deferred->partition = *record;
		return 0;
	}
	copy = malloc(sizeof(*copy));
	deferred = copy ? queue(store, DEFERRED_STATE) : NULL;
	if (!deferred) {
		free(copy);
		return -ENOMEM;
	}
	*copy = *record;
	deferred->partition = copy;
	store->state_count++;
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

static int put_service_restarts(struct store *store,
				const struct service_record *record)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_SERVICE_RESTARTS, &statement);

	if (r < 0)
		return r;
	store_bind_text(store, statement, 1, record->name);
	store_bind_u64(store, statement, 2, record->restarts);
	return store_write_end(store, statement);
}

/* One that is not defined any more has no state. */
static int put_state(struct store *store, const struct partition_record *record)
{
	int r = store_put_partition_state(store, record);

	return r == -ENOENT ? 0 : r;
}

static int write_one(struct store *store, const struct deferred *deferred)
{
	switch (deferred->kind) {
	case DEFERRED_CHILD:
		return store_put_child(store, &deferred->child);
	case DEFERRED_CHILD_GONE:
		return store_delete_child(store, deferred->child.instance);
	case DEFERRED_SERVICE_RESTARTS:
		return put_service_restarts(store, &deferred->service);
	case DEFERRED_EVENT:
		return store_put_event(store, &deferred->event);
	case DEFERRED_STATE:
		return put_state(store, deferred->partition);
	}
	return 0;
}

static int reserve(struct store *store, enum store_counter which)
{
	struct counter *counter = &store->counters[which];
	uint64_t last = counter->next + COUNTER_BLOCK - 1;
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_COUNTER_PUT, &statement);

	if (r < 0)
		return r;
	store_bind_u64(store, statement, 1, which);
	store_bind_u64(store, statement, 2, last);
	counter->last = last; /* a rollback takes it back */
	return store_write_end(store, statement);
}

static bool is_low(const struct counter *counter)
{
	return counter->last + 1 < counter->next + COUNTER_LOW;
}

static int refill(struct store *store)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < STORE_COUNTER_COUNT; i++)
		if (is_low(&store->counters[i]))
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
		if (deferred->kind == DEFERRED_STATE)
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
		if (deferred->kind == DEFERRED_STATE &&
		    find_state(store, deferred->partition->definition.name)) {
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
		if (is_low(&store->counters[i]))
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
	for (unsigned i = 0; i < STORE_COUNTER_COUNT; i++) {
		struct counter *counter = &store->counters[i];
		sqlite3_stmt *statement;
		int r = store_read_begin(store, SQL_COUNTER_GET, &statement);

		if (r < 0)
			return r;
		store_bind_u64(store, statement, 1, i);
		r = store_read_row(store, statement);
		if (r == 0)
			counter->last = store_column_u64(statement, 0);
		else if (i == STORE_INSTANCE)
			counter->last = somewhere();
		store_read_end(store, statement);
		if (r < 0 && r != -ENOENT)
			return r;
		/* What the last life reserved and did not use is lost. */
		counter->last_on_disk = counter->last;
		counter->next = counter->last + 1;
	}
	return 0;
}

int store_next(struct store *store, enum store_counter which,
	       uint64_t *ret_number)
{
	struct counter *counter = &store->counters[which];

	int r = 0;

	/* What another's transaction has reserved counts when it is on disk. */
	if (counter->next > counter->last_on_disk) {
		r = store_lock(store);
		if (r < 0)
			return r;
		if (counter->next > counter->last)
			r = reserve(store, which);
		store_unlock(store);
	}
	if (r == 0)
		*ret_number = counter->next++;
	return r;
}
