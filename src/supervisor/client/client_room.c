/* SPDX-License-Identifier: MIT */
#include "supervisor/client/client_room.h"

#include <stddef.h>

typedef bool scope_t(const struct client *client,
		     const struct client *newcomer);

static bool is_same_user(const struct client *client,
			 const struct client *newcomer)
{
	return client->uid == newcomer->uid;
}

static bool is_ordinary(const struct client *client,
			const struct client *newcomer)
{
	return !client->is_privileged;
}

static bool is_any(const struct client *client, const struct client *newcomer)
{
	return true;
}

/* How many are of this scope; *ret_idle: the idle one silent longest, or NULL. */
static unsigned count(const struct client_queue *all,
		      const struct client *newcomer, scope_t *scope,
		      struct client **ret_idle)
{
	struct client *client;
	unsigned found = 0;

	*ret_idle = NULL;
	TAILQ_FOREACH(client, all, link) {
		if (!scope(client, newcomer))
			continue;
		found++;
		if (!*ret_idle && client->pending_count == 0 &&
		    !client->is_busy)
			*ret_idle = client;
	}
	return found;
}

bool client_has_room(const struct client_queue *all,
		     const struct client *newcomer, struct client **ret_leaver)
{
	static const struct {
		scope_t *scope;
		unsigned most;
		bool is_for_all; /* also for root and the owner */
	} bounds[] = {
		{ is_same_user, CLIENTS_OF_USER, false },
		{ is_ordinary, CLIENTS_MAX - CLIENTS_RESERVED, false },
		{ is_any, CLIENTS_MAX, true },
	};
	struct client *ordinary;

	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		if ((newcomer->is_privileged && !bounds[i].is_for_all) ||
		    count(all, newcomer, bounds[i].scope, ret_leaver) <
			    bounds[i].most)
			continue;
		if (bounds[i].is_for_all &&
		    count(all, newcomer, is_ordinary, &ordinary) > 0 &&
		    ordinary)
			*ret_leaver = ordinary;
		return *ret_leaver != NULL;
	}
	*ret_leaver = NULL;
	return true;
}
