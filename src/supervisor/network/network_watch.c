/* SPDX-License-Identifier: MIT */
/*
 * The kernel tells of interfaces that change. Only so is it known that a TAP
 * interface is in its bridge no more: its descriptor goes on as if it were.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/scope.h"
#include "supervisor/network/network_private.h"
#include "supervisor/supervisor.h"

/* What it says is not read: everything is looked at anew. */
static int on_change(sd_event_source *source, int fd, uint32_t events,
		     void *data)
{
	char bytes[8192];

	while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0 ||
	       errno == EINTR || errno == ENOBUFS)
		;
	networks_check_bridges(data);
	return 0;
}

static int open_watch(struct supervisor *supervisor)
{
	const struct sockaddr_nl address = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK,
	};
	SCOPED(close_fd)
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_ROUTE);
	int r;

	if (fd < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	r = sd_event_add_io(supervisor->event, &supervisor->link_source, fd,
			    EPOLLIN, on_change, supervisor);
	if (r < 0)
		return r;
	(void)sd_event_source_set_io_fd_own(supervisor->link_source, 1);
	fd = NO_FD;
	return 0;
}

void network_watch(const struct network *network)
{
	int r = 0;

	if (network->record.definition.uplink.kind == UPLINK_BRIDGE &&
	    !network->supervisor->link_source)
		r = open_watch(network->supervisor);
	if (r < 0)
		log_warn("cannot watch interfaces: the removal of a bridge "
			 "will not be noticed error=%s",
			 strerrorname_np(-r));
}
