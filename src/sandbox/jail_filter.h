/* SPDX-License-Identifier: MIT */
/* The filter of a jailed program; jail.c alone includes this, and its test. */
#ifndef SANDBOX_JAIL_FILTER_H
#define SANDBOX_JAIL_FILTER_H

/* Bind the calling process and what it executes. 0 or a negative errno. */
int jail_seal(void);

#endif
