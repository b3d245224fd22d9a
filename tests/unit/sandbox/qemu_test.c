/* SPDX-License-Identifier: MIT */
/* QEMU itself in its jail; skipped where it is not installed. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"
#include "sandbox/attempt.h"
#include "sandbox/jail.h"

#define QEMU "/usr/bin/qemu-system-x86_64"

/* Read until `wanted` has come; false after five seconds. */
static bool expect(int fd, const char *wanted)
{
	char text[4096];
	size_t used = 0;

	while (used < sizeof(text) - 1) {
		struct pollfd poller = { .fd = fd, .events = POLLIN };
		ssize_t got;

		if (poll(&poller, 1, 5000) != 1)
			return false;
		got = read(fd, text + used, sizeof(text) - 1 - used);
		if (got <= 0)
			return false;
		used += (size_t)got;
		text[used] = '\0';
		if (strstr(text, wanted))
			return true;
	}
	return false;
}

static bool say(int fd, const char *line)
{
	return write(fd, line, strlen(line)) == (ssize_t)strlen(line);
}

/* Starts a machine with its processors stopped and asks it for its state. */
static bool run_machine(void)
{
	char *const arguments[] = {
		(char *)"qemu",
		(char *)"-S",
		(char *)"-accel",
		(char *)"tcg",
		(char *)"-m",
		(char *)"64M",
		(char *)"-display",
		(char *)"none",
		(char *)"-nodefaults",
		(char *)"-no-user-config",
		(char *)"-sandbox",
		(char *)"on,obsolete=deny,elevateprivileges=deny,spawn=deny",
		(char *)"-chardev",
		(char *)"socket,id=qmp,fd=3",
		(char *)"-mon",
		(char *)"chardev=qmp,mode=control",
		NULL,
	};
	int ends[2];
	SCOPED(close_fd) int qmp = NO_FD;
	struct jail_fd fds[] = { { 2, 2 }, { NO_FD, 3 } };
	struct jail jail = {
		.program = QEMU,
		.arguments = arguments,
		.fds = fds,
		.fd_count = 2,
		.uid = 64001,
		.gid = 64001,
	};
	struct sandbox_layers layers;
	struct jailed jailed;
	bool is_good;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return false;
	qmp = ends[0];
	fds[1].fd = ends[1];
	if (jail_start(&jail, &jailed, &layers) < 0)
		return false;
	(void)close(ends[1]);
	is_good = expect(qmp, "QMP") &&
		  say(qmp, "{'execute':'qmp_capabilities'}\n") &&
		  expect(qmp, "return") &&
		  say(qmp, "{'execute':'query-status'}\n") &&
		  expect(qmp, "prelaunch");
	jail_close(&jailed);
	return is_good;
}

static void need_qemu(void)
{
	if (access(QEMU, X_OK) < 0)
		test_skip("there is no %s", QEMU);
}

TEST(qemu_starts_in_its_jail_as_a_child_of_root)
{
	need_qemu();
	if (!attempt_can_be(AS_ROOT))
		test_skip("only root has such children");
	CHECK(run_machine());
}

TEST(qemu_starts_in_its_jail_for_an_ordinary_user)
{
	need_qemu();
	attempt_become_user();
	CHECK(run_machine());
}
