/* SPDX-License-Identifier: MIT */
#include "supervisor/store/lifecycle.h"

#include <errno.h>
#include <stddef.h>

/* Zero means refused, so a next state is stored plus one. */
#define TO(state) ((unsigned char)(PARTITION_##state + 1))
#define TO_BEFORE 0xff
#define AT(state) [PARTITION_##state]
#define ON(event) [PARTITION_EVENT_##event]

/* clang-format off */
static const unsigned char next[PARTITION_STATE_COUNT][PARTITION_EVENT_COUNT] = {
	AT(UNDEFINED) = {
		ON(DEFINE)       = TO(UNINSTALLED),
	},
	AT(UNINSTALLED) = {
		ON(INSTALL)      = TO(STOPPED),
		ON(UNDEFINE)     = TO(UNDEFINED),
	},
	AT(STOPPED) = {
		ON(START)        = TO(STARTING),
		ON(UNINSTALL)    = TO(UNINSTALLED),
	},
	AT(STARTING) = {
		ON(BOOTED)       = TO_BEFORE,
		ON(FAILED)       = TO(STOPPED),
		ON(STOP)         = TO(STOPPING),
		ON(MONITOR_LOST) = TO(STOPPED),
		ON(RESTART)      = TO(STARTING),
	},
	AT(RUNNING) = {
		ON(PAUSE)        = TO(PAUSED),
		ON(SAVE)         = TO(SAVING),
		ON(STOP)         = TO(STOPPING),
		ON(OFF)          = TO(STOPPED),
		ON(MONITOR_LOST) = TO(STOPPED),
		ON(RESTART)      = TO(STARTING),
	},
	AT(PAUSED) = {
		ON(RESUME)       = TO(RUNNING),
		ON(SAVE)         = TO(SAVING),
		ON(STOP)         = TO(STOPPING),
		ON(MONITOR_LOST) = TO(STOPPED),
		ON(RESTART)      = TO(STARTING),
	},
	AT(SAVING) = {
		ON(SAVED)        = TO(SAVED),
		ON(FAILED)       = TO_BEFORE,
		ON(STOP)         = TO(STOPPING),
		ON(MONITOR_LOST) = TO(STOPPED),
		ON(RESTART)      = TO(STARTING),
	},
	AT(SAVED) = {
		ON(RESTORE)      = TO(RESTORING),
		ON(STOP)         = TO(STOPPED),
		ON(UNINSTALL)    = TO(UNINSTALLED),
	},
	AT(RESTORING) = {
		ON(READY)        = TO_BEFORE,
		ON(FAILED)       = TO(SAVED),
		ON(MONITOR_LOST) = TO(SAVED),
	},
	AT(STOPPING) = {
		ON(OFF)          = TO(STOPPED),
		ON(MONITOR_LOST) = TO(STOPPED),
	},
};

static const char *const state_names[PARTITION_STATE_COUNT] = {
	AT(UNDEFINED)   = "undefined",
	AT(UNINSTALLED) = "uninstalled",
	AT(STOPPED)     = "stopped",
	AT(STARTING)    = "starting",
	AT(RUNNING)     = "running",
	AT(PAUSED)      = "paused",
	AT(SAVING)      = "saving",
	AT(SAVED)       = "saved",
	AT(RESTORING)   = "restoring",
	AT(STOPPING)    = "stopping",
};

static const char *const event_names[PARTITION_EVENT_COUNT] = {
	ON(DEFINE)       = "define",
	ON(INSTALL)      = "install",
	ON(START)        = "start",
	ON(BOOTED)       = "booted",
	ON(PAUSE)        = "pause",
	ON(RESUME)       = "resume",
	ON(SAVE)         = "save",
	ON(SAVED)        = "saved",
	ON(RESTORE)      = "restore",
	ON(READY)        = "ready",
	ON(FAILED)       = "failed",
	ON(STOP)         = "stop",
	ON(OFF)          = "off",
	ON(UNINSTALL)    = "uninstall",
	ON(UNDEFINE)     = "undefine",
	ON(MONITOR_LOST) = "monitor lost",
	ON(RESTART)      = "restart",
};
/* clang-format on */

bool lifecycle_allows(const struct lifecycle *lifecycle,
		      enum partition_event event)
{
	return next[lifecycle->state][event] != 0;
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
	unsigned char to = next[lifecycle->state][event];

	if (to == 0)
		return -EINVAL;
	note_before(lifecycle, event);
	if (to == TO_BEFORE)
		lifecycle->state = lifecycle->before;
	else
		lifecycle->state = (enum partition_state)(to - 1);
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
	if ((unsigned)state >= PARTITION_STATE_COUNT)
		return "unknown";
	return state_names[state];
}

const char *partition_event_name(enum partition_event event)
{
	if ((unsigned)event >= PARTITION_EVENT_COUNT)
		return "unknown";
	return event_names[event];
}

bool partition_is_active(enum partition_state state)
{
	return state == PARTITION_STARTING || state == PARTITION_RUNNING ||
	       state == PARTITION_PAUSED;
}

bool partition_is_inactive(enum partition_state state)
{
	return state == PARTITION_STOPPED || state == PARTITION_SAVED;
}

bool partition_has_monitor(enum partition_state state)
{
	return partition_is_active(state) || state == PARTITION_SAVING ||
	       state == PARTITION_RESTORING || state == PARTITION_STOPPING;
}
