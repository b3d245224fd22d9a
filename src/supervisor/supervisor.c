/* SPDX-License-Identifier: MIT */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"
#include "supervisor/adopt.h"
#include "supervisor/child/child_record.h"
#include "supervisor/child/engine.h"
#include "supervisor/child/quarantine.h"
#include "supervisor/child/rendezvous.h"
#include "supervisor/client/client.h"
#include "supervisor/errand/errand.h"
#include "supervisor/partition/autostart.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/partition/save.h"
#include "supervisor/storage/image.h"
#include "supervisor/storage/install.h"
#include "supervisor/storage/ledger_file.h"
#include "supervisor/store/copier.h"

/* Start: what the store knows becomes objects. */

static int load_partition(void *context, const struct partition_record *record)
{
	return partition_new(context, record) ? 0 : -ENOMEM;
}

static int load_volume(void *context, const struct volume_record *record)
{
	struct volume *volume = volume_new(record);

	if (!volume)
		return -ENOMEM;
	volume_add(context, volume);
	return 0;
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

static void note_half_uninstalled(struct supervisor *supervisor)
{
	struct partition *partition;

	TAILQ_FOREACH(partition, &supervisor->partitions, link)
		partition->is_half_uninstalled = uninstall_is_pending(
			supervisor->store, partition->record.definition.name);
}

static int load(struct supervisor *supervisor)
{
	const struct install_recovery recovery = { supervisor, resume_uninstall,
						   report_recovery };
	int r;

	r = store_each_volume(supervisor->store, load_volume, supervisor);
	if (r == 0)
		r = store_each_partition(supervisor->store, load_partition,
					 supervisor);
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
		r = service_define(supervisor, DEFAULT_DISK_SERVICE, ROLE_DISK,
				   supervisor->config.disk_standby);
	if (r == 0)
		r = service_define(supervisor, CONSOLE_SERVICE, ROLE_CONSOLE,
				   0);
	if (r == 0)
		r = install_recover(supervisor->store, &recovery);
	if (r < 0)
		return r;
	note_half_uninstalled(supervisor);
	save_recover(supervisor);
	return 0;
}

/* Everything is known: clients may come. */
static void open_for_clients(void *context)
{
	struct supervisor *supervisor = context;
	struct refusal refusal = { 0 };
	const struct probe_engine *engine =
		engine_probe_wait(supervisor->probe);

	supervisor_event(supervisor, EVENT_INFO, "supervisor",
			 "engine auto takes %s: %s", probe_engine_name(engine),
			 engine->reason);
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

	return r < 0 ? r : record_open(supervisor);
}

static int make_directories(const struct supervisor *supervisor,
			    struct refusal *refusal)
{
	const struct config *config = &supervisor->config;
	char path[PATH_SIZE + 16];

	(void)snprintf(path, sizeof(path), "%s/console", config->state_dir);
	if ((mkdir(path, 0700) < 0 && errno != EEXIST) ||
	    image_open_folder(config->state_dir) < 0 ||
	    (mkdir(config->runtime_dir, 0755) < 0 && errno != EEXIST) ||
	    ledger_file_open_folder(config->runtime_dir) < 0)
		return refuse(refusal, -errno, "state_dir",
			      "cannot make a directory for run-time files: %s",
			      strerror(errno));
	return 0;
}

static const struct attachment_ops *const attachments[] = {
	&disk_attachments, &console_attachments, &network_attachments, NULL
};

/* With a key that is not kept the children of now are of another store later. */
static int read_facts(struct supervisor *supervisor)
{
	struct store *store = supervisor->store;
	uint8_t fact;

	supervisor->is_recovering = store_get_fact(store, STORE_IS_RECOVERED,
						   &fact, sizeof(fact)) == 0;
	if (store_get_fact(store, STORE_KEY, supervisor->key,
			   sizeof(supervisor->key)) == 0)
		return 0;
	if (getrandom(supervisor->key, sizeof(supervisor->key), 0) !=
	    sizeof(supervisor->key))
		return -EIO;
	if (store_put_fact(store, STORE_KEY, supervisor->key,
			   sizeof(supervisor->key)) < 0)
		log_warn("the key of children cannot be stored: %s",
			 store_error(store));
	return 0;
}

int supervisor_open(struct supervisor *supervisor, struct refusal *refusal)
{
	int r;

	(void)pthread_mutex_init(&supervisor->configuration, NULL);
	TAILQ_INIT(&supervisor->processes);
	TAILQ_INIT(&supervisor->quarantine);
	TAILQ_INIT(&supervisor->services);
	TAILQ_INIT(&supervisor->partitions);
	TAILQ_INIT(&supervisor->volumes);
	TAILQ_INIT(&supervisor->networks);
	TAILQ_INIT(&supervisor->leaving);
	TAILQ_INIT(&supervisor->kept_answers);
	supervisor->meet_fd = NO_FD;
	supervisor->started_ns = clock_now_ns();
	r = store_open(&supervisor->store, supervisor->config.state_dir,
		       refusal);
	if (r < 0)
		return r;
	r = make_directories(supervisor, refusal);
	if (r < 0)
		return r;
	supervisor->flushed = tickets_flushed;
	supervisor->adopt_unrecorded = adopt_unrecorded;
	supervisor->process_ended = supervisor_shutdown_progress;
	supervisor->attachments = attachments;
	r = read_facts(supervisor);
	if (r == 0)
		r = open_loop(supervisor);
	if (r == 0)
		r = engine_probe_start(&supervisor->probe,
				       supervisor->config.qemu);
	if (r == 0)
		r = events_new(&supervisor->events, supervisor->store);
	if (r == 0)
		r = children_open(supervisor);
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
		return refuse(refusal, r, "", "the store cannot be read: %s%s",
			      store_error(supervisor->store),
			      r == -EUCLEAN ? ": " STORE_ADVICE : "");
	/* Until here nobody waits for the loop, and all is done in order. */
	r = errands_new(&supervisor->errands, supervisor->event);
	if (r == 0)
		r = copier_open(supervisor);
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
	volumes_free(supervisor);
	services_free(supervisor);
	processes_free(supervisor);
	adopt_close(supervisor);
	rendezvous_close(supervisor);
	quarantine_free(supervisor);
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
	children_close(supervisor);
	copier_close(supervisor);
	sd_event_source_disable_unref(supervisor->flush_source);
	sd_event_source_disable_unref(supervisor->link_source);
	sd_event_source_disable_unref(supervisor->shutdown_timer);
	sd_event_source_disable_unref(supervisor->autostart_timer);
	errands_free(supervisor->errands);
	sd_event_unref(supervisor->event);
}
