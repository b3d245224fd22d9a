/* SPDX-License-Identifier: MIT */
#include "machine/serial.h"

#include <errno.h>
#include <linux/serial_reg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/harness.h"
#include "machine/layout.h"

#define LSR_IDLE (UART_LSR_THRE | UART_LSR_TEMT)

static struct serial serial;
static bool is_high;
static uint32_t edges;
static uint8_t sent[4096];
static size_t sent_bytes;
static size_t room_bytes; /* of the outside */
static uint32_t room_calls;

static void set_line(void *context, uint32_t gsi, bool level)
{
	CHECK_EQ(gsi, GSI_SERIAL);
	edges += level && !is_high;
	is_high = level;
}

static bool put(void *context, uint8_t byte)
{
	if (room_bytes == 0)
		return false;
	room_bytes--;
	sent[sent_bytes++ % sizeof(sent)] = byte;
	return true;
}

static void room(void *context)
{
	room_calls++;
}

static void open_line(void)
{
	const struct line line = { .set = set_line, .gsi = GSI_SERIAL };
	const struct serial_ops ops = { .put = put, .room = room };

	room_bytes = sizeof(sent);
	serial_init(&serial, &line, &ops);
}

static void write_text(const char *text)
{
	for (; *text; text++)
		serial_write(&serial, UART_TX, (uint8_t)*text);
}

static size_t push_text(const char *text)
{
	return serial_push(&serial, (const uint8_t *)text, strlen(text));
}

TEST(what_the_guest_writes_goes_out)
{
	open_line();

	write_text("hello");

	CHECK_EQ(sent_bytes, 5);
	CHECK(memcmp(sent, "hello", 5) == 0);
	CHECK_EQ(serial_read(&serial, UART_LSR), LSR_IDLE);
}

TEST(a_line_that_is_full_reads_busy_until_there_is_room)
{
	open_line();
	serial_write(&serial, UART_FCR, UART_FCR_ENABLE_FIFO);
	room_bytes = 2;

	write_text("abcd");

	CHECK_EQ(sent_bytes, 2);
	CHECK_EQ(serial_read(&serial, UART_LSR), 0);
	room_bytes = 1;
	serial_send(&serial);
	CHECK_EQ(serial_read(&serial, UART_LSR), 0);
	room_bytes = 9;
	serial_send(&serial);
	CHECK_EQ(serial_read(&serial, UART_LSR), LSR_IDLE);
	CHECK(sent_bytes == 4 && memcmp(sent, "abcd", 4) == 0);
}

TEST(a_hostile_guest_cannot_write_beyond_a_full_transmitter)
{
	open_line();
	serial_write(&serial, UART_FCR, UART_FCR_ENABLE_FIFO);
	room_bytes = 0;

	for (int i = 0; i < 1000; i++)
		serial_write(&serial, UART_TX, (uint8_t)i);

	room_bytes = sizeof(sent);
	serial_send(&serial);
	CHECK_EQ(sent_bytes, SERIAL_FIFO_BYTES);
	CHECK_EQ(sent[15], 15);
}

TEST(an_empty_transmitter_interrupts_when_asked_to)
{
	open_line();
	CHECK_EQ(serial_read(&serial, UART_IIR), UART_IIR_NO_INT);

	serial_write(&serial, UART_IER, UART_IER_THRI);

	CHECK(is_high);
	CHECK_EQ(serial_read(&serial, UART_IIR), UART_IIR_THRI);
	CHECK(!is_high);
	CHECK_EQ(serial_read(&serial, UART_IIR), UART_IIR_NO_INT);
	write_text("x");
	CHECK(is_high);
	CHECK_EQ(edges, 2);
}

TEST(a_transmitter_that_waits_interrupts_when_it_is_done)
{
	open_line();
	room_bytes = 0;
	write_text("x");

	serial_write(&serial, UART_IER, UART_IER_THRI);
	CHECK(!is_high);
	room_bytes = 1;
	serial_send(&serial);

	CHECK(is_high);
	CHECK_EQ(serial_read(&serial, UART_IIR), UART_IIR_THRI);
}

