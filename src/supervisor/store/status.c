/* SPDX-License-Identifier: MIT */
#include "supervisor/store/status.h"

#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "supervisor/supervisor.h"

void status_flushed(struct supervisor *supervisor, int r)
{
	bool was_failing = supervisor->store_trouble[0] != '\0';

	if (r < 0)
		(void)text_copy(supervisor->store_trouble,
				sizeof(supervisor->store_trouble),
				store_error(supervisor->store));
	else
		supervisor->store_trouble[0] = '\0';
	if (was_failing != (r < 0))
		status_tell(supervisor);
}

void status_tell(const struct supervisor *supervisor)
{
	const char *trouble = supervisor->store_trouble;
	unsigned kept = supervisor->quarantine_count;
	char count[64] = "";

	if (kept)
		(void)snprintf(count, sizeof(count),
			       "%u processes in quarantine", kept);
	(void)sd_notifyf(0, "STATUS=%s%s%s%s",
			 trouble[0] ? "cannot write " : "", trouble,
			 trouble[0] && kept ? "; " : "", count);
}
