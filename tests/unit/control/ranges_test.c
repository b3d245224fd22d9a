/* SPDX-License-Identifier: MIT */
/* What one side may send is what the other takes, at every edge. */
#include "control/ranges.h"

#include <errno.h>
#include <string.h>

#include "base/scope.h"
#include "control/child.h"
#include "control/protocol.h"
#include "lib/harness.h"

static struct child child = { .meet_fd = NO_FD };
static struct control supervisor;
static uint8_t body[CONTROL_BODY_MAX];

static void set(const struct message_range *range, int64_t value)
{
	const uint32_t number = (uint32_t)value;

	if (range->bytes)
		memset(body + range->offset, value ? 'x' : 0, range->bytes);
	else
		memcpy(body + range->offset, &number, sizeof(number));
}

/* A body with every field at the least that it may be. */
static void fill(uint32_t type)
{
	size_t count;
	const struct message_range *ranges = message_ranges(&count);

	memset(body, 0, sizeof(body));
	for (size_t i = 0; i < count; i++)
		if (ranges[i].type == type)
			set(&ranges[i], ranges[i].least);
}

static int take(void *process, struct message *message)
{
	return 0;
}

static int send_body(uint32_t type)
{
	return child_send(&child, type, 0, body,
			  message_shape(type)->body_bytes);
}

/* As the supervisor takes it, from a sender that checks nothing. */
static int dispatch(uint32_t type)
{
	const struct message_rule rule = { type, IN_ANY_STATE, take };
	const struct message_shape *shape = message_shape(type);
	static struct message message;

	message.type = type;
	message.body_bytes = shape->body_bytes;
	message.fd_count = shape->fd_count;
	memcpy(message.body, body, shape->body_bytes);
	return message_dispatch(&rule, 1, 0, NULL, &message);
}

static void check(const struct message_range *range, int64_t value, int result)
{
	struct message message;

	fill(range->type);
	set(range, value);
	CHECK_EQ(send_body(range->type), result);
	CHECK_EQ(control_receive(&supervisor, &message),
		 result == 0 ? 0 : -EAGAIN);
	CHECK_EQ(dispatch(range->type), result);
}

TEST(what_a_child_may_send_is_what_the_supervisor_takes_at_every_edge)
{
	size_t count;
	const struct message_range *ranges = message_ranges(&count);

	CHECK_EQ(control_pair(&child.link, &supervisor), 0);
	for (size_t i = 0; i < count; i++) {
		if (ranges[i].bytes) {
			check(&ranges[i], 1, -EBADMSG);
			continue;
		}
		check(&ranges[i], ranges[i].least, 0);
		check(&ranges[i], ranges[i].most, 0);
		check(&ranges[i], ranges[i].least - 1, -EBADMSG);
		check(&ranges[i], ranges[i].most + 1, -EBADMSG);
		check(&ranges[i], INT32_MAX, -EBADMSG);
		check(&ranges[i], INT32_MIN, -EBADMSG);
	}
	/* Nothing of it cost the link. */
	CHECK(child_fd(&child) != NO_FD);
	child_close(&child);
	control_close(&supervisor);
}

TEST(every_range_lies_within_a_message_of_a_child)
{
	size_t count;
	const struct message_range *ranges = message_ranges(&count);

	for (size_t i = 0; i < count; i++) {
		const struct message_shape *shape =
			message_shape(ranges[i].type);
		uint32_t bytes = ranges[i].bytes ? ranges[i].bytes : 4;

		CHECK(shape != NULL);
		CHECK(ranges[i].offset + bytes <= shape->body_bytes);
	}
}
