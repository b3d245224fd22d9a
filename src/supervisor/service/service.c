/* SPDX-License-Identifier: MIT */
#include "supervisor/service/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/failpoint.h"
#include "base/scope.h"
#include "supervisor/child/quarantine.h"
#include "supervisor/service/disk.h"
#include "supervisor/supervisor.h"

/* An instance that dies sooner than this after READY exited early. */
#define EARLY_EXIT_NS (50 * NS_PER_MS)
/* A standby is started when the clients of a recovery have their processor. */
#define STANDBY_DELAY_MS 150u
#define QUIT_MS          1000u
/* A service that no client complains of is asked so often whether it lives, and
 * has so long to say so: a crowded machine makes it slow, and harms nobody. */
#define WATCH_MS  3000u
#define ANSWER_MS 7000u
/* Attachments that an instance may say it serves. */
#define HELD_MAX 4096

static const struct attachment_ops *
find_ops(const struct supervisor *supervisor, uint32_t role)
{
	const struct attachment_ops *const *ops = supervisor->attachments;

	while (*ops && (*ops)->role != role)
		ops++;
	return *ops;
}

static int on_settle(sd_event_source *source, uint64_t usec, void *data)
{
	service_settle(data);
	return 0;
}

/* At the latest; an earlier date stands. */
static void settle_later(struct service *service, uint64_t ms)
{
	uint64_t at_ns = clock_now_ns() + ms * NS_PER_MS;

	if (service->settle_source && service->settle_at_ns <= at_ns)
		return;
	service->settle_at_ns = at_ns;
	service->settle_source =
		sd_event_source_disable_unref(service->settle_source);
	(void)sd_event_add_time_relative(
		service->supervisor->event, &service->settle_source,
		CLOCK_MONOTONIC, ms * 1000, 1000, on_settle, service);
}

static bool is_ready(const struct instance *instance)
{
	return instance->process->state == PROCESS_READY &&
	       !instance->process->is_quitting;
}

static struct instance *find_duty(struct service *service,
				  enum instance_duty duty)
{
	struct instance *instance;

	TAILQ_FOREACH(instance, &service->instances, link)
		if (instance->duty == duty)
			return instance;
	return NULL;
}

static struct instance *instance_new(struct service *service,
				     enum instance_duty duty)
{
	struct instance *instance = calloc(1, sizeof(*instance));

	if (!instance)
		return NULL;
	instance->service = service;
	instance->duty = duty;
	TAILQ_INSERT_TAIL(&service->instances, instance, link);
	return instance;
}

static void instance_free(struct instance *instance)
{
	TAILQ_REMOVE(&instance->service->instances, instance, link);
	sd_event_source_disable_unref(instance->ping_source);
	free(instance->held);
	free(instance);
}

static struct instance *instance_start(struct service *service,
				       enum instance_duty duty)
{
	struct instance *instance = instance_new(service, duty);
	int r;

	if (!instance)
		return NULL;
	r = process_spawn(service->supervisor, service->role, service->name,
			  service->ops->instance, instance, &instance->process);
	if (r == 0)
		return instance;
	instance_free(instance);
	supervisor_event(service->supervisor, EVENT_ERROR, service->name,
			 "cannot start an instance: %s", strerror(-r));
	settle_later(service, 1000);
	return NULL;
}

/* From now on this instance serves: the outage, if there was one, ends. */
static void enter_service(struct instance *instance)
{
	struct service *service = instance->service;

	instance->active_ns = clock_now_ns();
	if (service->death_ns)
		service->last_outage_us =
			(instance->active_ns - service->death_ns) / NS_PER_US;
	service->death_ns = 0;
}

static struct instance *promote(struct service *service)
{
	struct instance *instance, *best = NULL;

	TAILQ_FOREACH(instance, &service->instances, link) {
		if (instance->duty != DUTY_STANDBY ||
		    instance->process->state == PROCESS_DYING)
			continue;
		if (!best || (!is_ready(best) && is_ready(instance)))
			best = instance;
	}
	if (!best)
		return NULL;
	best->duty = DUTY_ACTIVE;
	loan_make(best->process, LOAN_MS);
	if (is_ready(best))
		enter_service(best);
	return best;
}

/* It ends when its last client has left. */
static void retire(struct instance *instance)
{
	instance->duty = DUTY_RETIRED;
	if (instance->client_count == 0)
		process_quit(instance->process, QUIT_MS);
}

