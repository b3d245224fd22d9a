/* SPDX-License-Identifier: MIT */
#include "lan.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "lib/harness.h"

const uint8_t lan_outside[6] = { 2, 9, 9, 9, 9, 9 };

void lan_open(struct lan *lan)
{
	static const struct net_switch network = { .name = "lan" };

	service_rig_start(&lan->rig, ROLE_NET, getenv("BULKHEAD_NET"), NULL);
	service_rig_send(&lan->rig, MSG_NET_SWITCH, &network, sizeof(network),
			 NULL, 0);
}

void lan_begin(struct lan *lan)
{
	service_rig_send(&lan->rig, MSG_NET_BEGIN, NULL, 0, NULL, 0);
}

void lan_settle(struct lan *lan)
{
	service_rig_send(&lan->rig, MSG_CHILD_PING, NULL, 0, NULL, 0);
	service_rig_expect(&lan->rig, MSG_CHILD_PONG, NULL, 0);
}

void lan_attach(struct lan *lan)
{
	for (uint16_t i = 0; i < LAN_PEERS; i++)
		peer_attach(&lan->peers[i], &lan->rig);
	lan_begin(lan);
	lan_settle(lan);
}

void lan_start(struct lan *lan)
{
	lan_open(lan);
	for (uint16_t i = 0; i < LAN_PEERS; i++)
		peer_make(&lan->peers[i], i, i < 2 ? 10 : 20);
	lan_attach(lan);
}

void lan_stop(struct lan *lan)
{
	for (uint16_t i = 0; i < LAN_PEERS; i++)
		peer_close(&lan->peers[i]);
	service_rig_stop(&lan->rig);
}

void lan_change(struct lan *lan, unsigned index)
{
	peer_set(&lan->peers[index], &lan->rig);
}

void lan_detach(struct lan *lan, unsigned index)
{
	const struct attachment *attachment =
		&lan->peers[index].attach.attachment;
	struct attachment over;

	service_rig_send(&lan->rig, MSG_NET_DETACH, attachment,
			 sizeof(*attachment), NULL, 0);
	service_rig_expect(&lan->rig, MSG_NET_DETACHED, &over, sizeof(over));
	CHECK_EQ(over.id, attachment->id);
}

void lan_send(struct net_peer *from, const struct net_peer *to, uint8_t fill)
{
	CHECK_EQ(peer_try_send(from, to->definition.mac, 60, fill), 0);
	peer_show(from);
}

void lan_send_outside(struct net_peer *from, uint8_t fill)
{
	CHECK_EQ(peer_try_send(from, lan_outside, 60, fill), 0);
	peer_show(from);
}

void lan_expect(struct net_peer *peer, uint8_t fill)
{
	const uint8_t *record;

	CHECK_EQ(peer_receive(peer, &record, LAN_WAIT_MS),
		 FRAMES_HEADER_BYTES + 60);
	CHECK_EQ(record[FRAMES_HEADER_BYTES + 59], fill);
	peer_done(peer);
}

void lan_expect_nothing(struct net_peer *peer)
{
	const uint8_t *record;

	CHECK_EQ(peer_receive(peer, &record, 50), 0);
}

struct net_port lan_report(struct lan *lan, uint64_t attachment_id)
{
	struct net_report position = { 0 };
	struct net_port found = { 0 };
	struct message message;

	service_rig_send(&lan->rig, MSG_NET_REPORT, &position, sizeof(position),
			 NULL, 0);
	do {
		struct pollfd wait = { .fd = lan->rig.link.fd,
				       .events = POLLIN };
		struct net_port row;

		CHECK_EQ(poll(&wait, 1, LAN_WAIT_MS), 1);
		CHECK_EQ(control_receive(&lan->rig.link, &message), 0);
		if (message.type != MSG_NET_PORT)
			continue;
		memcpy(&row, message.body, sizeof(row));
		if (row.attachment_id == attachment_id)
			found = row;
	} while (message.type != MSG_NET_REPORTED);
	memcpy(&position, message.body, sizeof(position));
	CHECK(position.is_over);
	return found;
}
