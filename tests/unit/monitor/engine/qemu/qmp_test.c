/* SPDX-License-Identifier: MIT */
#include "monitor/engine/qemu/qmp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/harness.h"

static struct qmp qmp;
static enum qmp_event last_event;
static int event_count;
static bool was_guest;
static uint32_t last_number;
static int last_status, answer_count;
static char last_text[QMP_TEXT_SIZE];
static struct nic_filter last_filter;
static int filter_count;

static void happened(void *context, enum qmp_event event, bool is_guest)
{
	last_event = event;
	was_guest = is_guest;
	event_count++;
}

static void answered(void *context, uint32_t number, int status,
		     const char *text)
{
	last_number = number;
	last_status = status;
	answer_count++;
	(void)strncpy(last_text, text, sizeof(last_text) - 1);
}

static void filter_changed(void *context, const char *device)
{
	(void)strncpy(last_text, device, sizeof(last_text) - 1);
}

static void filtered(void *context, uint32_t number,
		     const struct nic_filter *filter)
{
	last_number = number;
	last_filter = *filter;
	filter_count++;
}

static void start(void)
{
	const struct qmp_handler handler = { happened, answered, filter_changed,
					     filtered, NULL };

	qmp_init(&qmp, &handler);
}

static int feed(const char *text)
{
	return qmp_feed(&qmp, text, strlen(text));
}

TEST(a_greeting_is_told_and_comes_once)
{
	start();
	CHECK_EQ(feed("{\"QMP\": {\"version\": {}}}\r\n"), 0);
	CHECK_EQ(last_event, QMP_GREETING);
	CHECK_EQ(feed("{\"QMP\": {}}\r\n"), -EBADMSG);
	qmp_release(&qmp);
}

TEST(an_answer_comes_to_the_command_with_its_number)
{
	char line[128];

	start();
	CHECK(qmp_command(&qmp, 7, "stop", NULL, line, sizeof(line)) > 0);
	CHECK_EQ(strcmp(line, "{\"execute\":\"stop\",\"id\":7}\r\n"), 0);
	CHECK_EQ(feed("{\"return\": {}, \"id\": 7}\r\n"), 0);
	CHECK_EQ(last_number, 7);
	CHECK_EQ(last_status, 0);
	qmp_release(&qmp);
}

TEST(a_refusal_brings_qemus_words_in_printable_form)
{
	char line[128];

	start();
	(void)qmp_command(&qmp, 1, "cont", NULL, line, sizeof(line));
	CHECK_EQ(feed("{\"error\": {\"class\": \"GenericError\", \"desc\": "
		      "\"no\\u0007\"}, \"id\": 1}\r\n"),
		 0);
	CHECK_EQ(last_status, -EIO);
	CHECK_EQ(strcmp(last_text, "no\\x07"), 0);
	qmp_release(&qmp);
}

TEST(events_are_told_with_their_cause)
{
	start();
	CHECK_EQ(feed("{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": "
		      "true}}\n"),
		 0);
	CHECK_EQ(last_event, QMP_SHUTDOWN);
	CHECK(was_guest);
	CHECK_EQ(feed("{\"event\": \"RESET\", \"data\": {\"guest\": false}}\n"),
		 0);
	CHECK(!was_guest);
	CHECK_EQ(event_count, 2);
	qmp_release(&qmp);
}

TEST(unknown_events_are_nothing_wrong)
{
	start();
	CHECK_EQ(feed("{\"event\": \"NIC_RX_FILTER_CHANGED\"}\n"), 0);
	CHECK_EQ(event_count, 0);
	qmp_release(&qmp);
}

TEST(a_line_may_come_in_pieces_and_many_at_once)
{
	start();
	CHECK_EQ(feed("{\"event\": \"ST"), 0);
	CHECK_EQ(event_count, 0);
	CHECK_EQ(feed("OP\"}\r\n{\"event\": \"RESUME\"}\r\n{\"ev"), 0);
	CHECK_EQ(event_count, 2);
	CHECK_EQ(last_event, QMP_RESUME);
	qmp_release(&qmp);
}

TEST(too_many_commands_are_refused)
{
	char line[128];

	start();
	for (uint32_t i = 1; i <= QMP_PENDING_MAX; i++)
		CHECK(qmp_command(&qmp, i, "stop", NULL, line, sizeof(line)) >
		      0);
	CHECK_EQ(qmp_command(&qmp, 99, "stop", NULL, line, sizeof(line)),
		 -EBUSY);
	qmp_release(&qmp);
}

TEST(a_hostile_engine_cannot_send_an_endless_line)
{
	static char much[QMP_LINE_MAX + 1];

	start();
	memset(much, 'x', sizeof(much));
	CHECK_EQ(qmp_feed(&qmp, much, sizeof(much)), -EBADMSG);
	qmp_release(&qmp);
}

TEST(a_hostile_engine_cannot_answer_what_was_not_asked)
{
	start();
	CHECK_EQ(feed("{\"return\": {}, \"id\": 3}\r\n"), -EBADMSG);
	CHECK_EQ(answer_count, 0);
	qmp_release(&qmp);
}

