/* SPDX-License-Identifier: MIT */
#include "media_rig.h"

#include <string.h>
#include <sys/mman.h>

#include "lib/harness.h"
#include "scsi/bytes.h"

void media_rig_open(struct media_rig *rig, enum scsi_type type)
{
	uint32_t block_bytes = type == SCSI_CD ? 2048 : 512;

	memset(rig, 0, sizeof(*rig));
	rig->memory.unit = (struct scsi_unit){
		.type = type,
		.block_bytes = block_bytes,
		.physical_block_bytes = block_bytes,
		.block_count = RIG_MEDIUM_BYTES / block_bytes,
		.is_removable = true,
		.is_read_only = type == SCSI_CD,
	};
	/* Mapped, since what is never touched takes no time so. */
	rig->memory.memory = mmap(NULL, scsi_memory_bytes(&rig->memory),
				  PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(rig->memory.memory != MAP_FAILED);
	scsi_memory_make(&rig->memory);
}

void media_rig_close(struct media_rig *rig)
{
	CHECK_EQ(munmap(rig->memory.memory, scsi_memory_bytes(&rig->memory)),
		 0);
}

void media_rig_revive(struct media_rig *rig)
{
	memset(&rig->memory.ledger, 0xee, sizeof(rig->memory.ledger));
	memset(rig->memory.scratch, 0xee, sizeof(rig->memory.scratch));
	scsi_memory_open(&rig->memory);
}

int media_rig_run_again(struct media_rig *rig, const uint8_t *cdb,
			size_t cdb_bytes)
{
	struct scsi_task task = { .data = rig->data,
				  .data_bytes = rig->data_bytes,
				  .row_sequence = *rig->memory.row_sequence };
	struct scsi_extent extent;

	memcpy(task.cdb, cdb, cdb_bytes);
	scsi_command_decode(rig->memory.unit.type, task.cdb,
			    rig->memory.unit.block_bytes, &extent);
	task.direction = extent.direction;
	if (!scsi_memory_replay(&rig->memory, rig->nexus, &task))
		return RIG_DIED;
	rig->outcome = task.outcome;
	return task.error ? task.error : task.outcome.status;
}

int media_rig_run(struct media_rig *rig, const uint8_t *cdb, size_t cdb_bytes)
{
	++*rig->memory.row_sequence;
	return media_rig_run_again(rig, cdb, cdb_bytes);
}

uint32_t media_rig_sense(const struct media_rig *rig)
{
	const uint8_t *sense = rig->outcome.sense;

	return SCSI_SENSE((sense[2] & 0xfu), (uint32_t)sense[12],
			  (uint32_t)sense[13]);
}

uint8_t media_rig_marks(const struct media_rig *rig)
{
	return rig->outcome.sense[2] & 0xe0;
}

int32_t media_rig_information(const struct media_rig *rig)
{
	CHECK(rig->outcome.sense[0] & 0x80);
	return (int32_t)get_be32(rig->outcome.sense + 3);
}
