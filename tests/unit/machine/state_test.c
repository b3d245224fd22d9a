/* SPDX-License-Identifier: MIT */
#include "machine/state.h"

#include <errno.h>
#include <string.h>

#include "lib/harness.h"

static struct state_writer writer;

static void write_two_sections(void)
{
	state_writer_init(&writer);
	state_begin(&writer, STATE_SERIAL, 2);
	state_put_u8(&writer, 0x12);
	state_put_u16(&writer, 0x3456);
	state_put_u32(&writer, 0x789abcde);
	state_put_u64(&writer, 0x0123456789abcdef);
	state_end(&writer);
	state_begin(&writer, STATE_RTC, 1);
	state_put(&writer, "clock", 5);
	state_end(&writer);
	CHECK_EQ(state_writer_result(&writer), 0);
}

static void read_two_sections(struct state_reader *reader)
{
	char text[5];

	(void)state_enter(reader, STATE_SERIAL, 2);
	(void)state_get_u8(reader);
	(void)state_get_u16(reader);
	(void)state_get_u32(reader);
	(void)state_get_u64(reader);
	state_leave(reader);
	(void)state_enter(reader, STATE_RTC, 1);
	state_get(reader, text, sizeof(text));
	state_leave(reader);
}

TEST(what_was_put_is_got)
{
	struct state_reader reader;
	char text[5];

	write_two_sections();
	state_reader_init(&reader, writer.bytes, writer.used);
	CHECK_EQ(state_enter(&reader, STATE_SERIAL, 3), 2);
	CHECK_EQ(state_left(&reader), 15);
	CHECK_EQ(state_get_u8(&reader), 0x12);
	CHECK_EQ(state_get_u16(&reader), 0x3456);
	CHECK_EQ(state_get_u32(&reader), 0x789abcde);
	CHECK_EQ((long long)state_get_u64(&reader), 0x0123456789abcdef);
	state_leave(&reader);
	CHECK_EQ(state_enter(&reader, STATE_RTC, 1), 1);
	state_get(&reader, text, sizeof(text));
	CHECK_EQ(memcmp(text, "clock", 5), 0);
	state_leave(&reader);
	CHECK_EQ(state_reader_result(&reader), 0);
	state_writer_release(&writer);
}

TEST(numbers_are_little_endian)
{
	state_writer_init(&writer);
	state_begin(&writer, STATE_ACPI, 1);
	state_put_u32(&writer, 0x01020304);
	state_end(&writer);
	CHECK_EQ(memcmp(writer.bytes, "\x06\0\x01\0\x04\0\0\0\x04\x03\x02\x01",
			12),
		 0);
	state_writer_release(&writer);
}

TEST(a_section_of_another_tag_or_a_newer_version_is_refused)
{
	struct state_reader reader;

	write_two_sections();
	state_reader_init(&reader, writer.bytes, writer.used);
	CHECK_EQ(state_enter(&reader, STATE_RTC, 2), 0);
	CHECK_EQ(state_reader_result(&reader), -EBADMSG);
	state_reader_init(&reader, writer.bytes, writer.used);
	CHECK_EQ(state_enter(&reader, STATE_SERIAL, 1), 0);
	CHECK_EQ(state_reader_result(&reader), -EBADMSG);
	state_writer_release(&writer);
}

TEST(a_reader_stays_inside_its_section)
{
	struct state_reader reader;
	uint8_t bytes[16];

	write_two_sections();
	state_reader_init(&reader, writer.bytes, writer.used);
	CHECK_EQ(state_enter(&reader, STATE_SERIAL, 2), 2);
	memset(bytes, 0xff, sizeof(bytes));
	state_get(&reader, bytes, sizeof(bytes));
	CHECK_EQ(bytes[0] | bytes[15], 0);
	CHECK_EQ(state_left(&reader), 0);
	CHECK_EQ(state_get_u8(&reader), 0);
	CHECK_EQ(state_reader_result(&reader), -EBADMSG);
	state_writer_release(&writer);
}

TEST(a_section_must_be_read_to_its_end)
{
	struct state_reader reader;

	write_two_sections();
	state_reader_init(&reader, writer.bytes, writer.used);
	CHECK_EQ(state_enter(&reader, STATE_SERIAL, 2), 2);
	(void)state_get_u64(&reader);
	state_leave(&reader);
	CHECK_EQ(state_reader_result(&reader), -EBADMSG);
	state_writer_release(&writer);
}

TEST(nothing_is_read_outside_a_section)
{
	struct state_reader reader;

	write_two_sections();
	state_reader_init(&reader, writer.bytes, writer.used);
	CHECK_EQ(state_get_u8(&reader), 0);
	CHECK_EQ(state_reader_result(&reader), -EBADMSG);
	state_writer_release(&writer);
}

TEST(a_hostile_image_cannot_be_cut_at_any_byte)
{
	struct state_reader reader;

	write_two_sections();
	for (size_t count = 0; count < writer.used; count++) {
		state_reader_init(&reader, writer.bytes, count);
		read_two_sections(&reader);
		CHECK_EQ(state_reader_result(&reader), -EBADMSG);
	}
	state_reader_init(&reader, writer.bytes, writer.used);
	read_two_sections(&reader);
	CHECK_EQ(state_reader_result(&reader), 0);
	state_writer_release(&writer);
}

TEST(a_writer_grows)
{
	struct state_reader reader;

	state_writer_init(&writer);
	state_begin(&writer, STATE_DISK, 1);
	for (uint32_t i = 0; i < 5000; i++)
		state_put_u32(&writer, i);
	state_end(&writer);
	state_reader_init(&reader, writer.bytes, writer.used);
	CHECK_EQ(state_enter(&reader, STATE_DISK, 1), 1);
	for (uint32_t i = 0; i < 5000; i++)
		CHECK_EQ(state_get_u32(&reader), i);
	state_leave(&reader);
	CHECK_EQ(state_reader_result(&reader), 0);
	state_writer_release(&writer);
	CHECK_EQ(writer.bytes != NULL, 0);
}
