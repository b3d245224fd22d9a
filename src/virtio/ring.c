/* SPDX-License-Identifier: MIT */
#include "virtio/ring.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "virtio/store_step.h"

/* 2.7.5: a driver must not make a chain of more than 2^32 bytes. */
#define CHAIN_BYTES_MAX (1ull << 32)

/* A table of descriptors, the ring's own or an indirect one. */
struct table {
	const uint8_t *bytes; /* an indirect one may be misaligned */
	uint32_t count;
};

/* A chain being read. */
struct walk {
	struct ring_segment *segments;
	uint32_t room;
	uint32_t count;
	uint32_t readable_count;
	uint64_t bytes;
};

void ring_init(struct ring *ring)
{
	memset(ring, 0, sizeof(*ring));
}

static bool is_aligned(const void *pointer, uintptr_t unit)
{
	return ((uintptr_t)pointer & (unit - 1)) == 0;
}

int ring_map(struct ring *ring, struct guestmem *memory, uint16_t size,
	     const struct ring_addresses *addresses)
{
	void *descriptors, *available, *used;

	ring->descriptors = NULL;
	ring->available = NULL;
	ring->used = NULL;
	if (size == 0 || size > RING_SIZE_MAX || (size & (size - 1)) != 0)
		return -EINVAL;
	/* The two words after each ring are the flags and index before it and
	 * the event index behind it (2.7.6, 2.7.8). */
	descriptors = guestmem_at_user(memory, addresses->descriptors,
				       sizeof(vring_desc_t) * size);
	available = guestmem_at_user(memory, addresses->available,
				     sizeof(uint16_t) * (size + 3ull));
	used = guestmem_at_user(memory, addresses->used,
				sizeof(vring_used_elem_t) * size + 6);
	if (!descriptors || !available || !used)
		return -EFAULT;
	if (!is_aligned(descriptors, VRING_DESC_ALIGN_SIZE) ||
	    !is_aligned(available, VRING_AVAIL_ALIGN_SIZE) ||
	    !is_aligned(used, VRING_USED_ALIGN_SIZE))
		return -EINVAL;
	ring->descriptors = descriptors;
	ring->available = available;
	ring->used = used;
	ring->size = size;
	return 0;
}

static void set_out(struct ring *ring, uint16_t head)
{
	ring->out[head / 64] |= 1ull << (head % 64);
	ring->out_count++;
}

int ring_start(struct ring *ring, uint64_t features, const uint16_t *heads,
	       uint16_t head_count)
{
	ring->is_started = false;
	ring->out_count = 0;
	memset(ring->out, 0, sizeof(ring->out));
	if (!ring->descriptors || head_count > ring->size)
		return -EINVAL;
	for (uint16_t i = 0; i < head_count; i++) {
		if (heads[i] >= ring->size || ring_is_out(ring, heads[i]))
			return -EINVAL;
		set_out(ring, heads[i]);
	}
	/* Chains leave the available ring in order, so those taken are the
	 * answered ones and the outstanding ones, whatever their order. */
	ring->next_used = __atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE);
	ring->next_available = (uint16_t)(ring->next_used + head_count);
	ring->seen_available = ring->next_available;
	ring->signalled_used = ring->next_used;
	ring->must_signal = true;
	ring->has_event_idx = (features >> VIRTIO_RING_F_EVENT_IDX & 1) != 0;
	ring->has_indirect = (features >> VIRTIO_RING_F_INDIRECT_DESC & 1) != 0;
	ring->is_started = true;
	return 0;
}

/* One private copy: the fence keeps the compiler from reading again. */
static struct vring_desc read_descriptor(const struct table *table,
					 uint32_t index)
{
	struct vring_desc descriptor;

	memcpy(&descriptor, table->bytes + index * sizeof(descriptor),
	       sizeof(descriptor));
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return descriptor;
}

static int add_segment(struct walk *walk, const struct vring_desc *descriptor)
{
	bool is_writable = (descriptor->flags & VRING_DESC_F_WRITE) != 0;

	if (walk->count == walk->room || descriptor->len == 0)
		return -EBADMSG;
	if (descriptor->addr + (descriptor->len - 1) < descriptor->addr)
		return -EBADMSG;
	walk->bytes += descriptor->len;
	if (walk->bytes > CHAIN_BYTES_MAX)
		return -EBADMSG;
	/* 2.7.4.2: writable parts come after all readable ones. */
	if (!is_writable && walk->count != walk->readable_count)
		return -EBADMSG;
	if (!is_writable)
		walk->readable_count++;
	walk->segments[walk->count++] = (struct ring_segment){
		.gpa = descriptor->addr,
		.bytes = descriptor->len,
	};
	return 0;
}

