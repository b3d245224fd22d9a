/* SPDX-License-Identifier: MIT */
#include "netport.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *prefix;
	const struct netport_ops *ops;
	int (*open)(const struct netport_settings *settings, const char *rest,
		    void **ret_own);
} kinds[] = {
	{ "vhost:", &fakenic_ops, fakenic_open },
	{ "vde:", &netport_socket_ops, netport_open_vde },
	{ "packet:", &netport_socket_ops, netport_open_packet },
};

int netport_open(struct netport *port, const struct netport_settings *settings)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		size_t length = strlen(kinds[i].prefix);

		if (strncmp(settings->spec, kinds[i].prefix, length) != 0)
			continue;
		port->ops = kinds[i].ops;
		return kinds[i].open(settings, settings->spec + length,
				     &port->own);
	}
	return -EINVAL;
}
