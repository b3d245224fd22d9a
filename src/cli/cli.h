/* SPDX-License-Identifier: MIT */
/*
 * What every verb shares: the global options, the supervisor's link, and how
 * outcomes become sentences and exit statuses.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/refusal.h"
#include "cli/client.h"
#include "cli/verb.h"

struct cli {
	const char *socket_path;
	bool is_json;
	struct client client;     /* open while control.fd is */
	const char *doing;        /* "starting web1", for the progress line */
	bool has_progress;        /* a progress line is on the terminal */
	struct progress progress; /* of a request that tells; or zero */
};

/* A row_handler for requests that tell their progress, with the cli. */
int cli_take_progress(void *data, struct message *row);

/* How a request is described to the person who waits for it. */
#define NOT_LONG NULL

/*
 * Connect if need be, send the request and wait. Says on stderr what went
 * wrong.
 *
 * Returns an exit status.
 */
int cli_call(struct cli *cli, const struct request *request, const char *doing);

/* Run a verb whose message (verb.message) is a name alone. With --json the
 * outcome is {"done": VERB, "name": NAME}. */
int cli_run_named(struct cli *cli, const struct invocation *invocation);

/*
 * Copy a name that the user gave, after checking it.
 *
 * Returns EXIT_DONE or EXIT_REFUSED (said on stderr).
 */
int cli_take_name(struct cli *cli, const char *field, const char *given,
		  char to[NAME_SIZE]);

/* Report {"done": VERB, "name": NAME} with --json; else nothing. */
void cli_done(const struct cli *cli, const struct invocation *invocation,
	      const char *name);

/* The same with more members, an object that is released. */
void cli_done_with(const struct cli *cli, const struct invocation *invocation,
		   const char *name, json_t *more);

/* Say "bulkhead: FIELD: TEXT" on stderr, with --json the object too; returns
 * the status. */
int cli_complain(const struct cli *cli, int status, const char *field,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));
int cli_refuse(const struct cli *cli, const struct refusal *refusal);

/* Print a JSON value, one per line, and release it. */
void cli_print_json(json_t *value);

/* Print a line on stdout, with everything in it escaped for a terminal. */
void cli_print_line(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* A JSON string of foreign text, whatever its bytes. */
json_t *json_foreign(const char *text);

/* Seconds ("30") or a time with its unit ("500ms"), in milliseconds. */
int cli_take_time(struct cli *cli, const char *field, const char *given,
		  uint32_t *ret_ms);

#endif
