/* SPDX-License-Identifier: MIT */
#include "cli/usage.h"

#include <stdio.h>
#include <string.h>

#define WORD_MAX VERB_NAME_MAX

/* The command line without the global options. */
struct words {
	char *words[WORD_MAX];
	size_t count;
	bool wants_help;
};

const char *invocation_option(const struct invocation *invocation,
			      const char *name)
{
	const struct verb_option *options = invocation->verb->options;

	for (size_t i = 0; i < VERB_OPTION_MAX && options[i].name; i++)
		if (strcmp(options[i].name, name) == 0)
			return invocation->options[i];
	return NULL;
}

void verb_describe(const struct verb *verb, char *to, size_t room)
{
	size_t used;

	used = (size_t)snprintf(to, room, "bulkhead %s%s%s%s%s%s%s", verb->name,
				verb->positional ? " " : "",
				verb->positional ? verb->positional : "",
				verb->takes_many ? "..." : "",
				verb->second ? " " : "",
				verb->second ? verb->second : "",
				verb->repeats_second ? "..." : "");
	for (size_t i = 0; i < VERB_OPTION_MAX && used < room; i++) {
		const struct verb_option *option = &verb->options[i];

		if (!option->name)
			break;
		used += (size_t)snprintf(to + used, room - used, " [--%s%s%s]",
					 option->name, option->value ? " " : "",
					 option->value ? option->value : "");
	}
}

static void print_verb_help(const struct verb *verb)
{
	char line[200];

	verb_describe(verb, line, sizeof(line));
	(void)printf("usage: %s\n\n%s\n", line, verb->summary);
	for (size_t i = 0; i < VERB_OPTION_MAX && verb->options[i].name; i++)
		(void)printf("  --%-14s %s\n", verb->options[i].name,
			     verb->options[i].help);
}

/* The verbs that begin with this word; of "" all. Returns how many. */
static size_t print_verbs(const char *word)
{
	size_t bytes = strlen(word);
	size_t count = 0;

	for (size_t i = 0; verbs[i]; i++) {
		if (bytes && (strncmp(verbs[i]->name, word, bytes) != 0 ||
			      verbs[i]->name[bytes] != ' '))
			continue;
		(void)printf("  %-16s %s\n", verbs[i]->name, verbs[i]->summary);
		count++;
	}
	return count;
}

static void print_help(void)
{
	(void)puts("usage: bulkhead [--socket PATH] [--json] VERB ...\n");
	(void)print_verbs("");
	(void)puts("  help [VERB]      Explain all of them, or one.");
	(void)puts("\n--socket PATH names the supervisor's socket, as does "
		   "BULKHEAD_SOCKET.\n--json prints the output as "
		   "JSON.\nbulkhead help VERB explains a verb; bulkhead(1) "
		   "explains all.\n"
		   "Exit status: 0 done, 1 failed, 2 refused.");
}

/* How many words at the front name this verb; 0: they do not. */
static size_t match_verb(const struct verb *verb, const struct words *words)
{
	const char *second = strchr(verb->name, ' ');
	size_t bytes =
		second ? (size_t)(second - verb->name) : strlen(verb->name);

	if (words->count < (second ? 2u : 1u) ||
	    strncmp(words->words[0], verb->name, bytes) != 0 ||
	    words->words[0][bytes] != '\0')
		return 0;
	if (!second)
		return 1;
	return strcmp(words->words[1], second + 1) == 0 ? 2 : 0;
}

static size_t find_verb(const struct words *words, const struct verb **ret_verb)
{
	size_t matched = 0;

	for (size_t i = 0; verbs[i] && !matched; i++) {
		matched = match_verb(verbs[i], words);
		*ret_verb = verbs[i];
	}
	return matched;
}

/*
 * If *word is the option `name`, take its value ("--name=VALUE", or the next
 * word) and step over both. 1: it is; 0: it is not; -1: its value is missing.
 */
static int take_option(char ***word, char **end, const char *name,
		       bool has_value, const char **ret_value)
{
	size_t bytes = strlen(name);
	char *text = **word;

	if (strncmp(text, "--", 2) != 0 || strncmp(text + 2, name, bytes) != 0)
		return 0;
	text += 2 + bytes;
	if (!has_value) {
		*ret_value = "";
		*word += *text == '\0';
		return *text == '\0';
	}
	if (*text == '=') {
		*ret_value = text + 1;
		*word += 1;
		return 1;
	}
	if (*text != '\0')
		return 0;
	if (*word + 1 == end)
		return -1;
	*ret_value = (*word)[1];
	*word += 2;
	return 1;
}

