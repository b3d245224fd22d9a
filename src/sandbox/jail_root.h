/* SPDX-License-Identifier: MIT */
/* The root directory of a jail; only jail.c includes this. */
#ifndef SANDBOX_JAIL_ROOT_H
#define SANDBOX_JAIL_ROOT_H

#include "sandbox/jail.h"

/*
 * In a mount namespace of one's own: build the jail's root and enter it. On
 * failure the root directory is the old one.
 */
int jail_root_enter(const struct jail *jail);

#endif
