/* SPDX-License-Identifier: MIT */
#include "virtio/blk.h"

#include <errno.h>
#include <string.h>

#include <linux/virtio_config.h>

#include "lib/fake_driver.h"
#include "lib/harness.h"
#include "virtio/segments.h"

#define CAPACITY (1ull << 20)
#define BIT(n)   (1ull << (n))

static struct fake_driver driver;
static struct guestmem memory;
static struct blk_disk disk;
static struct ring_segment segments[RING_CHAIN_MAX];
static struct ring_chain chain;
static struct blk_request request;

static void open_disk(void)
{
	fake_driver_open(&driver, 8);
	guestmem_init(&memory);
	fake_driver_map(&driver, &memory);
	chain = (struct ring_chain){ .segments = segments };
	disk = (struct blk_disk){
		.capacity_bytes = CAPACITY,
		.block_bytes = 512,
		.physical_block_bytes = 4096,
		.optimal_bytes = 65536,
		.max_discard_bytes = 256 * 1024,
		.max_write_zeroes_bytes = 128 * 1024,
		.discard_alignment_bytes = 4096,
		.max_segments = 126,
		.queue_count = 4,
		.zeroing_may_unmap = true,
		.id = "disk0",
	};
}

static void close_disk(void)
{
	guestmem_clear(&memory);
	fake_driver_close(&driver);
}

/* Append a segment of fresh guest memory to the chain. */
static void *append(uint32_t bytes, bool is_writable)
{
	gpa_t gpa = fake_driver_alloc(&driver, bytes);
	uint32_t index = chain.readable_count + chain.writable_count;

	segments[index] = (struct ring_segment){ gpa, bytes };
	if (is_writable)
		chain.writable_count++;
	else
		chain.readable_count++;
	return fake_driver_at(&driver, gpa);
}

static void *readable(uint32_t bytes)
{
	return append(bytes, false);
}

static void *writable(uint32_t bytes)
{
	return append(bytes, true);
}

static void header(uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr *out = readable(sizeof(*out));

	out->type = type;
	out->sector = sector;
}

static int decode(void)
{
	return blk_decode(&disk, &memory, &chain, &request);
}

static void range(uint64_t sector, uint32_t sector_count, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes *out = readable(sizeof(*out));

	out->sector = sector;
	out->num_sectors = sector_count;
	out->flags = flags;
}

TEST(a_read_is_decoded_and_answered)
{
	uint8_t *status;

	open_disk();
	header(VIRTIO_BLK_T_IN, 8);
	(void)writable(4096);
	(void)writable(1024);
	status = writable(1);
	*status = 0xff;

	CHECK_EQ(decode(), 0);
	CHECK_EQ(request.operation, BLK_READ);
	CHECK_EQ(request.offset_bytes, 4096);
	CHECK_EQ(request.bytes, 5120);
	CHECK_EQ(request.segment_count, 2);
	CHECK_EQ(segments_write(&memory, request.segments,
				request.segment_count, 5119, "!", 1),
		 0);
	CHECK_EQ(blk_answer(&memory, request.status_gpa, 5120, VIRTIO_BLK_S_OK),
		 5121);
	CHECK_EQ(*status, VIRTIO_BLK_S_OK);
	CHECK_EQ(blk_answer(&memory, request.status_gpa, 0, VIRTIO_BLK_S_IOERR),
		 1);
	CHECK_EQ(*status, VIRTIO_BLK_S_IOERR);

	close_disk();
}

TEST(framing_is_up_to_the_driver)
{
	static const struct virtio_blk_outhdr out = { .type = VIRTIO_BLK_T_OUT,
						      .sector = 3 };
	const uint8_t *bytes = (const uint8_t *)&out;
	uint8_t data[512];
	uint8_t *at;

	open_disk();
	memcpy(readable(5), bytes, 5);
	memcpy(readable(1), bytes + 5, 1);
	at = readable(10 + 100); /* the header ends in here */
	memcpy(at, bytes + 6, 10);
	memset(at + 10, 'a', 100);
	memset(readable(412), 'b', 412);
	(void)writable(1);

	CHECK_EQ(decode(), 0);
	CHECK_EQ(request.operation, BLK_WRITE);
	CHECK_EQ(request.offset_bytes, 3ull * 512);
	CHECK_EQ(request.bytes, 512);
	CHECK_EQ(segments_read(&memory, request.segments, request.segment_count,
			       0, data, sizeof(data)),
		 0);
	CHECK_EQ(data[99], 'a');
	CHECK_EQ(data[100], 'b');
	CHECK_EQ(data[511], 'b');

	close_disk();
}

