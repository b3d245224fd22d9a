/* SPDX-License-Identifier: MIT */
#include "lib/scsi_memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static uint64_t volume_bytes(const struct scsi_memory *memory)
{
	return memory->unit.block_count * memory->unit.block_bytes;
}

static uint64_t map_count(const struct scsi_memory *memory)
{
	uint32_t piece = memory->unit.physical_block_bytes;

	return (volume_bytes(memory) + piece - 1) / piece;
}

void scsi_memory_open(struct scsi_memory *memory)
{
	memory->image = calloc(1, volume_bytes(memory));
	memory->is_allocated = calloc(1, map_count(memory));
	assert(memory->image && memory->is_allocated);
}

void scsi_memory_close(struct scsi_memory *memory)
{
	free(memory->image);
	free(memory->is_allocated);
}

/* Of the pieces that the range touches; or, to free them, has whole. */
static void mark(struct scsi_memory *memory, const struct scsi_step *step,
		 bool is_allocated)
{
	uint32_t piece = memory->unit.physical_block_bytes;
	uint64_t end = step->offset_bytes + step->length_bytes;
	uint64_t first = step->offset_bytes / piece;
	uint64_t last = (end + piece - 1) / piece;

	if (!is_allocated) {
		first = (step->offset_bytes + piece - 1) / piece;
		last = end / piece;
	}
	if (first < last)
		memset(memory->is_allocated + first, is_allocated,
		       last - first);
}

static int find_extent(struct scsi_memory *memory, struct scsi_task *task,
		       const struct scsi_step *step)
{
	uint32_t piece = memory->unit.physical_block_bytes;
	uint64_t end = step->offset_bytes + step->length_bytes;
	uint64_t at = step->offset_bytes / piece;
	uint8_t first = memory->is_allocated[at];

	while (at * piece < end && memory->is_allocated[at] == first)
		at++;
	task->run_bytes =
		(at * piece < end ? at * piece : end) - step->offset_bytes;
	return first;
}

static void check_step(const struct scsi_memory *memory,
		       const struct scsi_task *task,
		       const struct scsi_step *step)
{
	uint64_t size = volume_bytes(memory);
	const uint8_t *end = step->memory + step->length_bytes;

	if (step->kind == SCSI_STEP_PLATE || step->kind == SCSI_STEP_COMMIT)
		return;
	assert(step->length_bytes > 0 && step->offset_bytes <= size &&
	       step->length_bytes <= size - step->offset_bytes);
	if (step->kind != SCSI_STEP_READ && step->kind != SCSI_STEP_WRITE)
		return;
	assert(step->length_bytes <= SCSI_TRANSFER_MAX);
	if (step->memory >= task->data &&
	    step->memory <= task->data + task->data_bytes)
		assert(end <= task->data + task->data_bytes);
	else if (step->memory >= memory->scratch &&
		 step->memory < memory->scratch + SCSI_SCRATCH_BYTES)
		assert(end <= memory->scratch + SCSI_SCRATCH_BYTES);
	else
		assert(step->kind == SCSI_STEP_WRITE &&
		       step->length_bytes <= SCSI_COMPARE_MAX);
}

static int take_step(struct scsi_memory *memory, struct scsi_task *task,
		     const struct scsi_step *step)
{
	uint8_t *place = memory->image + step->offset_bytes;

	switch (step->kind) {
	case SCSI_STEP_READ:
		if (!memory->fail_with)
			memcpy(step->memory, place, step->length_bytes);
		return memory->fail_with;
	case SCSI_STEP_WRITE:
		if (memory->fail_with)
			return memory->fail_with;
		memcpy(place, step->memory, step->length_bytes);
		mark(memory, step, true);
		return 0;
	case SCSI_STEP_ZERO:
	case SCSI_STEP_UNMAP:
		if (memory->fail_with)
			return memory->fail_with;
		memset(place, 0, step->length_bytes);
		mark(memory, step,
		     step->kind == SCSI_STEP_ZERO && !step->may_unmap);
		return 0;
	case SCSI_STEP_EXTENT:
		return find_extent(memory, task, step);
	case SCSI_STEP_ANSWER:
	case SCSI_STEP_LOCK:
	case SCSI_STEP_PLATE:
	case SCSI_STEP_COMMIT:
		break;
	}
	return 0;
}

void scsi_memory_run(struct scsi_memory *memory, struct scsi_task *task)
{
	struct scsi_step step;
	int result = 0;

	task->scratch = memory->scratch;
	memory->step_count = 0;
	assert(scsi_unit_begin(&memory->unit, &memory->nexus, task) == 0);
	for (;;) {
		step = scsi_unit_step(&memory->unit, task, result);
		if (step.kind == SCSI_STEP_ANSWER)
			return;
		check_step(memory, task, &step);
		result = take_step(memory, task, &step);
		memory->step_count++;
	}
}
