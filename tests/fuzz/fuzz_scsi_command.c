/* SPDX-License-Identifier: MIT */
/*
 * The input is what the unit is, and commands: each a nexus, a CDB, and data or
 * a parameter list. Whatever they are, steps stay inside of the volume and of
 * the task's memory (scsi_memory_run() insists), and the answer is well-formed.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/scsi_memory.h"

#define BLOCK        512u
#define BLOCKS       512u
#define STEPS_MAX    2048u
#define HEADER_BYTES 4
#define COMMANDS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void insist(int condition)
{
	if (!condition)
		abort();
}

static void check_answer(const struct scsi_memory *memory,
			 const struct scsi_task *task)
{
	const struct scsi_outcome *outcome = &task->outcome;

	/* A tape is walked record by record, as far as it goes. */
	insist(memory->step_count <=
	       (memory->unit.type == SCSI_TAPE ? BLOCKS * BLOCK : STEPS_MAX));
	insist(task->error == 0);
	insist(outcome->transferred_bytes <= task->data_bytes);
	insist(outcome->sense_bytes <= SCSI_SENSE_BYTES);
	insist((outcome->status == SCSI_CHECK_CONDITION) ==
	       (outcome->sense_bytes > 0));
	if (outcome->status == SCSI_CHECK_CONDITION)
		insist(outcome->sense[0] >= 0x70 && outcome->sense[0] != 0x71);
}

/* One command of the input; false at its end. */
static bool run_one(struct scsi_memory *memory, const uint8_t **next,
		    size_t *left)
{
	static uint8_t data[SCSI_TRANSFER_MAX];
	struct scsi_task task = { .data = data };
	size_t list_bytes;

	if (*left < HEADER_BYTES + SCSI_CDB_USED_MAX)
		return false;
	task.direction = (enum scsi_direction)((*next)[1] % 3);
	task.data_bytes = (uint32_t)((*next)[2] << 8 | (*next)[3]) * 16;
	memcpy(task.cdb, *next + HEADER_BYTES, SCSI_CDB_USED_MAX);
	list_bytes = task.data_bytes;
	*left -= HEADER_BYTES + SCSI_CDB_USED_MAX;
	if (list_bytes > *left)
		list_bytes = *left;
	memset(data, 0, task.data_bytes);
	memcpy(data, *next + HEADER_BYTES + SCSI_CDB_USED_MAX, list_bytes);
	scsi_memory_run(memory, (*next)[0] % SCSI_MEMORY_NEXUSES, &task);
	check_answer(memory, &task);
	/* A list of its own; the next command follows it. */
	if (task.direction != SCSI_DATA_FROM_INITIATOR)
		list_bytes = 0;
	*next += HEADER_BYTES + SCSI_CDB_USED_MAX + list_bytes;
	*left -= list_bytes;
	return true;
}

static enum scsi_type type_of(uint8_t kind)
{
	if (kind & 32)
		return SCSI_TAPE;
	return kind & 8 ? SCSI_CD : SCSI_DISK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct scsi_memory memory;
	static uint8_t *area;
	int count = 0;

	if (bytes < 1)
		return 0;
	memory.unit = (struct scsi_unit){
		.type = type_of(data[0]),
		.block_bytes = BLOCK,
		.physical_block_bytes = data[0] & 1 ? 4096 : BLOCK,
		.block_count = BLOCKS,
		.is_thin = (data[0] & 2) != 0,
		.is_removable = (data[0] & 4) != 0,
		.is_read_only = (data[0] & 16) != 0,
	};
	if (!area)
		area = calloc(1, scsi_memory_bytes(&memory) + 4096);
	insist(area != NULL);
	memset(area, 0, BLOCKS * BLOCK + BLOCKS);
	memory.memory = area;
	scsi_memory_make(&memory);
	data++;
	bytes--;
	while (count++ < COMMANDS_MAX && run_one(&memory, &data, &bytes))
		;
	return 0;
}
