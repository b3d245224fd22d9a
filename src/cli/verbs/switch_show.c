/* SPDX-License-Identifier: MIT */
/* switch show, switch fdb, switch counters: one answer, three views. */
#include <errno.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/columns.h"
#include "cli/verbs.h"

enum part { ITSELF, PORTS, ENTRIES, MIRRORS, DEAD_ENDS, PART_COUNT };

static const struct {
	uint32_t type;
	const struct column *columns;
	const char *key;
} parts[] = {
	[ITSELF] = { MSG_SWITCH_ROW, switch_columns, NULL },
	[PORTS] = { MSG_SWITCH_PORT_ROW, port_columns, "port_rows" },
	[ENTRIES] = { MSG_SWITCH_ENTRY_ROW, entry_columns, "addresses" },
	[MIRRORS] = { MSG_SWITCH_MIRROR_ROW, mirror_columns, "mirrors" },
	[DEAD_ENDS] = { MSG_SWITCH_DEAD_END_ROW, dead_end_columns,
			"dead_ends" },
};

struct view {
	struct rows parts[PART_COUNT];
};

/* What a script would have to know the numbers of enum mirror_kind for. */
static void add_source(json_t *mirrors, const struct switch_mirrored *row)
{
	json_t *mirror = json_array_get(mirrors, json_array_size(mirrors) - 1);

	(void)json_object_set_new(mirror, "from_uplink",
				  json_boolean(row->kind == MIRROR_UPLINK));
}

static int add_row(void *data, struct message *message)
{
	struct view *view = data;
	size_t i = 0;

	while (i < PART_COUNT && !rows_take(&view->parts[i], message))
		i++;
	if (i == MIRRORS)
		add_source(view->parts[i].json, (const void *)message->body);
	return i < PART_COUNT ? 0 : -EBADMSG;
}

static void print_all(struct cli *cli, struct view *view)
{
	json_t *object;

	if (cli->is_json) {
		object = json_incref(
			json_array_get(view->parts[ITSELF].json, 0));
		for (size_t i = PORTS; i < PART_COUNT; i++)
			(void)json_object_set(object, parts[i].key,
					      view->parts[i].json);
		cli_print_json(object);
		return;
	}
	table_print(&view->parts[ITSELF].table);
	(void)puts("");
	table_print(&view->parts[PORTS].table);
	(void)puts("");
	table_print(&view->parts[ENTRIES].table);
	rows_print_if_any(&view->parts[MIRRORS]);
	rows_print_if_any(&view->parts[DEAD_ENDS]);
}

static void print_entries(struct cli *cli, struct view *view)
{
	rows_print(&view->parts[ENTRIES], cli);
}

static void print_ports(struct cli *cli, struct view *view)
{
	rows_print(&view->parts[PORTS], cli);
}

static int look(struct cli *cli, const struct invocation *invocation,
		void (*print)(struct cli *cli, struct view *view))
{
	struct switch_name body = { 0 };
	struct view view;
	const struct request request = {
		.type = MSG_SWITCH_SHOW,
		.body = &body,
		.on_row = add_row,
		.row_data = &view,
	};
	int status;

	for (size_t i = 0; i < PART_COUNT; i++)
		rows_init(&view.parts[i], parts[i].type, parts[i].columns);
	status = cli_take_name(cli, "name", invocation->positional, body.name);
	if (status == EXIT_DONE)
		status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE)
		print(cli, &view);
	for (size_t i = 0; i < PART_COUNT; i++)
		rows_release(&view.parts[i]);
	return status;
}

static int run_show(struct cli *cli, const struct invocation *invocation)
{
	return look(cli, invocation, print_all);
}

static int run_fdb(struct cli *cli, const struct invocation *invocation)
{
	return look(cli, invocation, print_entries);
}

static int run_counters(struct cli *cli, const struct invocation *invocation)
{
	return look(cli, invocation, print_ports);
}

const struct verb verb_switch_show = {
	.name = "switch show",
	.positional = "NAME",
	.summary = "Show a switch with its ports and addresses.",
	.run = run_show,
};

const struct verb verb_switch_fdb = {
	.name = "switch fdb",
	.positional = "NAME",
	.summary = "Show which addresses a switch knows, and where.",
	.run = run_fdb,
};

const struct verb verb_switch_counters = {
	.name = "switch counters",
	.positional = "NAME",
	.summary = "Show a switch's counters per port, with every reason for "
		   "a drop.",
	.run = run_counters,
};
