/* SPDX-License-Identifier: MIT */
#include "lib/scsi_memory.h"

#include <assert.h>
#include <stdio.h>
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

size_t scsi_memory_bytes(const struct scsi_memory *memory)
{
	return SCSI_LEDGER_BYTES + volume_bytes(memory) + map_count(memory) +
	       2 * sizeof(uint32_t);
}

static void attach(struct scsi_memory *memory)
{
	for (uint32_t i = 0; i < SCSI_MEMORY_NEXUSES; i++) {
		struct scsi_nexus *nexus = &memory->nexuses[i];

		snprintf((char *)nexus->initiator_port, SCSI_PORT_BYTES,
			 "nexus%u", i);
		assert(scsi_ledger_attach(
			       &memory->ledger, nexus->initiator_port,
			       SCSI_MEMORY_ROWS, &nexus->index) == 0);
	}
}

/* Nobody has yet to be told that all this began. */
static void tell_all(struct scsi_memory *memory)
{
	for (uint32_t i = 0; i < SCSI_MEMORY_NEXUSES; i++) {
		struct scsi_origin origin = {
			.nexus = memory->nexuses[i].index,
			.row_sequence = ++*memory->row_sequence,
		};
		struct scsi_outcome told;

		while (scsi_ledger_pending(&memory->ledger, origin.nexus)) {
			scsi_ledger_tell(&memory->ledger, &origin, false, false,
					 &told);
			origin.row_sequence = ++*memory->row_sequence;
		}
	}
}

static void place(struct scsi_memory *memory)
{
	if (!memory->memory) {
		memory->memory = calloc(1, scsi_memory_bytes(memory));
		memory->is_own = true;
		assert(memory->memory);
	}
	memory->image = (uint8_t *)memory->memory + SCSI_LEDGER_BYTES;
	memory->is_allocated = memory->image + volume_bytes(memory);
	memory->row_sequence = (uint32_t *)(((uintptr_t)memory->is_allocated +
					     map_count(memory) + 3) &
					    ~(uintptr_t)3);
	memory->unit.ledger = &memory->ledger;
}

void scsi_memory_make(struct scsi_memory *memory)
{
	place(memory);
	scsi_ledger_make(&memory->ledger, memory->memory, memory->unit.uuid,
			 memory->unit.uuid, NULL);
	attach(memory);
	tell_all(memory);
}

void scsi_memory_open(struct scsi_memory *memory)
{
	place(memory);
	if (scsi_ledger_open(&memory->ledger, memory->memory, memory->unit.uuid,
			     memory->unit.uuid) == 0)
		attach(memory);
	else
		scsi_memory_make(memory);
}

void scsi_memory_close(struct scsi_memory *memory)
{
	if (memory->is_own)
		free(memory->memory);
	memory->memory = NULL;
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
	const uint8_t *end;

	if (step->kind == SCSI_STEP_PLATE || step->kind == SCSI_STEP_COMMIT)
		return;
	assert(step->length_bytes > 0 && step->offset_bytes <= size &&
	       step->length_bytes <= size - step->offset_bytes);
	if (step->kind != SCSI_STEP_READ && step->kind != SCSI_STEP_WRITE)
		return;
	assert(step->length_bytes <= SCSI_TRANSFER_MAX);
	end = step->memory + step->length_bytes;
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
	case SCSI_STEP_COMMIT:
		return scsi_ledger_commit(&memory->ledger);
	case SCSI_STEP_PLATE:
		return memory->fail_plate_with;
	case SCSI_STEP_ANSWER:
	case SCSI_STEP_LOCK:
		break;
	}
	return 0;
}

bool scsi_memory_replay(struct scsi_memory *memory, uint32_t nexus,
			struct scsi_task *task)
{
	struct scsi_step step;
	int result = 0;

	task->scratch = memory->scratch;
	memory->step_count = 0;
	if (scsi_unit_begin(&memory->unit, &memory->nexuses[nexus], task))
		return false;
	for (;;) {
		step = scsi_unit_step(&memory->unit, task, result);
		if (step.kind != SCSI_STEP_LOCK &&
		    memory->step_count + 1 == memory->die_at)
			return false;
		if (step.kind == SCSI_STEP_ANSWER)
			return true;
		check_step(memory, task, &step);
		result = take_step(memory, task, &step);
		memory->step_count += step.kind != SCSI_STEP_LOCK;
	}
}

void scsi_memory_run(struct scsi_memory *memory, uint32_t nexus,
		     struct scsi_task *task)
{
	task->row_sequence = ++*memory->row_sequence;
	task->row = (uint16_t)(task->row_sequence % SCSI_MEMORY_ROWS);
	if (!scsi_memory_replay(memory, nexus, task))
		abort();
}
