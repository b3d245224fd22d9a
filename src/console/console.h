/* SPDX-License-Identifier: MIT */
/*
 * One console: the ring it shares with its monitor, its log, and everyone
 * attached. At most one of them types; the others read.
 *
 * Trust      The monitor is as hostile as its guest: a ring position that
 *            cannot be ends this console and no other. Readers: reader.h.
 * Threads    One owner.
 * Errors     0 or a negative errno.
 */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "channel/bytes.h"
#include "console/reader.h"
#include "control/protocol.h"
#include "textlog/textlog.h"

#define CONSOLE_READERS_MOST 16

struct console {
	struct attachment attachment;
	char partition[NAME_SIZE];
	struct bytes bytes;
	int call_fd;     /* owned: the monitor wakes us */
	int kick_fd;     /* owned: we wake the monitor */
	uint64_t source; /* names this ring in the log's header */
	uint64_t logged; /* up to where output is in the log */
	struct textlog log;
	bool log_is_failing;
	uint32_t reader_count;
	struct reader *readers[CONSOLE_READERS_MOST];
};

/* Descriptors of CONSOLE_ATTACH, in this order. */
enum { CONSOLE_FD_RING, CONSOLE_FD_CALL, CONSOLE_FD_KICK, CONSOLE_FD_LOG };

/*
 * Serve a console; the descriptors are taken from the array on success. The
 * log goes on where the last instance stopped.
 *
 * -EBADMSG  what was handed over is no such ring, or may block
 * -ENOMEM
 */
int console_new(const struct console_ring *ring, int *fds,
		struct console **ret_console);

/* A new bound of its log, as textlog_set_bound(). */
int console_set_log(struct console *console, uint64_t log_bytes);

/* Log and send what is there, say `why` to everyone attached, and close. */
void console_end(struct console *console, const char *why);

/*
 * Attach someone, who gets the output kept first. The stream is taken over;
 * on failure he is told why and hung up on.
 *
 * -EUSERS  too many are attached
 * -EBUSY   someone else types, and he is not to be taken over
 * -ENOMEM
 */
int console_attach(struct console *console, int fd, enum console_mode mode);

/*
 * One turn: log, send, take input. *ret_may_sleep: nothing is left to do until
 * a descriptor is ready.
 *
 * -EBADMSG  the monitor broke the ring: end this console
 */
int console_turn(struct console *console, bool *ret_may_sleep);

/* The monitor's wake-up was seen on call_fd. */
void console_woken(struct console *console);

/* Reader `index` is ready to be read, or has hung up. */
void console_reader_ready(struct console *console, uint32_t index,
			  bool is_hung_up);

/* Someone's input waits for room, which nobody announces: turn again soon. */
bool console_waits_for_room(const struct console *console);

#endif
