/* SPDX-License-Identifier: MIT */
#include "target/scsi_request_check.h"

#include <errno.h>

#include "channel/scsi_request.h"

bool scsi_channel_is_valid(const struct channel_shape *shape)
{
	return shape->slot_count <= SCSI_SENSE_SLOTS &&
	       shape->buffer_bytes > SCSI_SENSE_AREA_BYTES;
}

uint8_t scsi_request_function(const struct channel_request *request)
{
	return request->payload[0];
}

uint16_t scsi_request_managed_row(const struct channel_request *request)
{
	return (uint16_t)(request->payload[2] | request->payload[3] << 8);
}

static bool has_both(uint16_t flags, uint16_t both)
{
	return (flags & both) == both;
}

static bool has_valid_flags(const struct channel_request *request)
{
	return !(request->flags & ~SCSI_FLAGS) &&
	       !has_both(request->flags, SCSI_DATA_IN | SCSI_DATA_OUT) &&
	       !has_both(request->flags, SCSI_ORDERED | SCSI_HEAD_OF_QUEUE);
}

/* Behind the sense slots, which answers are written to. */
static bool has_valid_buffer(const struct channel_request *request,
			     const struct channel *channel)
{
	if (!request->length_bytes)
		return true;
	return request->flags & (SCSI_DATA_IN | SCSI_DATA_OUT) &&
	       request->length_bytes <= SCSI_TRANSFER_MAX &&
	       request->buffer_offset % CHANNEL_BUFFER_UNIT == 0 &&
	       request->buffer_offset >= SCSI_SENSE_AREA_BYTES &&
	       channel_has_buffer(channel, request->buffer_offset,
				  request->length_bytes);
}

static bool has_valid_place(const struct channel_request *request,
			    uint32_t row_count)
{
	return scsi_place_row(request->offset_bytes) < row_count &&
	       scsi_place_sense_slot(request->offset_bytes) < SCSI_SENSE_SLOTS;
}

static bool is_valid_op(const struct channel_request *request,
			uint32_t row_count)
{
	if (request->op == SCSI_COMMAND)
		return true;
	if (request->length_bytes || request->flags)
		return false;
	return request->op == SCSI_REPLAYED ||
	       (request->op == SCSI_TASK_MANAGEMENT &&
		scsi_request_function(request) < SCSI_FUNCTION_COUNT &&
		scsi_request_managed_row(request) < row_count);
}

int scsi_request_check(const struct channel_request *request,
		       const struct channel *channel, uint32_t row_count)
{
	bool is_valid = request->generation == channel->shape.generation &&
			is_valid_op(request, row_count) &&
			has_valid_flags(request) &&
			has_valid_place(request, row_count) &&
			has_valid_buffer(request, channel);

	return is_valid ? 0 : -EBADMSG;
}
