/* SPDX-License-Identifier: MIT */
#include "cli/nic_options.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "definition/value.h"

#define LIST_SIZE 512

static int store(struct cli *cli, const struct field *field, const char *name,
		 const char *text, struct nic_definition *nic)
{
	const struct scalar scalar = { .text = text, .bytes = strlen(text) };
	struct refusal refusal;
	char option[32];

	(void)snprintf(option, sizeof(option), "--%s", name);
	if (value_store(field, option, &scalar, nic, &refusal) < 0)
		return cli_refuse(cli, &refusal);
	return EXIT_DONE;
}

static void clear(const struct field *field, struct nic_definition *nic)
{
	if (field->type == FIELD_VLANS) {
		memset(nic->vlans.vids, 0, sizeof(nic->vlans.vids));
		nic->vlans.vid_count = 0;
	} else if (field->type == FIELD_ADDRESSES) {
		memset(nic->addresses.ipv4, 0, sizeof(nic->addresses.ipv4));
		memset(nic->addresses.ipv6, 0, sizeof(nic->addresses.ipv6));
		nic->addresses.ipv4_count = 0;
		nic->addresses.ipv6_count = 0;
	} else if (field->type == FIELD_RATE) {
		nic->rate.credit_bytes = 0;
		nic->rate.period_us = 0;
	} else if (field->type == FIELD_VLAN) {
		nic->vlans.pvid = 0;
	} else if (field->type == FIELD_FLAG) {
		nic->flags &= ~(uint32_t)field->unit;
	}
}

static int store_list(struct cli *cli, const struct field *field,
		      const char *name, const char *given,
		      struct nic_definition *nic)
{
	char list[LIST_SIZE];
	char *at = list;
	int status = EXIT_DONE;

	if (text_copy(list, sizeof(list), given) < 0)
		return cli_complain(cli, EXIT_REFUSED, name, "is too long");
	while (status == EXIT_DONE && at)
		status = store(cli, field, name, strsep(&at, ","), nic);
	return status;
}

int nic_option_take(struct cli *cli, const char *name, const char *given,
		    struct nic_definition *nic)
{
	const struct field *field;
	char path[32];

	(void)snprintf(path, sizeof(path), "nics[].%s", name);
	field = schema_find(path);
	clear(field, nic);
	if (strcmp(given, "none") == 0 &&
	    (field_is_list(field) || field->type == FIELD_RATE ||
	     field->type == FIELD_VLAN))
		return EXIT_DONE;
	if (field_is_list(field))
		return store_list(cli, field, name, given, nic);
	/* A switch of the command line has no value: it is on. */
	return store(cli, field, name, *given ? given : "true", nic);
}

int nic_options_take(struct cli *cli, const struct invocation *invocation,
		     struct nic_definition *nic)
{
	const struct verb_option *options = invocation->verb->options;
	int status = EXIT_DONE;

	for (size_t i = 0;
	     status == EXIT_DONE && i < VERB_OPTION_MAX && options[i].name; i++)
		if (invocation->options[i])
			status = nic_option_take(cli, options[i].name,
						 invocation->options[i], nic);
	return status;
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
