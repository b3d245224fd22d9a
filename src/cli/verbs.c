/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include <stddef.h>

#define POINT_TO(name) &verb_##name,
const struct verb *const verbs[] = { VERBS(POINT_TO) NULL };
