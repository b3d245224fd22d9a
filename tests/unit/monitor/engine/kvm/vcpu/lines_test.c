/* SPDX-License-Identifier: MIT */
/* The console of a machine of engine kvm, with its serial line and the words of
 * its virtio console. */
#include "monitor/engine/kvm/console.h"

#include <errno.h>
#include <linux/serial_reg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"
#include "machine/layout.h"
#include "monitor/engine/kvm/machine.h"

static struct kvm_machine machine;
static struct guestmem memory;
static sd_event *event;
static int reader_fd;

static bool put_serial(void *context, uint8_t byte)
{
	return kvm_console_put(&machine.console, LINE_SERIAL, &byte, 1) == 1;
}

static size_t put_virtio(void *context, const uint8_t *bytes, size_t count)
{
	return kvm_console_put(&machine.console, LINE_VIRTIO, bytes, count);
}

static void has_room(void *context)
{
	machine_note(&machine, NOTE_CONSOLE);
}

static void set_line(void *context, uint32_t gsi, bool is_high)
{
}

static void open_lines(void)
{
	const struct line pin = { .set = set_line, .gsi = GSI_SERIAL };
	const struct serial_ops serial = { .put = put_serial,
					   .room = has_room };
	const struct virtio_console_handler hvc = { .put = put_virtio,
						    .room = has_room };

	(void)pthread_mutex_init(&machine.board, NULL);
	machine.note_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK(machine.note_fd >= 0);
	guestmem_init(&memory);
	serial_init(&machine.serial, &pin, &serial);
	virtio_console_init(&machine.small.console, &memory, &hvc);
	CHECK_EQ(kvm_console_open(&machine.console, &machine, &reader_fd), 0);
	CHECK_EQ(sd_event_new(&event), 0);
	CHECK_EQ(kvm_console_watch(&machine.console, event), 0);
}

static void close_lines(void)
{
	kvm_console_close(&machine.console);
	event = sd_event_unref(event);
	close_fd(&reader_fd);
	close_fd(&machine.note_fd);
}

/* What the main thread would do by now. */
static void turn(void)
{
	while (sd_event_run(event, 0) > 0)
		;
	while (machine_take_notes(&machine) & NOTE_CONSOLE)
		kvm_console_run_timers(&machine.console);
}

static void say(enum kvm_console_line line, const char *text)
{
	CHECK_EQ(kvm_console_put(&machine.console, line, (const uint8_t *)text,
				 strlen(text)),
		 (long long)strlen(text));
	turn();
}

static void type(const char *text)
{
	CHECK_EQ(write(reader_fd, text, strlen(text)), (long long)strlen(text));
	turn();
}

TEST(what_both_lines_say_is_one_stream)
{
	char got[32];

	open_lines();

	say(LINE_SERIAL, "one ");
	say(LINE_VIRTIO, "two ");
	serial_write(&machine.serial, UART_TX, '3');
	turn();

	CHECK_EQ(read(reader_fd, got, sizeof(got)), 9);
	CHECK(memcmp(got, "one two 3", 9) == 0);
	close_lines();
}

TEST(what_is_typed_goes_to_the_line_that_spoke_last)
{
	open_lines();

	type("a");
	CHECK_EQ(serial_read(&machine.serial, UART_RX), 'a');
	say(LINE_VIRTIO, "hvc0 is there");
	type("b");
	CHECK_EQ(serial_read(&machine.serial, UART_LSR) & UART_LSR_DR, 0);
	say(LINE_SERIAL, "so is ttyS0");
	kvm_console_run_timers(&machine.console);

	CHECK_EQ(serial_read(&machine.serial, UART_RX), 'b');
	close_lines();
}

TEST(after_a_reset_the_serial_line_is_the_one)
{
	open_lines();
	say(LINE_VIRTIO, "hvc0 is there");

	kvm_console_reset(&machine.console);
	type("a");

	CHECK_EQ(serial_read(&machine.serial, UART_RX), 'a');
	close_lines();
}

TEST(what_is_typed_faster_than_read_waits)
{
	open_lines();

	type("abcdef");

	for (const char *want = "abcdef"; *want; want++) {
		CHECK_EQ(serial_read(&machine.serial, UART_RX), *want);
		turn();
	}
	close_lines();
}

TEST(output_that_nobody_reads_makes_the_line_busy_and_is_not_lost)
{
	static uint8_t got[1 << 20];
	size_t sent = 0, received = 0;
	ssize_t count;

	open_lines();
	while (serial_read(&machine.serial, UART_LSR) & UART_LSR_THRE) {
		serial_write(&machine.serial, UART_TX, (uint8_t)sent++);
		turn();
	}
	CHECK(sent > KVM_CONSOLE_SIZE && sent < sizeof(got));

	while ((count = read(reader_fd, got + received,
			     sizeof(got) - received)) > 0) {
		received += (size_t)count;
		turn();
	}

	CHECK_EQ((long long)received, (long long)sent);
	for (size_t i = 0; i < sent; i++)
		CHECK_EQ(got[i], (uint8_t)i);
	CHECK(serial_read(&machine.serial, UART_LSR) & UART_LSR_THRE);
	close_lines();
}

TEST(a_frozen_machine_gets_no_input_until_it_thaws)
{
	open_lines();
	machine.small.is_frozen = true;

	type("a");
	CHECK_EQ(serial_read(&machine.serial, UART_LSR) & UART_LSR_DR, 0);
	machine.small.is_frozen = false;
	machine_note(&machine, NOTE_CONSOLE);
	turn();
	turn();

	CHECK_EQ(serial_read(&machine.serial, UART_RX), 'a');
	close_lines();
}

TEST(who_spoke_last_and_what_was_typed_are_saved)
{
	struct state_writer writer;
	struct state_reader reader;

	open_lines();
	say(LINE_VIRTIO, "hvc0 is there");
	type("typed");
	state_writer_init(&writer);
	kvm_console_save(&machine.console, &writer);
	close_lines();

	open_lines();
	state_reader_init(&reader, writer.bytes, writer.used);
	kvm_console_restore(&machine.console, &reader);

	CHECK_EQ(state_reader_result(&reader), 0);
	CHECK_EQ(machine.console.speaker, LINE_VIRTIO);
	CHECK_EQ(machine.console.input_bytes, 5);
	CHECK(memcmp(machine.console.input, "typed", 5) == 0);
	state_writer_release(&writer);
	close_lines();
}

TEST(a_hostile_image_cannot_bring_more_input_than_there_is_room)
{
	struct state_writer writer;
	struct state_reader reader;

	open_lines();
	state_writer_init(&writer);
	state_begin(&writer, STATE_LINES, 1);
	state_put_u8(&writer, LINE_SERIAL);
	state_put_u16(&writer, sizeof(machine.console.input) + 1);
	for (size_t i = 0; i <= sizeof(machine.console.input); i++)
		state_put_u8(&writer, 'x');
	state_end(&writer);

	state_reader_init(&reader, writer.bytes, writer.used);
	kvm_console_restore(&machine.console, &reader);

	CHECK_EQ(state_reader_result(&reader), -EBADMSG);
	CHECK_EQ(machine.console.input_bytes, 0);
	state_writer_release(&writer);
	close_lines();
}