TEST(the_status_may_share_a_segment_with_data)
{
	uint8_t *in;

	open_disk();
	header(VIRTIO_BLK_T_IN, 0);
	in = writable(513);

	CHECK_EQ(decode(), 0);
	CHECK_EQ(request.bytes, 512);
	in[512] = 0xff;
	CHECK_EQ(blk_answer(&memory, request.status_gpa, 512, VIRTIO_BLK_S_OK),
		 513);
	CHECK_EQ(in[512], VIRTIO_BLK_S_OK);

	close_disk();
}

TEST(a_flush_has_neither_place_nor_data)
{
	open_disk();
	header(VIRTIO_BLK_T_FLUSH, 0);
	(void)writable(1);

	CHECK_EQ(decode(), 0);
	CHECK_EQ(request.operation, BLK_FLUSH);
	CHECK_EQ(blk_answer(&memory, request.status_gpa, 0, VIRTIO_BLK_S_OK),
		 1);

	close_disk();
}

TEST(the_id_is_written_into_whatever_room_there_is)
{
	char *in;

	open_disk();
	header(VIRTIO_BLK_T_GET_ID, 0);
	in = writable(20);
	(void)writable(1);
	CHECK_EQ(decode(), 0);
	CHECK_EQ(request.operation, BLK_GET_ID);
	CHECK_EQ(blk_answer_id(&disk, &memory, &request), 21);
	CHECK_EQ(memcmp(in, "disk0\0\0", 7), 0);

	chain = (struct ring_chain){ .segments = segments };
	header(VIRTIO_BLK_T_GET_ID, 0);
	in = writable(4);
	CHECK_EQ(decode(), 0);
	CHECK_EQ(blk_answer_id(&disk, &memory, &request), 4);
	CHECK_EQ(memcmp(in, "dis\0", 4), 0);

	close_disk();
}

TEST(a_discard_is_a_private_copy)
{
	struct virtio_blk_discard_write_zeroes *asked;

	open_disk();
	header(VIRTIO_BLK_T_DISCARD, 0);
	range(16, 8, 0);
	(void)writable(1);
	asked = fake_driver_at(&driver, segments[1].gpa);

	CHECK_EQ(decode(), 0);
	asked->sector = 0;
	CHECK_EQ(request.operation, BLK_DISCARD);
	CHECK_EQ(request.offset_bytes, 16ull * 512);
	CHECK_EQ(request.bytes, 4096);
	CHECK(!request.may_unmap);

	close_disk();
}

TEST(writing_zeroes_says_whether_it_may_unmap)
{
	for (uint32_t flag = 0; flag <= 1; flag++) {
		open_disk();
		header(VIRTIO_BLK_T_WRITE_ZEROES, 0);
		range(0, 8, flag);
		(void)writable(1);

		CHECK_EQ(decode(), 0);
		CHECK_EQ(request.operation, BLK_WRITE_ZEROES);
		CHECK_EQ(request.may_unmap, flag);
		close_disk();
	}
}

TEST(an_unknown_type_is_unsupported)
{
	uint8_t *status;

	open_disk();
	header(VIRTIO_BLK_T_SECURE_ERASE, 0);
	status = writable(1);

	CHECK_EQ(decode(), -ENOTSUP);
	CHECK_EQ(
		blk_answer(&memory, request.status_gpa, 0, VIRTIO_BLK_S_UNSUPP),
		1);
	CHECK_EQ(*status, VIRTIO_BLK_S_UNSUPP);

	close_disk();
}

/* A read of so many bytes at a sector. */
static int decode_read(uint64_t sector, uint32_t bytes)
{
	chain = (struct ring_chain){ .segments = segments };
	header(VIRTIO_BLK_T_IN, sector);
	if (bytes != 0)
		(void)writable(bytes);
	(void)writable(1);
	return decode();
}

