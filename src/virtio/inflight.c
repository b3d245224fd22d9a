/* SPDX-License-Identifier: MIT */
#include "virtio/inflight.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/count.h"
#include "base/scope.h"
#include "virtio/store_step.h"

#define INFLIGHT_VERSION 1
#define PART_ALIGNMENT   64

/*
 * A store that a successor may see. Release keeps it behind the stores before
 * it; between processes on one host that is all the order there is to keep.
 */
#define STORE(place, value)                                            \
	do {                                                           \
		__atomic_store_n(&(place), (value), __ATOMIC_RELEASE); \
		STORE_STEP();                                          \
	} while (0)

#define LOAD(place) __atomic_load_n(&(place), __ATOMIC_ACQUIRE)

/* A request found in the record. */
struct found {
	uint64_t counter;
	uint16_t head;
};

static size_t part_bytes(uint16_t queue_size)
{
	return align_up_u64(sizeof(struct inflight_part) +
				    sizeof(struct inflight_entry) * queue_size,
			    PART_ALIGNMENT);
}

size_t inflight_region_bytes(uint16_t queue_count, uint16_t queue_size)
{
	return part_bytes(queue_size) * queue_count;
}

int inflight_region_create(uint16_t queue_count, uint16_t queue_size,
			   int *ret_fd)
{
	SCOPED(close_fd) int fd = NO_FD;

	if (queue_count == 0 || queue_size == 0 || queue_size > RING_SIZE_MAX)
		return -EINVAL;
	fd = memfd_create("bulkhead-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)inflight_region_bytes(queue_count,
						       queue_size)) < 0)
		return -errno;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) <
	    0)
		return -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}

int inflight_region_map(struct inflight_region *ret_region, int fd,
			uint64_t offset_bytes, uint64_t bytes,
			uint16_t queue_count, uint16_t queue_size)
{
	uint64_t skip = offset_bytes % (uint64_t)sysconf(_SC_PAGESIZE);
	struct stat file;
	void *map;

	if (queue_count == 0 || queue_size == 0 || queue_size > RING_SIZE_MAX ||
	    bytes < inflight_region_bytes(queue_count, queue_size) ||
	    offset_bytes % sizeof(uint64_t) != 0)
		return -EINVAL;
	if (fstat(fd, &file) < 0)
		return -errno;
	if (!S_ISREG(file.st_mode) || bytes > (uint64_t)file.st_size ||
	    offset_bytes > (uint64_t)file.st_size - bytes)
		return -EINVAL;
	bytes = inflight_region_bytes(queue_count, queue_size);
	map = mmap(NULL, bytes + skip, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   (off_t)(offset_bytes - skip));
	if (map == MAP_FAILED)
		return -errno;
	*ret_region = (struct inflight_region){
		.first = (uint8_t *)map + skip,
		.map = map,
		.map_bytes = bytes + skip,
		.queue_count = queue_count,
		.queue_size = queue_size,
	};
	return 0;
}

void inflight_region_clear(struct inflight_region *region)
{
	if (region->first)
		memset(region->first, 0,
		       inflight_region_bytes(region->queue_count,
					     region->queue_size));
}

void inflight_region_release(struct inflight_region *region)
{
	if (region->map)
		(void)munmap(region->map, region->map_bytes);
	memset(region, 0, sizeof(*region));
}

/*
 * A region never used begins where the ring is, or the next life would take
 * everything answered so far for one unfinished batch (SPDK issue 3766). The
 * version comes last: until it is there, the part is still unused.
 */
static void begin(struct inflight_part *part, uint16_t queue_size,
		  uint16_t used_index)
{
	memset(part, 0, part_bytes(queue_size));
	STORE_STEP();
	STORE(part->entry_count, queue_size);
	STORE(part->used_index, used_index);
	STORE(part->version, INFLIGHT_VERSION);
}

/*
 * The used index moved on by a batch whose entries may still be marked: they
 * are answered. One pass more or less makes no difference, so that dying here
 * does no harm.
 */
