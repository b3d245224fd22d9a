/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/verbs.h"
#include "textlog/textlog.h"

static int take_file(void *data, struct message *message)
{
	int *fd = data;

	if (message->type != MSG_CONSOLE_LOG_FILE || *fd != NO_FD)
		return -EBADMSG;
	*fd = take_fd(&message->fds[0]);
	return 0;
}

/* What a guest wrote must not drive the terminal of who reads its log. */
static int put_escaped(void *data, const char *text, size_t bytes)
{
	FILE *out = data;

	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == '\r')
			continue;
		if ((text[i] >= ' ' && text[i] <= '~') || text[i] == '\n' ||
		    text[i] == '\t')
			(void)fputc(text[i], out);
		else
			(void)fprintf(out, "\\x%02x", (unsigned char)text[i]);
	}
	return ferror(out) ? -EIO : 0;
}

static int put_raw(void *data, const char *text, size_t bytes)
{
	FILE *out = data;

	return fwrite(text, 1, bytes, out) == bytes ? 0 : -EIO;
}

static int print_json(int fd, const char *name)
{
	SCOPED(free_pointer) char *text = NULL;
	json_t *object = json_object();
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	int r = out ? textlog_read(fd, put_escaped, out) : -ENOMEM;

	if (out && fclose(out) != 0)
		r = -ENOMEM;
	if (r == 0) {
		(void)json_object_set_new(object, "name", json_string(name));
		(void)json_object_set_new(object, "text", json_string(text));
		cli_print_json(json_incref(object));
	}
	json_decref(object);
	return r;
}

static int print(const struct cli *cli, int fd, const char *name)
{
	int r;

	if (cli->is_json)
		r = print_json(fd, name);
	else
		r = textlog_read(fd,
				 isatty(STDOUT_FILENO) ? put_escaped : put_raw,
				 stdout);
	if (r < 0)
		return cli_complain(cli, EXIT_FAILED, "",
				    "reading the console log failed: %s",
				    strerror(-r));
	return EXIT_DONE;
}

static int run(struct cli *cli, const struct invocation *invocation)
{
	SCOPED(close_fd) int fd = NO_FD;
	struct partition_name body = { 0 };
	const struct request request = {
		.type = MSG_CONSOLE_LOG,
		.body = &body,
		.on_row = take_file,
		.row_data = &fd,
	};
	int status;

	status = cli_take_name(cli, "name", invocation->positional, body.name);
	if (status == EXIT_DONE)
		status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE && fd != NO_FD)
		status = print(cli, fd, body.name);
	return status;
}

const struct verb verb_logs = {
	.name = "logs",
	.positional = "NAME",
	.summary = "Print what is kept of a partition's console output.",
	.run = run,
};
