/* SPDX-License-Identifier: MIT */
#include "cli/nic_options.h"

#include <stdio.h>
#include <string.h>

#include "definition/check.h"
#include "definition/value.h"

int record_option_take(struct cli *cli, const struct record_type *record,
		       const char *name, const char *given, void *value)
{
	struct refusal refusal;
	char option[32];

	(void)snprintf(option, sizeof(option), "--%s", name);
	/* A switch of the command line has no value: it is on. */
	if (value_assign(record_find(record, name), option,
			 *given ? given : "true", value, &refusal) < 0)
		return cli_refuse(cli, &refusal);
	return EXIT_DONE;
}

int record_options_take(struct cli *cli, const struct invocation *invocation,
			const struct record_type *record, void *value)
{
	const struct verb_option *options = invocation->verb->options;
	int status = EXIT_DONE;

	for (size_t i = 0;
	     status == EXIT_DONE && i < VERB_OPTION_MAX && options[i].name; i++)
		if (invocation->options[i])
			status = record_option_take(
				cli, record, options[i].name,
				invocation->options[i], value);
	return status;
}

int record_options_make(struct cli *cli, const struct invocation *invocation,
			const char *name, const struct record_type *record,
			void *ret_value)
{
	struct refusal refusal;
	int status;

	memset(ret_value, 0, record->bytes);
	record_set_fallbacks(record, ret_value, 0);
	/* Every record begins with its name. */
	status = cli_take_name(cli, "name", name, ret_value);
	if (status == EXIT_DONE)
		status =
			record_options_take(cli, invocation, record, ret_value);
	if (status != EXIT_DONE)
		return status;
	record->complete(ret_value);
	if (definition_check(record, ret_value, "--", &refusal) < 0)
		return cli_refuse(cli, &refusal);
	return EXIT_DONE;
}

int nic_port_take(struct cli *cli, const char *field, const char *given,
		  char partition[NAME_SIZE], char nic[NAME_SIZE])
{
	const char *slash = given ? strchr(given, '/') : NULL;
	char name[NAME_SIZE] = "";
	int status;

	if (!given)
		return EXIT_DONE;
	if (!slash || slash == given || (size_t)(slash - given) >= sizeof(name))
		return cli_complain(cli, EXIT_REFUSED, field,
				    "wants PARTITION/NAME");
	memcpy(name, given, (size_t)(slash - given));
	status = cli_take_name(cli, field, name, partition);
	return status == EXIT_DONE ? cli_take_name(cli, field, slash + 1, nic)
				   : status;
}