/* 2.7.5.3.1: the last of its chain, and whole descriptors. */
static int enter_indirect(struct guestmem *memory,
			  const struct vring_desc *descriptor,
			  struct table *ret_table)
{
	uint32_t count = descriptor->len / (uint32_t)sizeof(*descriptor);

	if ((descriptor->flags & VRING_DESC_F_NEXT) != 0)
		return -EBADMSG;
	if (descriptor->len % sizeof(*descriptor) != 0 || count == 0 ||
	    count > RING_CHAIN_MAX)
		return -EBADMSG;
	ret_table->bytes =
		guestmem_at(memory, descriptor->addr, descriptor->len);
	ret_table->count = count;
	return ret_table->bytes ? 0 : -EBADMSG;
}

/*
 * Follow a chain through one table. A loop is a chain with more steps than its
 * table has descriptors. `-EXDEV`: it goes on in the table of *ret_indirect.
 */
static int walk_table(const struct table *table, uint32_t index,
		      struct walk *walk, struct vring_desc *ret_indirect)
{
	for (uint32_t steps = 0; steps < table->count; steps++) {
		struct vring_desc descriptor = read_descriptor(table, index);

		if ((descriptor.flags & VRING_DESC_F_INDIRECT) != 0) {
			*ret_indirect = descriptor;
			return -EXDEV;
		}
		if (add_segment(walk, &descriptor) < 0)
			return -EBADMSG;
		if ((descriptor.flags & VRING_DESC_F_NEXT) == 0)
			return 0;
		index = descriptor.next;
		if (index >= table->count)
			return -EBADMSG;
	}
	return -EBADMSG;
}

static int walk_chain(const struct ring *ring, struct guestmem *memory,
		      uint16_t head, struct walk *walk)
{
	struct table table = { .bytes = (const uint8_t *)ring->descriptors,
			       .count = ring->size };
	struct vring_desc indirect;
	int r = walk_table(&table, head, walk, &indirect);

	if (r != -EXDEV)
		return r;
	if (!ring->has_indirect ||
	    enter_indirect(memory, &indirect, &table) < 0)
		return -EBADMSG;
	/* An indirect descriptor in an indirect table is refused. */
	return walk_table(&table, 0, walk, &indirect);
}

static int read_chain(struct ring *ring, struct guestmem *memory, uint16_t head,
		      struct walk *walk, struct ring_chain *ret_chain)
{
	if (walk_chain(ring, memory, head, walk) < 0) {
		ring->is_broken = true;
		return -EBADMSG;
	}
	*ret_chain = (struct ring_chain){
		.head = head,
		.readable_count = (uint16_t)walk->readable_count,
		.writable_count =
			(uint16_t)(walk->count - walk->readable_count),
		.segments = walk->segments,
	};
	return 0;
}

static uint32_t bounded_room(uint32_t room)
{
	return room < RING_CHAIN_MAX ? room : RING_CHAIN_MAX;
}

/*
 * Find the next head. Acquire pairs with the driver's barrier between its
 * available ring and its index (2.7.13.3); the index is read once per batch.
 */
static int next_head(struct ring *ring, uint16_t *ret_head)
{
	uint16_t mask = (uint16_t)(ring->size - 1);

	if (ring->next_available == ring->seen_available) {
		ring->seen_available = __atomic_load_n(&ring->available->idx,
						       __ATOMIC_ACQUIRE);
		if (ring->next_available == ring->seen_available)
			return -EAGAIN;
	}
	if ((uint16_t)(ring->seen_available - ring->next_available) >
	    ring->size)
		return -EBADMSG;
	*ret_head = __atomic_load_n(
		&ring->available->ring[ring->next_available & mask],
		__ATOMIC_RELAXED);
	if (*ret_head >= ring->size || ring_is_out(ring, *ret_head))
		return -EBADMSG;
	return 0;
}

int ring_take(struct ring *ring, struct guestmem *memory,
	      struct ring_segment *segments, uint32_t room,
	      struct ring_chain *ret_chain)
{
	struct walk walk = { .segments = segments, .room = bounded_room(room) };
	uint16_t head;
	int r;