TEST(a_hostile_guest_cannot_leave_its_disk)
{
	const uint64_t end = CAPACITY / 512;

	open_disk();

	CHECK_EQ(decode_read(end - 1, 512), 0);
	CHECK_EQ(decode_read(end - 1, 1024), -EIO);
	CHECK_EQ(decode_read(end, 512), -EIO);
	CHECK_EQ(decode_read(UINT64_MAX, 512), -EIO);
	CHECK_EQ(decode_read(UINT64_MAX / 512, 1024), -EIO);
	CHECK_EQ(decode_read(1ull << 55, 512), -EIO);

	close_disk();
}

TEST(a_hostile_guest_cannot_ask_for_parts_of_a_block)
{
	open_disk();

	CHECK_EQ(decode_read(0, 511), -EIO);
	CHECK_EQ(decode_read(0, 513), -EIO);
	CHECK_EQ(decode_read(0, 0), -EIO);
	disk.block_bytes = 4096;
	CHECK_EQ(decode_read(0, 512), -EIO);
	CHECK_EQ(decode_read(1, 4096), -EIO);
	CHECK_EQ(decode_read(8, 4096), 0);

	close_disk();
}

TEST(a_hostile_guest_cannot_write_a_read_only_disk)
{
	open_disk();
	disk.is_read_only = true;

	header(VIRTIO_BLK_T_OUT, 0);
	(void)readable(512);
	(void)writable(1);
	CHECK_EQ(decode(), -EIO);
	chain = (struct ring_chain){ .segments = segments };
	header(VIRTIO_BLK_T_DISCARD, 0);
	range(0, 8, 0);
	(void)writable(1);
	CHECK_EQ(decode(), -EIO);
	chain = (struct ring_chain){ .segments = segments };
	header(VIRTIO_BLK_T_WRITE_ZEROES, 0);
	range(0, 8, 0);
	(void)writable(1);
	CHECK_EQ(decode(), -EIO);
	CHECK_EQ(decode_read(0, 512), 0);

	close_disk();
}

TEST(a_hostile_guest_cannot_read_into_readable_memory)
{
	open_disk();
	header(VIRTIO_BLK_T_IN, 0);
	(void)readable(512);
	(void)writable(1);

	CHECK_EQ(decode(), -EIO);

	close_disk();
}

TEST(a_hostile_guest_cannot_mix_directions)
{
	open_disk();
	header(VIRTIO_BLK_T_IN, 0);
	(void)readable(1);
	(void)writable(512);
	(void)writable(1);
	CHECK_EQ(decode(), -EIO);

	chain = (struct ring_chain){ .segments = segments };
	header(VIRTIO_BLK_T_OUT, 0);
	(void)readable(512);
	(void)writable(2);
	CHECK_EQ(decode(), -EIO);

	close_disk();
}

TEST(a_hostile_guest_cannot_write_from_writable_memory)
{
	open_disk();
	header(VIRTIO_BLK_T_OUT, 0);
	(void)writable(512);
	(void)writable(1);

	CHECK_EQ(decode(), -EIO);

	close_disk();
}

TEST(a_hostile_guest_cannot_go_without_a_status)
{
	open_disk();
	header(VIRTIO_BLK_T_OUT, 0);
	(void)readable(512);
	CHECK_EQ(decode(), -EBADMSG);

	(void)writable(1);
	segments[2].gpa = FAKE_GPA + FAKE_BYTES;
	CHECK_EQ(decode(), -EBADMSG);

	close_disk();
}

TEST(a_hostile_guest_cannot_send_half_a_header)
{
	open_disk();
	(void)readable(15);
	(void)writable(1);
	CHECK_EQ(decode(), -EIO);

	chain = (struct ring_chain){ .segments = segments };
	(void)writable(513);
	CHECK_EQ(decode(), -EIO);

	close_disk();
}

TEST(a_hostile_guest_cannot_name_memory_it_does_not_have)
{
	open_disk();
	header(VIRTIO_BLK_T_IN, 0);
	(void)writable(512);
	(void)writable(1);
	segments[1].gpa = FAKE_GPA + FAKE_BYTES - 511;
	CHECK_EQ(decode(), -EIO);

	chain = (struct ring_chain){ .segments = segments };
	header(VIRTIO_BLK_T_IN, 0);
	(void)writable(1);
	segments[0].gpa = 0;
	CHECK_EQ(decode(), -EIO);

	close_disk();
}

