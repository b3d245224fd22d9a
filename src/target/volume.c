/* SPDX-License-Identifier: MIT */
#include "target/volume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/scope.h"

/* How long a client may take to come back with what it had begun, once others
 * wait for that. */
#define SETTLE_AFTER_NS (5 * NS_PER_S)

static uint64_t bit(uint32_t nexus)
{
	return 1ull << nexus;
}

struct hold *volume_hold(const struct volume *volume, uint32_t nexus,
			 uint16_t row)
{
	const struct scsi_port *port = &volume->ledger.state.ports[nexus];
	struct hold *hold;

	if (row >= port->row_count || !volume->holds[nexus])
		return NULL;
	hold = &volume->holds[nexus][row];
	hold->nexus = nexus;
	hold->row = row;
	return hold;
}

void volume_leave(struct volume *volume, struct hold *hold)
{
	if (!hold->has_range || hold->is_left)
		return;
	volume->left_count++;
	hold->is_left = true;
	hold->settle_at_ns = clock_now_ns() + SETTLE_AFTER_NS;
}

/* As many as a nexus may ever have: it may come back with more. What is never
 * used takes no memory. */
static int ensure_holds(struct volume *volume, uint32_t nexus)
{
	if (!volume->holds[nexus])
		volume->holds[nexus] =
			calloc(SCSI_ROWS_MAX, sizeof(struct hold));
	return volume->holds[nexus] ? 0 : -ENOMEM;
}

/* What was begun in an earlier life may have its effect in part: nobody else
 * changes those bytes before that is settled. */
static int hold_again(struct volume *volume)
{
	struct scsi_origin origin = { 0 };
	struct scsi_row row;
	struct hold *hold;
	int r;

	for (; scsi_row_next(&volume->ledger, &origin, &row); origin.row++) {
		r = ensure_holds(volume, origin.nexus);
		if (r)
			return r;
		hold = volume_hold(volume, origin.nexus, origin.row);
		hold->range.offset_bytes = row.offset_bytes;
		hold->range.length_bytes = row.length_bytes;
		hold->row_sequence = origin.row_sequence;
		hold->has_range = true;
		volume_leave(volume, hold);
		(void)share_take(&volume->share, &hold->range);
	}
	return 0;
}