TEST(input_interrupts_and_is_read_in_order)
{
	open_line();
	serial_write(&serial, UART_FCR,
		     UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_4);
	serial_write(&serial, UART_IER, UART_IER_RDI);

	CHECK_EQ(push_text("wxyz"), 4);

	CHECK(is_high);
	CHECK_EQ(serial_read(&serial, UART_IIR), 0xc0 | UART_IIR_RDI);
	CHECK(serial_read(&serial, UART_LSR) & UART_LSR_DR);
	CHECK_EQ(serial_read(&serial, UART_RX), 'w');
	/* Fewer than the trigger level: they have timed out. */
	CHECK_EQ(serial_read(&serial, UART_IIR), 0xcc);
	CHECK_EQ(serial_read(&serial, UART_RX), 'x');
	CHECK_EQ(serial_read(&serial, UART_RX), 'y');
	CHECK_EQ(room_calls, 0);
	CHECK_EQ(serial_read(&serial, UART_RX), 'z');
	CHECK_EQ(room_calls, 1);
	CHECK(!is_high);
	CHECK_EQ(serial_read(&serial, UART_LSR), LSR_IDLE);
	CHECK_EQ(serial_read(&serial, UART_RX), 0);
	CHECK_EQ(room_calls, 1);
}

TEST(input_stops_at_what_the_receiver_holds)
{
	open_line();

	CHECK_EQ(push_text("ab"), 1);
	CHECK_EQ(push_text("b"), 0);
	serial_write(&serial, UART_FCR, UART_FCR_ENABLE_FIFO);
	CHECK_EQ(push_text("0123456789abcdefgh"), SERIAL_FIFO_BYTES);
	serial_write(&serial, UART_FCR,
		     UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);

	CHECK(!(serial_read(&serial, UART_LSR) & UART_LSR_DR));
	CHECK_EQ(push_text("i"), 1);
	CHECK_EQ(serial_read(&serial, UART_RX), 'i');
}

/* As Linux's 8250 driver looks for a port (autoconfig). */
TEST(loopback_shows_modem_outputs_as_inputs)
{
	open_line();
	CHECK_EQ(serial_read(&serial, UART_MSR),
		 UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS);

	serial_write(&serial, UART_MCR,
		     UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);

	CHECK_EQ(serial_read(&serial, UART_MSR) & 0xf0,
		 UART_MSR_DCD | UART_MSR_CTS);
	CHECK_EQ(serial_read(&serial, UART_MSR) & 0x0f, 0);
	serial_write(&serial, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1);
	CHECK_EQ(serial_read(&serial, UART_MSR) & 0x0f,
		 UART_MSR_DDCD | UART_MSR_DCTS);
	serial_write(&serial, UART_MCR, UART_MCR_LOOP);
	CHECK_EQ(serial_read(&serial, UART_MSR) & 0x0f, UART_MSR_TERI);
}

TEST(loopback_gives_output_back_and_sends_nothing)
{
	open_line();
	serial_write(&serial, UART_MCR, UART_MCR_LOOP);
	serial_write(&serial, UART_IER, UART_IER_RLSI);

	write_text("ab");

	CHECK_EQ(sent_bytes, 0);
	CHECK_EQ(push_text("outside"), 0);
	CHECK_EQ(serial_read(&serial, UART_IIR), UART_IIR_RLSI);
	CHECK_EQ(serial_read(&serial, UART_LSR),
		 LSR_IDLE | UART_LSR_DR | UART_LSR_OE);
	CHECK(!is_high);
	CHECK_EQ(serial_read(&serial, UART_RX), 'a');
	serial_write(&serial, UART_MCR, 0);
	CHECK_EQ(push_text("outside"), 1);
}

TEST(the_divisor_hides_data_and_interrupts)
{
	open_line();
	serial_write(&serial, UART_IER, UART_IER_RDI);
	serial_write(&serial, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);

	serial_write(&serial, UART_DLL, 0x34);
	serial_write(&serial, UART_DLM, 0x12);

	CHECK_EQ(serial_read(&serial, UART_DLL), 0x34);
	CHECK_EQ(serial_read(&serial, UART_DLM), 0x12);
	CHECK_EQ(sent_bytes, 0);
	serial_write(&serial, UART_LCR, UART_LCR_WLEN8);
	CHECK_EQ(serial_read(&serial, UART_IER), UART_IER_RDI);
	CHECK_EQ(serial_read(&serial, UART_LCR), UART_LCR_WLEN8);
	serial_write(&serial, UART_SCR, 0xa5);
	CHECK_EQ(serial_read(&serial, UART_SCR), 0xa5);
}

