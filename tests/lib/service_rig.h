/* SPDX-License-Identifier: MIT */
/*
 * A service on its own: the real program under a supervisor played by the test.
 *
 * Everything fails the test by check_failed() when it goes wrong.
 */
#ifndef TESTS_SERVICE_RIG_H
#define TESTS_SERVICE_RIG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/control.h"
#include "control/protocol.h"

struct service_rig {
	pid_t pid;
	struct control link;
	int listener;       /* the rendezvous socket */
	char meet_path[64]; /* its directory */
};

/* Start `program` in this role and wait for CHILD_READY. `environment` is
 * "NAME=VALUE" or NULL. */
void service_rig_start(struct service_rig *rig, uint32_t role,
		       const char *program, const char *environment);
/* Kill it, reap it, and remove what was made. */
void service_rig_stop(struct service_rig *rig);

void service_rig_send(struct service_rig *rig, uint32_t type, const void *body,
		      size_t body_bytes, const int *fds, size_t fd_count);
/* A body with a record of a definition behind it. */
void service_rig_send_definition(struct service_rig *rig, uint32_t type,
				 const void *body, const void *value,
				 const int *fds);
/* Wait, at most five seconds, for a message, which must be of this type. */
void service_rig_expect(struct service_rig *rig, uint32_t type, void *ret_body,
			size_t body_bytes);

#endif