static unsigned standbys(struct service *service)
{
	struct instance *instance;
	unsigned count = 0;

	TAILQ_FOREACH(instance, &service->instances, link)
		if (instance->duty == DUTY_STANDBY &&
		    instance->process->state != PROCESS_DYING)
			count++;
	return count;
}

static void settle_standbys(struct service *service,
			    const struct instance *active, uint64_t now_ns)
{
	uint64_t wait_ms = back_off_wait_ms(&service->standby_back_off, now_ns);
	unsigned have = standbys(service);
	struct instance *instance;

	if (have == service->standby_count || service->supervisor->is_ending)
		return;
	if (now_ns - active->active_ns < STANDBY_DELAY_MS * NS_PER_MS)
		wait_ms = max_u64(wait_ms, STANDBY_DELAY_MS);
	if (wait_ms) {
		settle_later(service, wait_ms);
		return;
	}
	if (have < service->standby_count) {
		if (instance_start(service, DUTY_STANDBY))
			settle_later(service, STANDBY_DELAY_MS);
		return;
	}
	instance = find_duty(service, DUTY_STANDBY);
	if (instance)
		retire(instance);
}

static struct instance *find_alone(struct service *service,
				   const struct disk *disk)
{
	struct instance *instance;

	TAILQ_FOREACH(instance, &service->instances, link)
		if (instance->duty == DUTY_ALONE && instance->alone_for == disk)
			return instance;
	return NULL;
}

static void settle_alone(struct service *service, struct disk *disk,
			 uint64_t now_ns)
{
	uint64_t wait_ms = back_off_wait_ms(&disk->alone_back_off, now_ns);
	struct instance *instance;

	if (!disk->is_alone || !disk->is_wanted || find_alone(service, disk) ||
	    strcmp(disk->service, service->name) != 0)
		return;
	if (wait_ms) {
		settle_later(service, wait_ms);
		return;
	}
	instance = instance_start(service, DUTY_ALONE);
	if (instance)
		instance->alone_for = disk;
}

static void settle_isolated(struct service *service, uint64_t now_ns)
{
	struct partition *partition;

	TAILQ_FOREACH(partition, &service->supervisor->partitions, link)
		for (unsigned i = 0; i < partition->disk_count; i++)
			settle_alone(service, &partition->disks[i], now_ns);
}

/* Who serves, or will as soon as it is READY; NULL during a back-off. */
static struct instance *settle_active(struct service *service, uint64_t now_ns)
{
	uint64_t wait_ms = back_off_wait_ms(&service->back_off, now_ns);
	struct instance *active = find_duty(service, DUTY_ACTIVE);

	if (!active)
		active = promote(service);
	if (active)
		return active;
	if (wait_ms == 0)
		return instance_start(service, DUTY_ACTIVE);
	settle_later(service, wait_ms);
	return NULL;
}

/* A successor is READY: move to it everyone from those before it. */
static void retire_others(struct service *service,
			  const struct instance *successor)
{
	struct instance *instance;

	TAILQ_FOREACH(instance, &service->instances, link) {
		if (instance->duty != DUTY_RETIRED ||
		    instance->alone_for != successor->alone_for)
			continue;
		service->ops->leave(service->supervisor, instance);
		retire(instance);
	}
}

void service_settle(struct service *service)
{
	uint64_t now_ns = clock_now_ns();
	struct instance *active;

	service->settle_source =
		sd_event_source_disable_unref(service->settle_source);
	if (service->is_leaving || service->supervisor->are_services_ending ||
	    service->supervisor->is_adopting)
		return;
	active = settle_active(service, now_ns);
	if (active && is_ready(active)) {
		retire_others(service, active);
		service->ops->progress(service->supervisor);
		settle_standbys(service, active, clock_now_ns());
	}
	settle_isolated(service, now_ns);
	service_tell_restart(service);
}

struct instance *service_instance_for(struct service *service,
				      const struct disk *disk)
{
	struct instance *instance;

	TAILQ_FOREACH(instance, &service->instances, link) {
		bool is_its_own = disk && disk->is_alone
					  ? instance->duty == DUTY_ALONE &&
						    instance->alone_for == disk
					  : instance->duty == DUTY_ACTIVE;

		if (is_its_own && is_ready(instance))
			return instance;
	}
	return NULL;
}

