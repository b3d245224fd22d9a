/* SPDX-License-Identifier: MIT */
/* The verbs that need no more than the names of those that they are for. */
#include "cli/cli.h"
#include "cli/verbs.h"

#define VERB(name_, message_, doing_, summary_)                            \
	{                                                                  \
		.name = name_, .positional = "NAME", .takes_many = true,   \
		.summary = summary_, .message = message_, .doing = doing_, \
		.run = cli_run_named                                       \
	}

/* clang-format off */
const struct verb verb_install = VERB("install", MSG_PARTITION_INSTALL, "installing",
	"Reserve and create the storage of a partition.");
const struct verb verb_start = VERB("start", MSG_PARTITION_START, "starting",
	"Start a partition; returns when its guest runs.");
const struct verb verb_pause = VERB("pause", MSG_PARTITION_PAUSE, NOT_LONG,
	"Stop the virtual processors of a running partition.");
const struct verb verb_resume = VERB("resume", MSG_PARTITION_RESUME, NOT_LONG,
	"Let the virtual processors of a paused partition run again.");
const struct verb verb_reset = VERB("reset", MSG_PARTITION_RESET, NOT_LONG,
	"Restart the guest, as its reset button would.");
const struct verb verb_save = VERB("save", MSG_PARTITION_SAVE, "saving",
	"Write a partition's guest to disk and end its processes.");
const struct verb verb_restore = VERB("restore", MSG_PARTITION_RESTORE, "restoring",
	"Resume a saved partition where it was.");
const struct verb verb_undefine = VERB("undefine", MSG_PARTITION_UNDEFINE, NOT_LONG,
	"Delete the definition of an uninstalled partition.");
const struct verb verb_service_restart = VERB("service restart", MSG_SERVICE_RESTART, "restarting",
	"Replace a service's active instance, for an upgrade; returns when its clients are served again.");
const struct verb verb_service_remove = VERB("service remove", MSG_SERVICE_REMOVE, "removing",
	"Stop a service that nothing uses, and delete it.");
const struct verb verb_switch_undefine = VERB("switch undefine", MSG_SWITCH_UNDEFINE, NOT_LONG,
	"Delete a switch that no interface uses.");
const struct verb verb_volume_undefine = VERB("volume undefine", MSG_VOLUME_UNDEFINE, NOT_LONG,
	"Delete a volume that no disk names, with its reservations; its file stays.");
/* clang-format on */
