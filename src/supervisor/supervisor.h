/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's one object and the services its parts share: numbers that
 * are never reused, children remembered across its own death, events.
 *
 * Reading order: lifecycle.h, process.h, service.h, disk.h, partition.h, then
 * adopt.h for what happens after the supervisor's own restart.
 */
#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include <systemd/sd-event.h>

#include "sandbox/cgroup.h"
#include "supervisor/config.h"
#include "supervisor/events.h"
#include "supervisor/network.h"
#include "supervisor/partition.h"
#include "supervisor/process.h"
#include "supervisor/service.h"
#include "supervisor/store.h"

struct client_list;
struct adoption;
struct rendezvous;
struct engine_probe;
struct errands;
struct placer;

struct supervisor {
	struct config config;
	struct store *store;
	struct events *events;
	sd_event *event;
	struct errands *errands;       /* what the loop must not wait for */
	pthread_mutex_t configuration; /* of who changes what is defined */
	struct cgroup_base cgroups;
	struct placer *placer; /* NULL: no control groups on this host */
	sd_event_source *placed_source;
	int meet_fd; /* the directory children find us in */
	struct process_list processes;
	struct service_list services;
	struct partition_list partitions;
	struct network_list networks;
	struct network_list leaving;  /* undefined; a service has the uplink */
	sd_event_source *link_source; /* of network_watch.c */
	uint32_t report_id;           /* last used by network_report() */
	struct client_list *clients;
	struct engine_probe *probe;
	struct rendezvous *rendezvous;
	struct adoption *adoption; /* while is_adopting */
	bool is_adopting; /* children of an earlier life are expected */
	bool is_ending;   /* host shutdown: no partition is started again */
	bool are_services_ending; /* the last partition has stopped */
	bool is_over;             /* and the last service */
	struct ticket shutdown_ticket;
	sd_event_source *shutdown_timer;
	sd_event_source *autostart_timer;
	uint32_t autostart_ms; /* its last pause */
	sd_event_source *flush_source;
	bool is_flushing;
	uint32_t adopted_count;
	uint64_t started_ns;
};

/* Make everything and take over what runs. The refusal says why not. */
int supervisor_open(struct supervisor *supervisor, struct refusal *refusal);
/* Children live on. */
void supervisor_close(struct supervisor *supervisor);

/* Never reused; 0 only when the store has failed for good. That of a child
 * gives it a uid that no living child has. */
uint64_t supervisor_next_id(struct supervisor *supervisor);
uint64_t supervisor_next_generation(struct supervisor *supervisor);
uint64_t supervisor_next_attachment(struct supervisor *supervisor);

/* Define a service that is not there yet. */
int supervisor_add_service(struct supervisor *supervisor, const char *name,
			   uint32_t role, uint32_t standby_count);

/* May a process of this uid be a child of ours? */
bool supervisor_may_be_child(uid_t uid);

/* The uid a child becomes: its own when we are root, else 0 (stay). */
uint32_t supervisor_uid_for(struct supervisor *supervisor, uint64_t id);

/* Into its control group, or back where a dead supervisor may have left it: a
 * new monitor now, the others soon (placer.h). */
void supervisor_place_child(struct process *process);

/* The store's rows of children and their control groups: a monitor's before
 * its settings are sent, a service's behind the recovery. */
void supervisor_remember_child(struct supervisor *supervisor,
			       struct process *process);
void supervisor_forget_child(struct supervisor *supervisor, uint64_t id);
void supervisor_count_restart(struct supervisor *supervisor,
			      const struct service *service);

/* Write what is deferred now: somebody waits for it. */
void supervisor_flush(struct supervisor *supervisor);

/* An event about a child or service by this name. */
/* An event of what the ticket's operation came to. */
void supervisor_record_operation(struct supervisor *supervisor,
				 const struct ticket *ticket,
				 const struct reply *reply);

void supervisor_event(struct supervisor *supervisor, enum event_level level,
		      const char *subject, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* A returning service says that it serves this attachment (adopt.c). */
int supervisor_note_held(struct supervisor *supervisor,
			 struct instance *instance,
			 const struct attachment *attachment);

/* What `engine: auto` takes here; waits for the probe if it still runs. */
const struct probe_engine *supervisor_engine(struct supervisor *supervisor);
/* "kvm", "qemu" or "none". */
const char *supervisor_engine_name(struct supervisor *supervisor);

/* Stop all partitions, then all services, then leave the event loop. */
int supervisor_shut_down(struct supervisor *supervisor,
			 const struct ticket *ticket, uint32_t deadline_ms);
/* A partition or process has ended: go on with the shutdown, if there is one. */
void supervisor_shutdown_progress(struct supervisor *supervisor);

#endif
