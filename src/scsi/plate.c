/* SPDX-License-Identifier: MIT */
#include "scsi/plate.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/crc32c.h"
#include "scsi/ledger_memory.h"

#define PLATE_MAGIC   0x316574616c706b62ull /* "bkplate1" */
#define PLATE_VERSION 1u

struct plate_slot {
	uint64_t magic;
	uint32_t version;
	uint32_t crc; /* of all of it, with 0 here */
	uint64_t sequence;
	uint8_t volume[SCSI_ID_BYTES];
	struct scsi_reserve reserve;
	uint8_t ports[SCSI_NEXUS_MAX][SCSI_PORT_BYTES];
	struct scsi_mode mode;
	uint8_t rest[SCSI_PLATE_SLOT_BYTES - 40 - sizeof(struct scsi_reserve) -
		     SCSI_NEXUS_MAX * SCSI_PORT_BYTES -
		     sizeof(struct scsi_mode)];
};

_Static_assert(sizeof(struct plate_slot) == SCSI_PLATE_SLOT_BYTES, "a slot");

static uint32_t slot_crc(const struct plate_slot *slot)
{
	size_t before = offsetof(struct plate_slot, crc);
	size_t after = offsetof(struct plate_slot, sequence);
	uint32_t sum = crc32c(0, slot, before);

	return crc32c(sum, (const uint8_t *)slot + after,
		      sizeof(*slot) - after);
}

static bool has_registrations(const struct scsi_reserve *reserve)
{
	return reserve->is_aptpl && reserve->registered != 0;
}

void scsi_plate_encode(const struct scsi_state *state, uint64_t sequence,
		       const uint8_t volume[SCSI_ID_BYTES],
		       uint8_t ret_slot[SCSI_PLATE_SLOT_BYTES],
		       uint64_t *ret_offset_bytes)
{
	struct plate_slot slot = {
		.magic = PLATE_MAGIC,
		.version = PLATE_VERSION,
		.sequence = sequence,
		.mode = state->saved_mode,
	};

	memcpy(slot.volume, volume, SCSI_ID_BYTES);
	if (has_registrations(&state->reserve)) {
		slot.reserve = state->reserve;
		for (int i = 0; i < SCSI_NEXUS_MAX; i++)
			if ((slot.reserve.registered >> i & 1) != 0)
				memcpy(slot.ports[i], state->ports[i].name,
				       SCSI_PORT_BYTES);
	}
	slot.crc = slot_crc(&slot);
	memcpy(ret_slot, &slot, sizeof(slot));
	*ret_offset_bytes = (sequence & 1) * SCSI_PLATE_SLOT_BYTES;
}

static bool slot_is_sound(const struct plate_slot *slot,
			  const uint8_t volume[SCSI_ID_BYTES], unsigned place)
{
	return slot->magic == PLATE_MAGIC && slot->version == PLATE_VERSION &&
	       slot->crc == slot_crc(slot) && (slot->sequence & 1) == place &&
	       memcmp(slot->volume, volume, SCSI_ID_BYTES) == 0 &&
	       slot->reserve.spc2_holder_plus_1 == 0 &&
	       scsi_reserve_is_sound(&slot->reserve);
}

/* Each who is registered is known by its port, and by nothing else yet. */
static void fill(const struct plate_slot *slot, struct scsi_state *state)
{
	*state = (struct scsi_state){
		.reserve = slot->reserve,
		.mode = slot->mode,
		.saved_mode = slot->mode,
		.last = { .nexus = SCSI_NEXUS_NONE },
	};
	for (int i = 0; i < SCSI_NEXUS_MAX; i++) {
		if ((slot->reserve.registered >> i & 1) == 0)
			continue;
		memcpy(state->ports[i].name, slot->ports[i], SCSI_PORT_BYTES);
		state->ports[i].row_count = 1;
	}
}

int scsi_plate_decode(const uint8_t file[SCSI_PLATE_BYTES],
		      const uint8_t volume[SCSI_ID_BYTES],
		      struct scsi_state *ret_state, uint64_t *ret_sequence)
{
	struct plate_slot slots[2];
	bool is_sound[2];
	unsigned newest;

	memcpy(slots, file, sizeof(slots));
	for (unsigned i = 0; i < 2; i++)
		is_sound[i] = slot_is_sound(&slots[i], volume, i);
	if (!is_sound[0] && !is_sound[1])
		return -EUCLEAN;
	newest = !is_sound[0] ||
		 (is_sound[1] && slots[1].sequence > slots[0].sequence);
	fill(&slots[newest], ret_state);
	if (!ledger_state_is_sound(ret_state))
		return -EUCLEAN;
	*ret_sequence = slots[newest].sequence;
	return 0;
}
