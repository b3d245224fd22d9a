/* SPDX-License-Identifier: MIT */
/*
 * One console: the ring it shares with its monitor, its log, and the attached
 * readers. At most one of them is the writer; the others are read-only.
 *
 * Trust      The monitor is as hostile as its guest: an impossible ring
 *            position ends this console and no other. Readers: reader.h.
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

#define CONSOLE_READERS_MAX 16

struct console {
	struct attachment attachment;
	char partition[NAME_SIZE];
	struct bytes bytes;
	int call_fd;     /* owned: the monitor wakes us */
	int kick_fd;     /* owned: we wake the monitor */
	uint64_t source; /* identifies this ring in the log's header */
	uint64_t logged; /* position up to which output is logged */
	struct textlog log;
	bool log_is_failing;
	uint32_t reader_count;
	struct reader *readers[CONSOLE_READERS_MAX];
};

/* Descriptors of CONSOLE_ATTACH, in this order. */
enum { CONSOLE_FD_RING, CONSOLE_FD_CALL, CONSOLE_FD_KICK, CONSOLE_FD_LOG };

/*
 * Serve a console; the descriptors are taken from the array on success. The log
 * continues where the last instance stopped.
 *
 * -EBADMSG  not such a ring, or a descriptor that could block
 * -ENOMEM
 */
int console_new(const struct console_ring *ring, int *fds,
		struct console **ret_console);

/* Change the bound of its log, as textlog_set_bound(). */
int console_set_log(struct console *console, uint64_t log_bytes);

/* Log and send pending output, send `why` to all readers, and close. */
void console_end(struct console *console, const char *why);

/*
 * Attach a reader, which first receives the output kept so far. The stream is
 * taken; on failure the reader is sent the reason and disconnected.
 *
 * -EUSERS  too many readers are attached
 * -EBUSY   there is another writer, and `mode` does not take over
 * -ENOMEM
 */
int console_attach(struct console *console, int fd, enum console_mode mode);

/*
 * One iteration: log, send, take input. *ret_may_sleep: nothing is left to do
 * until a descriptor is ready.
 *
 * -EBADMSG  the monitor broke the ring: end this console
 */
int console_turn(struct console *console, bool *ret_may_sleep);

/* The monitor's wake-up was seen on call_fd. */
void console_woken(struct console *console);

/* Reader `index` is ready to be read, or has hung up. */
void console_reader_ready(struct console *console, uint32_t index,
			  bool is_hung_up);

/* A reader's input is waiting for room, which is not signalled: call
 * console_turn() again soon. */
bool console_waits_for_room(const struct console *console);

#endif
