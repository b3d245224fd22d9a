/* SPDX-License-Identifier: MIT */
/*
 * From settings to a running engine: the engine first, because a process in
 * its own sandbox can build none for others; then our sandbox, threads, and
 * the seal.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/scope.h"
#include "monitor/monitor.h"
#include "monitor/sandbox.h"

/* Sockets, rings, channels of all disks, and some in passing. */
#define FILE_COUNT_MAX 512
/* The largest file it writes is an image: memory, its checksums, and the state
 * of processors and devices. Captured, it must not fill the disk with it. */
#define IMAGE_REST_BYTES (64ull << 20)

static void log_engine(const struct engine *engine)
{
	char missing[256];

	sandbox_layer_list(engine->layers.missing, missing, sizeof(missing));
	log_info("engine started name=%s pid=%d missing-layers=%s",
		 engine->ops->name, engine->pid, missing);
}

/* What the engine did not take it does not need any more. */
static void close_rest(struct monitor *monitor)
{
	close_fd(&monitor->kernel_fd);
	close_fd(&monitor->initrd_fd);
	close_fd(&monitor->listener_fd);
	close_fd(&monitor->kvm_fd);
	close_fd(&monitor->image_fd);
}

static void say_lack(struct monitor *monitor,
		     const struct sandbox_layers *layers)
{
	if (layers->required & layers->missing)
		child_say(&monitor->child, EVENT_ERROR,
			  sandbox_missing_text(layers));
}

static int start_engine(struct monitor *monitor)
{
	struct monitor_disk disks[DISK_COUNT_MAX];
	struct monitor_nic nics[NIC_COUNT_MAX];
	const struct engine_machine machine = {
		.settings = &monitor->settings,
		.disks = disks,
		.nics = nics,
		.nic_count = monitor->nic_count,
		.kernel_fd = &monitor->kernel_fd,
		.initrd_fd = &monitor->initrd_fd,
		.kvm_fd = &monitor->kvm_fd,
		.image_fd = &monitor->image_fd,
		.listener_fd = &monitor->listener_fd,
		.uid = monitor->child.settings.uid,
		.gid = monitor->child.settings.gid,
		.jail_required = monitor->child.settings.jail_required,
	};
	struct engine *engine = &monitor->engine;
	int r;

	for (uint32_t i = 0; i < DISK_COUNT_MAX; i++)
		disks[i] = monitor->plans[i].settings;
	for (uint32_t i = 0; i < NIC_COUNT_MAX; i++)
		nics[i] = monitor->nic_plans[i].settings;
	engine->ops = engine_find(monitor->settings.engine);
	r = engine->ops->start(engine, &machine);
	if (r == 0)
		log_engine(engine);
	if (r == -EPERM)
		say_lack(monitor, &engine->layers);
	close_rest(monitor);
	return r;
}

static int enter_sandbox(struct monitor *monitor)
{
	const struct child_settings *settings = &monitor->child.settings;
	uint64_t memory = monitor->settings.memory_bytes;
	const struct sandbox config = {
		.root_fd = monitor->child.meet_fd,
		.uid = settings->uid,
		.gid = settings->gid,
		.required = settings->required,
		.file_count = FILE_COUNT_MAX,
		.file_bytes = memory + memory / 256 + IMAGE_REST_BYTES,
		.may_signal = monitor->engine.ops->has_process,
	};
	int r = sandbox_enter(&config, &monitor->layers);

	if (r == -EPERM)
		say_lack(monitor, &monitor->layers);
	child_close_meet(&monitor->child);
	return r;
}

