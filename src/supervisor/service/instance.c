/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "supervisor/child/quarantine.h"
#include "supervisor/service/binding.h"
#include "supervisor/service/service_private.h"
#include "supervisor/supervisor.h"

/* Attachments that an instance may say it serves. */
#define HELD_MAX 4096

bool instance_is_ready(const struct instance *instance)
{
	return instance->process->state == PROCESS_READY &&
	       !instance->process->is_quitting;
}

struct instance *instance_new(struct service *service, enum duty_event event)
{
	struct instance *instance = calloc(1, sizeof(*instance));

	if (!instance)
		return NULL;
	instance->service = service;
	TAILQ_INIT(&instance->bindings);
	instance_apply(instance, event);
	TAILQ_INSERT_TAIL(&service->instances, instance, link);
	return instance;
}

void instance_free(struct instance *instance)
{
	TAILQ_REMOVE(&instance->service->instances, instance, link);
	sd_event_source_disable_unref(instance->ping_source);
	free(instance->held);
	free(instance);
}

struct instance *instance_start(struct service *service, enum duty_event event)
{
	struct instance *instance = instance_new(service, event);
	int r;

	if (!instance)
		return NULL;
	r = process_spawn(service->supervisor, service->role, service->name,
			  &service->ops->instance, instance,
			  &instance->process);
	if (r == 0)
		return instance;
	instance_free(instance);
	supervisor_event(service->supervisor, EVENT_ERROR, service->name,
			 "cannot start an instance: %s", strerror(-r));
	service_settle_later(service, 1000);
	return NULL;
}

void instance_retire(struct instance *instance)
{
	instance_apply(instance, DUTY_EVENT_RETIRE);
	if (instance->client_count == 0)
		process_quit(instance->process, INSTANCE_QUIT_MS);
}

void instance_client_came(struct instance *instance)
{
	instance->client_count++;
}

void instance_answer_soon(struct instance *instance, struct process *monitor)
{
	loan_make(monitor, LOAN_ANSWER_MS);
	loan_make(instance->process, LOAN_ANSWER_MS);
}

void instance_client_left(struct instance *instance)
{
	if (instance->client_count > 0)
		instance->client_count--;
	if (instance->client_count == 0 && instance->duty == DUTY_RETIRED)
		process_quit(instance->process, INSTANCE_QUIT_MS);
}

static int on_no_pong(sd_event_source *source, uint64_t usec, void *data)
{
	struct instance *instance = data;
	struct binding *binding;

	supervisor_event(instance->service->supervisor, EVENT_WARNING,
			 instance->service->name,
			 "instance %d hangs: killing it",
			 (int)instance->process->pid);
	process_kill(instance->process, "it hung");
	TAILQ_FOREACH(binding, &instance->bindings, link)
		if (binding->ops->doomed)
			binding->ops->doomed(binding);
	return 0;
}

void instance_check(struct instance *instance, uint64_t ms)
{
	uint64_t at_ns = clock_now_ns() + ms * NS_PER_MS;

	if (instance->ping_source && instance->ping_at_ns <= at_ns)
		return;
	if (!instance->ping_source)
		process_send(instance->process, MSG_CHILD_PING, 0, NULL, 0,
			     NULL, 0);
	sd_event_source_disable_unref(instance->ping_source);
	instance->ping_source = NULL;
	instance->ping_at_ns = at_ns;
	(void)sd_event_add_time_relative(
		instance->service->supervisor->event, &instance->ping_source,
		CLOCK_MONOTONIC, ms * 1000, 1000, on_no_pong, instance);
}

void instance_pong(struct process *process)
{
	struct instance *instance = process->owner;

	sd_event_source_disable_unref(instance->ping_source);
	instance->ping_source = NULL;
}

void instance_leave(struct instance *instance)
{
	struct binding *binding, *next;

	for (binding = TAILQ_FIRST(&instance->bindings); binding;
	     binding = next) {
		next = TAILQ_NEXT(binding, link);
		binding_leave(binding);
	}
}

void instance_lose(struct instance *instance)
{
	struct binding *binding;

	while ((binding = TAILQ_FIRST(&instance->bindings)))
		binding->ops->lost(binding, BINDING_DIED);
}

/* It counts as a client then, so that an upgrade waits. */
static bool is_kept(struct instance *instance)
{
	if (!instance->service->ops->must_keep ||
	    !quarantine_has_guest(instance->service->supervisor))
		return false;
	instance_client_came(instance);
	return true;
}

void instance_found(struct instance *instance,
		    const struct attachment *attachment)
{
	const struct attachment_ops *ops = instance->service->ops;
	struct binding *binding =
		ops->find(instance->service->supervisor, attachment->id);

	if (!binding && is_kept(instance))
		return;
	if (binding && !binding->ops->fits(binding, instance->service)) {
		process_kill(instance->process,
			     "it claimed what another service serves");
		return;
	}
	if (binding && !binding->instance) {
		binding->ops->found(binding, instance, attachment->generation);
		return;
	}
	/* Of two who claim it, one lies: it is taken from both. */
	if (binding && binding->instance != instance)
		binding_leave(binding);
	process_tell(instance->process, ops->detach, attachment);
}

static int note_held(struct instance *instance,
		     const struct attachment *attachment)
{
	struct attachment *more;

	if (instance->held_count == HELD_MAX)
		return -EBADMSG;
	more = reallocarray(instance->held, instance->held_count + 1,
			    sizeof(*more));
	if (!more)
		return -ENOMEM;
	instance->held = more;
	more[instance->held_count++] = *attachment;
	return 0;
}

int instance_take_held(void *data, struct message *message)
{
	struct process *process = data;

	return note_held(process->owner, (const void *)message->body);
}

/* What it has, and a message of it is about; NULL: old news, or a lie. */
static struct binding *find_held(const struct process *process,
				 const struct message *message)
{
	const struct attachment *attachment = (const void *)message->body;
	const struct instance *instance = process->owner;
	struct binding *binding = instance->service->ops->find(
		process->supervisor, attachment->id);

	return binding && binding->instance == instance &&
			       binding->generation == attachment->generation
		       ? binding
		       : NULL;
}

int instance_take_detached(void *data, struct message *message)
{
	struct binding *binding = find_held(data, message);

	if (binding && binding->state == BINDING_DETACHING)
		binding->ops->lost(binding, BINDING_DRAINED);
	return 0;
}

int instance_take_peer_broken(void *data, struct message *message)
{
	struct binding *binding = find_held(data, message);

	if (binding && binding->ops->peer_broken)
		binding->ops->peer_broken(binding);
	return 0;
}

const char *instance_state_name(const struct instance *instance)
{
	if (instance->process->state == PROCESS_DYING)
		return "dying";
	if (instance->process->state != PROCESS_READY)
		return "starting";
	return state_table_state(&instance_duties, instance->duty);
}

void instance_enter_service(struct instance *instance)
{
	struct service *service = instance->service;

	instance->active_ns = clock_now_ns();
	if (service->death_ns)
		service->last_outage_us =
			(instance->active_ns - service->death_ns) / NS_PER_US;
	service->death_ns = 0;
}
