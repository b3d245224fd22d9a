/* SPDX-License-Identifier: MIT */
/*
 * What somebody hostile says to the supervisor: a message made by the input.
 * Its type is one that such a peer may send and its body begins as one that is
 * valid; then the input writes over it, cuts it, and adds or leaves out
 * descriptors. Which messages there are is read from protocol.def.
 */
#ifndef TESTS_FUZZ_WORDS_H
#define TESTS_FUZZ_WORDS_H

#include "player.h"

/* The input, a byte at a time; zeros when it has ended. */
void input_open(const uint8_t *data, size_t bytes);
bool input_is_over(void);
uint8_t next(void);

struct words {
	uint32_t type;
	uint32_t request_id;
	size_t bytes;
	size_t fd_count;
	int fds[CONTROL_FD_MAX]; /* owned */
	_Alignas(8) uint8_t body[CONTROL_BODY_MAX];
};

/* Of a child that has what this player has. */
void choose_words(const struct player *player, struct words *words);

/* Of a client. What they can reach is files of the world only. */
void choose_request(struct words *words);

/* Said so many times, and over. */
void say_words(struct control *control, struct words *words, unsigned times);

#endif
