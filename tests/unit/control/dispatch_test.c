/* SPDX-License-Identifier: MIT */
#include "control/dispatch.h"

#include <errno.h>

#include "base/scope.h"
#include "control/protocol.h"
#include "lib/harness.h"

enum state { IDLE, BUSY };

static int count_one(void *process, struct message *message)
{
	int *handled = process;

	(*handled)++;
	return 0;
}

static const struct message_rule rules[] = {
	{ MSG_PARTITION_START, IN(IDLE), count_one },
	{ MSG_CHILD_PING, IN_ANY_STATE, count_one },
	{ MSG_MONITOR_KERNEL, IN_ANY_STATE, count_one },
};

static int dispatch(enum state state, uint32_t type, uint32_t body_bytes,
		    uint32_t fd_count)
{
	struct message message = { .type = type,
				   .body_bytes = body_bytes,
				   .fd_count = fd_count,
				   .body = "web1" };
	int handled = 0;
	int r;

	r = message_dispatch(rules, 3, state, &handled, &message);
	CHECK_EQ(handled, r == 0);
	return r;
}

TEST(an_allowed_message_is_handled)
{
	CHECK_EQ(dispatch(IDLE, MSG_PARTITION_START, NAME_SIZE, 0), 0);
	CHECK_EQ(dispatch(BUSY, MSG_CHILD_PING, 0, 0), 0);
	CHECK_EQ(dispatch(BUSY, MSG_MONITOR_KERNEL, 0, 1), 0);
}

TEST(a_message_out_of_turn_is_refused)
{
	CHECK_EQ(dispatch(BUSY, MSG_PARTITION_START, NAME_SIZE, 0), -EBUSY);
}

TEST(a_hostile_peer_cannot_send_a_misshapen_message)
{
	CHECK_EQ(dispatch(IDLE, MSG_PARTITION_START, NAME_SIZE - 1, 0),
		 -EBADMSG);
	CHECK_EQ(dispatch(IDLE, MSG_PARTITION_START, NAME_SIZE + 1, 0),
		 -EBADMSG);
	CHECK_EQ(dispatch(IDLE, MSG_PARTITION_START, NAME_SIZE, 1), -EBADMSG);
	CHECK_EQ(dispatch(IDLE, MSG_MONITOR_KERNEL, 0, 0), -EBADMSG);
}

TEST(a_hostile_peer_cannot_send_another_roles_message)
{
	CHECK_EQ(dispatch(IDLE, MSG_DISK_DETACH, sizeof(struct attachment), 0),
		 -EBADMSG);
	CHECK_EQ(dispatch(IDLE, 99, 0, 0), -EBADMSG);
}

TEST(every_message_has_a_number_of_its_own)
{
	int seen[256] = { 0 };

#define MESSAGE(number, name, from, to, body, fd_count, text) \
	CHECK((number) < 256);                                \
	CHECK_EQ(seen[number]++, 0);
#include "control/protocol.def"
#undef MESSAGE
}
