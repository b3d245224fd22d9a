/* SPDX-License-Identifier: MIT */
/* virtio-scsi in front of a disk per target: commands and their outcomes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_ids.h>

#include "base/count.h"
#include "monitor/disk/table.h"
#include "scsi/command.h"
#include "scsi/sense.h"

/* No volume reaches so far. */
#define EXTENT_END (1ull << 62)

/* Requests. -------------------------------------------------------------- */

struct scsi_row *scsi_row_of(const struct request *request)
{
	uint32_t index = request->queue->index;
	uint32_t queue = index == SCSI_CONTROL_QUEUE ? 0 : index - 1;

	return &request->queue->front->scsi
			.rows[queue * SCSI_QUEUE_ROWS + request->head];
}

static uint16_t flags_of(const struct virtio_scsi_command *command)
{
	uint16_t flags = 0;

	if (command->in_bytes > 0)
		flags |= SCSI_DATA_IN;
	if (command->out_bytes > 0)
		flags |= SCSI_DATA_OUT;
	if (command->attribute == VIRTIO_SCSI_S_ORDERED)
		flags |= SCSI_ORDERED;
	if (command->attribute == VIRTIO_SCSI_S_HEAD)
		flags |= SCSI_HEAD_OF_QUEUE;
	return flags;
}

static enum scsi_type type_of(const struct disk *disk)
{
	static const enum scsi_type types[] = {
		[DISK_TYPE_DISK] = SCSI_DISK,
		[DISK_TYPE_CD] = SCSI_CD,
		[DISK_TYPE_TAPE] = SCSI_TAPE,
	};

	return types[disk->settings.type];
}

static void place(struct work *work, const struct disk *disk,
		  const uint8_t *cdb)
{
	static const uint8_t classes[] = {
		[SCSI_CLASS_READ] = REQUEST_READ,
		[SCSI_CLASS_CHANGE] = REQUEST_CHANGE,
		[SCSI_CLASS_ONCE] = REQUEST_ONCE,
	};
	struct scsi_extent extent;

	scsi_command_decode(type_of(disk), cdb,
			    disk->settings.logical_block_bytes, &extent);
	work->class = classes[extent.class];
	if (extent.offset_bytes >= EXTENT_END)
		return;
	work->offset_bytes = extent.offset_bytes;
	work->bytes =
		min_u64(extent.length_bytes, EXTENT_END - extent.offset_bytes);
}

static void place_data(struct work *work, const struct front *front,
		       const struct ring_chain *chain,
		       const struct virtio_scsi_command *command)
{
	const struct virtio_scsi_shape *shape = &front->scsi.shape;

	work->segments = chain->segments;
	work->segment_count =
		(uint32_t)chain->readable_count + chain->writable_count;
	if (command->out_bytes > 0) {
		work->direction = REQUEST_DATA_OUT;
		work->data_count = chain->readable_count;
		work->data_skip = virtio_scsi_header_bytes(shape);
		work->data_bytes = command->out_bytes;
		return;
	}
	work->direction =
		command->in_bytes > 0 ? REQUEST_DATA_IN : REQUEST_NO_DATA;
	work->data_first = chain->readable_count;
	work->data_count = chain->writable_count;
	work->data_skip = virtio_scsi_response_bytes(shape);
	work->data_bytes = command->in_bytes;
}

static struct request *add(struct front_queue *queue, struct disk *disk,
			   const struct ring_chain *chain,
			   const struct virtio_scsi_command *command)
{
	struct work work = { .op = SCSI_COMMAND, .flags = flags_of(command) };
	struct request *request;
	struct scsi_row *row;

	place(&work, disk, command->cdb);
	place_data(&work, queue->front, chain, command);
	request = table_add(queue, disk, chain->head, &work);
	row = scsi_row_of(request);
	/* What was saved goes on as it was. */
	if (!queue->front->is_frozen)
		row->sequence++;
	row->tag = command->tag;
	memcpy(row->payload, command->cdb, sizeof(row->payload));
	return request;
}

/* A command that never reaches a unit. */
static void answer_at_once(struct front_queue *queue,
			   const struct ring_chain *chain, int error)
{
	static const struct scsi_sense too_long = {
		.code = SENSE_BAD_CDB_FIELD
	};
	struct front *front = queue->front;
	struct disk_counters *counters = &front->disks[0]->counters;
	uint8_t sense[SCSI_SENSE_BYTES];
	struct virtio_scsi_outcome outcome = { .sense = sense };
	uint32_t written = 0;

	if (error == -ENODEV) {
		outcome.response = VIRTIO_SCSI_S_BAD_TARGET;
	} else if (error == -E2BIG) {
		outcome.status = SCSI_CHECK_CONDITION;
		outcome.sense_bytes = scsi_sense_write(&too_long, false, sense);
	} else {
		outcome.response = VIRTIO_SCSI_S_FAILURE;
		counters->violations++;
	}
	if (error != -EBADMSG)
		written = virtio_scsi_answer(
			&front->scsi.shape, &front->memory,
			chain->segments + chain->readable_count,
			chain->writable_count, 0, &outcome);
	counters->errors++;
	queue_push(queue, chain->head, written);
}

