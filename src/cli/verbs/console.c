/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/console_session.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

/* How long a session waits for a new service, or a new supervisor. */
#define ATTACH_AGAIN_NS (30 * NS_PER_S)
#define ATTACH_STEP_NS  (50 * NS_PER_MS)

static void close_pair(int (*pair)[2])
{
	close_fd(&(*pair)[0]);
	close_fd(&(*pair)[1]);
}

/* Hand one end of a new stream in; the caller owns the other. */
static int open_console(struct cli *cli, const struct console_open *body,
			int *ret_fd)
{
	SCOPED(close_pair) int pair[2] = { NO_FD, NO_FD };
	struct request request = {
		.type = MSG_CONSOLE_OPEN,
		.body = body,
		.fd_count = 1,
	};
	int status;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return cli_complain(cli, EXIT_FAILED, "",
				    "no stream for the console: %s",
				    strerror(errno));
	request.fds = &pair[1];
	status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE)
		*ret_fd = take_fd(&pair[0]);
	return status;
}

/* The link is made anew each time: the supervisor may be a new one. */
static int try_again(struct cli *cli, const struct console_open *body,
		     int *ret_fd)
{
	SCOPED(close_pair) int pair[2] = { NO_FD, NO_FD };
	struct request request = {
		.type = MSG_CONSOLE_OPEN,
		.body = body,
		.fds = &pair[1],
		.fd_count = 1,
	};
	struct reply reply = { .status = -EPIPE };
	int r;

	client_close(&cli->client);
	cli->client.on_wait = NULL;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r = client_open(&cli->client, cli->socket_path);
	if (r == 0)
		r = client_call(&cli->client, &request, &reply);
	if (r == 0 && reply.status == 0)
		*ret_fd = take_fd(&pair[0]);
	return r < 0 ? r : reply.status;
}

/* Until the time is over, which begins anew with every session that brought
 * something. */
static int attach_again(struct cli *cli, const struct console_open *body,
			uint64_t until_ns, int *fd)
{
	const struct timespec step = { .tv_nsec = ATTACH_STEP_NS };
	int r = -ETIMEDOUT;

	close_fd(fd);
	while (r < 0 && clock_now_ns() < until_ns && !terminal_wants_end()) {
		(void)nanosleep(&step, NULL);
		r = try_again(cli, body, fd);
	}
	return r;
}

static int finish(const struct cli *cli, enum console_end end, const char *text)
{
	switch (end) {
	case CONSOLE_DETACHED:
	case CONSOLE_CLOSED:
		return EXIT_DONE;
	case CONSOLE_REFUSED:
		return cli_complain(cli, EXIT_REFUSED, "console", "%s", text);
	case CONSOLE_BROKEN:
		return cli_complain(cli, EXIT_FAILED, "",
				    "the console service sent a frame that "
				    "this version does not know");
	case CONSOLE_UNWRITABLE:
		return cli_complain(cli, EXIT_FAILED, "",
				    "writing the output failed");
	case CONSOLE_LOST:
		break;
	}
	return cli_complain(cli, EXIT_FAILED, "",
			    "the console went away and did not come back "
			    "within 30 s: see bulkhead list");
}

static int serve(struct cli *cli, struct console_open *body, int *fd)
{
	static struct console_session session;
	enum console_end end;
	uint64_t until_ns = 0;

	session.is_reader = body->mode == CONSOLE_READ;
	do {
		console_session_attach(&session, *fd);
		end = console_session_run(&session);
		if (session.has_received || until_ns == 0)
			until_ns = clock_now_ns() + ATTACH_AGAIN_NS;
		/* Who was taken over does not take over in return. */
		body->mode = session.is_reader ? CONSOLE_READ : CONSOLE_WRITE;
	} while (end == CONSOLE_LOST &&
		 attach_again(cli, body, until_ns, fd) == 0);
	terminal_restore();
	if (end == CONSOLE_LOST && terminal_wants_end())
		end = CONSOLE_DETACHED;
	return finish(cli, end, session.text);
}

static int run(struct cli *cli, const struct invocation *invocation)
{
	SCOPED(close_fd) int fd = NO_FD;
	struct console_open body = { .mode = CONSOLE_WRITE };
	int status;

	if (invocation_option(invocation, "read-only"))
		body.mode = CONSOLE_READ;
	if (invocation_option(invocation, "take-over"))
		body.mode = CONSOLE_TAKE_OVER;
	if (invocation_option(invocation, "take-over") &&
	    invocation_option(invocation, "read-only"))
		return cli_complain(cli, EXIT_REFUSED, "--take-over",
				    "does not go with --read-only");
	status = cli_take_name(cli, "name", invocation->positional, body.name);
	if (status == EXIT_DONE)
		status = open_console(cli, &body, &fd);
	if (status != EXIT_DONE)
		return status;
	if (isatty(STDIN_FILENO))
		(void)fprintf(stderr, "[bulkhead: %s; Ctrl-] detaches]\n",
			      body.name);
	terminal_make_raw();
	return serve(cli, &body, &fd);
}

const struct verb verb_console = {
	.name = "console",
	.positional = "NAME",
	.summary = "Attach to a partition's console; Ctrl-] detaches.",
	.options = {
		{ "read-only", NULL, "attach read-only" },
		{ "take-over", NULL, "take over input; the client that had it becomes read-only" },
	},
	.run = run,
};
