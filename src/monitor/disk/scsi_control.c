/* SPDX-License-Identifier: MIT */
/*
 * Task management. It is a request like any other, in the table of its unit
 * behind the commands that it is about: they have been sent when it is, and it
 * is held and replayed as they are. A driver waits for its answer without limit.
 *
 * What it aborts and no service has ever had is answered at once. What was held
 * because the host's disk was full is sent once more, before it.
 */
#include <errno.h>
#include <string.h>

#include "monitor/disk/table.h"

static bool is_abort(uint32_t function)
{
	return function != SCSI_QUERY_TASK && function != SCSI_QUERY_TASK_SET &&
	       function != SCSI_CLEAR_ACA;
}

static bool is_about_one(uint32_t function)
{
	return function == SCSI_ABORT_TASK || function == SCSI_QUERY_TASK;
}

static bool is_meant(const struct request *request,
		     const struct virtio_scsi_control *control)
{
	if (request->work.op != SCSI_COMMAND)
		return false;
	return !is_about_one(control->function) ||
	       scsi_row_of(request)->tag == control->tag;
}

/* No service has it. */
static void cancel(struct request *request)
{
	request->is_cancelled = true;
	if (request->state == REQUEST_NO_SPACE) {
		request_rewind(request);
		request_enter(request, REQUEST_ISSUING);
	} else if (request->state == REQUEST_ISSUING && !request->was_sent) {
		request_answer(request, -ECANCELED);
	}
}

static void cancel_all(struct disk *disk,
		       const struct virtio_scsi_control *control)
{
	struct request *request = disk->oldest;

	while (request) {
		struct request *newer = request->newer;

		if (is_meant(request, control))
			cancel(request);
		request = newer;
	}
	table_rewind(disk);
}

static const struct request *
find_task(const struct disk *disk, const struct virtio_scsi_control *control)
{
	const struct request *request = disk->oldest;

	while (request && !is_meant(request, control))
		request = request->newer;
	return request;
}

static struct request *add(struct front_queue *queue, struct disk *disk,
			   const struct ring_chain *chain,
			   const struct virtio_scsi_control *control,
			   uint16_t task_row)
{
	const struct work work = {
		.op = SCSI_TASK_MANAGEMENT,
		.class = REQUEST_ONCE,
		.segments = chain->segments,
		.segment_count =
			(uint32_t)chain->readable_count + chain->writable_count,
		.data_first = chain->readable_count,
		.data_count = chain->writable_count,
	};
	struct request *request = table_add(queue, disk, chain->head, &work);
	struct scsi_row *row = scsi_row_of(request);

	if (!queue->front->is_frozen)
		row->sequence++;
	memset(row->payload, 0, sizeof(row->payload));
	row->payload[0] = (uint8_t)control->function;
	row->payload[2] = (uint8_t)task_row;
	row->payload[3] = (uint8_t)(task_row >> 8);
	return request;
}

static void answer(struct front_queue *queue, const struct ring_chain *chain,
		   uint32_t type, uint8_t response)
{
	uint32_t written = virtio_scsi_answer_control(
		&queue->front->memory, chain->segments + chain->readable_count,
		chain->writable_count, type, response);

	queue_push(queue, chain->head, written);
}

static struct request *manage(struct front_queue *queue, struct disk *disk,
			      const struct ring_chain *chain,
			      const struct virtio_scsi_control *control)
{
	const struct request *task;
	uint16_t task_row = 0;

	if (is_abort(control->function))
		cancel_all(disk, control);
	if (is_about_one(control->function)) {
		task = find_task(disk, control);
		if (!task) {
			answer(queue, chain, VIRTIO_SCSI_T_TMF,
			       SCSI_FUNCTION_COMPLETE);
			return NULL;
		}
		task_row =
			(uint16_t)(scsi_row_of(task) - queue->front->scsi.rows);
	}
	return add(queue, disk, chain, control, task_row);
}

static bool can_be_kept(const struct front *front,
			const struct ring_chain *chain)
{
	return front_has_room(front) ||
	       chain->readable_count + chain->writable_count <=
		       REQUEST_SEGMENTS;
}

struct request *scsi_accept_control(struct front_queue *queue,
				    const struct ring_chain *chain)
{
	struct front *front = queue->front;
	struct virtio_scsi_control control;
	uint8_t response = VIRTIO_SCSI_S_OK;
	uint32_t target = 0;
	int r;

	r = virtio_scsi_decode_control(&front->memory, chain, &control);
	if (r == -EBADMSG) {
		queue_push(queue, chain->head, 0);
		front->disks[0]->counters.violations++;
		return NULL;
	}
	if (r < 0)
		response = VIRTIO_SCSI_S_FAILURE;
	else if (virtio_scsi_target(&front->scsi.shape, control.lun, &target) <
		 0)
		response = VIRTIO_SCSI_S_BAD_TARGET;
	else if (control.type != VIRTIO_SCSI_T_TMF)
		response = VIRTIO_SCSI_S_OK;
	else if (control.function >= SCSI_FUNCTION_COUNT ||
		 !can_be_kept(front, chain))
		response = VIRTIO_SCSI_S_FUNCTION_REJECTED;
	else
		return manage(queue, front->disks[target], chain, &control);
	front->disks[0]->counters.violations += r < 0;
	answer(queue, chain, control.type, response);
	return NULL;
}
