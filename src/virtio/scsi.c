/* SPDX-License-Identifier: MIT */
#include "virtio/scsi.h"

#include <errno.h>
#include <string.h>

#include <linux/virtio_config.h>

#include "base/count.h"
#include "virtio/segments.h"

#define BIT(number) (1ull << (number))

/* As with virtio-blk; Linux takes a transfer apart at that. */
#define SEGMENTS_MAX      126
#define COMMANDS_PER_UNIT 128
#define SECTOR_BYTES      512
#define EVENT_BYTES       sizeof(struct virtio_scsi_event)

/* Before the CDB, and before the sense data. */
#define HEADER_BYTES   offsetof(struct virtio_scsi_cmd_req, cdb)
#define RESPONSE_BYTES offsetof(struct virtio_scsi_cmd_resp, sense)

/* The device. -------------------------------------------------------------- */

uint32_t virtio_scsi_unit_depth(uint32_t target_count)
{
	uint64_t part = VIRTIO_SCSI_RING_SIZE / (target_count + 1);

	return (uint32_t)max_u64(min_u64(part, COMMANDS_PER_UNIT), 1);
}

void virtio_scsi_reset(struct virtio_scsi_shape *shape)
{
	shape->cdb_bytes = VIRTIO_SCSI_CDB_DEFAULT_SIZE;
	shape->sense_bytes = VIRTIO_SCSI_SENSE_DEFAULT_SIZE;
}

uint64_t virtio_scsi_features(void)
{
	return BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |
	       BIT(VIRTIO_RING_F_EVENT_IDX);
}

size_t virtio_scsi_config(const struct virtio_scsi_shape *shape, uint8_t *space,
			  size_t room_bytes)
{
	const struct virtio_scsi_config config = {
		.num_queues = shape->queue_count,
		.seg_max = SEGMENTS_MAX,
		.max_sectors = shape->transfer_max / SECTOR_BYTES,
		.cmd_per_lun = virtio_scsi_unit_depth(shape->target_count),
		.event_info_size = EVENT_BYTES,
		.sense_size = shape->sense_bytes,
		.cdb_size = shape->cdb_bytes,
		.max_target = (uint16_t)(shape->target_count - 1),
	};

	if (room_bytes > sizeof(config))
		room_bytes = sizeof(config);
	memcpy(space, &config, room_bytes);
	return room_bytes;
}

void virtio_scsi_config_write(struct virtio_scsi_shape *shape,
			      uint32_t offset_bytes, const uint8_t *bytes,
			      uint32_t count)
{
	uint32_t value;

	if (count != sizeof(value))
		return;
	memcpy(&value, bytes, sizeof(value));
	if (offset_bytes == offsetof(struct virtio_scsi_config, sense_size) &&
	    value <= VIRTIO_SCSI_SENSE_MAX)
		shape->sense_bytes = value;
	if (offset_bytes == offsetof(struct virtio_scsi_config, cdb_size) &&
	    value >= 1 && value <= VIRTIO_SCSI_CDB_MAX)
		shape->cdb_bytes = value;
}

uint32_t virtio_scsi_header_bytes(const struct virtio_scsi_shape *shape)
{
	return (uint32_t)HEADER_BYTES + shape->cdb_bytes;
}

uint32_t virtio_scsi_response_bytes(const struct virtio_scsi_shape *shape)
{
	return (uint32_t)RESPONSE_BYTES + shape->sense_bytes;
}

/* A single-level LUN of one byte of bus, 1, one of target, and two of peripheral
 * or flat addressing (5.6.6.1). */
int virtio_scsi_target(const struct virtio_scsi_shape *shape,
		       const uint8_t lun[8], uint32_t *ret_target)
{
	static const uint8_t rest[4];
	bool is_flat = (lun[2] & 0xc0) == 0x40;

	if (lun[0] != 1 || lun[1] >= shape->target_count ||
	    (lun[2] != 0 && !is_flat) || (lun[2] & 0x3f) != 0 || lun[3] != 0 ||
	    memcmp(&lun[4], rest, sizeof(rest)) != 0)
		return -ENODEV;
	*ret_target = lun[1];
	return 0;
}

/* Commands. ------------------------------------------------------------------ */

static int check_memory(struct guestmem *memory, const struct ring_chain *chain)
{
	uint32_t count =
		(uint32_t)chain->readable_count + chain->writable_count;

	for (uint32_t i = 0; i < count; i++)
		if (guestmem_check(memory, chain->segments[i].gpa,
				   chain->segments[i].bytes) < 0)
			return -EFAULT;
	return 0;
}

static const struct ring_segment *writable_of(const struct ring_chain *chain)
{
	return chain->segments + chain->readable_count;
}

