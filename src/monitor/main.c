/* SPDX-License-Identifier: MIT */
/* bulkhead-monitor: the virtual machine monitor of one partition. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"
#include "monitor/monitor.h"

void monitor_enter(struct monitor *monitor, enum monitor_state state)
{
	monitor->state = state;
}

/* The engine. --------------------------------------------------------------- */

static void engine_ready(void *context, enum guest_state state)
{
	/* Tells the supervisor the engine's pid as well. */
	report_guest(context, state, 0);
	report_ready(context);
}

static void engine_changed(void *context, enum guest_state state)
{
	report_guest(context, state, 0);
}

static void engine_done(void *context, uint32_t request_id, int status,
			const char *text)
{
	struct monitor *monitor = context;

	/* For a supervisor that comes back: what holds now. */
	if (monitor->engine.ops->has_guest)
		monitor->guest.state = monitor->engine.is_paused
					       ? GUEST_PAUSED
					       : GUEST_RUNNING;
	report_done(monitor, request_id, status, text);
}

static void engine_progress(void *context, uint32_t request_id,
			    uint64_t done_bytes, uint64_t total_bytes)
{
	report_progress(context, request_id, done_bytes, total_bytes);
}

static void engine_event(void *context, enum event_level level,
			 const char *text)
{
	report_text(context, level, text);
}

static void engine_refused(void *context, const struct refusal *refusal)
{
	report_refusal(context, refusal);
}

static void engine_ended(void *context, int exit_status, bool by_guest)
{
	struct monitor *monitor = context;

	monitor_enter(monitor, MONITOR_ENDED);
	console_finish(&monitor->console);
	if (!by_guest)
		report_engine_end(monitor, exit_status);
	report_guest(monitor, by_guest ? GUEST_OFF : GUEST_ENGINE_DIED,
		     exit_status);
}

/* The control link. ----------------------------------------------------------- */

static int on_link(sd_event_source *source, int fd, uint32_t events,
		   void *context)
{
	struct monitor *monitor = context;
	int r = monitor_receive(monitor);

	return r < 0 ? sd_event_exit(monitor->event, r) : 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *context)
{
	struct monitor *monitor = context;

	child_turn(&monitor->child);
	return 0;
}

/* While the link is lost: when to try again. */
static int watch_clock(struct monitor *monitor)
{
	int timeout_ms = child_timeout_ms(&monitor->child);

	monitor->retry_source = sd_event_source_unref(monitor->retry_source);
	if (timeout_ms < 0)
		return 0;
	return sd_event_add_time_relative(
		monitor->event, &monitor->retry_source, CLOCK_MONOTONIC,
		(uint64_t)timeout_ms * (NS_PER_MS / NS_PER_US), 1000, on_retry,
		monitor);
}

/* The link may have been lost or made anew in the turn before. */
static int watch_link(struct monitor *monitor)
{
	int fd = child_fd(&monitor->child);

	if (fd == NO_FD || fd != monitor->link_fd) {
		monitor->link_source =
			sd_event_source_unref(monitor->link_source);
		monitor->link_fd = fd;
	}
	if (fd == NO_FD || monitor->link_source)
		return watch_clock(monitor);
	return sd_event_add_io(monitor->event, &monitor->link_source, fd,
			       EPOLLIN, on_link, monitor);
}

/* Life. ------------------------------------------------------------------------ */

static const struct engine_handler engine_handler_template = {
	.ready = engine_ready,
	.changed = engine_changed,
	.done = engine_done,
	.progress = engine_progress,
	.event = engine_event,
	.refused = engine_refused,
	.ended = engine_ended,
};

static int init(struct monitor *monitor)
{
	struct engine_handler handler = engine_handler_template;
	int r;

	handler.context = monitor;
	monitor->kernel_fd = NO_FD;
	monitor->initrd_fd = NO_FD;
	monitor->listener_fd = NO_FD;
	monitor->kvm_fd = NO_FD;
	monitor->image_fd = NO_FD;
	monitor->link_fd = NO_FD;
	for (int i = 0; i < DISK_COUNT_MAX; i++)
		monitor->plans[i].witness_fd = NO_FD;
	console_init(&monitor->console);
	engine_init(&monitor->engine, &handler);
	r = iothread_init(&monitor->io);
	if (r == 0)
		r = child_open(&monitor->child, ROLE_MONITOR);
	return r < 0 ? r : sd_event_new(&monitor->event);
}

/* True when there is nothing left to do: the guest is gone for good, and the
 * supervisor knows. */
static bool is_over(const struct monitor *monitor)
{
	return sd_event_get_state(monitor->event) == SD_EVENT_FINISHED ||
	       (monitor->state == MONITOR_ENDED && monitor->is_guest_reported);
}

static int run(struct monitor *monitor)
{
	int r = watch_link(monitor);

	while (r >= 0 && !is_over(monitor)) {
		r = sd_event_run(monitor->event, UINT64_MAX);
		if (r >= 0 && !is_over(monitor))
			r = watch_link(monitor);
	}
	if (r >= 0)
		(void)sd_event_get_exit_code(monitor->event, &r);
	return r;
}

int main(void)
{
	static struct monitor monitor;
	int r;

	/* The threads allocate nothing while they work. */
	(void)mallopt(M_ARENA_MAX, 1);
	log_open("bulkhead-monitor", NULL, LOG_INFO);
	r = init(&monitor);
	if (r >= 0) {
		log_open("bulkhead-monitor", monitor.child.settings.name,
			 (enum log_level)monitor.child.settings.log_level);
		r = run(&monitor);
	}
	/* The kernel ends the threads, which may wait for a dead disk. */
	engine_close(&monitor.engine);
	if (r < 0)
		log_error("ending error=%d", -r);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
