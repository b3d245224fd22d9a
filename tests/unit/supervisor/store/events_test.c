/* SPDX-License-Identifier: MIT */
#include "supervisor/store/events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "lib/harness.h"

static char directory[64];
static struct store *store;
static struct events *events;

/* What a listener saw. */
static struct event_row last;
static unsigned told;

static void open_events(void)
{
	struct refusal refusal;

	(void)strcpy(directory, "/dev/shm/events_test_XXXXXX");
	CHECK(mkdtemp(directory) != NULL);
	CHECK_EQ(store_open(&store, directory, &refusal), 0);
	CHECK_EQ(events_new(&events, store), 0);
	log_open("events_test", NULL, (enum log_level)0);
}

static void close_events(void)
{
	char command[96];

	events_free(events);
	store_close(store);
	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	CHECK_EQ(system(command), 0);
}

static void listen(void *context, const struct event_row *row)
{
	last = *row;
	told++;
}

static unsigned count_after(uint64_t after)
{
	told = 0;
	CHECK_EQ(events_after(events, after, 10000, listen, NULL), 0);
	return told;
}

TEST(an_event_is_told_at_once_and_found_later)
{
	open_events();
	CHECK_EQ(events_follow(events, listen, NULL), 0);
	event_record(events, EVENT_WARNING, "service disk0", "died signal=%d",
		     9);
	CHECK_EQ(told, 1);
	CHECK_EQ(last.level, EVENT_WARNING);
	CHECK_EQ(strcmp(last.subject, "service disk0"), 0);
	CHECK_EQ(strcmp(last.text, "died signal=9"), 0);

	memset(&last, 0, sizeof(last));
	CHECK_EQ(count_after(0), 1);
	CHECK_EQ(strcmp(last.text, "died signal=9"), 0);
	CHECK(last.time_us != 0);
	CHECK_EQ(count_after(last.sequence), 0);
	close_events();
}

TEST(recording_an_event_writes_nothing_to_disk)
{
	open_events();
	event_record(events, EVENT_INFO, "supervisor", "x");

	CHECK(store_has_deferred(store));
	close_events();
}

TEST(events_that_are_not_on_disk_yet_are_found)
{
	uint64_t first;

	open_events();
	event_record(events, EVENT_INFO, "supervisor", "on disk");
	CHECK_EQ(store_flush_deferred(store), 0);
	CHECK_EQ(count_after(0), 1);
	first = last.sequence;
	event_record(events, EVENT_INFO, "supervisor", "not yet");
	event_record(events, EVENT_INFO, "supervisor", "neither");

	CHECK_EQ(count_after(0), 3);
	CHECK_EQ(count_after(first), 2);
	CHECK_EQ(strcmp(last.text, "neither"), 0);
	CHECK_EQ(count_after(last.sequence), 0);
	close_events();
}

TEST(the_newest_are_found_without_their_numbers)
{
	uint64_t after;

	open_events();
	for (int i = 0; i < 9; i++)
		event_record(events, EVENT_INFO, "supervisor", "event %d", i);
	CHECK_EQ(store_flush_deferred(store), 0);

	CHECK_EQ(events_before_newest(events, 4, &after), 0);
	CHECK_EQ(count_after(after), 4);
	CHECK_EQ(strcmp(last.text, "event 8"), 0);
	CHECK_EQ(events_before_newest(events, 10, &after), 0);
	CHECK_EQ(after, 0);
	close_events();
}

TEST(a_listener_that_left_is_not_called)
{
	open_events();
	CHECK_EQ(events_follow(events, listen, NULL), 0);
	CHECK_EQ(events_follow(events, listen, &last), 0);
	events_unfollow(events, listen, NULL);
	events_unfollow(events, listen, NULL);
	event_record(events, EVENT_INFO, "supervisor", "x");
	CHECK_EQ(told, 1);

	events_unfollow(events, listen, &last);
	event_record(events, EVENT_INFO, "supervisor", "x");
	CHECK_EQ(told, 1);
	close_events();
}

TEST(followers_are_bounded)
{
	open_events();
	for (int i = 0; i < EVENT_LISTENERS_MAX; i++)
		CHECK_EQ(events_follow(events, listen, NULL), 0);

	CHECK_EQ(events_follow(events, listen, NULL), -ENOSPC);
	close_events();
}

TEST(a_hostile_peer_cannot_flood_the_events_of_others)
{
	open_events();
	for (int i = 0; i < 10000; i++)
		event_record(events, EVENT_INFO, "partition bad", "noise %d",
			     i);
	event_record(events, EVENT_INFO, "partition good", "hello");

	CHECK(count_after(0) <= EVENT_BURST + 2);
	CHECK_EQ(strcmp(last.text, "hello"), 0);
	close_events();
}

TEST(a_hostile_user_cannot_flood_the_events_of_others)
{
	open_events();
	for (int i = 0; i < 10000; i++)
		event_record_operation(events, EVENT_INFO, 1000, "start x");
	event_record_operation(events, EVENT_INFO, 0, "stop web1");

	CHECK(count_after(0) <= EVENT_BURST_OF_USER + 10);
	CHECK_EQ(strcmp(last.subject, "user 0"), 0);
	close_events();
}

TEST(what_was_dropped_is_told_with_the_next_row)
{
	char text[TEXT_SIZE];

	open_events();
	for (int i = 0; i < EVENT_BURST + 7; i++)
		event_record(events, EVENT_INFO, "partition bad", "noise");
	(void)usleep(1100 * 1000);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	event_record(events, EVENT_INFO, "partition bad", "%s", text);

	(void)count_after(0);
	CHECK(strstr(last.text, "xxx (7 dropped)") != NULL);
	close_events();
}
