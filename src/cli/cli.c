/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "definition/units.h"

#define PROGRESS_AFTER_MS 400

void cli_print_json(json_t *value)
{
	(void)json_dumpf(value, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	(void)fputc('\n', stdout);
	(void)fflush(stdout);
	json_decref(value);
}

json_t *json_foreign(const char *text)
{
	char escaped[TEXT_SIZE * 4];
	json_t *string = json_string(text);

	if (string)
		return string;
	text_escape(escaped, sizeof(escaped), text, strlen(text));
	return json_string(escaped);
}

static void complain_json(const char *field, const char *text)
{
	json_t *error = json_object();
	json_t *outer = json_object();

	(void)json_object_set_new(error, "field", json_foreign(field));
	(void)json_object_set_new(error, "text", json_foreign(text));
	(void)json_object_set_new(outer, "error", error);
	cli_print_json(outer);
}

/* Escapes for a terminal, but leaves quotes as they are. */
static void put_escaped(const char *text, FILE *out)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			(void)fprintf(out, "\\x%02x", (unsigned char)*text);
		else
			(void)fputc(*text, out);
}

void cli_print_line(const char *format, ...)
{
	char text[2048];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	put_escaped(text, stdout);
	(void)fputc('\n', stdout);
}

int cli_complain(const struct cli *cli, int status, const char *field,
		 const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	(void)fputs("bulkhead: ", stderr);
	put_escaped(field, stderr);
	if (field[0])
		(void)fputs(": ", stderr);
	put_escaped(text, stderr);
	(void)fputc('\n', stderr);
	if (cli->is_json)
		complain_json(field, text);
	return status;
}

int cli_refuse(const struct cli *cli, const struct refusal *refusal)
{
	return cli_complain(cli, EXIT_REFUSED, refusal->field, "%s",
			    refusal->text);
}

static void show_progress(void *data, uint64_t waited_ms)
{
	struct cli *cli = data;

	if (waited_ms < PROGRESS_AFTER_MS)
		return;
	(void)fprintf(stderr, "\r\033[K%s, %llu.%llu s", cli->doing,
		      (unsigned long long)(waited_ms / 1000),
		      (unsigned long long)(waited_ms % 1000 / 100));
	if (cli->progress.total_bytes)
		(void)fprintf(
			stderr, ", %llu of %llu MiB",
			(unsigned long long)cli->progress.done_bytes >> 20,
			(unsigned long long)cli->progress.total_bytes >> 20);
	(void)fflush(stderr);
	cli->has_progress = true;
}

int cli_take_progress(void *data, struct message *row)
{
	struct cli *cli = data;

	if (row->type != MSG_PROGRESS)
		return -EBADMSG;
	memcpy(&cli->progress, row->body, sizeof(cli->progress));
	return 0;
}

static void begin_progress(struct cli *cli, const char *doing)
{
	bool is_shown = doing && !cli->is_json && isatty(STDERR_FILENO);

	cli->doing = doing;
	cli->progress = (struct progress){ 0 };
	cli->client.on_wait = is_shown ? show_progress : NULL;
	cli->client.on_wait_data = cli;
}

static void end_progress(struct cli *cli)
{
	if (cli->has_progress)
		(void)fputs("\r\033[K", stderr);
	cli->has_progress = false;
}

static int complain_unreachable(const struct cli *cli, int error)
{
	const char *path = cli->socket_path;

	if (error == -EACCES || error == -EPERM)
		return cli_complain(cli, EXIT_FAILED, "",
				    "not allowed to use the supervisor's "
				    "socket %s: become root or a member of "
				    "its group",
				    path);
	if (error == -ENAMETOOLONG)
		return cli_complain(cli, EXIT_REFUSED, "socket",
				    "%s is longer than the %d bytes a socket's "
				    "path may have",
				    path, SOCKET_PATH_SIZE - 1);
	return cli_complain(cli, EXIT_FAILED, "",
			    "no supervisor answers at %s (%s): start one with "
			    "bulkheadd, or name another socket with --socket",
			    path, strerror(-error));
}

