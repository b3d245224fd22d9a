/* SPDX-License-Identifier: MIT */
/* The verbs in the order of the help; each has a file in verbs/, or a row in
 * verbs/named.c. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli/verb.h"

/* clang-format off */
#define VERBS(VERB) \
	VERB(define) \
	VERB(redefine) \
	VERB(set) \
	VERB(diff) \
	VERB(install) \
	VERB(start) \
	VERB(stop) \
	VERB(pause) \
	VERB(resume) \
	VERB(reset) \
	VERB(save) \
	VERB(restore) \
	VERB(balloon) \
	VERB(console) \
	VERB(list) \
	VERB(show) \
	VERB(uninstall) \
	VERB(undefine) \
	VERB(events) \
	VERB(logs) \
	VERB(doctor) \
	VERB(disk_serve) \
	VERB(disk_list) \
	VERB(volume_define) \
	VERB(volume_undefine) \
	VERB(volume_list) \
	VERB(volume_show) \
	VERB(reservations) \
	VERB(nic_add) \
	VERB(nic_remove) \
	VERB(nic_set) \
	VERB(switch_define) \
	VERB(switch_undefine) \
	VERB(switch_list) \
	VERB(switch_show) \
	VERB(switch_fdb) \
	VERB(switch_counters) \
	VERB(switch_mirror) \
	VERB(switch_capture) \
	VERB(service_list) \
	VERB(service_restart) \
	VERB(service_set) \
	VERB(service_remove) \
	VERB(quarantine_list) \
	VERB(quarantine_end) \
	VERB(shutdown) \
	VERB(version)
/* clang-format on */

#define DECLARE(name) extern const struct verb verb_##name;
VERBS(DECLARE)
#undef DECLARE

#endif
