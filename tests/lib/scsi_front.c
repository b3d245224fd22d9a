/* SPDX-License-Identifier: MIT */
/*
 * The SCSI library over memory, for tests/lib/iscsi_front.py, which calls these
 * by ctypes: one unit, and a nexus for each session.
 */
#include <string.h>

#include "lib/scsi_memory.h"

#define BLOCK  512u
#define BLOCKS (1U << 17)

/* As iscsi_front.py has it. */
struct front_answer {
	uint32_t transferred_bytes;
	uint32_t wanted_bytes; /* what the CDB says, of block commands */
	uint8_t status;
	uint8_t sense_bytes;
	uint8_t sense[SCSI_SENSE_BYTES];
};

void front_open(bool is_thin, bool is_removable, bool is_read_only,
		uint32_t physical_block_bytes);
int front_attach(const uint8_t port[SCSI_PORT_BYTES]);
void front_detach(int nexus);
void front_reset(void);
void front_execute(int nexus, const uint8_t cdb[SCSI_CDB_BYTES], int direction,
		   uint8_t *data, uint32_t data_bytes,
		   struct front_answer *ret_answer);

static struct scsi_memory memory;
static bool is_taken[SCSI_MEMORY_NEXUSES];

void front_open(bool is_thin, bool is_removable, bool is_read_only,
		uint32_t physical_block_bytes)
{
	memory.unit = (struct scsi_unit){
		.type = SCSI_DISK,
		.block_bytes = BLOCK,
		.physical_block_bytes = physical_block_bytes,
		.block_count = BLOCKS,
		.is_thin = is_thin,
		.is_removable = is_removable,
		.is_read_only = is_read_only,
		.uuid = "iscsi_front",
		.serial = "FRONT1",
	};
	scsi_memory_make(&memory);
	for (int i = 0; i < SCSI_MEMORY_NEXUSES; i++)
		scsi_ledger_detach(&memory.ledger, memory.nexuses[i].index);
}

/* The number of a nexus, or -1: there are too many. */
int front_attach(const uint8_t port[SCSI_PORT_BYTES])
{
	for (int i = 0; i < SCSI_MEMORY_NEXUSES; i++) {
		struct scsi_nexus *nexus = &memory.nexuses[i];

		if (is_taken[i])
			continue;
		memcpy(nexus->initiator_port, port, SCSI_PORT_BYTES);
		if (scsi_ledger_attach(&memory.ledger, port, SCSI_MEMORY_ROWS,
				       &nexus->index))
			return -1;
		is_taken[i] = true;
		return i;
	}
	return -1;
}

void front_detach(int nexus)
{
	scsi_ledger_detach(&memory.ledger, memory.nexuses[nexus].index);
	is_taken[nexus] = false;
}

/* LOGICAL UNIT RESET; no command is executing. */
void front_reset(void)
{
	struct scsi_origin nobody = { .nexus = SCSI_NEXUS_NONE };
	struct scsi_effects effects = { .aborted = 0 };
	struct scsi_outcome outcome = { .status = SCSI_GOOD };
	struct scsi_state *next = scsi_ledger_prepare(&memory.ledger);

	scsi_reserve_reset(&next->reserve);
	next->mode = next->saved_mode;
	next->medium.preventing = 0;
	for (uint32_t i = 0; i < SCSI_NEXUS_MAX; i++)
		if (next->ports[i].is_attached)
			effects.raised[ATTENTION_RESET] |= 1ull << i;
	scsi_ledger_record(&memory.ledger, &nobody, &outcome, &effects);
	(void)scsi_ledger_commit(&memory.ledger);
}

void front_execute(int nexus, const uint8_t cdb[SCSI_CDB_BYTES], int direction,
		   uint8_t *data, uint32_t data_bytes,
		   struct front_answer *ret_answer)
{
	static struct scsi_task task;
	struct scsi_extent extent;

	memset(&task, 0, sizeof(task));
	memcpy(task.cdb, cdb, SCSI_CDB_BYTES);
	task.direction = (enum scsi_direction)direction;
	task.data = data;
	task.data_bytes = data_bytes;
	scsi_memory_run(&memory, (uint32_t)nexus, &task);
	scsi_command_decode(SCSI_DISK, cdb, BLOCK, &extent);
	*ret_answer = (struct front_answer){
		.transferred_bytes = task.outcome.transferred_bytes,
		.status = task.outcome.status,
		.sense_bytes = task.outcome.sense_bytes,
	};
	if (extent.direction != SCSI_DATA_NONE &&
	    extent.length_bytes <= SCSI_TRANSFER_MAX)
		ret_answer->wanted_bytes = (uint32_t)extent.length_bytes;
	memcpy(ret_answer->sense, task.outcome.sense, SCSI_SENSE_BYTES);
}
