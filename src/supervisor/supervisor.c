/* SPDX-License-Identifier: MIT */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"
#include "sandbox/sandbox.h"
#include "supervisor/adopt.h"
#include "supervisor/autostart.h"
#include "supervisor/engine.h"
#include "supervisor/errand.h"
#include "supervisor/image.h"
#include "supervisor/install.h"
#include "supervisor/operation.h"
#include "supervisor/partition_private.h"
#include "supervisor/placer.h"
#include "supervisor/rendezvous.h"
#include "supervisor/save.h"
#include "supervisor/service_limits.h"

/* Uids without a name, far from those of people and packages. */
#define UID_FIRST 0x42480000u
#define UID_COUNT 0x10000u
/* Deferred writes reach the disk this long after they were queued. */
#define FLUSH_USEC 50000u
/* ... and are tried again when it is full. */
#define RETRY_USEC 5000000u

static uint64_t next_number(struct supervisor *supervisor,
			    enum store_counter counter)
{
	uint64_t number = 0;

	if (store_next(supervisor->store, counter, &number) < 0)
		log_error("the store gives no more numbers: %s",
			  store_error(supervisor->store));
	return number;
}

/* Ids never come again; the uids that follow from them do. */
static bool is_uid_in_use(struct supervisor *supervisor, uint64_t id)
{
	const struct process *process;

	TAILQ_FOREACH(process, &supervisor->processes, link)
	if (process->id && process->id % UID_COUNT == id % UID_COUNT)
		return true;
	return false;
}

uint64_t supervisor_next_id(struct supervisor *supervisor)
{
	uint64_t id;

	do
		id = next_number(supervisor, STORE_INSTANCE);
	while (id && is_uid_in_use(supervisor, id));
	return id;
}

uint64_t supervisor_next_generation(struct supervisor *supervisor)
{
	return next_number(supervisor, STORE_GENERATION);
}

uint64_t supervisor_next_attachment(struct supervisor *supervisor)
{
	return next_number(supervisor, STORE_ATTACHMENT);
}

bool supervisor_may_be_child(uid_t uid)
{
	return geteuid() == 0 ? uid - UID_FIRST < UID_COUNT : uid == geteuid();
}

uint32_t supervisor_uid_for(struct supervisor *supervisor, uint64_t id)
{
	if (geteuid() != 0)
		return 0;
	return UID_FIRST + (uint32_t)(id % UID_COUNT);
}

static void flush_after(struct supervisor *supervisor, uint64_t usec)
{
	(void)sd_event_source_set_time_relative(supervisor->flush_source, usec);
	(void)sd_event_source_set_enabled(supervisor->flush_source,
					  SD_EVENT_ONESHOT);
}

/* An errand: the commit is waited for. */
static void flush(void *context)
{
	struct supervisor *supervisor = context;
	int r = store_flush_at_all_costs(supervisor->store);

	supervisor->is_flushing = false;
	if (r < 0)
		log_warn("the store cannot be written, going on: %s",
			 store_error(supervisor->store));
	if (r < 0)
		flush_after(supervisor, RETRY_USEC);
	else if (store_has_deferred(supervisor->store))
		flush_after(supervisor, FLUSH_USEC);
	/* Last: who still waits wants it at once. */
	answers_stored(supervisor, r);
}

static int on_flush(sd_event_source *source, uint64_t usec, void *data)
{
	struct supervisor *supervisor = data;

	placer_sweep(supervisor->placer);
	if (supervisor->is_flushing)
		return 0;
	/* Another's commit has written it all. */
	if (!store_has_deferred(supervisor->store)) {
		answers_stored(supervisor, 0);
		return 0;
	}
	supervisor->is_flushing = true;
	errand_run(supervisor->errands, flush, supervisor);
	return 0;
}

/* One write for everything that happens within FLUSH_USEC. */
static void flush_soon(struct supervisor *supervisor)
{
	int enabled = SD_EVENT_OFF;

	(void)sd_event_source_get_enabled(supervisor->flush_source, &enabled);
	if (enabled == SD_EVENT_OFF && !supervisor->is_flushing)
		flush_after(supervisor, FLUSH_USEC);
}

void supervisor_flush(struct supervisor *supervisor)
{
	if (!supervisor->is_flushing)
		flush_after(supervisor, 0);
}

