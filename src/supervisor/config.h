/* SPDX-License-Identifier: MIT */
/*
 * bulkheadd's settings: defaults, then bulkheadd.conf, then the command line.
 *
 * The file has one `key = value` a line; # begins a comment. An unknown key, a
 * key given twice and a bad value are refused with file and line; nothing is
 * guessed. Root gets the system's paths, an ordinary user those of XDG.
 */
#ifndef SUPERVISOR_CONFIG_H
#define SUPERVISOR_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/refusal.h"
#include "definition/partition.h"

enum config_action { CONFIG_RUN, CONFIG_RECOVER, CONFIG_VERSION, CONFIG_HELP };

struct config {
	enum config_action action;
	bool is_kept;                /* --keep */
	char file[PATH_SIZE];        /* the file that was read; may be empty */
	char state_dir[PATH_SIZE];   /* store, lock, logs, meet_dir */
	char runtime_dir[PATH_SIZE]; /* client socket */
	char socket[SOCKET_PATH_SIZE]; /* runtime_dir/bulkhead.sock */
	char meet_dir[PATH_SIZE];      /* state_dir/children/meet */
	char libexec_dir[PATH_SIZE];   /* bulkhead-monitor and its kin */
	char qemu[PATH_SIZE];          /* the QEMU binary */
	char socket_group[NAME_SIZE];  /* empty: the socket is 0600 */
	enum log_level log_level;
	uint32_t disk_standby; /* standbys of a new disk service: 0 or 1 */
	uint32_t memory_reserve_mib; /* that guests are not promised */
	uint32_t ready_ms;    /* a child not READY by then failed to start */
	uint32_t verb_ms;     /* a verb that its monitor has not done fails */
	uint32_t save_ms;     /* a save without progress for so long fails */
	uint32_t shutdown_ms; /* for all partitions at host shutdown */
	uint32_t service_memory_mib; /* of each instance; 0: by the host's */
	uint32_t service_tasks;      /* threads of each instance */
	uint32_t service_weight;     /* of its processor time; 100 is usual */
	uint32_t core_scheduling;    /* 1: each child is a group of its own */
	/* Layers (enum sandbox_layer) that a child may lack though they are
	 * required. */
	uint32_t allow_missing;
};

/*
 * Everything together. A file named with --config must exist; the default one
 * (/etc/bulkhead/bulkheadd.conf, or bulkhead/bulkheadd.conf under
 * $XDG_CONFIG_HOME) may be missing. With --state DIR and no runtime_dir of its
 * own the run-time directory is DIR/run.
 *
 * -EINVAL  refused; `field` is "FILE:LINE" or the option
 * other    the file cannot be read; the refusal says why as well
 */
int config_load(struct config *ret_config, int argument_count,
		char *const arguments[], struct refusal *ret_refusal);

/* Apply the text of one file; for config_load() and its tests. */
int config_parse(struct config *config, const char *file, char *text,
		 struct refusal *ret_refusal);

/* Defaults for the calling user, from the environment and /proc/self/exe. */
int config_default(struct config *ret_config, struct refusal *ret_refusal);

extern const char config_usage[];

#endif
