/* SPDX-License-Identifier: MIT */
/*
 * How a service does the jobs of its clients: at once what cannot block, by
 * native AIO what is for a descriptor with O_DIRECT, the rest on workers, of
 * which each client has a share.
 *
 * Threads    The loop's.
 */
#ifndef TARGET_JOBS_H
#define TARGET_JOBS_H

#include <stdbool.h>

#include "target/service.h"

/*
 * Begin task->job. True: it is done, with its status in task->status. False:
 * service_finish() follows; until then the client does not end.
 */
bool jobs_begin(struct service *service, struct task *task);

/* Always on a worker. service_finish() follows. */
void jobs_begin_on_worker(struct service *service, struct task *task);

/* Finish what workers and the kernel have done. True if there was anything. */
bool jobs_reap(struct service *service);

/* Show the kernel what was queued for it. Once per turn. */
void jobs_submit(struct service *service);

/* Long enough to be worth a thread, and not to be waited for by spinning. */
bool job_is_large(const struct job *job);

#endif
