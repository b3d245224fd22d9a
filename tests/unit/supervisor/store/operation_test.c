/* SPDX-License-Identifier: MIT */
#include "supervisor/store/operation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "lib/harness.h"

static char directory[64];
static struct store *store;
static struct events *events;
static struct event_row last;
static struct message message;
static struct ticket ticket;
static struct reply reply;

static void listen(void *context, const struct event_row *row)
{
	last = *row;
}

static void begin(const void *name)
{
	struct refusal refusal;

	(void)strcpy(directory, "/dev/shm/operation_test_XXXXXX");
	CHECK(mkdtemp(directory) != NULL);
	CHECK_EQ(store_open(&store, directory, &refusal), 0);
	CHECK_EQ(events_new(&events, store), 0);
	CHECK_EQ(events_follow(events, listen, NULL), 0);
	log_open("operation_test", NULL, (enum log_level)0);
	memset(&reply, 0, sizeof(reply));
	ticket = (struct ticket){ .client = 1, .uid = 1000 };
	message = (struct message){ .type = MSG_PARTITION_START,
				    .body_bytes = NAME_SIZE };
	memcpy(message.body, name, NAME_SIZE);
	operation_note(&ticket, "start", &message);
}

static void end(void)
{
	char command[96];

	events_free(events);
	store_close(store);
	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	CHECK_EQ(system(command), 0);
}

static const char web1[NAME_SIZE] = "web1";

TEST(an_operation_is_recorded_with_user_name_and_outcome)
{
	begin(web1);
	operation_record(events, &ticket, &reply);
	CHECK_EQ(strcmp(last.subject, "user 1000"), 0);
	CHECK_EQ(strcmp(last.text, "start web1: done"), 0);

	reply = (struct reply){ -EINVAL, 1, "state", "it runs" };
	operation_record(events, &ticket, &reply);
	CHECK_EQ(strcmp(last.text, "start web1: refused: state: it runs"), 0);
	CHECK_EQ(last.level, EVENT_INFO);

	reply = (struct reply){ -EIO, 0, "", "no room" };
	operation_record(events, &ticket, &reply);
	CHECK_EQ(strcmp(last.text, "start web1: failed: no room"), 0);
	CHECK_EQ(last.level, EVENT_WARNING);
	end();
}

TEST(a_hostile_client_cannot_put_bytes_of_its_own_on_record)
{
	char name[NAME_SIZE];

	memset(name, '\n', sizeof(name));
	begin(name);
	reply = (struct reply){ -EINVAL, 1, "name", "is\nno name" };
	operation_record(events, &ticket, &reply);
	CHECK_EQ(strcmp(last.text, "start: refused: name: is\\x0ano name"), 0);
	end();
}
