/* SPDX-License-Identifier: MIT */
#include "monitor/engine/foreign/foreign.h"

#include <errno.h>
#include <stdlib.h>

#include "base/scope.h"
#include "definition/partition.h"

/* What is kept is the listening socket. */
static int start(struct engine *engine, const struct engine_machine *machine)
{
	int *listener_fd;

	if (machine->settings->disk_count + machine->nic_count != 1 ||
	    *machine->listener_fd == NO_FD)
		return -EINVAL;
	listener_fd = malloc(sizeof(*listener_fd));
	if (!listener_fd)
		return -ENOMEM;
	*listener_fd = take_fd(machine->listener_fd);
	engine->own = listener_fd;
	return 0;
}

static int attach(struct engine *engine, struct iothread *io)
{
	int *listener_fd = engine->own;

	iothread_listen(io, take_fd(listener_fd));
	return 0;
}

static int watch(struct engine *engine, sd_event *event)
{
	return 0;
}

static int sealed(struct engine *engine)
{
	engine->handler.ready(engine->handler.context, GUEST_DISCONNECTED);
	return 0;
}

/* It runs, as far as we know. */
static int command(struct engine *engine, enum engine_verb verb,
		   uint32_t request_id, const struct engine_argument *argument)
{
	if (verb != ENGINE_RESUME)
		return -EOPNOTSUPP;
	engine->handler.done(engine->handler.context, request_id, 0, NULL);
	return 0;
}

static void close_engine(struct engine *engine)
{
	int *listener_fd = engine->own;

	if (listener_fd)
		close_fd(listener_fd);
	free(listener_fd);
	engine->own = NULL;
}

const struct engine_ops foreign_engine = {
	.name = "foreign",
	.number = ENGINE_FOREIGN,
	.start = start,
	.attach = attach,
	.watch = watch,
	.sealed = sealed,
	.command = command,
	.close = close_engine,
};