static struct request *accept(struct front_queue *queue,
			      const struct ring_chain *chain)
{
	struct front *front = queue->front;
	struct virtio_scsi_command command;
	uint32_t target = 0;
	int r;

	if (queue->index == SCSI_CONTROL_QUEUE)
		return scsi_accept_control(queue, chain);
	r = virtio_scsi_decode(&front->scsi.shape, &front->memory, chain,
			       &command);
	if (r == 0)
		r = virtio_scsi_target(&front->scsi.shape, command.lun,
				       &target);
	if (r == 0 && (command.in_bytes > SCSI_TRANSFER_MAX ||
		       command.out_bytes > SCSI_TRANSFER_MAX))
		r = -E2BIG;
	/* Only a saved one can hold more than we ever take. */
	if (r == 0 && !front_has_room(front))
		r = -EINVAL;
	if (r == 0)
		return add(queue, front->disks[target], chain, &command);
	answer_at_once(queue, chain, r);
	return NULL;
}

static void describe(const struct request *request,
		     struct channel_request *message)
{
	const struct front_scsi *scsi = &request->queue->front->scsi;
	const struct scsi_row *row = scsi_row_of(request);

	message->offset_bytes =
		scsi_place((uint16_t)(row - scsi->rows), 0, row->sequence);
	message->length_bytes = 0; /* without data; else as granted */
	memcpy(message->payload, row->payload, sizeof(message->payload));
}

/* Outcomes. --------------------------------------------------------------- */

static uint8_t response_of(uint8_t flags)
{
	if (flags & SCSI_ABORTED)
		return VIRTIO_SCSI_S_ABORTED;
	return flags & SCSI_RESET ? VIRTIO_SCSI_S_RESET : VIRTIO_SCSI_S_OK;
}

static void note(struct request *request, const struct lane_answer *answer,
		 const uint8_t *sense)
{
	struct scsi_row *row = scsi_row_of(request);
	uint8_t flags = scsi_outcome_flags(answer->status);

	row->status = scsi_outcome_status(answer->status);
	row->response = request->work.op == SCSI_TASK_MANAGEMENT
				? row->status
				: response_of(flags);
	row->transferred_bytes = answer->bytes;
	row->sense_bytes = scsi_outcome_sense_bytes(answer->status);
	memcpy(row->sense, sense, row->sense_bytes);
	request->work.is_promised = (flags & SCSI_STORED) != 0;
}

/* An outcome of our own, of a request that failed. */
static void fail(const struct request *request, struct scsi_row *row)
{
	struct scsi_sense sense = { .code = request->work.is_promised
						    ? SENSE_WRITE_ERROR
						    : SENSE_INTERNAL_FAILURE };

	row->transferred_bytes = 0;
	row->sense_bytes = 0;
	row->status = 0;
	if (request->error == -ECANCELED)
		row->response = VIRTIO_SCSI_S_ABORTED;
	else if (request->error == -ETIMEDOUT)
		row->response = VIRTIO_SCSI_S_TRANSPORT_FAILURE;
	else if (request->work.op == SCSI_TASK_MANAGEMENT)
		row->response = VIRTIO_SCSI_S_FAILURE;
	else {
		row->response = VIRTIO_SCSI_S_OK;
		row->status = SCSI_CHECK_CONDITION;
		row->sense_bytes = scsi_sense_write(&sense, false, row->sense);
	}
}

static uint32_t answer(struct request *request)
{
	const struct work *work = &request->work;
	struct front *front = request->queue->front;
	uint32_t first = work->direction == REQUEST_DATA_OUT ? work->data_count
							     : work->data_first;
	struct scsi_row *row = scsi_row_of(request);
	struct virtio_scsi_outcome outcome;

	if (request->error != 0)
		fail(request, row);
	if (work->op == SCSI_TASK_MANAGEMENT)
		return virtio_scsi_answer_control(
			&front->memory, work->segments + first,
			work->segment_count - first, VIRTIO_SCSI_T_TMF,
			row->response);
	outcome = (struct virtio_scsi_outcome){
		.response = row->response,
		.status = row->status,
		.sense_bytes = row->sense_bytes,
		.sense = row->sense,
		.residual = (uint32_t)work->data_bytes - row->transferred_bytes,
	};
	return virtio_scsi_answer(
		&front->scsi.shape, &front->memory, work->segments + first,
		work->segment_count - first,
		work->direction == REQUEST_DATA_IN ? row->transferred_bytes : 0,
		&outcome);
}

