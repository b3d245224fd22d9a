/* SPDX-License-Identifier: MIT */
/* What the files of services share. */
#ifndef SUPERVISOR_SERVICE_PRIVATE_H
#define SUPERVISOR_SERVICE_PRIVATE_H

#include "supervisor/service/service.h"

/* How long one that is told to end may take. */
#define INSTANCE_QUIT_MS 1000u

/* instance.c */

bool instance_is_ready(const struct instance *instance);

/* NULL: no memory. */
struct instance *instance_new(struct service *service, enum duty_event event);
void instance_free(struct instance *instance);

/* With a process of its own. NULL: it cannot be started, which is tried again
 * later. */
struct instance *instance_start(struct service *service, enum duty_event event);

/* The one place that writes instance->duty. */
void instance_apply(struct instance *instance, enum duty_event event);

/* Take everything from it. */
void instance_leave(struct instance *instance);

/* It has died: nobody is with it any more. */
void instance_lose(struct instance *instance);

/* Re-adoption: it says that it serves this attachment. */
void instance_found(struct instance *instance,
		    const struct attachment *attachment);

/* From now on it serves: the outage, if there was one, ends. */
void instance_enter_service(struct instance *instance);

/* It ends when its last client has left. */
void instance_retire(struct instance *instance);

/* service_settle.c */

/* At the latest; an earlier date stands. */
void service_settle_later(struct service *service, uint64_t ms);

/* Start what disks need that are served alone. */
void service_settle_alone(struct service *service, uint64_t now_ns);

/* The first with this duty; NULL: none. */
struct instance *service_find_duty(struct service *service,
				   enum instance_duty duty);

/* A successor is READY: move to it everyone from those before it. */
void service_retire_others(struct service *service,
			   const struct instance *successor);

#endif
