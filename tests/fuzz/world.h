/* SPDX-License-Identifier: MIT */
/*
 * The supervisor under test in a world of players: the partitions "a" and "b",
 * each with a disk and an interface of the switch "lan", run, and the services
 * disk0, console0 and net0 serve them. Every world begins the same, whatever
 * happened in the one before it.
 *
 * For the fuzz target of the supervisor and for unit tests.
 *
 * Threads    One. What would be an errand is carried out at once.
 */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include "player.h"
#include "supervisor/supervisor.h"

struct world {
	struct supervisor supervisor;
	struct player
		players[FAKE_PROCESSES_MAX]; /* as fake_host_processes() */
	struct control operator;             /* a client of root */
	bool is_operator_deaf;               /* reads no answer */
	bool is_over; /* the supervisor has left its loop */
	/* Who is not served by world_settle() and does not come back by
	 * itself. NULL: everybody is. */
	bool (*is_absent)(const struct player *player);
};

/* Something does not hold: say so and abort. */
void world_fail(const char *what) __attribute__((noreturn));

void world_open(struct world *world);
void world_close(struct world *world);

/* Let everyone do what is to do now; aborts when that does not end. */
void world_settle(struct world *world);

/* Time passes, with the turns that it takes. */
void world_pass_ms(struct world *world, uint64_t ms);

/* The supervisor ends, and another one begins; who `comes_first` (may be NULL)
 * is there before anyone else. */
void world_restart(struct world *world, void (*comes_first)(void));

/* The nth living process of this role, oldest first; NULL: there is none. */
struct player *world_player(struct world *world, uint32_t role, unsigned nth);

/* Paths of the world: the rendezvous, the clients' socket, and files. */
const char *world_rendezvous(void);
const char *world_socket(void);
const char *world_file(const char *name);

/* A definition that is valid, of a partition that need not be there. */
void world_define(struct partition_document *ret_document, const char *name);
void world_define_switch(struct switch_definition *ret_definition,
			 const char *name);

#endif
