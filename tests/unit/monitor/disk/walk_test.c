/* SPDX-License-Identifier: MIT */
/*
 * Random walks: a guest, its front end and a service do what they like, at any
 * moment, and a model of the disk watches. Every walk is named by its seed.
 *
 * Each write carries a stamp, its number in the order offered. What must hold:
 *   - a request is answered once, and in the end every one is;
 *   - no write is carried out after a newer, answered one of the same sector;
 *   - none of an earlier life of the guest after one of this life;
 *   - a read finds every sector at least as new as what was answered before
 *     the read was offered.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/count.h"
#include "lib/harness.h"
#include "rig.h"

#define SLOTS         16
#define SECTORS       12
#define REQUEST_MAX   4 /* sectors */
#define STEPS         300
#define WALKS         500
#define HELD_MOST     64
#define STAMPS_MAX    4096
#define SLOT_GPA(n)   (FAKE_GPA + 65536 + (gpa_t)(n)*8192)
#define STATUS_OFFSET 64
#define DATA_OFFSET   4096

struct slot {
	bool is_out;
	uint32_t type;
	uint64_t sector;
	uint32_t count;
	uint32_t stamp;
	uint32_t seen[SECTORS]; /* newest answered when this was offered */
};

/* A request with the service. */
struct held {
	struct channel_request request;
	bool is_done;
};

static struct rig rig;
static struct slot slots[SLOTS];
static struct held held[HELD_MOST];
static uint32_t held_count;
static uint32_t disk[SECTORS];     /* stamp of the last write */
static uint32_t answered[SECTORS]; /* newest stamp told to the guest */
static uint32_t life_of[STAMPS_MAX];
static uint32_t stamp, life, executed_life;
static uint64_t random_state, witnessed, now_ns;
static bool is_up, is_paused, is_away;
static uint16_t base;

static uint32_t pick(uint32_t count)
{
	random_state =
		random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(random_state >> 33) % count;
}

static void offer(void)
{
	uint32_t n = pick(SLOTS);
	struct slot *slot = &slots[n];
	struct virtio_blk_outhdr header = { 0 };
	uint8_t *at = fake_driver_at(&rig.driver, SLOT_GPA(n));
	struct fake_buffer buffers[3] = {
		{ SLOT_GPA(n), sizeof(header), false },
	};
	uint16_t count = 1;

	if (slot->is_out || stamp + 1 == STAMPS_MAX)
		return;
	*slot = (struct slot){ .is_out = true, .type = VIRTIO_BLK_T_OUT };
	if (pick(4) == 0)
		slot->type = pick(2) ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_FLUSH;
	slot->count = 1 + pick(REQUEST_MAX);
	slot->sector = pick(SECTORS - REQUEST_MAX + 1);
	slot->stamp = ++stamp;
	life_of[stamp] = life;
	memcpy(slot->seen, answered, sizeof(answered));
	header.type = slot->type;
	if (slot->type != VIRTIO_BLK_T_FLUSH) {
		header.sector = slot->sector;
		buffers[count++] =
			(struct fake_buffer){ SLOT_GPA(n) + DATA_OFFSET,
					      slot->count * 512,
					      slot->type == VIRTIO_BLK_T_IN };
	}
	for (uint32_t i = 0; i < slot->count; i++)
		memcpy(at + DATA_OFFSET + (size_t)i * 512, &slot->stamp,
		       sizeof(stamp));
	memcpy(at, &header, sizeof(header));
	at[STATUS_OFFSET] = RIG_NO_STATUS;
	buffers[count++] =
		(struct fake_buffer){ SLOT_GPA(n) + STATUS_OFFSET, 1, true };
	rig.driver.next_descriptor = (uint16_t)(n * 3);
	fake_driver_offer(&rig.driver,
			  fake_driver_chain(&rig.driver, buffers, count));
}

static void check_read(const struct slot *slot, const uint8_t *data)
{
	for (uint32_t i = 0; i < slot->count; i++) {
		uint32_t found;

		memcpy(&found, data + (size_t)i * 512, sizeof(found));
		CHECK(found >= slot->seen[slot->sector + i]);
	}
}

static void reap(void)
{
	struct vring_used_elem element;

	while (fake_driver_used(&rig.driver, &element)) {
		uint32_t n = element.id / 3;
		struct slot *slot = &slots[n];
		const uint8_t *at = fake_driver_at(&rig.driver, SLOT_GPA(n));

		CHECK(element.id % 3 == 0 && n < SLOTS && slot->is_out);
		slot->is_out = false;
		CHECK(at[STATUS_OFFSET] == VIRTIO_BLK_S_OK ||
		      at[STATUS_OFFSET] == VIRTIO_BLK_S_IOERR);
		if (at[STATUS_OFFSET] != VIRTIO_BLK_S_OK)
			continue;
		if (slot->type == VIRTIO_BLK_T_IN)
			check_read(slot, at + DATA_OFFSET);
		if (slot->type != VIRTIO_BLK_T_OUT)
			continue;
		for (uint64_t i = slot->sector; i < slot->sector + slot->count;
		     i++)
			answered[i] =
				(uint32_t)max_u64(answered[i], slot->stamp);
	}
}

