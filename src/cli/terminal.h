/* SPDX-License-Identifier: MIT */
/*
 * The terminal in raw mode for the time of a console session, and the request to
 * end it by signal. Without a terminal on standard input everything here does
 * nothing.
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>

/* Raw until terminal_restore(); SIGTERM, SIGHUP and SIGINT request its end. */
void terminal_make_raw(void);
void terminal_restore(void);

/* True once a signal asked for the end. */
bool terminal_wants_end(void);

#endif
