/* SPDX-License-Identifier: MIT */
/*
 * The way out of a damaged store: its newest whole copy takes its place. What
 * was there is renamed, never removed.
 *
 * A copy is a little older than what it takes the place of, so it is believed
 * less than a store is:
 *
 *   - numbers go on far beyond those that may have been given out since;
 *   - what install and uninstall had begun is forgotten: their images, which
 *     may be somebody's by now, stay as they are;
 *   - the next supervisor is told (STORE_IS_RECOVERED): it waits for children
 *     that the copy does not know, starts no guest that it finds dead, and
 *     keeps every saved image.
 *
 * Errors     Negative errno with the refusal filled in; nothing has changed
 *            then, or the next call goes on.
 */
#ifndef SUPERVISOR_RECOVER_H
#define SUPERVISOR_RECOVER_H

#include "base/refusal.h"

/*
 * While no supervisor runs. A store that is whole stays. `say` gets a sentence
 * about each thing that was done or cannot be known; those of a recovery are
 * events as well.
 *
 * -EBUSY    a supervisor runs
 * -ENOENT   no copy is whole
 */
int store_recover(const char *state_dir, void (*say)(const char *sentence),
		  struct refusal *refusal);

#endif
