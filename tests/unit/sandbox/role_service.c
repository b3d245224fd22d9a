/* SPDX-License-Identifier: MIT */
/* The table of a service, as it installs it: of the disk service or of the
 * console service, whichever is linked. */
#include "sandbox/attempt.h"

int service_seal(struct sandbox_layers *layers);

const bool role_meets_supervisor = true;

int role_seal(struct sandbox_layers *layers)
{
	return service_seal(layers);
}
