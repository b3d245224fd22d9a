/* SPDX-License-Identifier: MIT */
#include "supervisor/store/record.h"

#include "base/clock.h"
#include "lib/harness.h"
#include "store_rig.h"
#include "supervisor/supervisor.h"

#define CHANGES 64
/* More than are written at once, and one each half second. */
#define AT_ONCE 8
#define EACH_NS (500 * NS_PER_MS)

static struct store_rig rig;
static struct supervisor supervisor;

static void open_supervisor(void)
{
	struct partition_record record = store_rig_partition("web1");

	store_rig_open(&rig);
	CHECK_EQ(store_put_partition(rig.store, &record), 0);
	supervisor = (struct supervisor){ .store = rig.store };
	CHECK_EQ(sd_event_new(&supervisor.event), 0);
	CHECK_EQ(events_new(&supervisor.events, rig.store), 0);
	CHECK_EQ(record_open(&supervisor), 0);
}

static void close_supervisor(void)
{
	sd_event_source_disable_unref(supervisor.flush_source);
	events_free(supervisor.events);
	sd_event_unref(supervisor.event);
	store_rig_close(&rig);
}

/* What is to do now. */
static void turn(void)
{
	while (sd_event_run(supervisor.event, 0) > 0)
		;
}

static bool is_written(void)
{
	return store_is_written(rig.store, store_last_state(rig.store));
}

static void change(struct budget *budget)
{
	struct partition_record record = store_rig_partition("web1");

	CHECK_EQ(store_defer_state(rig.store, &record), 0);
	supervisor_flush_within(&supervisor, budget);
	turn();
}

TEST(a_hostile_peer_cannot_keep_the_disk_busy_with_changes_of_its_state)
{
	struct budget budget = { 0 };
	uint64_t began_ns, took_ns;
	unsigned written = 0;

	open_supervisor();
	began_ns = clock_now_ns();
	for (int i = 0; i < CHANGES; i++) {
		change(&budget);
		written += is_written();
		/* Nor by talking besides. */
		supervisor_event(&supervisor, EVENT_INFO, "web1", "%d", i);
		turn();
	}
	took_ns = clock_now_ns() - began_ns;
	CHECK(written >= AT_ONCE);
	CHECK(written <= AT_ONCE + 2 * (1 + took_ns / EACH_NS));
	close_supervisor();
}

TEST(what_exceeds_a_budget_is_written_later_or_when_somebody_waits)
{
	struct budget budget = { 0 }, of_another = { 0 };

	open_supervisor();
	do
		change(&budget);
	while (is_written());
	change(&of_another);
	CHECK(is_written());

	do
		change(&budget);
	while (is_written());
	while (!is_written())
		CHECK(sd_event_run(supervisor.event, UINT64_MAX) >= 0);
	close_supervisor();
}
