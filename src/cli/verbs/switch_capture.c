/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/nic_options.h"
#include "cli/verbs.h"

#define COPY_BYTES (64u << 10)
/* What may wait for us; more is lost, not waited for. */
#define PIPE_BYTES (1 << 20)

static volatile sig_atomic_t is_interrupted;

static void on_signal(int number)
{
	is_interrupted = 1;
}

static void catch_signals(void)
{
	/* Without SA_RESTART: a read is to end. */
	const struct sigaction action = { .sa_handler = on_signal };

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}

static int take_snap(struct cli *cli, const char *given,
		     struct switch_capture *body)
{
	uint64_t bytes;

	if (!given)
		return EXIT_DONE;
	if (text_parse_u64(given, 65535, &bytes) < 0 || bytes == 0)
		return cli_complain(cli, EXIT_REFUSED, "--snap",
				    "wants 1 to 65535");
	body->snap_bytes = (uint32_t)bytes;
	return EXIT_DONE;
}

static int open_file(struct cli *cli, const char *path, int *ret_fd)
{
	*ret_fd = path && strcmp(path, "-") != 0
			  ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
				 0600)
			  : dup(STDOUT_FILENO);
	if (*ret_fd < 0)
		return cli_complain(cli, EXIT_REFUSED, path ? path : "",
				    "cannot be written: %s", strerror(errno));
	if (isatty(*ret_fd))
		return cli_complain(cli, EXIT_REFUSED, "--write",
				    "names a file, or redirect the output: "
				    "a capture is not for a terminal");
	return EXIT_DONE;
}

static int write_all(int fd, const char *bytes, size_t count)
{
	while (count > 0) {
		ssize_t done = write(fd, bytes, count);

		if (done < 0 && errno != EINTR)
			return -errno;
		if (done > 0) {
			bytes += done;
			count -= (size_t)done;
		}
	}
	return 0;
}

/* Until the service ends it or the user does. */
static int copy(int from, int to)
{
	static char bytes[COPY_BYTES];
	ssize_t got = 1;
	int r = 0;

	while (r == 0 && got > 0 && !is_interrupted) {
		got = read(from, bytes, sizeof(bytes));
		if (got > 0)
			r = write_all(to, bytes, (size_t)got);
	}
	return r;
}

static void close_ends(int (*ends)[2])
{
	close_fd(&(*ends)[0]);
	close_fd(&(*ends)[1]);
}

static int capture(struct cli *cli, const struct switch_capture *body, int file)
{
	SCOPED(close_ends) int ends[2] = { NO_FD, NO_FD };
	struct request request = {
		.type = MSG_SWITCH_CAPTURE,
		.body = body,
		.fds = &ends[1],
		.fd_count = 1,
	};
	int status, r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return cli_complain(cli, EXIT_FAILED, "", "no pipe: %s",
				    strerror(errno));
	/* The service must not wait for us; reading may. */
	(void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
	(void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
	status = cli_call(cli, &request, NOT_LONG);
	if (status != EXIT_DONE)
		return status;
	close_fd(&ends[1]);
	catch_signals();
	r = copy(ends[0], file);
	if (r < 0)
		return cli_complain(cli, EXIT_FAILED, "--write",
				    "cannot be written: %s", strerror(-r));
	if (!is_interrupted)
		return cli_complain(cli, EXIT_FAILED, "",
				    "the service ended the capture");
	return EXIT_DONE;
}

static int run(struct cli *cli, const struct invocation *invocation)
{
	struct switch_capture body = { 0 };
	SCOPED(close_fd) int file = NO_FD;
	int status =
		cli_take_name(cli, "name", invocation->positional, body.name);

	if (status == EXIT_DONE)
		status = nic_port_take(cli, "--nic",
				       invocation_option(invocation, "nic"),
				       body.partition, body.nic);
	if (status == EXIT_DONE)
		status = take_snap(cli, invocation_option(invocation, "snap"),
				   &body);
	if (status == EXIT_DONE)
		status = open_file(cli, invocation_option(invocation, "write"),
				   &file);
	return status == EXIT_DONE ? capture(cli, &body, file) : status;
}

const struct verb verb_switch_capture = {
	.name = "switch capture",
	.positional = "NAME",
	.summary = "Capture the frames of a switch as pcapng, until interrupted.",
	.options = {
		{ "nic", "PORT", "only this one, PARTITION/NAME" },
		{ "snap", "BYTES", "of each frame" },
		{ "write", "FILE", "to this file, not standard output" },
	},
	.run = run,
};
