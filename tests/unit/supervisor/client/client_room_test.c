/* SPDX-License-Identifier: MIT */
#include "supervisor/client/client_room.h"

#include <stddef.h>
#include <string.h>

#include "lib/harness.h"

#define ROOT  0
#define ALICE 1000
#define BOB   1001
#define CAROL 1002

static struct client clients[CLIENTS_MAX];
static unsigned count;
static struct client_queue all;
static struct client *leaver;

static void begin(void)
{
	memset(clients, 0, sizeof(clients));
	count = 0;
	TAILQ_INIT(&all);
}

static struct client of_user(uid_t uid)
{
	return (struct client){ .uid = uid, .is_privileged = uid == ROOT };
}

static void add(unsigned how_many, uid_t uid, unsigned pending_count)
{
	while (how_many-- > 0) {
		struct client *client = &clients[count++];

		*client = of_user(uid);
		client->pending_count = pending_count;
		TAILQ_INSERT_TAIL(&all, client, link);
	}
}

static bool is_taken(uid_t uid)
{
	struct client newcomer = of_user(uid);

	return client_has_room(&all, &newcomer, &leaver);
}

TEST(nobody_leaves_while_there_is_room)
{
	begin();
	add(CLIENTS_OF_USER - 1, ALICE, 0);

	CHECK(is_taken(ALICE) && leaver == NULL);
	CHECK(is_taken(ROOT) && leaver == NULL);
}

TEST(a_hostile_client_cannot_keep_more_places_than_one_user_may)
{
	begin();
	add(CLIENTS_OF_USER, ALICE, 1);

	CHECK(!is_taken(ALICE));
	CHECK(is_taken(BOB) && leaver == NULL);
}

TEST(the_one_silent_longest_of_a_user_leaves_for_the_next_of_that_user)
{
	begin();
	add(2, BOB, 0);
	add(2, ALICE, 1);
	add(CLIENTS_OF_USER - 2, ALICE, 0);

	CHECK(is_taken(ALICE));
	CHECK(leaver == &clients[4]);
}

TEST(a_hostile_group_of_users_cannot_lock_root_out)
{
	begin();
	add(CLIENTS_OF_USER, ALICE, 1);
	add(CLIENTS_OF_USER, BOB, 1);
	add(CLIENTS_OF_USER, CAROL, 1);

	CHECK(!is_taken(CAROL + 1));
	CHECK(is_taken(ROOT) && leaver == NULL);
}

TEST(an_ordinary_idle_client_leaves_before_one_of_root)
{
	begin();
	add(CLIENTS_MAX - 2, ROOT, 0);
	add(1, ALICE, 1);
	add(1, ALICE, 0);

	CHECK(is_taken(ROOT));
	CHECK(leaver == &clients[CLIENTS_MAX - 1]);
}

TEST(idle_clients_of_root_do_not_lock_root_out)
{
	begin();
	add(1, ROOT, 1);
	add(CLIENTS_MAX - 1, ROOT, 0);

	CHECK(is_taken(ROOT));
	CHECK(leaver == &clients[1]);
}

TEST(requests_under_way_are_never_dropped_for_another)
{
	begin();
	add(CLIENTS_MAX, ROOT, 1);

	CHECK(!is_taken(ROOT));
	CHECK(!is_taken(ALICE));
}
