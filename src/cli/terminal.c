/* SPDX-License-Identifier: MIT */
#include "cli/terminal.h"

#include <signal.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved;
static bool is_raw;
static volatile sig_atomic_t is_ended;

static void on_signal(int number)
{
	is_ended = 1;
}

void terminal_make_raw(void)
{
	/* Without SA_RESTART, so that a wait ends too. */
	const struct sigaction action = { .sa_handler = on_signal };
	struct termios raw;

	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGHUP, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	if (tcgetattr(STDIN_FILENO, &saved) < 0)
		return;
	raw = saved;
	cfmakeraw(&raw);
	is_raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

void terminal_restore(void)
{
	if (is_raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	is_raw = false;
}

bool terminal_wants_end(void)
{
	return is_ended;
}
