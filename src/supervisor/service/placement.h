/* SPDX-License-Identifier: MIT */
/*
 * Which service takes one more client: the one that is named or, where that one
 * serves as many as it can, one beside it. For disk0 these are disk0.2 to
 * disk0.9, made when they are needed, and services like any other from then on.
 *
 * Errors     0 or a negative errno.
 */
#ifndef SUPERVISOR_PLACEMENT_H
#define SUPERVISOR_PLACEMENT_H

#include "base/refusal.h"
#include "supervisor/service/service.h"

/*
 * Find the service for one more disk, or console, of the service `name`, which
 * exists. `self` is not counted; NULL for a console.
 *
 * -EBUSY   there are as many as can be
 * -EAGAIN  one more is being made, which the loop does not wait for: ask again
 * other    of the store
 */
int placement_find(struct supervisor *supervisor, const char *name,
		   const struct disk *self, struct service **ret_service,
		   struct refusal *ret_refusal);

/* May what names `name` be with this service? */
bool placement_fits(const struct service *service, const char *name);

#endif