static int map_ledger(struct volume *volume, int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	struct stat status;
	void *memory;

	if (fd >= 0 && (fstat(fd, &status) < 0 ||
			status.st_size < (off_t)SCSI_LEDGER_BYTES))
		return -EINVAL;
	memory = mmap(NULL, SCSI_LEDGER_BYTES, PROT_READ | PROT_WRITE, flags,
		      fd, 0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	volume->memory = memory;
	return 0;
}

/* A damaged one is left as it is, and this life gets one of its own, in which
 * no command is executed. */
static int open_ledger(struct volume *volume, int fd,
		       const uint8_t boot[SCSI_ID_BYTES])
{
	int r = map_ledger(volume, fd);

	if (r)
		return r;
	r = scsi_ledger_open(&volume->ledger, volume->memory, volume->unit.uuid,
			     boot);
	if (r == -EUCLEAN) {
		volume->is_damaged = true;
		(void)munmap(volume->memory, SCSI_LEDGER_BYTES);
		volume->memory = NULL;
		r = map_ledger(volume, NO_FD);
		if (r)
			return r;
		r = -ESTALE;
	}
	if (r == -ESTALE)
		scsi_ledger_make(&volume->ledger, volume->memory,
				 volume->unit.uuid, boot, NULL);
	return hold_again(volume);
}

static bool is_power_of_two(uint32_t number)
{
	return number && (number & (number - 1)) == 0;
}

static int set_unit(struct volume *volume, const struct disk_attach *attach)
{
	static const enum scsi_type types[] = {
		[DISK_TYPE_DISK] = SCSI_DISK,
		[DISK_TYPE_CD] = SCSI_CD,
		[DISK_TYPE_TAPE] = SCSI_TAPE,
	};
	uint32_t physical = attach->physical_block_bytes;

	if (!is_power_of_two(physical) ||
	    physical < attach->logical_block_bytes)
		physical = attach->logical_block_bytes;
	volume->unit = (struct scsi_unit){
		.type = types[attach->unit_type],
		.block_bytes = attach->logical_block_bytes,
		.physical_block_bytes = physical,
		.block_count = attach->size_bytes / attach->logical_block_bytes,
		.is_thin = !attach->is_block_device,
		.is_removable = attach->unit_type != DISK_TYPE_DISK,
		.is_read_only = attach->unit_type == DISK_TYPE_CD,
		.is_shared = attach->is_shared,
		.ledger = &volume->ledger,
	};
	memcpy(volume->unit.uuid, attach->unit_uuid, SCSI_ID_BYTES);
	memcpy(volume->unit.serial, attach->serial, SCSI_SERIAL_BYTES);
	return 0;
}

int volume_new(const struct disk_attach *attach, int ledger_fd,
	       struct volume **ret_volume)
{
	struct volume *volume = calloc(1, sizeof(*volume));
	int r;

	if (!volume)
		return -ENOMEM;
	volume->id = attach->volume_id;
	r = set_unit(volume, attach);
	if (!r)
		r = open_ledger(volume, ledger_fd, attach->boot_id);
	if (!r)
		r = scsi_unit_load(&volume->unit, attach->medium,
				   attach->recorded_bytes);
	if (r) {
		volume_free(volume);
		return r;
	}
	*ret_volume = volume;
	return 0;
}

void volume_free(struct volume *volume)
{
	if (volume->memory)
		(void)munmap(volume->memory, SCSI_LEDGER_BYTES);
	for (uint32_t i = 0; i < SCSI_NEXUS_MAX; i++)
		free(volume->holds[i]);
	free(volume);
}

int volume_attach(struct volume *volume, const struct disk_attach *attach,
		  struct scsi_nexus *ret_nexus)
{
	uint32_t nexus;
	int r;

	/* Nobody said that others may come. */
	if (volume->attached && !volume->unit.is_shared)
		return -EBUSY;
	r = scsi_ledger_attach(&volume->ledger, attach->initiator_port,
			       attach->row_count, &nexus);
	if (r)
		return r;
	if (volume->attached & bit(nexus))
		return -EBUSY;
	r = ensure_holds(volume, nexus);
	if (r)
		return r;
	volume->attached |= bit(nexus);
	*ret_nexus = (struct scsi_nexus){ .index = nexus,
					  .is_read_only = attach->read_only };
	memcpy(ret_nexus->initiator_port, attach->initiator_port,
	       SCSI_PORT_BYTES);
	return 0;
}

bool volume_knows_life(const struct volume *volume, uint32_t nexus,
		       uint32_t life)
{
	return volume->ledger.state.ports[nexus].life == life;
}

bool volume_has_left(const struct volume *volume, uint32_t nexus)
{
	const struct share_range *range = volume->share.first;

	while (range && hold_of(range)->nexus != nexus)
		range = range->next;
	return range != NULL;
}

int volume_begin_life(struct volume *volume, const struct scsi_nexus *nexus,
		      uint32_t life)
{
	const struct scsi_port *port =
		&volume->ledger.state.ports[nexus->index];
	uint32_t row_count = port->row_count, index;
	int r = 0;

	if (port->life) {
		scsi_ledger_detach(&volume->ledger, nexus->index);
		r = scsi_ledger_attach(&volume->ledger, nexus->initiator_port,
				       row_count, &index);
	}
	scsi_ledger_live(&volume->ledger, nexus->index, life);
	return r;
}

void volume_detach(struct volume *volume, uint32_t nexus)
{
	volume->attached &= ~bit(nexus);
}