void service_rejoin(struct service *service, const struct disk *disk)
{
	struct instance *instance;

	TAILQ_FOREACH(instance, &service->instances, link) {
		if (instance->alone_for != disk)
			continue;
		instance->alone_for = NULL;
		retire(instance);
	}
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
		process_quit(instance->process, QUIT_MS);
}

static int on_no_pong(sd_event_source *source, uint64_t usec, void *data)
{
	struct instance *instance = data;
	const struct attachment_ops *ops = instance->service->ops;

	supervisor_event(instance->service->supervisor, EVENT_WARNING,
			 instance->service->name,
			 "instance %d hangs: killing it",
			 (int)instance->process->pid);
	process_kill(instance->process, "it hung");
	if (ops->doomed)
		ops->doomed(instance->service->supervisor, instance);
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

static int on_watch(sd_event_source *source, uint64_t usec, void *data)
{
	struct service *service = data;
	struct instance *instance;

	TAILQ_FOREACH(instance, &service->instances, link)
		if (is_ready(instance))
			instance_check(instance, ANSWER_MS);
	(void)sd_event_source_set_time_relative(source, WATCH_MS * 1000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void instance_pong(struct process *process)
{
	struct instance *instance = process->owner;

	sd_event_source_disable_unref(instance->ping_source);
	instance->ping_source = NULL;
}

void instance_ready(struct process *process)
{
	struct instance *instance = process->owner;
	struct service *service = instance->service;

	/* What it holds was given up: it must go, or no fence lifts. */
	if (process->is_adopted && !service->supervisor->is_adopting) {
		process_kill(process, "it came back too late");
		return;
	}
	instance->ready_ns = clock_now_ns();
	if (instance->duty == DUTY_ALONE)
		retire_others(service, instance);
	if (instance->duty == DUTY_ACTIVE)
		enter_service(instance);
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
		if (instance->duty == DUTY_RETIRED && is_ready(instance) &&
		    !instance->alone_for)
			break;
	if (!instance)
		return;
	instance->duty = DUTY_ACTIVE;
	enter_service(instance);
	(void)snprintf(text, sizeof(text),
		       "the old instance goes on, the new one failed: %s",
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
	service->ops->died(service->supervisor, instance);
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
		retire(instance);
	}
}

int service_restart(struct service *service, const struct ticket *ticket)
{
	struct instance *active = find_duty(service, DUTY_ACTIVE);

	if (service->restart_ticket.client)
		return -EALREADY;
	if (!instance_start(service, DUTY_ACTIVE))
		return -EIO;
	if (active)
		active->duty = DUTY_RETIRED;
	retire_besides(service, active);
	service->restart_ticket = *ticket;
	settle_isolated(service, clock_now_ns());
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
		if (instance->duty == DUTY_ACTIVE && is_ready(instance))
			is_served = true;
	}
	return is_served &&
	       (!service->ops->is_settled ||
		service->ops->is_settled(service->supervisor, service));
}

int service_expect(struct service *service, const struct process_record *record)
{
	struct instance *instance = instance_new(service, DUTY_STANDBY);
	int r;

	if (!instance)
		return -ENOMEM;
	r = process_expect(service->supervisor, record, service->ops->instance,
			   instance, &instance->process);
	if (r < 0)
		instance_free(instance);
	return r;
}

bool instance_serves_kept(struct instance *instance)
{
	if (!quarantine_has_guest(instance->service->supervisor))
		return false;
	instance_client_came(instance);
	return true;
}

int instance_note_held(struct instance *instance,
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

void service_take_held(struct service *service)
{
	struct instance *instance;

	TAILQ_FOREACH(instance, &service->instances, link)
		for (unsigned i = 0; i < instance->held_count; i++)
			service->ops->found(service->supervisor, instance,
					    &instance->held[i]);
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
			instance->duty =
				instance == active ? DUTY_ACTIVE : DUTY_RETIRED;
}

void service_quit(struct service *service)
{
	struct instance *instance;

	TAILQ_FOREACH(instance, &service->instances, link)
		process_quit(instance->process, QUIT_MS);
}

const char *instance_state_name(const struct instance *instance)
{
	static const char *const names[] = {
		[DUTY_ACTIVE] = "active",
		[DUTY_STANDBY] = "standby",
		[DUTY_ALONE] = "alone",
		[DUTY_RETIRED] = "retired",
	};

	if (instance->process->state == PROCESS_DYING)
		return "dying";
	if (instance->process->state != PROCESS_READY)
		return "starting";
	return names[instance->duty];
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