TEST(a_reset_forgets_what_waited)
{
	open_line();
	room_bytes = 0;
	serial_write(&serial, UART_IER, UART_IER_RDI);
	write_text("a");
	(void)push_text("b");
	CHECK(is_high);

	serial_reset(&serial);

	CHECK(!is_high);
	room_bytes = 9;
	serial_send(&serial);
	CHECK_EQ(sent_bytes, 0);
	CHECK_EQ(serial_read(&serial, UART_LSR), LSR_IDLE);
}

TEST(a_line_is_restored_as_it_was_saved)
{
	struct state_writer writer;
	struct state_reader reader;

	open_line();
	serial_write(&serial, UART_FCR, UART_FCR_ENABLE_FIFO);
	serial_write(&serial, UART_IER, UART_IER_RDI);
	room_bytes = 0;
	write_text("out");
	(void)push_text("in");
	state_writer_init(&writer);
	serial_save(&serial, &writer);
	CHECK_EQ(state_writer_result(&writer), 0);
	open_line();
	is_high = false;

	state_reader_init(&reader, writer.bytes, writer.used);
	serial_restore(&serial, &reader);

	CHECK_EQ(state_reader_result(&reader), 0);
	CHECK(is_high);
	serial_send(&serial);
	CHECK(sent_bytes == 3 && memcmp(sent, "out", 3) == 0);
	CHECK_EQ(serial_read(&serial, UART_IIR), 0xc0 | UART_IIR_RDI);
	CHECK_EQ(serial_read(&serial, UART_RX), 'i');
	CHECK_EQ(serial_read(&serial, UART_RX), 'n');
	state_writer_release(&writer);
}

TEST(a_hostile_image_cannot_claim_more_input_than_fits)
{
	struct state_writer writer;
	struct state_reader reader;

	open_line();
	serial.input.count = 200;
	state_writer_init(&writer);
	serial_save(&serial, &writer);
	open_line();

	state_reader_init(&reader, writer.bytes, writer.used);
	serial_restore(&serial, &reader);

	CHECK_EQ(state_reader_result(&reader), -EBADMSG);
	CHECK_EQ(serial.input.count, 0);
	state_writer_release(&writer);
}

TEST(a_hostile_image_cannot_bring_more_than_a_line_without_fifos_holds)
{
	struct state_writer writer;
	struct state_reader reader;

	open_line();
	serial.input.count = SERIAL_FIFO_BYTES;
	serial.modem_control = UART_MCR_LOOP;
	state_writer_init(&writer);
	serial_save(&serial, &writer);
	open_line();
	state_reader_init(&reader, writer.bytes, writer.used);
	serial_restore(&serial, &reader);

	for (int i = 0; i < 300; i++) {
		serial_write(&serial, UART_TX, 'x');
		CHECK(serial.input.count <= SERIAL_FIFO_BYTES);
	}

	state_writer_release(&writer);
}

TEST(a_hostile_guest_cannot_confuse_the_line_by_any_access)
{
	struct bus bus = { 0 };
	uint8_t bytes[8];

	open_line();
	CHECK_EQ(serial_attach(&serial, &bus), 0);
	srand(1);

	for (int i = 0; i < 200000; i++) {
		uint64_t port = PORT_SERIAL + (uint64_t)(rand() % 9);
		uint32_t width = 1u << (rand() % 4);

		for (size_t b = 0; b < sizeof(bytes); b++)
			bytes[b] = (uint8_t)rand();
		room_bytes = (size_t)(rand() % 20);
		if (rand() % 2)
			bus_write(&bus, port, bytes, width);
		else
			bus_read(&bus, port, bytes, width);
		if (rand() % 8 == 0)
			(void)push_text("some input for it");
		if (rand() % 8 == 0)
			serial_send(&serial);
		CHECK(serial.input.count <= SERIAL_FIFO_BYTES);
		CHECK(serial.output.count <= SERIAL_FIFO_BYTES);
	}
}