static void name_group(const struct process *process, char *to)
{
	(void)snprintf(to, NAME_ROOM, "c%llu", (unsigned long long)process->id);
}

static void note_placed(struct process *process, int result)
{
	if (result < 0)
		return;
	process->missing &= ~(uint32_t)SANDBOX_CGROUP;
	process->layers |= SANDBOX_CGROUP;
}

static struct process *find_process(struct supervisor *supervisor, uint64_t id)
{
	struct process *process;

	TAILQ_FOREACH(process, &supervisor->processes, link)
	if (process->id == id)
		return process;
	return NULL;
}

/* One that has ended meanwhile is still to be reaped (process.c), and its
 * group to be removed. */
static int on_placed(sd_event_source *source, int fd, uint32_t events,
		     void *data)
{
	struct supervisor *supervisor = data;
	struct placement placed;
	struct process *process;

	while (placer_take(supervisor->placer, &placed)) {
		process = find_process(supervisor, placed.id);
		if (process) {
			note_placed(process, placed.result);
		} else {
			(void)waitid(P_PIDFD, (id_t)placed.pidfd, NULL,
				     WEXITED | WNOHANG);
			flush_soon(supervisor);
		}
		close_fd(&placed.pidfd);
	}
	return 0;
}

static int place_now(struct placer *placer, const struct placement *placement)
{
	int result;

	errand_step_aside();
	result = placer_place(placer, placement);
	errand_step_back();
	return result;
}

/* No guest runs without limits: a monitor is placed before it hears of one. */
void supervisor_place_child(struct process *process)
{
	struct placer *placer = process->supervisor->placer;
	struct placement placement = {
		.id = process->id,
		.pid = process->pid,
		.pidfd = process->pidfd,
		.limits = limits_for(&process->supervisor->config,
				     process->role, limits_host_bytes()),
	};

	process->missing |= SANDBOX_CGROUP;
	if (!placer)
		return;
	name_group(process, placement.group);
	if (process->role == ROLE_MONITOR && !process->is_adopted)
		note_placed(process, place_now(placer, &placement));
	else
		(void)placer_put(placer, &placement);
}

void supervisor_remember_child(struct supervisor *supervisor,
			       struct process *process)
{
	struct child_record record = {
		.instance = process->id,
		.start_time = process_birth(process->pid),
		.pid = process->pid,
		.role = process->role,
		.uid = supervisor_uid_for(supervisor, process->id),
	};

	memcpy(record.name, process->name, sizeof(record.name));
	memcpy(record.token, process->token, sizeof(record.token));
	name_group(process, record.cgroup);
	supervisor_place_child(process);
	flush_soon(supervisor);
	/* A monitor's guest cannot be had again, so the monitor is on record
	 * before it learns who it is. */
	if (process->role != ROLE_MONITOR ||
	    store_put_child(supervisor->store, &record) < 0)
		store_defer_child(supervisor->store, &record);
}

void supervisor_forget_child(struct supervisor *supervisor, uint64_t id)
{
	store_defer_child_gone(supervisor->store, id);
	flush_soon(supervisor);
}

void supervisor_count_restart(struct supervisor *supervisor,
			      const struct service *service)
{
	store_defer_service_restarts(supervisor->store, service->name,
				     service->restarts);
	flush_soon(supervisor);
}

void supervisor_event(struct supervisor *supervisor, enum event_level level,
		      const char *subject, const char *format, ...)
{
	char text[TEXT_ROOM];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	event_record(supervisor->events, level, subject, "%s", text);
	flush_soon(supervisor);
}

void supervisor_record_operation(struct supervisor *supervisor,
				 const struct ticket *ticket,
				 const struct reply *reply)
{
	operation_record(supervisor->events, ticket, reply);
	flush_soon(supervisor);
}

const struct probe_engine *supervisor_engine(struct supervisor *supervisor)
{
	return engine_probe_wait(supervisor->probe);
}

const char *supervisor_engine_name(struct supervisor *supervisor)
{
	const struct probe_engine *engine = supervisor_engine(supervisor);

	if (engine->engine == ENGINE_KVM)
		return "kvm";
	return engine->qemu[0] ? "qemu" : "none";
}

/* Start: what the store knows becomes objects. */

static int load_partition(void *context, const struct partition_record *record)
{
	return partition_new(context, record) ? 0 : -ENOMEM;
}