static int settle_batch(struct inflight_part *part, uint16_t size,
			uint16_t used_index)
{
	uint16_t answered = (uint16_t)(used_index - LOAD(part->used_index));
	uint16_t head = LOAD(part->last_batch_head);

	if (answered > size)
		return -EBADMSG;
	for (uint16_t i = 0; i < answered; i++) {
		if (head >= size)
			return -EBADMSG;
		STORE(part->entries[head].in_flight, 0);
		head = LOAD(part->entries[head].next);
	}
	STORE(part->used_index, used_index);
	return 0;
}

/* Insert by ascending counter; no two are alike in a record of ours. */
static int insert(struct found *found, uint16_t count, const struct found *new)
{
	uint16_t i = count;

	for (; i > 0 && found[i - 1].counter >= new->counter; i--) {
		if (found[i - 1].counter == new->counter)
			return -EBADMSG;
		found[i] = found[i - 1];
	}
	found[i] = *new;
	return 0;
}

static int collect(const struct inflight_part *part, uint16_t queue_size,
		   uint16_t size, struct found *found, uint16_t *ret_count)
{
	uint16_t count = 0;

	for (uint16_t head = 0; head < queue_size; head++) {
		struct found new = { .head = head };

		if (LOAD(part->entries[head].in_flight) == 0)
			continue;
		new.counter = LOAD(part->entries[head].counter);
		if (head >= size || insert(found, count, &new) < 0)
			return -EBADMSG;
		count++;
	}
	*ret_count = count;
	return 0;
}

static int recover(struct inflight *inflight, uint16_t queue_size,
		   const struct ring *ring, uint16_t *heads,
		   uint16_t *ret_count)
{
	struct inflight_part *part = inflight->part;
	uint16_t used_index = LOAD(ring->used->idx);
	struct found found[RING_SIZE_MAX];
	uint16_t count;

	if (LOAD(part->version) == 0)
		begin(part, queue_size, used_index);
	if (LOAD(part->version) != INFLIGHT_VERSION ||
	    LOAD(part->entry_count) != queue_size)
		return -EBADMSG;
	if (settle_batch(part, ring->size, used_index) < 0 ||
	    collect(part, queue_size, ring->size, found, &count) < 0)
		return -EBADMSG;
	for (uint16_t i = 0; i < count; i++)
		heads[i] = found[i].head;
	inflight->next_counter = count ? found[count - 1].counter + 1 : 0;
	inflight->queue_size = queue_size;
	inflight->last_head = LOAD(part->last_batch_head);
	*ret_count = count;
	return 0;
}

int inflight_recover(struct inflight *ret_inflight,
		     const struct inflight_region *region, uint16_t queue_index,
		     const struct ring *ring, uint16_t *heads,
		     uint16_t *ret_head_count)
{
	struct inflight inflight = { 0 };
	uint16_t count = 0;
	int r = 0;

	if (!ring->descriptors)
		return -EINVAL;
	if (region->first && queue_index < region->queue_count) {
		if (ring->size > region->queue_size)
			return -EINVAL;
		inflight.part =
			(void *)(region->first +
				 part_bytes(region->queue_size) * queue_index);
		r = recover(&inflight, region->queue_size, ring, heads, &count);
	}
	if (r < 0)
		return r;
	*ret_inflight = inflight;
	*ret_head_count = count;
	return 0;
}

void inflight_mark(struct inflight *inflight, uint16_t head)
{
	struct inflight_part *part = inflight->part;

	if (!part)
		return;
	assert(head < inflight->queue_size);
	STORE(part->entries[head].counter, inflight->next_counter);
	inflight->next_counter++;
	STORE(part->entries[head].in_flight, 1);
}

void inflight_push(struct inflight *inflight, struct ring *ring, uint16_t head,
		   uint32_t written_bytes)
{
	struct inflight_part *part = inflight->part;

	ring_fill_used(ring, head, written_bytes);
	if (!part) {
		ring_publish_used(ring);
		return;
	}
	assert(head < inflight->queue_size);
	STORE(part->entries[head].next, inflight->last_head);
	STORE(part->last_batch_head, head);
	inflight->last_head = head;
	ring_publish_used(ring);
	STORE(part->entries[head].in_flight, 0);
	STORE(part->used_index, ring->next_used);
}
