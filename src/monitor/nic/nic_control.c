/* SPDX-License-Identifier: MIT */
/*
 * The control queue (virtio 1.2, 5.1.6.5): which frames the guest wants, its
 * address, and how many queue pairs it uses.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "monitor/nic/nic.h"

#define COMMANDS_PER_TURN 8
/* Class, command, and two tables of addresses. */
#define COMMAND_SIZE (2u + 2 * (4 + 6 * NIC_GROUP_MAX))

struct command {
	uint8_t bytes[COMMAND_SIZE];
	uint32_t count; /* of them, without class and command */
	bool is_cut;    /* there was more */
};

/* Copy what a chain says, once. */
static int read_command(struct nic *nic, const struct ring_chain *chain,
			struct command *command)
{
	uint32_t at = 0;

	command->is_cut = false;
	for (uint32_t i = 0; i < chain->readable_count; i++) {
		const struct ring_segment *segment = &chain->segments[i];
		uint32_t room = COMMAND_SIZE - at;
		uint32_t piece = segment->bytes < room ? segment->bytes : room;

		if (guestmem_read(&nic->memory, command->bytes + at,
				  segment->gpa, piece) < 0)
			return -EBADMSG;
		command->is_cut |= piece < segment->bytes;
		at += piece;
	}
	command->count = at - 2;
	return at >= 2 ? 0 : -EBADMSG;
}

static uint32_t read32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static void switch_all_groups(struct nic *nic, enum nic_all_groups reason,
			      bool is_on)
{
	nic->all_groups = is_on ? nic->all_groups | reason
				: nic->all_groups & ~(uint32_t)reason;
}

static int take_all_groups(struct nic *nic)
{
	switch_all_groups(nic, NIC_GROUPS_OVERFLOW, true);
	nic->negotiated.group_count = 0;
	return 0;
}

/* Two tables: addresses of its own (the switch knows the one it may have), then
 * groups. More than fit means all of them. */
static int set_groups(struct nic *nic, const struct command *command)
{
	const uint8_t *data = command->bytes + 2;
	uint32_t unicast, groups, at;

	if (command->count < 4)
		return -EBADMSG;
	unicast = read32(data);
	if (command->is_cut || unicast > NIC_GROUP_MAX)
		return take_all_groups(nic);
	at = 4 + 6 * unicast;
	if (command->count < at + 4)
		return -EBADMSG;
	groups = read32(data + at);
	at += 4;
	if (groups > NIC_GROUP_MAX)
		return take_all_groups(nic);
	if (command->count < at + 6 * groups)
		return -EBADMSG;
	memcpy(nic->negotiated.groups, data + at, 6 * (size_t)groups);
	nic->negotiated.group_count = groups;
	switch_all_groups(nic, NIC_GROUPS_OVERFLOW, false);
	return 0;
}

static int set_address(struct nic *nic, const struct command *command)
{
	if (command->count < sizeof(nic->shape.mac))
		return -EBADMSG;
	memcpy(nic->shape.mac, command->bytes + 2, sizeof(nic->shape.mac));
	return 0;
}

static int set_mode(struct nic *nic, const struct command *command)
{
	bool is_on;

	if (command->count < 1)
		return -EBADMSG;
	is_on = command->bytes[2] != 0;
	switch (command->bytes[1]) {
	case VIRTIO_NET_CTRL_RX_ALLMULTI:
		switch_all_groups(nic, NIC_ALL_MULTICAST, is_on);
		return 0;
	case VIRTIO_NET_CTRL_RX_PROMISC:
		switch_all_groups(nic, NIC_PROMISCUOUS, is_on);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int set_pairs(struct nic *nic, const struct command *command)
{
	uint16_t pairs;

	if (command->count < sizeof(pairs))
		return -EBADMSG;
	memcpy(&pairs, command->bytes + 2, sizeof(pairs));
	if (pairs < 1 || pairs > nic->shape.queue_pair_count)
		return -EINVAL;
	nic->active_pairs = pairs;
	return 0;
}

static int obey(struct nic *nic, const struct command *command)
{
	uint8_t number = command->bytes[1];

	switch (command->bytes[0]) {
	case VIRTIO_NET_CTRL_RX:
		return set_mode(nic, command);
	case VIRTIO_NET_CTRL_MAC:
		if (number == VIRTIO_NET_CTRL_MAC_TABLE_SET)
			return set_groups(nic, command);
		if (number == VIRTIO_NET_CTRL_MAC_ADDR_SET)
			return set_address(nic, command);
		return -EOPNOTSUPP;
	case VIRTIO_NET_CTRL_ANNOUNCE:
		if (number != VIRTIO_NET_CTRL_ANNOUNCE_ACK)
			return -EOPNOTSUPP;
		nic_set_announce(nic, false);
		return 0;
	case VIRTIO_NET_CTRL_MQ:
		if (number == VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET)
			return set_pairs(nic, command);
		return -EOPNOTSUPP;
	default:
		return -EOPNOTSUPP;
	}
}

static uint32_t answer(struct nic *nic, const struct ring_chain *chain,
		       int result)
{
	uint8_t status = (uint8_t)(result < 0 ? VIRTIO_NET_ERR : VIRTIO_NET_OK);

	if (chain->writable_count == 0 ||
	    guestmem_write(&nic->memory,
			   chain->segments[chain->readable_count].gpa, &status,
			   sizeof(status)) < 0)
		return 0;
	return sizeof(status);
}

static void run_command(struct nic *nic, struct virtqueue *queue,
			const struct ring_chain *chain)
{
	struct command command;
	int r = read_command(nic, chain, &command);

	if (r == 0)
		r = obey(nic, &command);
	virtqueue_push(queue, chain->head, answer(nic, chain, r));
}

bool nic_control_turn(struct nic *nic)
{
	struct virtqueue *queue = &nic->queues[2 * nic->shape.queue_pair_count];
	struct ring_chain chain;
	uint32_t count = 0;
	int r = 0;

	if (!queue->is_served)
		return false;
	for (; count < COMMANDS_PER_TURN; count++) {
		r = virtqueue_take(queue, nic->receiver.segments,
				   RING_CHAIN_MAX, &chain);
		if (r < 0)
			break;
		run_command(nic, queue, &chain);
	}
	nic->counters.violations += r == -EBADMSG;
	if (count == 0)
		return false;
	nic_tell_features(nic);
	virtqueue_signal(queue);
	return true;
}
