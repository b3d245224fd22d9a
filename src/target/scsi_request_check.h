/* SPDX-License-Identifier: MIT */
/*
 * Validation of one request of a SCSI channel, before it has any effect: what
 * breaks the channel (channel/scsi_request.h). What a CDB may say is for
 * scsi/unit.h.
 *
 * Pure. The request is a private copy; its fields are whatever a hostile
 * client wrote (I7).
 */
#ifndef TARGET_SCSI_REQUEST_CHECK_H
#define TARGET_SCSI_REQUEST_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "channel/channel.h"

/* Can this channel carry commands at all? Room for sense data, and no more
 * slots than that has. */
bool scsi_channel_is_valid(const struct channel_shape *shape);

/* 0, or -EBADMSG: a protocol violation, drop the client. */
int scsi_request_check(const struct channel_request *request,
		       const struct channel *channel, uint32_t row_count);

/* Of task management: its function, and the row of the task meant. */
uint8_t scsi_request_function(const struct channel_request *request);
uint16_t scsi_request_managed_row(const struct channel_request *request);

#endif