static int load_switch(void *context, const struct switch_record *record)
{
	struct uplink closed = UPLINK_CLOSED;

	return network_new(context, record, &closed) ? 0 : -ENOMEM;
}

static int load_nic(void *context, const struct nic_record *record)
{
	struct partition *partition =
		partition_find(context, record->partition);

	return partition ? partition_add_nic(partition, record) : -EUCLEAN;
}

static int load_mirror(void *context, const struct mirror_record *record)
{
	struct nic *nic = nic_find(context, record->id);

	if (nic)
		nic->mirror = *record;
	return nic ? 0 : -EUCLEAN;
}

static int load_service(void *context, const struct service_record *record)
{
	struct service *service;
	int r = service_add(context, record->name, record->role,
			    record->standby_count, &service);

	if (r == 0)
		service->restarts = record->restarts;
	return r;
}

int supervisor_add_service(struct supervisor *supervisor, const char *name,
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

static void resume_uninstall(void *context, struct uninstall *uninstall)
{
	struct partition *partition =
		partition_find(context, uninstall_partition(uninstall));

	if (partition)
		partition_resume_uninstall(partition, uninstall);
	else
		uninstall_free(uninstall);
}

static void report_recovery(void *context, const char *partition,
			    const char *text)
{
	supervisor_event(context, EVENT_WARNING, partition, "%s", text);
}

static int load(struct supervisor *supervisor)
{
	const struct install_recovery recovery = { supervisor, resume_uninstall,
						   report_recovery };
	int r;

	r = store_each_partition(supervisor->store, load_partition, supervisor);
	if (r == 0)
		r = store_each_switch(supervisor->store, load_switch,
				      supervisor);
	if (r == 0)
		r = store_each_nic(supervisor->store, load_nic, supervisor);
	if (r == 0)
		r = store_each_mirror(supervisor->store, load_mirror,
				      supervisor);
	if (r == 0)
		r = store_each_service(supervisor->store, load_service,
				       supervisor);
	if (r == 0)
		r = supervisor_add_service(supervisor, DEFAULT_DISK_SERVICE,
					   ROLE_DISK,
					   supervisor->config.disk_standby);
	if (r == 0)
		r = supervisor_add_service(supervisor, CONSOLE_SERVICE,
					   ROLE_CONSOLE, 0);
	if (r == 0)
		r = install_recover(supervisor->store, &recovery);
	if (r == 0)
		save_recover(supervisor);
	return r;
}

/* Everything is known: clients may come. */
static void open_for_clients(void *context)
{
	struct supervisor *supervisor = context;
	struct refusal refusal = { 0 };

	supervisor_event(supervisor, EVENT_INFO, "supervisor",
			 "engine auto takes %s: %s",
			 supervisor_engine_name(supervisor),
			 supervisor_engine(supervisor)->reason);
	if (supervisor->adopted_count)
		supervisor_event(supervisor, EVENT_INFO, "supervisor",
				 "took over %u running processes",
				 supervisor->adopted_count);
	autostart_go(supervisor);
	if (clients_listen(supervisor, &refusal) < 0) {
		log_error("%s: %s", refusal.field, refusal.text);
		(void)sd_event_exit(supervisor->event, EXIT_FAILURE);
		return;
	}
	log_info("ready socket=%s", supervisor->config.socket);
	(void)engine_notify_ready();
}

/* Guests and services go on meanwhile; nothing here waits for the probe. */
static int adoption_finished(struct supervisor *supervisor)
{
	return engine_probe_watch(supervisor->probe, supervisor->event,
				  open_for_clients, supervisor);
}

static int open_loop(struct supervisor *supervisor)
{
	int r = sd_event_new(&supervisor->event);

	if (r < 0)
		return r;
	r = sd_event_add_time_relative(
		supervisor->event, &supervisor->flush_source, CLOCK_MONOTONIC,
		0, 1, on_flush, supervisor);
	return r < 0 ? r : 0;
}

static int make_directories(const struct supervisor *supervisor,
			    struct refusal *refusal)
{
	const struct config *config = &supervisor->config;
	char path[PATH_ROOM + 16];

	(void)snprintf(path, sizeof(path), "%s/console", config->state_dir);
	if ((mkdir(path, 0700) < 0 && errno != EEXIST) ||
	    image_open_folder(config->state_dir) < 0 ||
	    (mkdir(config->runtime_dir, 0755) < 0 && errno != EEXIST))
		return refuse(refusal, -errno, "state_dir",
			      "cannot make a directory for run-time files: %s",
			      strerror(errno));
	return 0;
}

/* Named for the state directory: two supervisors on one host have different
 * ones, and the successor of a dead one has the same. */
static int open_cgroups(struct supervisor *supervisor)
{
	char name[NAME_ROOM];
	struct stat state;
	int r;

	if (stat(supervisor->config.state_dir, &state) < 0)
		return -errno;
	(void)snprintf(name, sizeof(name), "bulkhead-%llx-%llx",
		       (unsigned long long)state.st_dev,
		       (unsigned long long)state.st_ino);
	/* An optional layer: this host may have none. */
	if (cgroup_base_open(name, &supervisor->cgroups) < 0)
		return 0;
	r = placer_new(&supervisor->placer, &supervisor->cgroups);
	if (r < 0)
		return r;
	r = sd_event_add_io(supervisor->event, &supervisor->placed_source,
			    placer_fd(supervisor->placer), EPOLLIN, on_placed,
			    supervisor);
	return r < 0 ? r : 0;
}

int supervisor_open(struct supervisor *supervisor, struct refusal *refusal)
{
	int r;

	(void)pthread_mutex_init(&supervisor->configuration, NULL);
	TAILQ_INIT(&supervisor->processes);
	TAILQ_INIT(&supervisor->services);
	TAILQ_INIT(&supervisor->partitions);
	TAILQ_INIT(&supervisor->networks);
	TAILQ_INIT(&supervisor->leaving);
	supervisor->meet_fd = NO_FD;
	supervisor->started_ns = clock_now_ns();
	r = store_open(&supervisor->store, supervisor->config.state_dir,
		       refusal);
	if (r < 0)
		return r;
	r = make_directories(supervisor, refusal);
	if (r < 0)
		return r;
	r = open_loop(supervisor);
	if (r == 0)
		r = engine_probe_start(&supervisor->probe,
				       supervisor->config.qemu);
	if (r == 0)
		r = events_new(&supervisor->events, supervisor->store);
	if (r == 0)
		r = open_cgroups(supervisor);
	if (r < 0)
		return refuse(refusal, r, "", "cannot start: %s", strerror(-r));
	r = clients_check(supervisor, refusal);
	if (r < 0)
		return r;
	r = rendezvous_open(supervisor, refusal);
	if (r < 0)
		return r;
	r = load(supervisor);
	if (r == 0)
		r = adopt_begin(supervisor, adoption_finished);
	if (r < 0)
		return refuse(refusal, r, "", "the store cannot be read: %s",
			      store_error(supervisor->store));
	/* Until here nobody waits for the loop, and all is done in order. */
	r = errands_new(&supervisor->errands, supervisor->event);
	return r < 0 ? refuse(refusal, r, "", "out of memory") : 0;
}

static void free_objects(struct supervisor *supervisor)
{
	struct partition *partition;

	clients_close(supervisor);
	processes_let_go(supervisor);
	while ((partition = TAILQ_FIRST(&supervisor->partitions)))
		partition_free(partition);
	networks_free(supervisor);
	services_free(supervisor);
	processes_free(supervisor);
	adopt_close(supervisor);
	rendezvous_close(supervisor);
	engine_probe_free(supervisor->probe);
	events_free(supervisor->events);
}

void supervisor_close(struct supervisor *supervisor)
{
	bool are_settled = errands_settle(supervisor->errands);

	/* What they hold stays: the process is about to end. */
	if (are_settled)
		free_objects(supervisor);
	store_close(supervisor->store);
	if (!are_settled)
		return;
	sd_event_source_disable_unref(supervisor->placed_source);
	placer_free(supervisor->placer);
	cgroup_base_close(&supervisor->cgroups);
	sd_event_source_disable_unref(supervisor->flush_source);
	sd_event_source_disable_unref(supervisor->link_source);
	sd_event_source_disable_unref(supervisor->shutdown_timer);
	sd_event_source_disable_unref(supervisor->autostart_timer);
	errands_free(supervisor->errands);
	sd_event_unref(supervisor->event);
}
