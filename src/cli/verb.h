/* SPDX-License-Identifier: MIT */
/*
 * The verbs of the command, as data: parsing, usage texts, --help and the test
 * of the shell completion all read this table. One file per verb, but for
 * those that are a name and a message (verbs/named.c).
 */
#ifndef CLI_VERB_H
#define CLI_VERB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses, a contract with scripts. */
enum exit_status { EXIT_DONE, EXIT_FAILED, EXIT_REFUSED };

struct verb_option {
	const char *name;  /* without the dashes */
	const char *value; /* what it takes, for the usage; NULL: a switch */
	const char *help;
};

#define VERB_OPTION_MAX 12
#define VERB_NAME_MAX   64

struct cli;
struct invocation;
struct partition_document;

struct verb {
	const char *name;       /* one word or two */
	const char *positional; /* NULL: none; "NAME", "FILE" */
	const char *second;     /* positional after that; NULL: none */
	bool takes_many;        /* positionals, each on its own */
	bool repeats_second;    /* several, together */
	const char *summary;
	struct verb_option options[VERB_OPTION_MAX]; /* ends in no name */
	int (*run)(struct cli *cli, const struct invocation *invocation);
	/* For document_change(). */
	int (*change)(struct cli *cli, const struct invocation *invocation,
		      struct partition_document *document);
	uint32_t message;  /* that it sends, where that is all it differs in */
	const char *doing; /* shown while that lasts; NULL: it does not */
};

/* What the user typed for one verb. */
struct invocation {
	const struct verb *verb;
	const char *positional; /* NULL exactly when the verb takes none */
	const char *second;     /* so too */
	/* takes_many: all positionals; repeats_second: all after the first */
	const char *names[VERB_NAME_MAX];
	size_t name_count;
	const char
		*options[VERB_OPTION_MAX]; /* NULL: absent; "" for a switch */
};

/* All verbs in the order of the help; ends in NULL. */
extern const struct verb *const verbs[];

/* The value of an option of the verb; NULL when it was not given. */
const char *invocation_option(const struct invocation *invocation,
			      const char *name);

/* "bulkhead stop NAME [--deadline S] [--force]". */
void verb_describe(const struct verb *verb, char *to, size_t room);

#endif
