/* SPDX-License-Identifier: MIT */
#include "net/switch/share.h"

static void halve(struct share *share)
{
	share->total = 0;
	share->active = 0;
	for (uint32_t i = 0; i < FDB_PORT_COUNT; i++) {
		share->recent[i] /= 2;
		share->total += share->recent[i];
		share->active += share->recent[i] > 0;
	}
}

void share_count(struct share *share, uint16_t sender, uint32_t bytes)
{
	if (sender >= FDB_PORT_COUNT)
		return;
	share->active += share->recent[sender] == 0 && bytes > 0;
	share->recent[sender] += bytes;
	share->total += bytes;
	if (share->total >= SHARE_WINDOW_BYTES)
		halve(share);
}

bool share_is_ahead(const struct share *share, uint16_t sender)
{
	uint64_t senders = share->active < 2 ? 2 : share->active;

	return sender < FDB_PORT_COUNT &&
	       share->recent[sender] * senders > share->total;
}
