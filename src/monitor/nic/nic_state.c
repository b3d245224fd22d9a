/* SPDX-License-Identifier: MIT */
/* What a guest has set of its interface, for a saved image. */
#include "monitor/nic/nic.h"

#define STATE_VERSION 2

void nic_freeze(struct nic *nic)
{
	nic->is_frozen = true;
}

void nic_thaw(struct nic *nic)
{
	nic->is_frozen = false;
	if (nic->is_restored)
		nic_set_announce(nic, true);
	nic->is_restored = false;
}

void nic_state_save(const struct nic *nic, struct state_writer *writer)
{
	const struct nic_features *negotiated = &nic->negotiated;

	state_begin(writer, STATE_NIC, STATE_VERSION);
	state_put(writer, nic->shape.mac, sizeof(nic->shape.mac));
	state_put_u16(writer, (uint16_t)nic->active_pairs);
	state_put_u8(writer, (uint8_t)nic->all_groups);
	state_put_u16(writer, (uint16_t)negotiated->group_count);
	state_put(writer, negotiated->groups, sizeof(negotiated->groups));
	state_end(writer);
}

void nic_state_restore(struct nic *nic, struct state_reader *reader)
{
	struct nic_features *negotiated = &nic->negotiated;
	uint32_t pairs, groups, all;

	nic_freeze(nic);
	nic->is_restored = true;
	(void)state_enter(reader, STATE_NIC, STATE_VERSION);
	state_get(reader, nic->shape.mac, sizeof(nic->shape.mac));
	pairs = state_get_u16(reader);
	all = state_get_u8(reader);
	groups = state_get_u16(reader);
	state_get(reader, negotiated->groups, sizeof(negotiated->groups));
	state_leave(reader);
	if (pairs > nic->shape.queue_pair_count || groups > NIC_GROUP_MAX ||
	    all > NIC_ALL_GROUPS_BITS)
		state_refuse(reader);
	if (state_reader_result(reader) < 0)
		return;
	nic->active_pairs = pairs;
	negotiated->group_count = groups;
	nic->all_groups = all;
}
