/* SPDX-License-Identifier: MIT */
#include "supervisor/child/ids.h"

#include <unistd.h>

#include "base/log.h"
#include "supervisor/child/quarantine.h"
#include "supervisor/store/record.h"
#include "supervisor/supervisor.h"

/* Uids without a name, far from those of people and packages. */
#define UID_FIRST 0x42480000u
#define UID_COUNT 0x10000u

static uint64_t next_number(struct supervisor *supervisor,
			    enum store_counter counter)
{
	uint64_t number = 0;

	if (store_next(supervisor->store, counter, &number) < 0)
		log_error("the store cannot assign ids: %s",
			  store_error(supervisor->store));
	if (store_has_deferred(supervisor->store))
		supervisor_flush_soon(supervisor);
	return number;
}

/* Ids never come again; the uids that follow from them do. */
static bool is_uid_in_use(struct supervisor *supervisor, uint64_t id)
{
	const struct process *process;

	TAILQ_FOREACH(process, &supervisor->processes, link)
		if (process->id && process->id % UID_COUNT == id % UID_COUNT)
			return true;
	return geteuid() == 0 &&
	       quarantine_has_uid(supervisor,
				  supervisor_uid_for(supervisor, id));
}

uint64_t supervisor_next_id(struct supervisor *supervisor)
{
	uint64_t id;

	do
		id = next_number(supervisor, STORE_INSTANCE);
	while (id && is_uid_in_use(supervisor, id));
	return id;
}

uint64_t supervisor_next_generation(struct supervisor *supervisor)
{
	return next_number(supervisor, STORE_GENERATION);
}

uint64_t supervisor_next_attachment(struct supervisor *supervisor)
{
	return next_number(supervisor, STORE_ATTACHMENT);
}

bool supervisor_may_be_child(uid_t uid)
{
	return geteuid() == 0 ? uid - UID_FIRST < UID_COUNT : uid == geteuid();
}

uint32_t supervisor_uid_for(struct supervisor *supervisor, uint64_t id)
{
	if (geteuid() != 0)
		return 0;
	return UID_FIRST + (uint32_t)(id % UID_COUNT);
}
