/* SPDX-License-Identifier: MIT */
/* The engines there are. */
#include <stddef.h>
#include <string.h>

#include "base/count.h"
#include "base/scope.h"
#include "monitor/engine/engine.h"
#include "monitor/engine/foreign/foreign.h"
#include "monitor/engine/kvm/kvm.h"
#include "monitor/engine/qemu/qemu.h"

static const struct engine_ops *const engines[] = {
	&kvm_engine,
	&qemu_engine,
	&foreign_engine,
};

const struct engine_ops *engine_find(uint32_t number)
{
	for (size_t i = 0; i < ARRAY_COUNT(engines); i++)
		if (engines[i]->number == number)
			return engines[i];
	return NULL;
}

void engine_init(struct engine *engine, const struct engine_handler *handler)
{
	memset(engine, 0, sizeof(*engine));
	engine->handler = *handler;
	engine->serial_fd = NO_FD;
	engine->last_words = "";
}

void engine_close(struct engine *engine)
{
	if (engine->ops)
		engine->ops->close(engine);
	engine->ops = NULL;
	engine->pid = 0;
	engine->last_words = "";
	close_fd(&engine->serial_fd);
}
