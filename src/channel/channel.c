/* SPDX-License-Identifier: MIT */
/*
 * The two ends at work. Each direction is a ring with a free-running 32-bit
 * index; position p lies in slot p mod slot_count, and differences are taken
 * modulo 2^32. There is no index for "consumed": a client never has more
 * requests outstanding than there are slots, so neither ring can overrun.
 *
 * Sleeping and waking (S1, S2 pair with P1, P2):
 *
 *   consumer, before sleep             producer, publishing
 *   S1  wake_at = wanted position      P1  index = new position
 *       full fence                         full fence
 *   S2  read index, maybe stay awake   P2  read wake_at, maybe signal
 *
 * In every order of these, either S2 sees the new index or P2 sees the wake index,
 * so no wake-up is lost. A consumer that is awake leaves wake_at behind, where
 * the index does not pass for the next 2^32 entries; a stray signal then costs
 * one turn of a loop.
 */
#include "channel/channel.h"

#include <errno.h>
#include <string.h>

#include "base/count.h"

/* Keep the compiler from reading shared memory again after a copy of it. */
static inline void copied_once(void)
{
	__asm__ volatile("" ::: "memory");
}

uint32_t channel_outstanding(const struct channel *channel)
{
	return channel->end == CHANNEL_CLIENT
		       ? channel->out.produced - channel->in.consumed
		       : channel->in.consumed - channel->out.produced;
}

void channel_break(struct channel *channel)
{
	channel->is_broken = true;
}

/*
 * How many entries an honest peer may have waiting for us. A client is owed at
 * most its outstanding requests. A server counts what it answered, the client
 * what it saw answered, which is never more; so the client's requests beyond
 * those we hold never exceed the slots beyond those we hold.
 */
static uint32_t waiting_most(const struct channel *channel)
{
	uint32_t outstanding = channel_outstanding(channel);

	return channel->end == CHANNEL_CLIENT
		       ? outstanding
		       : channel->shape.slot_count - outstanding;
}

/* Copy the peer's index once; acquire pairs with P1's release, so that the
 * entries before it are visible. */
static void look(struct channel *channel)
{
	struct channel_in *in = &channel->in;
	uint32_t index = __atomic_load_n(in->shared_index, __ATOMIC_ACQUIRE);

	if (index - in->consumed > waiting_most(channel))
		channel->is_broken = true;
	else
		in->known = index;
}

bool channel_has_waiting(struct channel *channel)
{
	if (!channel->is_broken && channel->in.known == channel->in.consumed)
		look(channel);
	return channel->is_broken || channel->in.known != channel->in.consumed;
}

/* 0 when the entry at in.consumed may be copied. */
static int next_entry(struct channel *channel)
{
	if (!channel_has_waiting(channel))
		return -EAGAIN;
	return channel->is_broken ? -EBADMSG : 0;
}

static uint32_t slot_of(const struct channel *channel, uint32_t position)
{
	return position & (channel->shape.slot_count - 1);
}

bool channel_publish(struct channel *channel)
{
	struct channel_out *out = &channel->out;
	uint32_t before = out->published, now = out->produced, wake_at;

	if (before == now)
		return false;
	out->published = now;
	__atomic_store_n(out->shared_index, now, __ATOMIC_RELEASE); /* P1 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wake_at = __atomic_load_n(out->shared_wake_at, __ATOMIC_RELAXED);
	return now - wake_at - 1 < now - before; /* P2: passed wake_at? */
}

/* A client waits for no more responses than can come. */
static uint32_t clamp_count(const struct channel *channel, uint32_t count)
{
	uint32_t most = waiting_most(channel);

	if (count > most)
		count = most;
	return count ? count : 1;
}

bool channel_prepare_sleep(struct channel *channel, uint32_t count)
{
	struct channel_in *in = &channel->in;

	if (channel->is_broken)
		return false;
	count = clamp_count(channel, count);
	__atomic_store_n(in->shared_wake_at, in->consumed + count - 1,
			 __ATOMIC_RELAXED); /* S1 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	look(channel); /* S2 */
	return !channel->is_broken && in->known - in->consumed < count;
}

bool channel_has_buffer(const struct channel *channel, uint32_t offset,
			uint32_t bytes)
{
	return offset >= channel_reserved_bytes(channel->shape.kind) &&
	       offset <= channel->shape.buffer_bytes &&
	       bytes <= channel->shape.buffer_bytes - offset;
}

int channel_send_request(struct channel *channel,
			 const struct channel_request *request)
{
	uint32_t position = channel->out.produced;

	if (channel->is_broken)
		return -EBADMSG;
	if (channel_outstanding(channel) >= channel->shape.slot_count)
		return -EAGAIN;
	channel->requests[slot_of(channel, position)] = *request;
	channel->out.produced = position + 1;
	return 0;
}

uint32_t channel_next_position(const struct channel *channel)
{
	return channel->out.produced;
}

bool channel_peer_has_taken(const struct channel *channel, uint32_t position)
{
	uint32_t taken =
		__atomic_load_n(channel->out.shared_taken, __ATOMIC_RELAXED);

	return (int32_t)(taken - position) > 0;
}

int channel_receive_response(struct channel *channel,
			     struct channel_response *ret_response)
{
	uint32_t position = channel->in.consumed;
	int r = next_entry(channel);

	if (r)
		return r;
	*ret_response = channel->responses[slot_of(channel, position)];
	copied_once();
	channel->in.consumed = position + 1;
	return 0;
}

int channel_receive_request(struct channel *channel,
			    struct channel_request *ret_request)
{
	uint32_t position = channel->in.consumed;
	int r = next_entry(channel);

	if (r)
		return r;
	*ret_request = channel->requests[slot_of(channel, position)];
	copied_once();
	channel->in.consumed = position + 1;
	__atomic_store_n(channel->in.shared_taken, position + 1,
			 __ATOMIC_RELAXED);
	return 0;
}

void channel_send_response(struct channel *channel,
			   const struct channel_response *response)
{
	uint32_t position = channel->out.produced;

	channel->responses[slot_of(channel, position)] = *response;
	channel->out.produced = position + 1;
}
