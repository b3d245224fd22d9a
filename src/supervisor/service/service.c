/* SPDX-License-Identifier: MIT */
#include "supervisor/service/service_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "supervisor/service/disk.h"
#include "supervisor/supervisor.h"

/* An instance that dies sooner than this after READY exited early. */
#define EARLY_EXIT_NS (50 * NS_PER_MS)
/* A service that no client complains of is asked so often whether it lives, and
 * has so long to say so: a crowded machine makes it slow, and harms nobody. */
#define WATCH_MS  3000u
#define ANSWER_MS 7000u

static const struct attachment_ops *
find_ops(const struct supervisor *supervisor, uint32_t role)
{
	const struct attachment_ops *const *ops = supervisor->attachments;

	while (*ops && (*ops)->role != role)
		ops++;
	return *ops;
}

static int on_watch(sd_event_source *source, uint64_t usec, void *data)
{
	struct service *service = data;
	struct instance *instance;

	TAILQ_FOREACH(instance, &service->instances, link)
		if (instance_is_ready(instance))
			instance_check(instance, ANSWER_MS);
	(void)sd_event_source_set_time_relative(source, WATCH_MS * 1000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void instance_ready(struct process *process)
{
	struct instance *instance = process->owner;
	struct service *service = instance->service;

	/* What it holds was given up: it must go, or no fence lifts. */
	if (process->is_adopted && !service->supervisor->is_adopting) {
		process_kill(process, "it reconnected too late");
		return;
	}
	instance->ready_ns = clock_now_ns();
	if (instance->duty == DUTY_ALONE)
		service_retire_others(service, instance);
	if (instance->duty == DUTY_ACTIVE)
		instance_enter_service(instance);
	service->ops->progress(service->supervisor);
	service_settle(service);
}

static void back_off(struct service *service, const struct instance *instance)
{
	struct back_off *account = &service->back_off;

	if (instance->duty == DUTY_RETIRED)
		return;
	if (instance->duty == DUTY_STANDBY)
		account = &service->standby_back_off;
	if (instance->duty == DUTY_ALONE)
		account = &instance->alone_for->alone_back_off;
	back_off_note(account, instance->ready_ns, EARLY_EXIT_NS,
		      clock_now_ns());
}

/* An upgrade that came to nothing: whoever served before goes on. */
static void resume_retired(struct service *service, const char *reason)
{
	struct instance *instance;
	char text[TEXT_SIZE];

	TAILQ_FOREACH(instance, &service->instances, link)
		if (instance->duty == DUTY_RETIRED &&
		    instance_is_ready(instance) && !instance->alone_for)
			break;
	if (!instance)
		return;
	instance_apply(instance, DUTY_EVENT_SERVE);
	instance_enter_service(instance);
	(void)snprintf(text, sizeof(text),
		       "the old instance continues, the new one failed: %s",
		       reason);
	ticket_failed(service->supervisor, &service->restart_ticket, -EIO,
		      text);
}

static void service_free(struct service *service)
{
	TAILQ_REMOVE(&service->supervisor->services, service, link);
	sd_event_source_disable_unref(service->settle_source);
	sd_event_source_disable_unref(service->watch_source);
	free(service);
}

static void free_when_left(struct service *service)
{
	if (!TAILQ_EMPTY(&service->instances))
		return;
	ticket_failed(service->supervisor, &service->restart_ticket, -ECANCELED,
		      "the service was removed");
	ticket_done(service->supervisor, &service->leave_ticket);
	service_free(service);
}

void service_remove(struct service *service, const struct ticket *ticket)
{
	service->is_leaving = true;
	service->leave_ticket = *ticket;
	service_quit(service);
	free_when_left(service);
}

/* After the hand-over: telling must not delay it. */
static void tell_death(struct service *service, pid_t pid, const char *reason)
{
	struct supervisor *supervisor = service->supervisor;

	if (supervisor->is_ending)
		return;
	service->restarts++;
	store_defer_service_restarts(supervisor->store, service->name,
				     service->restarts);
	supervisor_event(supervisor, EVENT_WARNING, service->name,
			 "instance %d was replaced: %s", (int)pid, reason);
}

void instance_died(struct process *process, const char *reason)
{
	struct instance *instance = process->owner;
	struct service *service = instance->service;
	bool was_wanted = instance->duty != DUTY_RETIRED;
	bool was_upgrade = instance->duty == DUTY_ACTIVE &&
			   !instance->ready_ns &&
			   service->restart_ticket.client;

	(void)failpoint("recovery.died");
	if (instance->duty == DUTY_ACTIVE && !service->death_ns)
		service->death_ns = clock_now_ns();
	back_off(service, instance);
	instance_lose(instance);
	instance_free(instance);
	if (service->is_leaving) {
		free_when_left(service);
		return;
	}
	if (was_upgrade)
		resume_retired(service, reason);
	service_settle(service);
	if (was_wanted)
		tell_death(service, process->pid, reason);
}

/* Standbys and instances of single disks run the old program, too. */
static void retire_besides(struct service *service,
			   const struct instance *active)
{
	struct instance *instance;

	TAILQ_FOREACH(instance, &service->instances, link) {
		if (instance == active || instance->duty == DUTY_ACTIVE)
			continue;
		instance_retire(instance);
	}
}

int service_restart(struct service *service, const struct ticket *ticket)
{
	struct instance *active = service_find_duty(service, DUTY_ACTIVE);

	if (service->restart_ticket.client)
		return -EALREADY;
	if (!instance_start(service, DUTY_EVENT_SERVE))
		return -EIO;
	if (active)
		instance_apply(active, DUTY_EVENT_RETIRE);
	retire_besides(service, active);
	service->restart_ticket = *ticket;
	service_settle_alone(service, clock_now_ns());
	return 0;
}

void service_tell_restart(struct service *service)
{
	if (service->restart_ticket.client && service_is_settled(service))
		ticket_done(service->supervisor, &service->restart_ticket);
}

bool service_is_settled(const struct service *service)
{
	const struct instance *instance;
	bool is_served = false;

	TAILQ_FOREACH(instance, &service->instances, link) {
		if (instance->duty == DUTY_RETIRED)
			return false;
		if (instance->duty == DUTY_ACTIVE &&
		    instance_is_ready(instance))
			is_served = true;
	}
	return is_served &&
	       (!service->ops->is_settled ||
		service->ops->is_settled(service->supervisor, service));
}

int service_expect(struct service *service, const struct process_record *record)
{
	struct instance *instance = instance_new(service, DUTY_EVENT_STAND_BY);
	int r;

	if (!instance)
		return -ENOMEM;
	r = process_expect(service->supervisor, record, &service->ops->instance,
			   instance, &instance->process);
	if (r < 0)
		instance_free(instance);
	return r;
}

void service_take_held(struct service *service)
{
	struct instance *instance;

	TAILQ_FOREACH(instance, &service->instances, link)
		for (unsigned i = 0; i < instance->held_count; i++)
			instance_found(instance, &instance->held[i]);
	TAILQ_FOREACH(instance, &service->instances, link)
		instance->held_count = 0;
}

void service_choose_active(struct service *service)
{
	struct instance *instance, *active = NULL;

	TAILQ_FOREACH(instance, &service->instances, link)
		if (instance->held_count &&
		    (!active || instance->held_count > active->held_count))
			active = instance;
	TAILQ_FOREACH(instance, &service->instances, link)
		if (instance->held_count)
			instance_apply(instance, instance == active
							 ? DUTY_EVENT_SERVE
							 : DUTY_EVENT_RETIRE);
}

void service_quit(struct service *service)
{
	struct instance *instance;

	TAILQ_FOREACH(instance, &service->instances, link)
		process_quit(instance->process, INSTANCE_QUIT_MS);
}

struct service *service_find(struct supervisor *supervisor, const char *name)
{
	struct service *service;

	TAILQ_FOREACH(service, &supervisor->services, link)
		if (!service->is_leaving && strcmp(service->name, name) == 0)
			return service;
	return NULL;
}

int service_add(struct supervisor *supervisor, const char *name, uint32_t role,
		uint32_t standby_count, struct service **ret_service)
{
	struct service *service = calloc(1, sizeof(*service));
	int r;

	if (!service)
		return -ENOMEM;
	r = sd_event_add_time_relative(supervisor->event,
				       &service->watch_source, CLOCK_MONOTONIC,
				       WATCH_MS * 1000, 0, on_watch, service);
	if (r < 0) {
		free(service);
		return r;
	}
	service->supervisor = supervisor;
	service->role = role;
	service->ops = find_ops(supervisor, role);
	service->standby_count = standby_count;
	(void)text_copy(service->name, sizeof(service->name), name);
	TAILQ_INIT(&service->instances);
	TAILQ_INSERT_TAIL(&supervisor->services, service, link);
	*ret_service = service;
	return 0;
}

int service_define(struct supervisor *supervisor, const char *name,
		   uint32_t role, uint32_t standby_count)
{
	struct service_record record = { .role = role,
					 .standby_count = standby_count };
	struct service *service;
	int r;

	if (service_find(supervisor, name))
		return 0;
	(void)text_copy(record.name, sizeof(record.name), name);
	r = store_put_service(supervisor->store, &record);
	if (r < 0 || service_find(supervisor, name))
		return r;
	return service_add(supervisor, name, role, standby_count, &service);
}

void services_free(struct supervisor *supervisor)
{
	struct instance *instance;
	struct service *service;

	while ((service = TAILQ_FIRST(&supervisor->services))) {
		while ((instance = TAILQ_FIRST(&service->instances)))
			instance_free(instance);
		service_free(service);
	}
}
