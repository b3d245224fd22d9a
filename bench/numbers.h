/* SPDX-License-Identifier: MIT */
/*
 * Options that are numbers, of a generator of load: a table says where each
 * goes and what it may be.
 */
#ifndef BENCH_NUMBERS_H
#define BENCH_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

struct number_option {
	const char *name;
	size_t at; /* of a uint64_t in the struct that takes them all */
	uint64_t least, most, unless_given;
};

/* Every number as it is unless given. */
void numbers_fill(const struct number_option *options, size_t count,
		  void *numbers);

/*
 * One number, K, M and the like allowed.
 * -EINVAL  no number, or not from least to most
 */
int numbers_set(const struct number_option *options, size_t count,
		void *numbers, const char *name, const char *value);

#endif
