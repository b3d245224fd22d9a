/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/console.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/count.h"
#include "base/scope.h"
#include "monitor/engine/kvm/machine.h"

#define STATE_VERSION 1

int kvm_console_open(struct kvm_console *console, struct kvm_machine *machine,
		     int *ret_their_fd)
{
	int pair[2];

	memset(console, 0, sizeof(*console));
	console->machine = machine;
	(void)pthread_mutex_init(&console->lock, NULL);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       pair) < 0) {
		console->fd = NO_FD;
		return -errno;
	}
	console->fd = pair[0];
	*ret_their_fd = pair[1];
	return 0;
}

/* Output. -------------------------------------------------------------------- */

size_t kvm_console_put(struct kvm_console *console, enum kvm_console_line line,
		       const uint8_t *bytes, size_t count)
{
	size_t taken;
	bool is_first;

	(void)pthread_mutex_lock(&console->lock);
	is_first = console->output_bytes == 0;
	taken = min_u64(count, KVM_CONSOLE_SIZE - console->output_bytes);
	memcpy(console->output + console->output_bytes, bytes, taken);
	console->output_bytes += taken;
	console->has_refused |= taken < count;
	console->speaker = line;
	(void)pthread_mutex_unlock(&console->lock);
	if (is_first && taken > 0)
		machine_note(console->machine, NOTE_CONSOLE);
	return taken;
}

/* True when all of it went. Who was refused is told afterwards. */
static bool send_output(struct kvm_console *console, bool *ret_has_refused)
{
	ssize_t sent = 0;
	bool is_empty;

	(void)pthread_mutex_lock(&console->lock);
	if (console->output_bytes > 0)
		sent = send(console->fd, console->output, console->output_bytes,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent > 0) {
		console->output_bytes -= (size_t)sent;
		memmove(console->output, console->output + sent,
			console->output_bytes);
	}
	/* Nobody is there to read it. */
	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		console->output_bytes = 0;
	is_empty = console->output_bytes == 0;
	*ret_has_refused = console->has_refused && is_empty;
	if (is_empty)
		console->has_refused = false;
	(void)pthread_mutex_unlock(&console->lock);
	return is_empty;
}

static void call_lines(struct kvm_console *console)
{
	struct kvm_machine *machine = console->machine;

	(void)pthread_mutex_lock(&machine->board);
	serial_send(&machine->serial);
	(void)pthread_mutex_unlock(&machine->board);
	machine_serve_console(machine);
}

/* Input. ---------------------------------------------------------------------- */

static enum kvm_console_line last_speaker(struct kvm_console *console)
{
	enum kvm_console_line speaker;

	(void)pthread_mutex_lock(&console->lock);
	speaker = console->speaker;
	(void)pthread_mutex_unlock(&console->lock);
	return speaker;
}

static size_t push(struct kvm_console *console)
{
	struct kvm_machine *machine = console->machine;
	size_t taken;

	if (machine->small.is_frozen)
		return 0;
	if (last_speaker(console) == LINE_VIRTIO)
		return machine_push_console(machine, console->input,
					    console->input_bytes);
	(void)pthread_mutex_lock(&machine->board);
	taken = serial_push(&machine->serial, console->input,
			    console->input_bytes);
	(void)pthread_mutex_unlock(&machine->board);
	return taken;
}

static void give_input(struct kvm_console *console)
{
	size_t taken;

	if (console->input_bytes == 0)
		return;
	taken = push(console);
	console->input_bytes -= taken;
	memmove(console->input, console->input + taken, console->input_bytes);
}

static void take_input(struct kvm_console *console)
{
	ssize_t got;

	if (console->input_bytes > 0)
		return;
	got = recv(console->fd, console->input, sizeof(console->input),
		   MSG_DONTWAIT);
	if (got > 0)
		console->input_bytes = (size_t)got;
}

/* Turning. ----------------------------------------------------------------------- */

void kvm_console_run_timers(struct kvm_console *console)
{
	uint32_t wanted = 0;
	bool has_refused;

	if (!send_output(console, &has_refused))
		wanted |= EPOLLOUT;
	if (has_refused)
		call_lines(console);
	give_input(console);
	if (console->input_bytes == 0 && !console->machine->small.is_frozen)
		wanted |= EPOLLIN;
	if (console->source)
		(void)sd_event_source_set_io_events(console->source, wanted);
}

static int on_socket(sd_event_source *source, int fd, uint32_t events,
		     void *context)
{
	struct kvm_console *console = context;

	/* The other end is ours too, and gone only when all is over. */
	if (events & (EPOLLHUP | EPOLLERR)) {
		console->source = sd_event_source_unref(console->source);
		return 0;
	}
	if (events & EPOLLIN)
		take_input(console);
	kvm_console_run_timers(console);
	return 0;
}

int kvm_console_watch(struct kvm_console *console, sd_event *event)
{
	int r = sd_event_add_io(event, &console->source, console->fd, EPOLLIN,
				on_socket, console);

	return r < 0 ? r : 0;
}

void kvm_console_reset(struct kvm_console *console)
{
	(void)pthread_mutex_lock(&console->lock);
	console->speaker = LINE_SERIAL;
	(void)pthread_mutex_unlock(&console->lock);
}

void kvm_console_drain(struct kvm_console *console)
{
	bool has_refused;

	(void)send_output(console, &has_refused);
}

void kvm_console_save(const struct kvm_console *console,
		      struct state_writer *writer)
{
	state_begin(writer, STATE_LINES, STATE_VERSION);
	state_put_u8(writer, (uint8_t)console->speaker);
	state_put_u16(writer, (uint16_t)console->input_bytes);
	state_put(writer, console->input, console->input_bytes);
	state_end(writer);
}

void kvm_console_restore(struct kvm_console *console,
			 struct state_reader *reader)
{
	uint8_t speaker;
	size_t count;

	(void)state_enter(reader, STATE_LINES, STATE_VERSION);
	speaker = state_get_u8(reader);
	count = state_get_u16(reader);
	if (speaker > LINE_VIRTIO || count > sizeof(console->input)) {
		state_refuse(reader);
		return;
	}
	console->speaker = speaker;
	state_get(reader, console->input, count);
	console->input_bytes = count;
	state_leave(reader);
}

void kvm_console_close(struct kvm_console *console)
{
	if (!console->machine)
		return;
	console->source = sd_event_source_unref(console->source);
	close_fd(&console->fd);
	(void)pthread_mutex_destroy(&console->lock);
	console->machine = NULL;
}
