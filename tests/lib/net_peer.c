/* SPDX-License-Identifier: MIT */
#include "lib/net_peer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "lib/harness.h"
#include "net/switch/ethernet.h"

void peer_make(struct net_peer *peer, uint16_t number, uint16_t pvid)
{
	peer_make_rings(peer, number, pvid, PEER_RING_BYTES);
}

void peer_make_rings(struct net_peer *peer, uint16_t number, uint16_t pvid,
		     uint32_t ring_bytes)
{
	*peer = (struct net_peer){
		.attach = {
			.attachment = { .id = number + 1u,
					.generation = PEER_GENERATION },
			.partition = "guest",
		},
		.definition = {
			.name = "lan0",
			.network = "lan",
			.mac = { 2, 0, 0, 0, 0, (uint8_t)number },
			.vlans.pvid = pvid,
			.mtu = 1500,
			.queue_pair_count = 1,
		},
	};
	CHECK_EQ(frames_create(ring_bytes, ring_bytes, PEER_GENERATION,
			       &peer->memfd),
		 0);
	CHECK_EQ(frames_open(&peer->frames, peer->memfd, FRAMES_MONITOR), 0);
	peer->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	peer->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void peer_attach(const struct net_peer *peer, struct service_rig *rig)
{
	service_rig_send_definition(
		rig, MSG_NET_ATTACH, &peer->attach, &peer->definition,
		(int[]){ peer->memfd, peer->kick, peer->call });
}

void peer_set(const struct net_peer *peer, struct service_rig *rig)
{
	service_rig_send_definition(rig, MSG_NET_SET, &peer->attach,
				    &peer->definition, NULL);
}

void peer_close(struct net_peer *peer)
{
	frames_close(&peer->frames);
	close_fd(&peer->memfd);
	close_fd(&peer->kick);
	close_fd(&peer->call);
}

int peer_try_send(struct net_peer *peer, const uint8_t *to, uint32_t length,
		  uint8_t fill)
{
	uint8_t *record, *frame;
	int result = frames_reserve(&peer->frames, FRAMES_HEADER_BYTES + length,
				    &record);

	if (result < 0)
		return result;
	memset(record, 0, FRAMES_HEADER_BYTES);
	frame = record + FRAMES_HEADER_BYTES;
	memset(frame, fill, length);
	memcpy(frame, to, MAC_BYTES);
	memcpy(frame + MAC_BYTES, peer->definition.mac, MAC_BYTES);
	frame_write16(frame + 12, 0x88b5);
	frames_commit(&peer->frames, FRAMES_HEADER_BYTES + length);
	return 0;
}

void peer_show(struct net_peer *peer)
{
	static const uint64_t one = 1;

	if (frames_publish(&peer->frames))
		CHECK_EQ(write(peer->kick, &one, sizeof(one)), 8);
}

/* Wait for the next record; 0 if none comes in time. */
uint32_t peer_receive(struct net_peer *peer, const uint8_t **ret_record,
		      int timeout_ms)
{
	uint64_t until = clock_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	uint32_t bytes;
	int result;

	while ((result = frames_next(&peer->frames, ret_record, &bytes)) ==
		       -EAGAIN &&
	       clock_now_ns() < until) {
		struct pollfd wait = { .fd = peer->call, .events = POLLIN };
		uint64_t count;

		if (frames_prepare_sleep(&peer->frames) &&
		    poll(&wait, 1, 20) > 0)
			CHECK_EQ(read(peer->call, &count, 8), 8);
	}
	return result == 0 ? bytes : 0;
}

void peer_done(struct net_peer *peer)
{
	static const uint64_t one = 1;

	frames_release(&peer->frames);
	if (frames_acknowledge(&peer->frames))
		CHECK_EQ(write(peer->kick, &one, sizeof(one)), 8);
}