int virtio_scsi_decode(const struct virtio_scsi_shape *shape,
		       struct guestmem *memory, const struct ring_chain *chain,
		       struct virtio_scsi_command *ret_command)
{
	uint32_t header_bytes = virtio_scsi_header_bytes(shape);
	uint64_t readable =
		segments_bytes(chain->segments, chain->readable_count);
	uint64_t writable =
		segments_bytes(writable_of(chain), chain->writable_count);
	struct virtio_scsi_cmd_req header = { 0 };

	if (writable < virtio_scsi_response_bytes(shape))
		return -EBADMSG;
	if (readable < header_bytes || check_memory(memory, chain) < 0 ||
	    segments_read(memory, chain->segments, chain->readable_count, 0,
			  &header, header_bytes) < 0)
		return -EINVAL;
	*ret_command = (struct virtio_scsi_command){
		.tag = header.tag,
		.attribute = header.task_attr,
		.out_bytes = readable - header_bytes,
		.in_bytes = writable - virtio_scsi_response_bytes(shape),
	};
	memcpy(ret_command->lun, header.lun, sizeof(header.lun));
	memcpy(ret_command->cdb, header.cdb, sizeof(header.cdb));
	return ret_command->out_bytes > 0 && ret_command->in_bytes > 0 ? -EINVAL
								       : 0;
}

uint32_t virtio_scsi_answer(const struct virtio_scsi_shape *shape,
			    struct guestmem *memory,
			    const struct ring_segment *writable, uint32_t count,
			    uint32_t in_bytes,
			    const struct virtio_scsi_outcome *outcome)
{
	uint32_t bytes = virtio_scsi_response_bytes(shape);
	uint32_t sense_bytes =
		(uint32_t)min_u64(outcome->sense_bytes, shape->sense_bytes);
	uint8_t space[RESPONSE_BYTES + VIRTIO_SCSI_SENSE_MAX] = { 0 };
	const struct virtio_scsi_cmd_resp response = {
		.sense_len = sense_bytes,
		.resid = outcome->residual,
		.status = outcome->status,
		.response = outcome->response,
	};

	memcpy(space, &response, RESPONSE_BYTES);
	if (sense_bytes > 0)
		memcpy(space + RESPONSE_BYTES, outcome->sense, sense_bytes);
	if (segments_write(memory, writable, count, 0, space, bytes) < 0)
		return 0;
	return bytes + in_bytes;
}

/* Control. -------------------------------------------------------------------- */

static uint32_t control_response_bytes(uint32_t type)
{
	return type == VIRTIO_SCSI_T_AN_QUERY ||
			       type == VIRTIO_SCSI_T_AN_SUBSCRIBE
		       ? sizeof(struct virtio_scsi_ctrl_an_resp)
		       : sizeof(struct virtio_scsi_ctrl_tmf_resp);
}

static int decode_task_management(struct guestmem *memory,
				  const struct ring_chain *chain,
				  struct virtio_scsi_control *control)
{
	struct virtio_scsi_ctrl_tmf_req request;

	if (segments_read(memory, chain->segments, chain->readable_count, 0,
			  &request, sizeof(request)) < 0)
		return -EINVAL;
	control->function = request.subtype;
	control->tag = request.tag;
	memcpy(control->lun, request.lun, sizeof(request.lun));
	return 0;
}

int virtio_scsi_decode_control(struct guestmem *memory,
			       const struct ring_chain *chain,
			       struct virtio_scsi_control *ret_control)
{
	struct virtio_scsi_ctrl_an_req request;
	uint32_t type = UINT32_MAX;
	int r;

	*ret_control = (struct virtio_scsi_control){ 0 };
	r = segments_read(memory, chain->segments, chain->readable_count, 0,
			  &type, sizeof(type));
	ret_control->type = type;
	if (segments_bytes(writable_of(chain), chain->writable_count) <
		    control_response_bytes(type) ||
	    check_memory(memory, chain) < 0)
		return -EBADMSG;
	if (r < 0)
		return -EINVAL;
	if (type == VIRTIO_SCSI_T_TMF)
		return decode_task_management(memory, chain, ret_control);
	if (type != VIRTIO_SCSI_T_AN_QUERY &&
	    type != VIRTIO_SCSI_T_AN_SUBSCRIBE)
		return -EINVAL;
	if (segments_read(memory, chain->segments, chain->readable_count, 0,
			  &request, sizeof(request)) < 0)
		return -EINVAL;
	memcpy(ret_control->lun, request.lun, sizeof(request.lun));
	return 0;
}

uint32_t virtio_scsi_answer_control(struct guestmem *memory,
				    const struct ring_segment *writable,
				    uint32_t count, uint32_t type,
				    uint8_t response)
{
	const struct virtio_scsi_ctrl_an_resp answer = { .response = response };
	uint32_t bytes = control_response_bytes(type);
	const uint8_t *from = (const uint8_t *)(&answer + 1) - bytes;

	return segments_write(memory, writable, count, 0, from, bytes) < 0
		       ? 0
		       : bytes;
}
