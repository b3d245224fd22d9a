/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include <stddef.h>

/* clang-format off */
const struct verb *const verbs[] = {
	&verb_define,
	&verb_install,
	&verb_start,
	&verb_stop,
	&verb_pause,
	&verb_resume,
	&verb_reset,
	&verb_save,
	&verb_restore,
	&verb_balloon,
	&verb_console,
	&verb_list,
	&verb_show,
	&verb_uninstall,
	&verb_undefine,
	&verb_events,
	&verb_logs,
	&verb_doctor,
	&verb_disk_serve,
	&verb_disk_list,
	&verb_nic_add,
	&verb_nic_remove,
	&verb_nic_set,
	&verb_switch_define,
	&verb_switch_undefine,
	&verb_switch_list,
	&verb_switch_show,
	&verb_switch_fdb,
	&verb_switch_counters,
	&verb_switch_mirror,
	&verb_switch_capture,
	&verb_service_list,
	&verb_service_restart,
	&verb_service_set,
	&verb_service_remove,
	&verb_quarantine_list,
	&verb_quarantine_end,
	&verb_shutdown,
	&verb_version,
	NULL,
};
/* clang-format on */