TEST(a_hostile_engine_cannot_answer_twice)
{
	char line[128];

	start();
	(void)qmp_command(&qmp, 3, "stop", NULL, line, sizeof(line));
	CHECK_EQ(feed("{\"return\": {}, \"id\": 3}\r\n"), 0);
	CHECK_EQ(feed("{\"return\": {}, \"id\": 3}\r\n"), -EBADMSG);
	CHECK_EQ(answer_count, 1);
	qmp_release(&qmp);
}

TEST(a_hostile_engine_cannot_send_what_is_no_object)
{
	static const char *const lines[] = {
		"[1, 2]\n", "{\n",        "{\"id\": 1}\n",
		"hello\n",  "\xff\xfe\n", "{\"return\": {}, \"id\": \"x\"}\n",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		start();
		CHECK_EQ(feed(lines[i]), -EBADMSG);
		qmp_release(&qmp);
	}
}

TEST(a_hostile_engine_cannot_nest_without_end)
{
	static char deep[8002];

	start();
	memset(deep, '[', 8000);
	deep[8000] = '\n';
	CHECK_EQ(feed(deep), -EBADMSG);
	qmp_release(&qmp);
}

/* What query-rx-filter says of one interface. */
#define FILTER(promiscuous, multicast, table)                            \
	"{\"return\": [{\"name\": \"nic0-device\", "                     \
	"\"main-mac\": \"02:00:00:00:00:77\", "                          \
	"\"promiscuous\": " promiscuous ", \"multicast\": \"" multicast  \
	"\", \"multicast-overflow\": false, \"multicast-table\": " table \
	"}], \"id\": 3}\r\n"

static void answer_filter(const char *line)
{
	char asked[128];

	start();
	CHECK(qmp_command(&qmp, 3, "query-rx-filter",
			  "{\"name\":\"nic0-device\"}", asked,
			  sizeof(asked)) > 0);
	CHECK_EQ(strcmp(asked, "{\"execute\":\"query-rx-filter\","
			       "\"arguments\":{\"name\":\"nic0-device\"},"
			       "\"id\":3}\r\n"),
		 0);
	CHECK_EQ(feed(line), 0);
	CHECK_EQ(answer_count, 1);
	qmp_release(&qmp);
}

TEST(a_filter_is_told_before_its_answer)
{
	static const uint8_t group[6] = { 1, 0, 0x5e, 0, 0, 0xfb };

	answer_filter(FILTER("false", "normal", "[\"01:00:5e:00:00:fb\"]"));
	CHECK_EQ(filter_count, 1);
	CHECK(!last_filter.takes_all_groups);
	CHECK_EQ(last_filter.group_count, 1);
	CHECK_EQ(last_filter.mac[0], 2);
	CHECK_EQ(last_filter.mac[5], 0x77);
	CHECK_EQ(memcmp(last_filter.groups[0], group, sizeof(group)), 0);
}

TEST(a_filter_for_no_group_and_for_all_is_understood)
{
	answer_filter(FILTER("false", "none", "[]"));
	CHECK(!last_filter.takes_all_groups);
	CHECK_EQ(last_filter.group_count, 0);
	answer_count = 0;
	answer_filter(FILTER("true", "normal", "[]"));
	CHECK(last_filter.takes_all_groups);
	answer_count = 0;
	answer_filter(FILTER("false", "all", "[]"));
	CHECK(last_filter.takes_all_groups);
}

TEST(a_change_of_a_filter_names_its_device)
{
	start();
	CHECK_EQ(feed("{\"event\": \"NIC_RX_FILTER_CHANGED\", \"data\": "
		      "{\"name\": \"nic1-device\"}}\r\n"),
		 0);
	CHECK_EQ(strcmp(last_text, "nic1-device"), 0);
	CHECK_EQ(feed("{\"event\": \"NIC_RX_FILTER_CHANGED\", \"data\": "
		      "{\"name\": 7}}\r\n"),
		 0);
	qmp_release(&qmp);
}

TEST(a_hostile_engine_cannot_have_a_filter_that_does_not_fit)
{
	char line[4096];
	size_t used;

	answer_filter(FILTER("false", "normal", "[\"01:00:5e:00:00\"]"));
	CHECK(last_filter.takes_all_groups);
	answer_count = 0;
	answer_filter(FILTER("false", "normal", "[7, null]"));
	CHECK(last_filter.takes_all_groups);
	answer_count = 0;
	used = (size_t)snprintf(line, sizeof(line),
				"{\"return\": [{\"promiscuous\": false, "
				"\"multicast-overflow\": false, \"multicast\": "
				"\"normal\", \"multicast-table\": [");
	for (int i = 0; i <= NIC_GROUP_MAX; i++)
		used += (size_t)snprintf(line + used, sizeof(line) - used,
					 "%s\"01:00:5e:00:00:%02x\"",
					 i ? "," : "", (unsigned)i);
	(void)snprintf(line + used, sizeof(line) - used, "]}], \"id\": 3}\r\n");
	answer_filter(line);
	CHECK(last_filter.takes_all_groups);
	answer_count = filter_count = 0;
	answer_filter("{\"return\": [1, 2], \"id\": 3}\r\n");
	CHECK_EQ(filter_count, 0);
}
