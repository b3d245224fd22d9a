/* SPDX-License-Identifier: MIT */
/*
 * A child of the supervisor under test, played by the book: it is READY, does
 * what it is told, keeps what it is given, and comes back to a new supervisor
 * with it. Who is to be hostile is played by the same code up to the point at
 * which the input says something else.
 */
#ifndef TESTS_FUZZ_PLAYER_H
#define TESTS_FUZZ_PLAYER_H

#include "control/protocol.h"
#include "fake_host.h"

#define THINGS_MAX 64

enum thing_kind { THING_DISK, THING_NIC, THING_CONSOLE };

/* A disk, an interface or a console, as a monitor or a service has it. */
struct thing {
	enum thing_kind kind;
	uint64_t id;
	uint64_t generation;
	uint32_t index;
	int fds[3]; /* owned: a witness, a disk's file, a console's ring */
	int ledger; /* owned: of a SCSI unit */
	struct disk_attach unit;  /* what a service was told of one */
	struct monitor_disk disk; /* what a monitor was told of a disk */
};

struct player {
	struct fake_process *process;
	struct child_hello hello; /* what it would say on coming back */
	bool is_ready;
	uint32_t guest_state;     /* of a monitor; enum guest_state */
	uint32_t last_request_id; /* of a verb that it was asked for */
	struct thing things[THINGS_MAX];
	size_t thing_count;
};

/* Take up to `most` of what the supervisor has told it. How many those were. */
unsigned player_serve(struct player *player, unsigned most);

/* Its link is lost: try the rendezvous once. False: it has a link, or got none.*/
bool player_return(struct player *player, const char *rendezvous);

/* What it has of an attachment; NULL: nothing. */
struct thing *player_find_thing(struct player *player, enum thing_kind kind,
				uint64_t id);

/* Say something. Errors are the business of whoever listens. */
void player_say(const struct player *player, uint32_t type, uint32_t request_id,
		const void *body, const int *fds, size_t fd_count);

/* Close what it was given. */
void player_drop_things(struct player *player);

#endif
