/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "cli/cli.h"
#include "cli/columns.h"
#include "cli/verbs.h"
#include "probe/probe.h"

/* What the supervisor says of itself and its children, if one answers. */
struct answer {
	bool is_there;
	struct supervisor_row row;
	struct rows processes;
};

static int add_row(void *data, struct message *message)
{
	struct answer *answer = data;

	if (message->type == MSG_SUPERVISOR_ROW)
		memcpy(&answer->row, message->body, sizeof(answer->row));
	else if (!rows_take(&answer->processes, message))
		return -EBADMSG;
	return 0;
}

/* No supervisor is no error here: the host is examined all the same. */
static void ask_supervisor(struct cli *cli, struct answer *answer)
{
	const struct request request = {
		.type = MSG_SUPERVISOR_SHOW,
		.on_row = add_row,
		.row_data = answer,
	};
	struct reply reply;

	if (client_open(&cli->client, cli->socket_path) < 0)
		return;
	answer->is_there = client_call(&cli->client, &request, &reply) == 0 &&
			   reply.status == 0;
}

static json_t *json_probes(const struct probe_table *table)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < table->count; i++) {
		const struct probe_row *row = &table->rows[i];
		json_t *object = json_object();

		(void)json_object_set_new(object, "id", json_foreign(row->id));
		(void)json_object_set_new(
			object, "verdict",
			json_string(probe_verdict_name(row->verdict)));
		(void)json_object_set_new(object, "detail",
					  json_foreign(row->detail));
		(void)json_object_set_new(object, "advice",
					  json_foreign(row->advice));
		(void)json_array_append_new(rows, object);
	}
	return rows;
}

static void print_json(const struct probe_table *table,
		       const struct probe_engine *engine, bool has_engine,
		       const struct answer *answer)
{
	json_t *object = json_object();
	json_t *supervisor = json_null();

	if (answer->is_there) {
		supervisor = json_row(MSG_SUPERVISOR_ROW, &answer->row);
		(void)json_object_set(supervisor, "processes",
				      answer->processes.json);
	}
	(void)json_object_set_new(object, "probes", json_probes(table));
	(void)json_object_set_new(
		object, "engine",
		has_engine ? json_string(engine_name(engine->engine))
			   : json_null());
	(void)json_object_set_new(object, "engine_reason",
				  json_foreign(engine->reason));
	(void)json_object_set_new(object, "supervisor", supervisor);
	cli_print_json(object);
}

static void print_probes(const struct probe_table *table)
{
	static const char *const headings[] = { "PROBE", "VERDICT", "EVIDENCE",
						NULL };
	struct table text;

	table_init(&text, headings);
	for (size_t i = 0; i < table->count; i++) {
		const struct probe_row *row = &table->rows[i];

		table_add(&text, "%s", row->id);
		table_add(&text, "%s", probe_verdict_name(row->verdict));
		table_add(&text, "%s%s%s", row->detail,
			  row->advice[0] ? "; " : "", row->advice);
	}
	table_print(&text);
	table_release(&text);
}

static void print_supervisor(const struct cli *cli, const struct answer *answer)
{
	const struct supervisor_row *row = &answer->row;

	if (!answer->is_there) {
		(void)printf("\nno supervisor answers at %s\n",
			     cli->socket_path);
		return;
	}
	(void)puts("");
	cli_print_line("supervisor %s, process %u, user %u, keeper %u, took "
		       "over %u children; engine auto takes %s: %s",
		       row->version, row->pid, row->uid, row->keeper_pid,
		       row->adopted, row->engine, row->engine_reason);
	(void)puts("");
	if (row->store_trouble[0]) {
		cli_print_line("cannot write %s", row->store_trouble);
		(void)puts("");
	}
	if (row->quarantined)
		(void)printf("%u processes in quarantine, see `bulkhead "
			     "quarantine list`\n\n",
			     row->quarantined);
	table_print(&answer->processes.table);
}

static void report(struct cli *cli, const struct answer *answer)
{
	static struct probe_table table;
	struct probe_engine engine = { 0 };
	bool has_engine;

	probe_all(&table);
	has_engine = probe_engine(&table, &engine) == 0;
	if (cli->is_json) {
		print_json(&table, &engine, has_engine, answer);
		return;
	}
	print_probes(&table);
	(void)printf("\nengine auto takes here: %s: %s\n",
		     has_engine ? engine_name(engine.engine) : "none",
		     engine.reason);
	print_supervisor(cli, answer);
}

static int run(struct cli *cli, const struct invocation *invocation)
{
	struct answer answer = { 0 };

	rows_init(&answer.processes, MSG_LAYER_ROW, process_columns);
	ask_supervisor(cli, &answer);
	report(cli, &answer);
	rows_release(&answer.processes);
	return EXIT_DONE;
}

const struct verb verb_doctor = {
	.name = "doctor",
	.summary = "Report what this host can do, and why; works without a "
		   "supervisor.",
	.run = run,
};
