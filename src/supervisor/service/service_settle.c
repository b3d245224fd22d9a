/* SPDX-License-Identifier: MIT */
/* Which instances a service has, and which of them serves. */
#include <string.h>

#include "base/clock.h"
#include "base/count.h"
#include "supervisor/service/disk.h"
#include "supervisor/service/service_private.h"
#include "supervisor/service/volume.h"
#include "supervisor/supervisor.h"

/* A standby is started when the clients of a recovery have their processor. */
#define STANDBY_DELAY_MS 150u

static int on_settle(sd_event_source *source, uint64_t usec, void *data)
{
	service_settle(data);
	return 0;
}

void service_settle_later(struct service *service, uint64_t ms)
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

struct instance *service_find_duty(struct service *service,
				   enum instance_duty duty)
{
	struct instance *instance;

	TAILQ_FOREACH(instance, &service->instances, link)
		if (instance->duty == duty)
			return instance;
	return NULL;
}

static struct instance *promote(struct service *service)
{
	struct instance *instance, *best = NULL;

	TAILQ_FOREACH(instance, &service->instances, link) {
		if (instance->duty != DUTY_STANDBY ||
		    instance->process->state == PROCESS_DYING)
			continue;
		if (!best ||
		    (!instance_is_ready(best) && instance_is_ready(instance)))
			best = instance;
	}
	if (!best)
		return NULL;
	instance_apply(best, DUTY_EVENT_SERVE);
	loan_make(best->process, LOAN_MS);
	if (instance_is_ready(best))
		instance_enter_service(best);
	return best;
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
		service_settle_later(service, wait_ms);
		return;
	}
	if (have < service->standby_count) {
		if (instance_start(service, DUTY_EVENT_STAND_BY))
			service_settle_later(service, STANDBY_DELAY_MS);
		return;
	}
	instance = service_find_duty(service, DUTY_STANDBY);
	if (instance)
		instance_retire(instance);
}

static struct instance *find_alone(struct service *service,
				   const struct disk *disk)
{
	struct instance *instance;

	TAILQ_FOREACH(instance, &service->instances, link)
		if (instance->duty == DUTY_ALONE &&
		    volume_is_shared_by(instance->alone_for, disk))
			return instance;
	return NULL;
}

static void settle_alone(struct service *service, struct disk *disk,
			 uint64_t now_ns)
{
	uint64_t wait_ms = back_off_wait_ms(&disk->alone_back_off, now_ns);
	struct instance *instance;

	if (!disk->is_alone || !disk->binding.is_wanted ||
	    find_alone(service, disk) ||
	    strcmp(disk->service, service->name) != 0)
		return;
	if (wait_ms) {
		service_settle_later(service, wait_ms);
		return;
	}
	instance = instance_start(service, DUTY_EVENT_SERVE_ALONE);
	if (instance)
		instance->alone_for = disk;
}

void service_settle_alone(struct service *service, uint64_t now_ns)
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
	struct instance *active = service_find_duty(service, DUTY_ACTIVE);

	if (!active)
		active = promote(service);
	if (active)
		return active;
	if (wait_ms == 0)
		return instance_start(service, DUTY_EVENT_SERVE);
	service_settle_later(service, wait_ms);
	return NULL;
}

void service_retire_others(struct service *service,
			   const struct instance *successor)
{
	struct instance *instance;

	TAILQ_FOREACH(instance, &service->instances, link) {
		if (instance->duty != DUTY_RETIRED ||
		    !volume_is_shared_by(instance->alone_for,
					 successor->alone_for))
			continue;
		instance_leave(instance);
		instance_retire(instance);
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
	if (active && instance_is_ready(active)) {
		service_retire_others(service, active);
		service->ops->progress(service->supervisor);
		settle_standbys(service, active, clock_now_ns());
	}
	service_settle_alone(service, now_ns);
	service_tell_restart(service);
}

struct instance *service_instance_for(struct service *service,
				      const struct disk *disk)
{
	struct instance *instance;

	TAILQ_FOREACH(instance, &service->instances, link) {
		bool is_its_own =
			disk && disk->is_alone
				? instance->duty == DUTY_ALONE &&
					  volume_is_shared_by(
						  instance->alone_for, disk)
				: instance->duty == DUTY_ACTIVE;

		if (is_its_own && instance_is_ready(instance))
			return instance;
	}
	return NULL;
}

void service_rejoin(struct service *service, const struct disk *disk,
		    struct disk *heir)
{
	struct instance *instance;

	TAILQ_FOREACH(instance, &service->instances, link) {
		if (instance->alone_for != disk)
			continue;
		instance->alone_for = heir;
		if (!heir)
			instance_retire(instance);
	}
}
