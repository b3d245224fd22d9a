/* SPDX-License-Identifier: MIT */
/*
 * Validation of one disk request, before it has any effect.
 *
 * Pure. The request is a private copy; its fields are whatever a hostile
 * client wrote (I7).
 */
#ifndef TARGET_REQUEST_H
#define TARGET_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "channel/channel.h"
#include "channel/disk_request.h"

struct disk_limits {
	uint64_t size_bytes;
	uint32_t block_bytes; /* a power of two */
	bool is_read_only;
};

/*
 * 0: carry it out.
 *
 * -EBADMSG         a protocol violation: drop the client
 * -EROFS, -EINVAL  answer the request with this
 */
int request_check(const struct channel_request *request,
		  const struct channel *channel,
		  const struct disk_limits *limits);

/* True for READ and WRITE. */
bool request_has_data(const struct channel_request *request);

#endif
