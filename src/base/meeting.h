/* SPDX-License-Identifier: MIT */
/*
 * The name of the socket where children find a supervisor again. It is so short
 * that a filter of system calls can tell it from the client socket's: by the
 * length of the address.
 */
#ifndef BASE_MEETING_H
#define BASE_MEETING_H

#include <stddef.h>
#include <sys/un.h>

#define MEETING_NAME "supervisor"
#define MEETING_ADDRESS_BYTES \
	(offsetof(struct sockaddr_un, sun_path) + sizeof(MEETING_NAME))

#endif
