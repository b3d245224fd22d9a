/* SPDX-License-Identifier: MIT */
/*
 * A disk service on its own: the real bulkhead-disk under a supervisor and
 * monitors played by the test. The binary is named by BULKHEAD_DISK.
 *
 * Everything fails the test by check_failed() when it goes wrong.
 */
#ifndef TESTS_DISK_RIG_H
#define TESTS_DISK_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "channel/channel.h"
#include "channel/disk_request.h"
#include "channel/spin.h"
#include "control/control.h"
#include "control/protocol.h"
#include "lib/service_rig.h"

/* A monitor's end of one attachment. */
struct disk_peer {
	struct attachment attachment;
	struct channel channel;
	int memfd, kick, call;
	struct spin spin;
};

struct disk_peer_config {
	const char *path; /* the file; created if need be */
	uint64_t size_bytes;
	bool is_direct, is_read_only;
	bool has_blocking_call; /* a `call` eventfd as it must not be */
	uint32_t slot_count;    /* 0: 64 */
	uint32_t buffer_bytes;  /* 0: 1 MiB */
	uint32_t block_bytes;   /* 0: 512 */
	int fd;                 /* when path is NULL: the file, consumed */
};

/* Start the service and wait for CHILD_READY. `environment` is "NAME=VALUE" or
 * NULL. */
void disk_rig_start(struct service_rig *rig, const char *environment);
/* Kill it, reap it, and remove what was made. */
void disk_rig_stop(struct service_rig *rig);

void disk_rig_send(struct service_rig *rig, uint32_t type, const void *body,
		   size_t body_bytes);
/* Wait, at most five seconds, for a message of this type. */
void disk_rig_expect(struct service_rig *rig, uint32_t type, void *ret_body,
		     size_t body_bytes);

/* Attach a disk; ids are 1, 2, ... in the order of calls per process. */
void disk_rig_attach(struct service_rig *rig, struct disk_peer *peer,
		     const struct disk_peer_config *config);
/* Hand the file over again, to a new service, on a new channel. */
void disk_peer_close(struct disk_peer *peer);

/* Queue a request with this id, and show it to the service. */
void disk_peer_send(struct disk_peer *peer,
		    const struct channel_request *request);
void disk_peer_show(struct disk_peer *peer);
/* Wait for the next response; false when none comes within timeout_ms. */
bool disk_peer_receive(struct disk_peer *peer,
		       struct channel_response *response, int timeout_ms);

/* One request from start to end: its status. */
int disk_peer_do(struct disk_peer *peer, uint16_t op, uint16_t flags,
		 uint64_t offset_bytes, uint32_t length_bytes,
		 uint32_t buffer_offset);

#endif