/* Hand the disks to the I/O thread, which does not run yet. */
static int add_disk(struct monitor *monitor, uint32_t index)
{
	struct disk_plan *plan = &monitor->plans[index];
	struct lane lane;
	int r;

	if (!plan->is_known)
		return -EINVAL;
	r = iothread_add_disk(&monitor->io, &plan->settings,
			      monitor->settings.scsi_queue_count,
			      take_fd(&plan->witness_fd));
	if (r == 0 && plan->owes_error)
		disk_owe_error(&monitor->io.disks[index].disk);
	if (r < 0 || !plan->channel.is_known)
		return r;
	r = lane_open(&lane, disk_channel_kind(&plan->settings),
		      plan->channel.generation, plan->channel.fds);
	if (r == 0)
		disk_up(&monitor->io.disks[index].disk, &lane,
			plan->channel.is_alone);
	return r;
}

static int add_nic(struct monitor *monitor, uint32_t index)
{
	struct nic_plan *plan = &monitor->nic_plans[index];
	struct nic_link link;
	int r;

	r = iothread_add_nic(&monitor->io, &plan->settings,
			     monitor->engine.ops->has_control);
	if (r < 0 || !plan->channel.is_known)
		return r;
	r = nic_link_open(&link, plan->channel.generation, plan->channel.fds);
	if (r == 0)
		nic_up(&monitor->io.nics[index], &link);
	return r;
}

static int add_devices(struct monitor *monitor)
{
	struct engine *engine = &monitor->engine;
	int r = 0;

	for (uint32_t i = 0; i < monitor->settings.disk_count && r == 0; i++)
		r = add_disk(monitor, i);
	for (uint32_t i = 0; i < monitor->nic_count && r == 0; i++)
		r = add_nic(monitor, i);
	return r < 0 ? r : engine->ops->attach(engine, &monitor->io);
}

static int on_notice(sd_event_source *source, int fd, uint32_t events,
		     void *context)
{
	report_notices(context);
	return 0;
}

static int watch(struct monitor *monitor)
{
	struct engine *engine = &monitor->engine;
	int r;

	r = sd_event_add_io(monitor->event, NULL, monitor->io.notices.fd,
			    EPOLLIN, on_notice, monitor);
	if (r >= 0 && engine->serial_fd != NO_FD)
		r = console_connect(&monitor->console, monitor->event,
				    take_fd(&engine->serial_fd));
	return r < 0 ? r : engine->ops->watch(engine, monitor->event);
}

static int seal(struct monitor *monitor)
{
	int r;
	const struct engine_ops *ops = monitor->engine.ops;
	SCOPED(free_pointer) struct sandbox_call *calls = NULL;
	size_t count = monitor_call_count + ops->call_count;

	calls = calloc(count, sizeof(*calls));
	if (!calls)
		return -ENOMEM;
	memcpy(calls, monitor_calls, monitor_call_count * sizeof(*calls));
	if (ops->call_count > 0)
		memcpy(calls + monitor_call_count, ops->calls,
		       ops->call_count * sizeof(*calls));
	r = sandbox_seal(calls, count, &monitor->layers);
	if (r == -EPERM)
		say_lack(monitor, &monitor->layers);
	return r;
}

static int prepare_threads(struct monitor *monitor)
{
	int r = sandbox_prepare(monitor_io_calls, monitor_io_call_count,
				&monitor->io_program);

	return r < 0 ? r
		     : sandbox_prepare(monitor_witness_calls,
				       monitor_witness_call_count,
				       &monitor->witness_program);
}

int monitor_launch(struct monitor *monitor)
{
	int r = start_engine(monitor);

	if (r < 0)
		log_error("engine does not start error=%d", -r);
	if (r == 0)
		r = enter_sandbox(monitor);
	if (r == 0)
		r = add_devices(monitor);
	if (r == 0)
		r = iothread_start(&monitor->io);
	if (r == 0)
		r = watch(monitor);
	if (r >= 0)
		r = prepare_threads(monitor);
	if (r >= 0)
		r = seal(monitor);
	if (r >= 0)
		r = iothread_narrow(&monitor->io, &monitor->io_program,
				    &monitor->witness_program);
	if (r < 0)
		return r;
	monitor_enter(monitor, MONITOR_STARTING);
	monitor->guest.state = GUEST_PAUSED;
	return monitor->engine.ops->sealed(&monitor->engine);
}
