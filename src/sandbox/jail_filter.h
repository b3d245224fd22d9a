/* SPDX-License-Identifier: MIT */
/* The filter of a jailed program; only jail.c and its test include this. */
#ifndef SANDBOX_JAIL_FILTER_H
#define SANDBOX_JAIL_FILTER_H

/* Install it for the calling process and what it executes. 0 or a negative
 * errno. */
int jail_seal(void);

#endif