/* A discard or write zeroes of one range. */
static int decode_range(uint32_t type, uint64_t sector, uint32_t count,
			uint32_t flags)
{
	chain = (struct ring_chain){ .segments = segments };
	header(type, 0);
	range(sector, count, flags);
	(void)writable(1);
	return decode();
}

TEST(a_hostile_guest_cannot_exceed_the_limits_of_a_range)
{
	const uint32_t discard = VIRTIO_BLK_T_DISCARD;
	const uint32_t zeroes = VIRTIO_BLK_T_WRITE_ZEROES;

	open_disk();

	CHECK_EQ(decode_range(discard, 0, 512, 0), 0);
	CHECK_EQ(decode_range(discard, 0, 513, 0), -EIO);
	CHECK_EQ(decode_range(zeroes, 0, 256, 0), 0);
	CHECK_EQ(decode_range(zeroes, 0, 257, 0), -EIO);
	CHECK_EQ(decode_range(zeroes, 0, UINT32_MAX, 0), -EIO);
	CHECK_EQ(decode_range(discard, 2047, 2, 0), -EIO);
	CHECK_EQ(decode_range(discard, UINT64_MAX, 1, 0), -EIO);
	CHECK_EQ(decode_range(discard, 0, 0, 0), -EIO);
	CHECK_EQ(decode_range(discard, 0, 8, 1), -ENOTSUP);
	CHECK_EQ(decode_range(zeroes, 0, 8, 2), -ENOTSUP);

	close_disk();
}

TEST(a_hostile_guest_cannot_send_other_than_one_range)
{
	open_disk();
	header(VIRTIO_BLK_T_DISCARD, 0);
	range(0, 8, 0);
	range(8, 8, 0);
	(void)writable(1);
	CHECK_EQ(decode(), -EIO);

	chain = (struct ring_chain){ .segments = segments };
	header(VIRTIO_BLK_T_DISCARD, 0);
	(void)readable(15);
	(void)writable(1);
	CHECK_EQ(decode(), -EIO);

	close_disk();
}

TEST(what_is_not_offered_is_unsupported)
{
	open_disk();
	disk.max_discard_bytes = 0;
	disk.max_write_zeroes_bytes = 0;

	CHECK_EQ(decode_range(VIRTIO_BLK_T_DISCARD, 0, 8, 0), -ENOTSUP);
	CHECK_EQ(decode_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), -ENOTSUP);

	close_disk();
}

TEST(the_configuration_tells_the_truth)
{
	struct virtio_blk_config config;

	open_disk();

	blk_fill_config(&disk, &config);
	CHECK_EQ(config.capacity, CAPACITY / 512);
	CHECK_EQ(config.seg_max, 126);
	CHECK_EQ(config.blk_size, 512);
	CHECK_EQ(config.physical_block_exp, 3);
	CHECK_EQ(config.min_io_size, 8);
	CHECK_EQ(config.opt_io_size, 128);
	CHECK_EQ(config.wce, 0);
	CHECK_EQ(config.num_queues, 4);
	CHECK_EQ(config.max_discard_sectors, 512);
	CHECK_EQ(config.max_discard_seg, 1);
	CHECK_EQ(config.discard_sector_alignment, 8);
	CHECK_EQ(config.max_write_zeroes_sectors, 256);
	CHECK_EQ(config.max_write_zeroes_seg, 1);
	CHECK_EQ(config.write_zeroes_may_unmap, 1);

	close_disk();
}

TEST(features_follow_the_disk)
{
	const uint64_t changing = BIT(VIRTIO_BLK_F_RO) |
				  BIT(VIRTIO_BLK_F_DISCARD) |
				  BIT(VIRTIO_BLK_F_WRITE_ZEROES);
	uint64_t features;

	open_disk();

	features = blk_features(&disk);
	CHECK((features & BIT(VIRTIO_F_VERSION_1)) != 0);
	CHECK((features & BIT(VIRTIO_BLK_F_FLUSH)) != 0);
	CHECK((features & BIT(VIRTIO_BLK_F_CONFIG_WCE)) == 0);
	CHECK_EQ(features & changing,
		 BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES));
	disk.max_discard_bytes = 0;
	CHECK_EQ(blk_features(&disk) & changing,
		 BIT(VIRTIO_BLK_F_WRITE_ZEROES));
	disk.is_read_only = true;
	CHECK_EQ(blk_features(&disk) & changing, BIT(VIRTIO_BLK_F_RO));

	close_disk();
}
