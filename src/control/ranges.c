/* SPDX-License-Identifier: MIT */
#include "control/ranges.h"

#include <string.h>

#include "base/count.h"
#include "base/text.h"
#include "control/protocol.h"

#define FIELD(body, field) (((struct body *)NULL)->field)

#define RANGE(message, body, field, least, most)                       \
	_Static_assert(sizeof(FIELD(body, field)) == sizeof(uint32_t), \
		       #message);                                      \
	_Static_assert((least) <= (most), #message);
#define TEXT(message, body, field)
#include "control/ranges.def"
#undef RANGE
#undef TEXT

static const struct message_range ranges[] = {
#define RANGE(message, body, field, least, most)  \
	{ MSG_##message,                          \
	  offsetof(struct body, field),           \
	  0,                                      \
	  (__typeof__(FIELD(body, field)))-1 < 1, \
	  (least),                                \
	  (most),                                 \
	  #message "." #field },
#define TEXT(message, body, field)      \
	{ MSG_##message,                \
	  offsetof(struct body, field), \
	  sizeof(FIELD(body, field)),   \
	  false,                        \
	  0,                            \
	  0,                            \
	  #message "." #field },
#include "control/ranges.def"
#undef RANGE
#undef TEXT
};

const struct message_range *message_ranges(size_t *ret_count)
{
	*ret_count = ARRAY_COUNT(ranges);
	return ranges;
}

static bool fits(const struct message_range *range, const uint8_t *field)
{
	uint32_t value;
	int64_t number;

	if (range->bytes)
		return text_is_terminated((const char *)field, range->bytes);
	memcpy(&value, field, sizeof(value));
	number = range->is_signed ? (int32_t)value : (int64_t)value;
	return number >= range->least && number <= range->most;
}

bool message_is_in_range(uint32_t type, const void *body)
{
	for (size_t i = 0; i < ARRAY_COUNT(ranges); i++)
		if (ranges[i].type == type &&
		    !fits(&ranges[i], (const uint8_t *)body + ranges[i].offset))
			return false;
	return true;
}