static void carry_out(struct held *one)
{
	uint64_t first = one->request.offset_bytes / 512;
	uint8_t *data = rig.service.buffers + one->request.buffer_offset;

	one->is_done = true;
	for (uint32_t i = 0; i < one->request.length_bytes / 512; i++) {
		uint32_t *here = (uint32_t *)(void *)(data + (size_t)i * 512);

		if (one->request.op == DISK_READ) {
			*here = disk[first + i];
			continue;
		}
		CHECK(*here >= answered[first + i]);
		CHECK(life_of[*here] >= executed_life);
		executed_life = life_of[*here];
		disk[first + i] = *here;
	}
}

static void take(void)
{
	while (held_count < HELD_MOST && pick(4) != 0 &&
	       rig_take(&rig, &held[held_count].request))
		held[held_count++].is_done = false;
}

static void answer(void)
{
	static const int errors[] = { -EIO, -ENOSPC, -ENOSPC };
	uint32_t n = pick(HELD_MOST);
	int status = 0;

	if (n >= held_count)
		return;
	if (!held[n].is_done && pick(12) == 0)
		status = errors[pick(ARRAY_COUNT(errors))];
	else if (!held[n].is_done)
		carry_out(&held[n]);
	rig_answer(&rig, &held[n].request, status);
	held[n] = held[--held_count];
}

static void come_up(void)
{
	rig_up(&rig, rig.disk.suspect_count > 0 || pick(4) == 0);
	is_up = true;
}

/* What it had begun it ends, in any order, and then it is gone. */
static void die(void)
{
	while (held_count > 0) {
		uint32_t n = pick(held_count);

		if (!held[n].is_done && pick(2) != 0)
			carry_out(&held[n]);
		held[n] = held[--held_count];
	}
	rig_down(&rig);
	is_up = false;
}

static void pause_or_resume(void)
{
	if (is_away)
		return;
	if (is_paused)
		rig_resume(&rig, base);
	else
		base = rig_pause(&rig);
	is_paused = !is_paused;
}

static void reset_guest(void)
{
	if (is_away)
		return;
	if (!is_paused)
		(void)rig_pause(&rig);
	is_paused = false;
	life++;
	memset(slots, 0, sizeof(slots));
	fake_driver_reset(&rig.driver);
	rig_resume(&rig, 0);
}

static void move_memory(void)
{
	if (is_away)
		fake_driver_map(&rig.driver, &rig.front.memory);
	else
		guestmem_clear(&rig.front.memory);
	is_away = !is_away;
	blk_device_ops.memory_changed(&rig.front);
}

static void pass_time(void)
{
	now_ns += 600 * NS_PER_MS;
	front_run_timers(&rig.front, now_ns);
	if (rig.witness_asked > witnessed) {
		witnessed = rig.witness_asked;
		disk_witnessed(&rig.disk, witnessed, pick(8) ? 0 : -EIO);
	}
}

static void step(void)
{
	switch (pick(40)) {
	case 0:
		return is_up ? die() : come_up();
	case 1:
		return pause_or_resume();
	case 2:
		return pick(4) ? pass_time() : reset_guest();
	case 3:
		return move_memory();
	case 4:
	case 5:
		return pass_time();
	default:
		break;
	}
	if (pick(2) == 0)
		offer();
	if (is_up && pick(2) == 0)
		take();
	if (is_up)
		answer();
}

static bool is_anything_out(void)
{
	for (uint32_t i = 0; i < SLOTS; i++)
		if (slots[i].is_out)
			return true;
	return false;
}

static void finish(void)
{
	if (is_away)
		move_memory();
	if (is_paused)
		pause_or_resume();
	if (is_up)
		die();
	come_up();
	for (int i = 0; i < 20000 && is_anything_out(); i++) {
		rig_turn(&rig);
		take();
		answer();
		rig_turn(&rig);
		pass_time();
		reap();
	}
	CHECK(!is_anything_out());
	CHECK_EQ(rig.disk.request_count, 0);
	CHECK_EQ(rig.disk.suspect_count, 0);
	CHECK_EQ(rig.disk.no_space_count, 0);
	CHECK_EQ(rig.disk.counters.violations, 0);
}

static void forget(void)
{
	memset(&rig, 0, sizeof(rig));
	memset(slots, 0, sizeof(slots));
	memset(disk, 0, sizeof(disk));
	memset(answered, 0, sizeof(answered));
	held_count = stamp = life = executed_life = 0;
	witnessed = 0;
	is_up = is_paused = is_away = false;
	now_ns = clock_now_ns();
}

static void walk(uint64_t seed)
{
	forget();
	random_state = seed;
	rig_start(&rig);
	blk_device_ops.memory_changed(&rig.front);
	for (int i = 0; i < STEPS; i++) {
		step();
		rig_turn(&rig);
		reap();
	}
	finish();
	rig_stop(&rig);
}

TEST(whatever_happens_in_whatever_order_nothing_is_lost_or_repeated)
{
	for (uint64_t seed = 1; seed <= WALKS; seed++) {
		(void)fprintf(stderr, "walk %llu\n", (unsigned long long)seed);
		walk(seed);
	}
}