/* Saved partitions. -------------------------------------------------------- */

static void save(const struct front *front, struct state_writer *writer)
{
	const struct front_scsi *scsi = &front->scsi;

	state_put_u32(writer, scsi->shape.cdb_bytes);
	state_put_u32(writer, scsi->shape.sense_bytes);
	for (uint32_t i = 0; i < scsi->row_count; i++) {
		const struct scsi_row *row = &scsi->rows[i];

		state_put_u32(writer, row->sequence);
		if (row->sequence == 0)
			continue;
		state_put_u8(writer, row->response);
		state_put_u8(writer, row->status);
		state_put_u32(writer, row->transferred_bytes);
		state_put_u8(writer, row->sense_bytes);
		state_put(writer, row->sense, row->sense_bytes);
	}
}

static void restore_row(struct scsi_row *row, struct state_reader *reader)
{
	row->sequence = state_get_u32(reader);
	if (row->sequence == 0)
		return;
	row->response = state_get_u8(reader);
	row->status = state_get_u8(reader);
	row->transferred_bytes = state_get_u32(reader);
	row->sense_bytes = state_get_u8(reader);
	if (row->transferred_bytes > SCSI_TRANSFER_MAX ||
	    row->sense_bytes > sizeof(row->sense)) {
		row->sense_bytes = 0;
		row->transferred_bytes = 0;
		state_refuse(reader);
	}
	state_get(reader, row->sense, row->sense_bytes);
}

static void restore(struct front *front, struct state_reader *reader)
{
	struct virtio_scsi_shape *shape = &front->scsi.shape;

	shape->cdb_bytes = state_get_u32(reader);
	shape->sense_bytes = state_get_u32(reader);
	if (shape->cdb_bytes - 1 >= VIRTIO_SCSI_CDB_MAX ||
	    shape->sense_bytes > VIRTIO_SCSI_SENSE_MAX) {
		virtio_scsi_reset(shape);
		state_refuse(reader);
	}
	for (uint32_t i = 0; i < front->scsi.row_count; i++)
		restore_row(&front->scsi.rows[i], reader);
}

/* The device. -------------------------------------------------------------- */

static const struct front_ops scsi_ops = {
	.accept = accept,
	.answer = answer,
	.describe = describe,
	.note = note,
	.save = save,
	.restore = restore,
	.device = &scsi_device_ops,
	.virtio_id = VIRTIO_ID_SCSI,
	.is_shared = true,
};

static uint64_t offer_features(void *device)
{
	return virtio_scsi_features();
}

static size_t fill_config(void *device, uint8_t *space, size_t room_bytes)
{
	const struct front *front = device;

	return virtio_scsi_config(&front->scsi.shape, space, room_bytes);
}

static void write_config(void *device, uint32_t offset_bytes,
			 const uint8_t *bytes, uint32_t count)
{
	struct front *front = device;

	virtio_scsi_config_write(&front->scsi.shape, offset_bytes, bytes,
				 count);
}

static void reset(void *device)
{
	struct front *front = device;

	front_reset(front);
	virtio_scsi_reset(&front->scsi.shape);
}

int front_init_scsi(struct front *front, uint32_t queue_count)
{
	int r = front_open(front, &scsi_ops, SCSI_REQUEST_QUEUE + queue_count,
			   queue_count * SPILL_BLOCKS);

	if (r < 0)
		return r;
	front->queue_size_max = SCSI_QUEUE_ROWS;
	front->queues[SCSI_EVENT_QUEUE].is_idle = true;
	front->scsi.shape = (struct virtio_scsi_shape){
		.queue_count = (uint16_t)queue_count,
		.transfer_max = SCSI_TRANSFER_MAX,
	};
	virtio_scsi_reset(&front->scsi.shape);
	front->scsi.row_count = (1 + queue_count) * SCSI_QUEUE_ROWS;
	front->scsi.rows =
		calloc(front->scsi.row_count, sizeof(*front->scsi.rows));
	return front->scsi.rows ? 0 : -ENOMEM;
}

void front_add_unit(struct front *front, struct disk *disk)
{
	front_add(front, disk);
	front->scsi.shape.target_count = (uint16_t)front->disk_count;
}

const struct virtio_device_ops scsi_device_ops = {
	.features = offer_features,
	.set_features = front_set_features,
	.queue_start = front_queue_start,
	.queue_stop = front_queue_stop,
	.queue_call = front_queue_call,
	.config = fill_config,
	.config_write = write_config,
	.reset = reset,
	.detach = front_detach,
	.memory_changed = front_memory_changed,
};
