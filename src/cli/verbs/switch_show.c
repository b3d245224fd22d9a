/* SPDX-License-Identifier: MIT */
/* switch show, switch fdb, switch counters: one answer, three views. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/network_rows.h"
#include "cli/verbs.h"

struct view {
	struct table itself;
	struct table ports;
	struct table entries;
	struct table mirrors;
	struct table dead_ends;
	json_t *object;
	json_t *port_rows;
	json_t *entry_rows;
	json_t *mirror_rows;
	json_t *dead_end_rows;
};

static int add_row(void *data, struct message *message)
{
	struct view *view = data;
	const void *row = message->body;

	if (message->type == MSG_SWITCH_ROW) {
		switch_table_add(&view->itself, row);
		json_decref(view->object);
		view->object = json_switch(row);
	} else if (message->type == MSG_SWITCH_PORT_ROW) {
		port_table_add(&view->ports, row);
		(void)json_array_append_new(view->port_rows, json_port(row));
	} else if (message->type == MSG_SWITCH_ENTRY_ROW) {
		entry_table_add(&view->entries, row);
		(void)json_array_append_new(view->entry_rows, json_entry(row));
	} else if (message->type == MSG_SWITCH_MIRROR_ROW) {
		mirror_table_add(&view->mirrors, row);
		(void)json_array_append_new(view->mirror_rows,
					    json_mirror(row));
	} else if (message->type == MSG_SWITCH_DEAD_END_ROW) {
		dead_end_table_add(&view->dead_ends, row);
		(void)json_array_append_new(view->dead_end_rows,
					    json_dead_end(row));
	} else {
		return -EBADMSG;
	}
	return 0;
}

static void view_init(struct view *view)
{
	*view = (struct view){
		.object = json_object(),
		.port_rows = json_array(),
		.entry_rows = json_array(),
		.mirror_rows = json_array(),
		.dead_end_rows = json_array(),
	};
	switch_table_init(&view->itself);
	port_table_init(&view->ports);
	entry_table_init(&view->entries);
	mirror_table_init(&view->mirrors);
	dead_end_table_init(&view->dead_ends);
}

static void view_release(struct view *view)
{
	table_release(&view->itself);
	table_release(&view->ports);
	table_release(&view->entries);
	table_release(&view->mirrors);
	table_release(&view->dead_ends);
	json_decref(view->object);
	json_decref(view->port_rows);
	json_decref(view->entry_rows);
	json_decref(view->mirror_rows);
	json_decref(view->dead_end_rows);
}

static void print_if_any(struct table *table, const json_t *rows)
{
	if (json_array_size(rows) == 0)
		return;
	(void)puts("");
	table_print(table);
}

static void print_all(struct cli *cli, struct view *view)
{
	if (cli->is_json) {
		(void)json_object_set(view->object, "port_rows",
				      view->port_rows);
		(void)json_object_set(view->object, "addresses",
				      view->entry_rows);
		(void)json_object_set(view->object, "mirrors",
				      view->mirror_rows);
		(void)json_object_set(view->object, "dead_ends",
				      view->dead_end_rows);
		cli_print_json(json_incref(view->object));
		return;
	}
	table_print(&view->itself);
	(void)puts("");
	table_print(&view->ports);
	(void)puts("");
	table_print(&view->entries);
	print_if_any(&view->mirrors, view->mirror_rows);
	print_if_any(&view->dead_ends, view->dead_end_rows);
}

static void print_entries(struct cli *cli, struct view *view)
{
	if (cli->is_json)
		cli_print_json(json_incref(view->entry_rows));
	else
		table_print(&view->entries);
}

static void print_ports(struct cli *cli, struct view *view)
{
	if (cli->is_json)
		cli_print_json(json_incref(view->port_rows));
	else
		table_print(&view->ports);
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

	view_init(&view);
	status = cli_take_name(cli, "name", invocation->positional, body.name);
	if (status == EXIT_DONE)
		status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE)
		print(cli, &view);
	view_release(&view);
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
