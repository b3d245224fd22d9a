/* SPDX-License-Identifier: MIT */
/*
 * bulkhead: the command. It reads documents into typed messages and talks to
 * the supervisor's socket; it decides nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/usage.h"

/* Where the supervisor of the same user listens: src/supervisor/config.h. */
static const char *default_socket(void)
{
	static char path[1024];
	const char *named = getenv("BULKHEAD_SOCKET");
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");

	if (named && *named)
		return named;
	if (geteuid() == 0)
		return "/run/bulkhead/bulkhead.sock";
	if (runtime && *runtime)
		(void)snprintf(path, sizeof(path), "%s/bulkhead/bulkhead.sock",
			       runtime);
	else if (state && *state)
		(void)snprintf(path, sizeof(path),
			       "%s/bulkhead/run/bulkhead.sock", state);
	else
		(void)snprintf(path, sizeof(path),
			       "%s/.local/state/bulkhead/run/bulkhead.sock",
			       home ? home : "");
	return path;
}

/* Each name on its own; the worst that happened to one counts. */
static int run(struct cli *cli, struct invocation *invocation)
{
	int worst = EXIT_DONE;

	if (!invocation->verb->takes_many)
		return invocation->verb->run(cli, invocation);
	for (size_t i = 0; i < invocation->name_count; i++) {
		int status;

		invocation->positional = invocation->names[i];
		status = invocation->verb->run(cli, invocation);
		if (worst != EXIT_FAILED && status != EXIT_DONE)
			worst = status;
	}
	return worst;
}

int main(int count, char **words)
{
	struct cli cli = {
		.socket_path = default_socket(),
		.client.control.fd = NO_FD,
	};
	struct invocation invocation;
	int status = usage_read(&cli, count, words, &invocation);

	if (status == EXIT_DONE && invocation.verb)
		status = run(&cli, &invocation);
	client_close(&cli.client);
	/* Of what was flushed before only the error is left. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_DONE)
		status = cli_complain(&cli, EXIT_FAILED, "",
				      "writing the output failed");
	return status;
}
