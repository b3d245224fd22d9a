/* SPDX-License-Identifier: MIT */
/*
 * The name of the socket on which children reach a restarted supervisor. A
 * system call filter tells it from the client socket by the length of the
 * address.
 */
#ifndef BASE_RENDEZVOUS_H
#define BASE_RENDEZVOUS_H

#include <stddef.h>
#include <sys/un.h>

#define RENDEZVOUS_NAME "supervisor"
#define RENDEZVOUS_ADDRESS_BYTES \
	(offsetof(struct sockaddr_un, sun_path) + sizeof(RENDEZVOUS_NAME))

#endif
