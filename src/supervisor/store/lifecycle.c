/* SPDX-License-Identifier: MIT */
#include "supervisor/store/lifecycle.h"

#include <errno.h>

#include "base/state_table.h"

#define AT(state) (1u << PARTITION_##state)
#define ON(event) PARTITION_EVENT_##event
#define TO(state) PARTITION_##state
/* RUNNING or PAUSED: what it was. */
#define TO_BEFORE PARTITION_STATE_COUNT

#define ACTIVE   (AT(STARTING) | AT(RUNNING) | AT(PAUSED))
#define INACTIVE (AT(STOPPED) | AT(SAVED))

/* clang-format off */
static const struct state_rule rules[] = {
	/* event            from                        to */
	{ ON(DEFINE),       AT(UNDEFINED),              TO(UNINSTALLED) },
	{ ON(UNDEFINE),     AT(UNINSTALLED),            TO(UNDEFINED) },
	{ ON(INSTALL),      AT(UNINSTALLED),            TO(STOPPED) },
	{ ON(UNINSTALL),    INACTIVE,                   TO(UNINSTALLED) },
	{ ON(START),        AT(STOPPED),                TO(STARTING) },
	{ ON(BOOTED),       AT(STARTING),               TO_BEFORE },
	{ ON(FAILED),       AT(STARTING),               TO(STOPPED) },
	{ ON(PAUSE),        AT(RUNNING),                TO(PAUSED) },
	{ ON(RESUME),       AT(PAUSED),                 TO(RUNNING) },
	{ ON(SAVE),         AT(RUNNING) | AT(PAUSED),   TO(SAVING) },
	{ ON(SAVED),        AT(SAVING),                 TO(SAVED) },
	{ ON(FAILED),       AT(SAVING),                 TO_BEFORE },
	{ ON(RESTORE),      AT(SAVED),                  TO(RESTORING) },
	{ ON(READY),        AT(RESTORING),              TO_BEFORE },
	{ ON(FAILED),       AT(RESTORING),              TO(SAVED) },
	{ ON(STOP),         ACTIVE | AT(SAVING),        TO(STOPPING) },
	{ ON(STOP),         AT(SAVED),                  TO(STOPPED) },
	{ ON(OFF),          AT(RUNNING) | AT(STOPPING), TO(STOPPED) },
	{ ON(MONITOR_LOST), ACTIVE | AT(SAVING) | AT(STOPPING), TO(STOPPED) },
	{ ON(MONITOR_LOST), AT(RESTORING),              TO(SAVED) },
	{ ON(RESTART),      ACTIVE | AT(SAVING),        TO(STARTING) },
};

static const char *const states[] = {
	[PARTITION_UNDEFINED]   = "undefined",
	[PARTITION_UNINSTALLED] = "uninstalled",
	[PARTITION_STOPPED]     = "stopped",
	[PARTITION_STARTING]    = "starting",
	[PARTITION_RUNNING]     = "running",
	[PARTITION_PAUSED]      = "paused",
	[PARTITION_SAVING]      = "saving",
	[PARTITION_SAVED]       = "saved",
	[PARTITION_RESTORING]   = "restoring",
	[PARTITION_STOPPING]    = "stopping",
};

static const char *const events[] = {
	[ON(DEFINE)]       = "define",
	[ON(INSTALL)]      = "install",
	[ON(START)]        = "start",
	[ON(BOOTED)]       = "booted",
	[ON(PAUSE)]        = "pause",
	[ON(RESUME)]       = "resume",
	[ON(SAVE)]         = "save",
	[ON(SAVED)]        = "saved",
	[ON(RESTORE)]      = "restore",
	[ON(READY)]        = "ready",
	[ON(FAILED)]       = "failed",
	[ON(STOP)]         = "stop",
	[ON(OFF)]          = "off",
	[ON(UNINSTALL)]    = "uninstall",
	[ON(UNDEFINE)]     = "undefine",
	[ON(MONITOR_LOST)] = "monitor lost",
	[ON(RESTART)]      = "restart",
};
/* clang-format on */

static const struct state_table table =
	STATE_TABLE("partition", states, events, rules);

bool lifecycle_allows(const struct lifecycle *lifecycle,
		      enum partition_event event)
{
	return state_table_next(&table, lifecycle->state, event) >= 0;
}

static void note_before(struct lifecycle *lifecycle, enum partition_event event)
{
	bool is_here = lifecycle->state == PARTITION_RUNNING ||
		       lifecycle->state == PARTITION_PAUSED;

	if (event == PARTITION_EVENT_START)
		lifecycle->before = PARTITION_RUNNING;
	else if (is_here && (event == PARTITION_EVENT_SAVE ||
			     event == PARTITION_EVENT_RESTART))
		lifecycle->before = lifecycle->state;
}

int lifecycle_apply(struct lifecycle *lifecycle, enum partition_event event)
{
	int to = state_table_next(&table, lifecycle->state, event);

	if (to < 0)
		return to;
	note_before(lifecycle, event);
	lifecycle->state =
		to == TO_BEFORE ? lifecycle->before : (enum partition_state)to;
	return 0;
}

static bool remembers(unsigned state)
{
	return state == PARTITION_STARTING || state == PARTITION_SAVING ||
	       state == PARTITION_SAVED || state == PARTITION_RESTORING;
}

int lifecycle_load(struct lifecycle *ret_lifecycle, unsigned state,
		   unsigned before)
{
	/* As version 1 of the store left it. */
	if (state == PARTITION_STARTING && before == PARTITION_UNDEFINED)
		before = PARTITION_RUNNING;
	if (state == PARTITION_UNDEFINED || state >= PARTITION_STATE_COUNT ||
	    before >= PARTITION_STATE_COUNT)
		return -EBADMSG;
	if (remembers(state) && before != PARTITION_RUNNING &&
	    before != PARTITION_PAUSED)
		return -EBADMSG;
	ret_lifecycle->state = (enum partition_state)state;
	ret_lifecycle->before = (enum partition_state)before;
	return 0;
}

const char *partition_state_name(enum partition_state state)
{
	return state_table_state(&table, state);
}

const char *partition_event_name(enum partition_event event)
{
	return state_table_event(&table, event);
}

bool partition_has_monitor(enum partition_state state)
{
	return (ACTIVE | AT(SAVING) | AT(RESTORING) | AT(STOPPING)) &
	       1u << state;
}
