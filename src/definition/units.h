/* SPDX-License-Identifier: MIT */
/* Sizes ("8G"), times ("30s") and more as the document writes them. */
#ifndef DEFINITION_UNITS_H
#define DEFINITION_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#define UNIT_SIZE 24

/* The shortest exact form: 8589934592 is "8G". */
void size_write(char to[UNIT_SIZE], uint64_t bytes);
void time_write(char to[UNIT_SIZE], uint64_t ms);

/* For a refusal: what a size ends in, if this one ends in other letters. 8GB is
 * none, as it means one thing to one and another to the next. */
#define SIZE_FAULT_SIZE 100
bool size_has_unknown_suffix(const char *text, char ret_wants[SIZE_FAULT_SIZE]);

/*
 * Parse a time: a decimal number with a unit, ms, s, m or h.
 *
 * -EINVAL  not a time; -ERANGE  above most_ms
 */
int time_parse(const char *text, uint64_t most_ms, uint64_t *ret_ms);

#define VLAN_MAX 4094

/* "02:00:00:00:00:01". A group's address and zero are none. -EINVAL */
#define MAC_SIZE 18
void mac_write(char to[MAC_SIZE], const uint8_t mac[6]);
int mac_parse(const char *text, uint8_t ret_mac[6]);

/* "125K/10ms": bytes in each period. -EINVAL, -ERANGE */
#define RATE_SIZE (2 * UNIT_SIZE)
void rate_write(char to[RATE_SIZE], uint64_t bytes, uint32_t period_us);
int rate_parse(const char *text, uint64_t most_bytes, uint32_t most_us,
	       uint64_t *ret_bytes, uint32_t *ret_period_us);

#endif
