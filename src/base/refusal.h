/* SPDX-License-Identifier: MIT */
/*
 * Why a user's request was refused: the field at fault and a sentence that
 * states the rule. Only code that validates user input fills one in; everything
 * else is an errno.
 */
#ifndef BASE_REFUSAL_H
#define BASE_REFUSAL_H

#include "base/text.h"

struct refusal {
	char field[64]; /* "disks[0].file"; empty when no field is at fault */
	char text[160];
};

/*
 * Fill in a refusal and return `error` (negative errno), so that a check ends
 * in `return refuse(refusal, -EINVAL, "cpu.virtual", "...")`. Text that does
 * not fit is truncated. `refusal` may be NULL when the caller does not need the
 * sentence.
 */
int refuse(struct refusal *refusal, int error, const char *field,
	   const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
