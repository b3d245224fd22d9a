/* SPDX-License-Identifier: MIT */
#include "supervisor/service/binding.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "supervisor/supervisor.h"

const char *binding_state_name(enum binding_state state)
{
	return state_table_state(&binding_states, state);
}

bool binding_is_up(const struct binding *binding, uint64_t generation)
{
	return binding->state == BINDING_UP &&
	       binding->generation == generation;
}

bool binding_is_with(const struct binding *binding,
		     const struct process *process)
{
	return binding->instance && binding->instance->process == process;
}

struct attachment binding_attachment(const struct binding *binding)
{
	return (struct attachment){ binding->id, binding->generation };
}

void binding_tell(const struct binding *binding, uint32_t type)
{
	const struct attachment attachment = binding_attachment(binding);

	process_tell(binding->instance->process, type, &attachment);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct binding *binding = data;

	binding->timer = sd_event_source_disable_unref(binding->timer);
	binding->ops->progress(binding);
	return 0;
}

void binding_progress_later(struct binding *binding, uint64_t ms)
{
	if (!binding->timer)
		(void)sd_event_add_time_relative(
			binding->supervisor->event, &binding->timer,
			CLOCK_MONOTONIC, ms * 1000, 100, on_timer, binding);
}

bool binding_must_wait(struct binding *binding)
{
	uint64_t wait_ms = back_off_wait_ms(&binding->back_off, clock_now_ns());

	if (wait_ms)
		binding_progress_later(binding, wait_ms);
	return wait_ms != 0;
}

static void come_up(struct binding *binding, enum binding_event event,
		    struct instance *instance)
{
	binding_apply(binding, event);
	binding->up_ns = clock_now_ns();
	binding->instance = instance;
	TAILQ_INSERT_TAIL(&instance->bindings, binding, link);
	instance_client_came(instance);
}

static void handover_release(struct handover *handover)
{
	close_fd(&handover->file);
	close_fd(&handover->ledger);
	for (int i = 0; i < 3; i++)
		close_fd(&handover->ends[i]);
}

int handover_make_events(struct handover *handover)
{
	for (int i = 1; i < 3; i++) {
		handover->ends[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (handover->ends[i] < 0)
			return -errno;
	}
	return 0;
}

int binding_hand_over(struct binding *binding, struct instance *instance)
{
	SCOPED(handover_release)
	struct handover handover = { NO_FD, { NO_FD, NO_FD, NO_FD }, NO_FD };
	uint64_t generation = supervisor_next_generation(binding->supervisor);
	int r;

	if (generation == 0)
		return -EIO;
	r = binding->ops->prepare(binding, generation, &handover);
	if (r < 0)
		return r;
	binding->generation = generation;
	binding->ops->tell_both(binding, instance, &handover);
	come_up(binding, BINDING_EVENT_GIVEN, instance);
	return 0;
}

void binding_found(struct binding *binding, struct instance *instance,
		   uint64_t generation)
{
	/* Different lives, or no monitor: take it back and begin anew. */
	bool must_leave =
		!binding->is_wanted || binding->generation != generation;

	come_up(binding, BINDING_EVENT_FOUND, instance);
	binding->generation = generation;
	if (must_leave)
		binding_leave(binding);
}

void binding_held(struct binding *binding, uint64_t generation)
{
	if (binding->supervisor->is_adopting)
		binding->generation = generation;
	else if (binding->generation != generation)
		binding_leave(binding);
}

void binding_leave(struct binding *binding)
{
	if (binding->state != BINDING_UP)
		return;
	if (binding->ops->tell_leaving)
		binding->ops->tell_leaving(binding);
	binding_apply(binding, BINDING_EVENT_LEAVE);
	binding->ops->tell_leave(binding);
}

void binding_lose(struct binding *binding)
{
	struct instance *instance = binding->instance;

	binding_apply(binding, BINDING_EVENT_LOST);
	binding->instance = NULL;
	TAILQ_REMOVE(&instance->bindings, binding, link);
	instance_client_left(instance);
}

void binding_lift(struct binding *binding)
{
	binding_apply(binding, BINDING_EVENT_LIFTED);
	if (!binding->is_wanted)
		binding_apply(binding, BINDING_EVENT_UNWANTED);
}

void binding_let_go(struct binding *binding)
{
	binding_lose(binding);
	binding_lift(binding);
}

void binding_want(struct binding *binding, bool is_wanted)
{
	binding->is_wanted = is_wanted;
	if (is_wanted && binding->state == BINDING_DETACHED) {
		binding_apply(binding, BINDING_EVENT_CLAIM);
		binding_lift(binding);
	}
	if (!is_wanted && binding->state == BINDING_WAITING)
		binding_apply(binding, BINDING_EVENT_UNWANTED);
}

void binding_release(struct binding *binding)
{
	binding->timer = sd_event_source_disable_unref(binding->timer);
	if (binding->instance)
		binding_lose(binding);
	binding->is_wanted = false;
	binding_apply(binding, BINDING_EVENT_RELEASED);
}

void binding_suspected(struct binding *binding, uint64_t generation,
		       uint64_t hang_ms)
{
	if (binding_is_up(binding, generation))
		instance_check(binding->instance, hang_ms / 2);
}

void binding_note_end(struct binding *binding, uint64_t early_ns)
{
	back_off_note(&binding->back_off, binding->up_ns, early_ns,
		      clock_now_ns());
}