static int take_global(struct cli *cli, struct words *words, char ***word,
		       char **end)
{
	const char *value;
	int taken = take_option(word, end, "socket", true, &cli->socket_path);

	if (taken < 0)
		return cli_complain(cli, EXIT_REFUSED, "--socket",
				    "wants a path");
	if (taken || take_option(word, end, "json", false, &value)) {
		cli->is_json = cli->is_json || !taken;
		return EXIT_DONE;
	}
	if (take_option(word, end, "help", false, &value)) {
		words->wants_help = true;
		return EXIT_DONE;
	}
	if (words->count == WORD_MAX)
		return cli_complain(cli, EXIT_REFUSED, "", "too many words");
	words->words[words->count++] = *(*word)++;
	return EXIT_DONE;
}

static int take_verb_option(struct cli *cli, struct invocation *invocation,
			    char ***word, char **end)
{
	const struct verb_option *options = invocation->verb->options;
	int taken;

	for (size_t i = 0; i < VERB_OPTION_MAX && options[i].name; i++) {
		taken = take_option(word, end, options[i].name,
				    options[i].value != NULL,
				    &invocation->options[i]);
		if (taken < 0)
			return cli_complain(cli, EXIT_REFUSED, **word,
					    "wants a value");
		if (taken > 0)
			return EXIT_DONE;
	}
	return cli_complain(cli, EXIT_REFUSED, **word,
			    "is not an option of %s: see bulkhead %s --help",
			    invocation->verb->name, invocation->verb->name);
}

static int take_positional(struct cli *cli, struct invocation *invocation,
			   const char *word)
{
	const struct verb *verb = invocation->verb;
	bool is_first = verb->positional && !invocation->positional;
	bool is_name = verb->takes_many || (verb->repeats_second && !is_first);

	if (is_name && invocation->name_count == VERB_NAME_MAX)
		return cli_complain(cli, EXIT_REFUSED, word,
				    "is one name too many: %d at once",
				    VERB_NAME_MAX);
	if (is_name)
		invocation->names[invocation->name_count++] = word;
	if (is_first)
		invocation->positional = word;
	else if (verb->second && !invocation->second)
		invocation->second = word;
	else if (!is_name)
		return cli_complain(cli, EXIT_REFUSED, word,
				    "is one word too many for %s", verb->name);
	return EXIT_DONE;
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0';
}

/* Was the word given that the verb wants in this place? */
static int check_missing(const struct cli *cli, const struct verb *verb,
			 const char *wanted, const char *given)
{
	if (!wanted || given)
		return EXIT_DONE;
	return cli_complain(cli, EXIT_REFUSED, "",
			    "%s wants %s: see bulkhead %s --help", verb->name,
			    wanted, verb->name);
}

static int read_rest(struct cli *cli, struct words *words, size_t from,
		     struct invocation *invocation)
{
	char **word = words->words + from;
	char **end = words->words + words->count;
	int status = EXIT_DONE;

	while (status == EXIT_DONE && word < end)
		status = is_option(*word)
				 ? take_verb_option(cli, invocation, &word, end)
				 : take_positional(cli, invocation, *word++);
	if (status == EXIT_DONE)
		status = check_missing(cli, invocation->verb,
				       invocation->verb->positional,
				       invocation->positional);
	if (status == EXIT_DONE)
		status = check_missing(cli, invocation->verb,
				       invocation->verb->second,
				       invocation->second);
	return status;
}

/* "help stop" is "stop --help". */
static void take_help_verb(struct words *words)
{
	if (words->count == 0 || strcmp(words->words[0], "help") != 0)
		return;
	words->wants_help = true;
	words->count--;
	memmove(words->words, words->words + 1,
		words->count * sizeof(words->words[0]));
}

int usage_read(struct cli *cli, int count, char **words,
	       struct invocation *ret_invocation)
{
	struct words rest = { .count = 0 };
	char **end = words + count;
	int status = EXIT_DONE;
	size_t matched;

	memset(ret_invocation, 0, sizeof(*ret_invocation));
	for (char **word = words + 1; status == EXIT_DONE && word < end;)
		status = take_global(cli, &rest, &word, end);
	if (status != EXIT_DONE)
		return status;
	take_help_verb(&rest);
	if (rest.wants_help && rest.count == 0) {
		print_help();
		return EXIT_DONE;
	}
	if (rest.count == 0)
		return cli_complain(cli, EXIT_REFUSED, "",
				    "no verb is given: see bulkhead --help");
	matched = find_verb(&rest, &ret_invocation->verb);
	if (!matched && rest.wants_help && rest.count == 1 &&
	    print_verbs(rest.words[0]) > 0) {
		ret_invocation->verb = NULL;
		return EXIT_DONE;
	}
	if (!matched)
		return cli_complain(cli, EXIT_REFUSED, rest.words[0],
				    "is not a verb: see bulkhead --help");
	if (rest.wants_help) {
		print_verb_help(ret_invocation->verb);
		ret_invocation->verb = NULL;
		return EXIT_DONE;
	}
	return read_rest(cli, &rest, matched, ret_invocation);
}
