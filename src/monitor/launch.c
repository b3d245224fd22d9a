/* SPDX-License-Identifier: MIT */
/*
 * From settings to a running engine: QEMU first, because a process in its own
 * sandbox can build none for others; then our sandbox, threads, and the seal.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/scope.h"
#include "monitor/monitor.h"

/* Sockets, rings, channels of all disks, and some in passing. */
#define FILE_COUNT_MOST 512

static void log_engine(const struct qemu *qemu)
{
	char missing[256];

	sandbox_layer_list(qemu->layers.missing, missing, sizeof(missing));
	log_info("engine started pid=%d missing-layers=%s", qemu->jailed.pid,
		 missing);
}

static int start_engine(struct monitor *monitor)
{
	struct monitor_disk disks[DISK_COUNT_MAX];
	const struct qemu_machine machine = {
		.settings = &monitor->settings,
		.disks = disks,
		.kernel_fd = monitor->kernel_fd,
		.initrd_fd = monitor->initrd_fd,
		.uid = monitor->child.settings.uid,
		.gid = monitor->child.settings.gid,
	};
	int result;

	if (monitor->settings.engine != ENGINE_QEMU)
		return 0;
	if (monitor->kernel_fd == NO_FD ||
	    !!monitor->settings.has_initrd != (monitor->initrd_fd != NO_FD))
		return -EINVAL;
	for (uint32_t i = 0; i < DISK_COUNT_MAX; i++)
		disks[i] = monitor->plans[i].settings;
	result = qemu_start(&monitor->qemu, &machine);
	if (result == 0)
		log_engine(&monitor->qemu);
	close_fd(&monitor->kernel_fd);
	close_fd(&monitor->initrd_fd);
	return result;
}

static int enter_sandbox(struct monitor *monitor)
{
	const struct child_settings *settings = &monitor->child.settings;
	const struct sandbox wish = {
		.root_fd = monitor->child.meet_fd,
		.uid = settings->uid,
		.gid = settings->gid,
		.file_count = FILE_COUNT_MOST,
		.may_signal = monitor->settings.engine == ENGINE_QEMU,
	};
	int result = sandbox_enter(&wish, &monitor->layers);

	child_close_meet(&monitor->child);
	return result;
}

/* Hand the disks to the I/O thread, which does not run yet. */
static int add_disk(struct monitor *monitor, uint32_t index)
{
	struct disk_plan *plan = &monitor->plans[index];
	struct disk *disk = &monitor->io.disks[index].disk;
	struct lane lane;
	int result;

	if (!plan->is_known)
		return -EINVAL;
	result = iothread_add_disk(&monitor->io, &plan->settings,
				   take_fd(&plan->witness_fd));
	if (result < 0)
		return result;
	if (monitor->settings.engine == ENGINE_QEMU)
		disk_attach_front(disk, take_fd(&monitor->qemu.disk_fds[index]),
				  false);
	if (!plan->has_channel)
		return 0;
	result = lane_open(&lane, plan->channel.generation, plan->channel_fds);
	if (result == 0)
		disk_up(disk, &lane, plan->channel.is_alone != 0);
	return result;
}

static int add_disks(struct monitor *monitor)
{
	int result = 0;

	for (uint32_t i = 0; i < monitor->settings.disk_count && result == 0;
	     i++)
		result = add_disk(monitor, i);
	if (result < 0 || monitor->settings.engine != ENGINE_FOREIGN)
		return result;
	if (monitor->settings.disk_count != 1 || monitor->listener_fd == NO_FD)
		return -EINVAL;
	iothread_listen(&monitor->io, take_fd(&monitor->listener_fd));
	return 0;
}

static int on_notice(sd_event_source *source, int fd, uint32_t events,
		     void *context)
{
	report_notices(context);
	return 0;
}

static int watch(struct monitor *monitor)
{
	int result;

	result = sd_event_add_io(monitor->event, NULL, monitor->io.notices.fd,
				 EPOLLIN, on_notice, monitor);
	if (result < 0 || monitor->settings.engine != ENGINE_QEMU)
		return result;
	result = console_connect(&monitor->console, monitor->event,
				 take_fd(&monitor->qemu.serial_fd));
	return result < 0 ? result : qemu_watch(&monitor->qemu, monitor->event);
}

int monitor_launch(struct monitor *monitor)
{
	int result = start_engine(monitor);

	if (result < 0)
		log_error("engine does not start error=%d", -result);
	if (result == 0)
		result = enter_sandbox(monitor);
	if (result == 0)
		result = add_disks(monitor);
	if (result == 0)
		result = watch(monitor);
	if (result >= 0)
		result = iothread_start(&monitor->io);
	if (result == 0)
		result = sandbox_seal(monitor_calls, monitor_call_count,
				      &monitor->layers);
	if (result < 0)
		return result;
	monitor_enter(monitor, MONITOR_STARTING);
	monitor->guest.state = GUEST_PAUSED;
	if (monitor->settings.engine == ENGINE_FOREIGN) {
		monitor->guest.state = GUEST_DISCONNECTED;
		report_ready(monitor);
	}
	return 0;
}
