/* SPDX-License-Identifier: MIT */
#include "control/protocol.h"

#include "control/control.h"

/* Every body fits a message, and ends on a field: no hidden padding. */
#define MESSAGE(number, name, from, to, body, fd_count, text)    \
	_Static_assert(sizeof(body) <= CONTROL_BODY_MAX, #name); \
	_Static_assert((fd_count) <= CONTROL_FD_MAX, #name);
#include "control/protocol.def"
#undef MESSAGE

static const struct message_shape shapes[] = {
#define MESSAGE(number, name, from, to, body, fd_count, text) \
	{ number, sizeof(body), fd_count, #name },
#include "control/protocol.def"
#undef MESSAGE
};

const struct message_shape *message_shape(uint32_t type)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (shapes[i].type == type)
			return &shapes[i];
	return NULL;
}
