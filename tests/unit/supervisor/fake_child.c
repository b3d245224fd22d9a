/* SPDX-License-Identifier: MIT */
/* A child that misbehaves in the way its title says; see process_test.c. */
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "control/control.h"
#include "control/protocol.h"

static struct control control = { CONTROL_CHILD_FD };

static void say(uint32_t type, size_t body_bytes)
{
	static const struct child_ready nothing;

	/* The link blocks: the other end of the pair does not. */
	while (control_send(&control, type, 0, &nothing, body_bytes, NULL, 0))
		(void)usleep(100);
}

static void cling(void)
{
	struct message message;

	for (;;) {
		if (control_receive(&control, &message)) {
			(void)usleep(1000);
			continue;
		}
		if (message.type == MSG_CHILD_QUIT)
			say(MSG_CHILD_READY, sizeof(struct child_ready));
		message_release(&message);
	}
}

int main(int argument_count, char **arguments)
{
	const char *title = argument_count > 1 ? arguments[1] : "";

	if (strcmp(title, "[talker]") == 0)
		for (;;)
			say(MSG_CHILD_PONG, 0);
	if (strcmp(title, "[clinger]") == 0)
		cling();
	if (strcmp(title, "[closer]") == 0)
		control_close(&control);
	(void)pause();
	return 0;
}
