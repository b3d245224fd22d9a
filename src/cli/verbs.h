/* SPDX-License-Identifier: MIT */
/* One line per verb; each has a file in verbs/, or a row in verbs/named.c. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli/verb.h"

extern const struct verb verb_define;
extern const struct verb verb_redefine;
extern const struct verb verb_set;
extern const struct verb verb_diff;
extern const struct verb verb_install;
extern const struct verb verb_start;
extern const struct verb verb_stop;
extern const struct verb verb_pause;
extern const struct verb verb_resume;
extern const struct verb verb_reset;
extern const struct verb verb_save;
extern const struct verb verb_restore;
extern const struct verb verb_balloon;
extern const struct verb verb_console;
extern const struct verb verb_list;
extern const struct verb verb_show;
extern const struct verb verb_uninstall;
extern const struct verb verb_undefine;
extern const struct verb verb_events;
extern const struct verb verb_logs;
extern const struct verb verb_doctor;
extern const struct verb verb_disk_serve;
extern const struct verb verb_disk_list;
extern const struct verb verb_nic_add;
extern const struct verb verb_nic_remove;
extern const struct verb verb_nic_set;
extern const struct verb verb_switch_define;
extern const struct verb verb_switch_undefine;
extern const struct verb verb_switch_list;
extern const struct verb verb_switch_show;
extern const struct verb verb_switch_fdb;
extern const struct verb verb_switch_counters;
extern const struct verb verb_switch_capture;
extern const struct verb verb_switch_mirror;
extern const struct verb verb_service_list;
extern const struct verb verb_service_restart;
extern const struct verb verb_service_set;
extern const struct verb verb_service_remove;
extern const struct verb verb_quarantine_list;
extern const struct verb verb_quarantine_end;
extern const struct verb verb_shutdown;
extern const struct verb verb_version;

#endif
