/* SPDX-License-Identifier: MIT */
/* What the status of the unit says. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/scope.h"
#include "lib/harness.h"
#include "store_rig.h"
#include "supervisor/store/status.h"
#include "supervisor/supervisor.h"

static struct supervisor supervisor;
static struct store_rig rig;
static int systemd = NO_FD;

static void open_systemd(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t bytes = sizeof(address);
	char name[64] = "@";

	/* Without a name it gets one of its own. */
	systemd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	CHECK_EQ(
		bind(systemd, (struct sockaddr *)&address, sizeof(sa_family_t)),
		0);
	CHECK_EQ(getsockname(systemd, (struct sockaddr *)&address, &bytes), 0);
	memcpy(name + 1, address.sun_path + 1, bytes - sizeof(sa_family_t) - 1);
	CHECK_EQ(setenv("NOTIFY_SOCKET", name, 1), 0);
}

/* The last line that it was told, "" for none. */
static const char *told(void)
{
	static char text[256];
	char next[256];
	ssize_t got;

	text[0] = '\0';
	while ((got = recv(systemd, next, sizeof(next) - 1, 0)) > 0) {
		next[got] = '\0';
		(void)strcpy(text, next);
	}
	return text;
}

TEST(what_nobody_manages_is_counted_and_told_to_systemd)
{
	open_systemd();
	supervisor.quarantine_count = 2;
	status_tell(&supervisor);
	CHECK_EQ(strcmp(told(), "STATUS=2 processes in quarantine"), 0);

	supervisor.quarantine_count = 0;
	status_tell(&supervisor);
	CHECK_EQ(strcmp(told(), "STATUS="), 0);
	close_fd(&systemd);
}

TEST(a_store_that_cannot_be_written_is_told_once_until_it_can)
{
	struct child_record child = { .instance = 3, .name = "disk0" };

	open_systemd();
	(void)setenv("BULKHEAD_FAILPOINT", "store.commit.full=fail@2", 1);
	store_rig_open(&rig);
	supervisor.store = rig.store;
	supervisor.quarantine_count = 1;
	store_defer_child(rig.store, &child);
	status_flushed(&supervisor, store_flush_deferred(rig.store));
	CHECK_EQ(strcmp(told(), "STATUS=cannot write the store: database or "
				"disk is full; 1 processes in quarantine"),
		 0);
	status_flushed(&supervisor, -ENOSPC);
	CHECK_EQ(told()[0], '\0');

	status_flushed(&supervisor, store_flush_deferred(rig.store));
	CHECK_EQ(strcmp(told(), "STATUS=1 processes in quarantine"), 0);
	store_rig_close(&rig);
	close_fd(&systemd);
}