static int complain_lost(const struct cli *cli, int error)
{
	if (error == -EPIPE)
		return cli_complain(
			cli, EXIT_FAILED, "",
			"the supervisor went away before it answered: check "
			"the result with bulkhead list");
	if (error == -EBADMSG)
		return cli_complain(cli, EXIT_FAILED, "",
				    "the supervisor at %s uses another "
				    "protocol version: see bulkhead version",
				    cli->socket_path);
	return cli_complain(cli, EXIT_FAILED, "",
			    "asking the supervisor failed: %s",
			    strerror(-error));
}

static int take_reply(const struct cli *cli, const struct reply *reply)
{
	if (reply->status == 0)
		return EXIT_DONE;
	return cli_complain(
		cli, reply->refused ? EXIT_REFUSED : EXIT_FAILED, reply->field,
		"%s", reply->text[0] ? reply->text : strerror(-reply->status));
}

int cli_call(struct cli *cli, const struct request *request, const char *doing)
{
	struct reply reply;
	int r;

	if (cli->client.control.fd == NO_FD) {
		r = client_open(&cli->client, cli->socket_path);
		if (r < 0)
			return complain_unreachable(cli, r);
	}
	begin_progress(cli, doing);
	r = client_call(&cli->client, request, &reply);
	end_progress(cli);
	if (r < 0)
		client_close(&cli->client);
	return r < 0 ? complain_lost(cli, r) : take_reply(cli, &reply);
}

int cli_take_name(struct cli *cli, const char *field, const char *given,
		  char to[NAME_SIZE])
{
	if (!text_is_name(given, strlen(given) + 1))
		return cli_complain(cli, EXIT_REFUSED, field,
				    "wants 1 to %d of a-z 0-9 _ . -, beginning "
				    "with a letter or digit",
				    NAME_SIZE - 1);
	(void)text_copy(to, NAME_SIZE, given);
	return EXIT_DONE;
}

void cli_done_with(const struct cli *cli, const struct invocation *invocation,
		   const char *name, json_t *more)
{
	json_t *done = json_object();

	(void)json_object_set_new(done, "done",
				  json_string(invocation->verb->name));
	if (name)
		(void)json_object_set_new(done, "name", json_foreign(name));
	(void)json_object_update(done, more);
	json_decref(more);
	if (cli->is_json)
		cli_print_json(done);
	else
		json_decref(done);
}

void cli_done(const struct cli *cli, const struct invocation *invocation,
	      const char *name)
{
	cli_done_with(cli, invocation, name, json_object());
}

int cli_run_named(struct cli *cli, const struct invocation *invocation)
{
	const char *doing = invocation->verb->doing;
	struct partition_name body = { 0 };
	const struct request request = {
		.type = invocation->verb->message,
		.body = &body,
		.on_row = cli_take_progress,
		.row_data = cli,
	};
	char line[NAME_SIZE * 2];
	int status;

	status = cli_take_name(cli, "name", invocation->positional, body.name);
	if (status != EXIT_DONE)
		return status;
	(void)snprintf(line, sizeof(line), "%s %s", doing ? doing : "",
		       body.name);
	status = cli_call(cli, &request, doing ? line : NOT_LONG);
	if (status == EXIT_DONE)
		cli_done(cli, invocation, body.name);
	return status;
}

int cli_take_time(struct cli *cli, const char *field, const char *given,
		  uint32_t *ret_ms)
{
	uint64_t value;

	if (text_parse_u64(given, STOP_MS_MAX / 1000, &value) == 0)
		value *= 1000;
	else if (time_parse(given, STOP_MS_MAX, &value) < 0)
		value = 0;
	if (value == 0)
		return cli_complain(cli, EXIT_REFUSED, field,
				    "wants seconds from 1 to %d, or a time "
				    "such as 500ms",
				    STOP_MS_MAX / 1000);
	*ret_ms = (uint32_t)value;
	return EXIT_DONE;
}