	if (!ring->is_started || ring->is_broken || !ring->descriptors)
		return -EAGAIN;
	r = next_head(ring, &head);
	if (r == -EBADMSG)
		ring->is_broken = true;
	if (r < 0)
		return r;
	r = read_chain(ring, memory, head, &walk, ret_chain);
	if (r < 0)
		return r;
	set_out(ring, head);
	ring->next_available++;
	return 0;
}

void ring_untake(struct ring *ring, uint16_t head)
{
	assert(ring_is_out(ring, head));
	ring->out[head / 64] &= ~(1ull << (head % 64));
	ring->out_count--;
	ring->next_available--;
}

int ring_retake(struct ring *ring, struct guestmem *memory, uint16_t head,
		struct ring_segment *segments, uint32_t room,
		struct ring_chain *ret_chain)
{
	struct walk walk = { .segments = segments, .room = bounded_room(room) };

	if (!ring->descriptors || !ring_is_out(ring, head))
		return -EINVAL;
	return read_chain(ring, memory, head, &walk, ret_chain);
}

void ring_fill_used(struct ring *ring, uint16_t head, uint32_t written_bytes)
{
	vring_used_elem_t *element;

	assert(ring_is_out(ring, head));
	ring->out[head / 64] &= ~(1ull << (head % 64));
	ring->out_count--;
	if (!ring->descriptors)
		return;
	element = &ring->used->ring[(ring->next_used + ring->filled_count++) &
				    (ring->size - 1)];
	__atomic_store_n(&element->id, head, __ATOMIC_RELAXED);
	STORE_STEP();
	__atomic_store_n(&element->len, written_bytes, __ATOMIC_RELAXED);
	STORE_STEP();
}

/* Release pairs with the driver's barrier after reading the index (2.7.14):
 * data, status and element are there before the index says so. */
void ring_publish_used(struct ring *ring)
{
	if (!ring->descriptors)
		return;
	ring->next_used = (uint16_t)(ring->next_used + ring->filled_count);
	ring->filled_count = 0;
	__atomic_store_n(&ring->used->idx, ring->next_used, __ATOMIC_RELEASE);
	STORE_STEP();
}

static uint16_t used_event(const struct ring *ring)
{
	return __atomic_load_n(&ring->available->ring[ring->size],
			       __ATOMIC_RELAXED);
}

/* 2.7.7.2. The fence pairs with the driver's, between its store of used_event
 * (or flags) and its look at the used index (2.7.10, 2.7.14). */
bool ring_should_signal(struct ring *ring)
{
	uint16_t old = ring->signalled_used;

	if (!ring->descriptors || !ring->is_started)
		return false;
	ring->signalled_used = ring->next_used;
	if (ring->must_signal) {
		ring->must_signal = false;
		return true;
	}
	if (old == ring->next_used)
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ring->has_event_idx)
		return vring_need_event(used_event(ring), ring->next_used, old);
	return (__atomic_load_n(&ring->available->flags, __ATOMIC_RELAXED) &
		VRING_AVAIL_F_NO_INTERRUPT) == 0;
}

/*
 * With EVENT_IDX nothing needs to be written: an avail_event left behind asks
 * for one kick per 65536 chains (2.7.10.1: flags stay 0).
 */
void ring_refuse_kicks(struct ring *ring)
{
	if (!ring->descriptors || ring->has_event_idx)
		return;
	__atomic_store_n(&ring->used->flags, VRING_USED_F_NO_NOTIFY,
			 __ATOMIC_RELAXED);
}

/* 2.7.10.1. The fence pairs with the driver's, between its store of the
 * available index and its look at avail_event (2.7.13.4.1): one of the two
 * sees the other's store, so no chain is left waiting without a kick. */
static bool want_kicks(struct ring *ring, uint16_t known)
{
	uint16_t *avail_event;

	if (!ring->descriptors || !ring->is_started || ring->is_broken)
		return false;
	avail_event = (uint16_t *)&ring->used->ring[ring->size];
	if (ring->has_event_idx)
		__atomic_store_n(avail_event, known, __ATOMIC_RELAXED);
	__atomic_store_n(&ring->used->flags, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&ring->available->idx, __ATOMIC_RELAXED) !=
	       known;
}

bool ring_want_kicks(struct ring *ring)
{
	return want_kicks(ring, ring->next_available);
}

bool ring_want_more(struct ring *ring)
{
	return want_kicks(ring, ring->seen_available);
}
