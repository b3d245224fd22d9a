/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's one object, which all of its parts share.
 *
 * Reading order: lifecycle.h, process.h, service.h, disk.h, partition.h, then
 * adopt.h for what happens after the supervisor's own restart.
 */
#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include <systemd/sd-event.h>

#include "sandbox/cgroup.h"
#include "supervisor/child/ids.h"
#include "supervisor/child/process.h"
#include "supervisor/child/ticket.h"
#include "supervisor/child/token.h"
#include "supervisor/config.h"
#include "supervisor/network/network.h"
#include "supervisor/partition/partition.h"
#include "supervisor/service/service.h"
#include "supervisor/service/volume.h"
#include "supervisor/store/events.h"
#include "supervisor/store/record.h"
#include "supervisor/store/store.h"

struct client_list;
struct adoption;
struct rendezvous;
struct engine_probe;
struct errands;
struct kept;

struct supervisor {
	struct config config;
	struct store *store;
	struct events *events;
	sd_event *event;
	struct errands *errands;       /* what the loop must not wait for */
	pthread_mutex_t configuration; /* of who changes what is defined */
	struct cgroup_base cgroups;
	int meet_fd; /* the directory children find us in */
	struct process_list processes;
	TAILQ_HEAD(, kept) quarantine; /* of children that we do not know */
	unsigned quarantine_count;
	uint8_t key[TOKEN_KEY_BYTES]; /* of children's tokens */
	struct service_list services;
	struct partition_list partitions;
	struct volume_list volumes;
	struct network_list networks;
	struct network_list leaving;  /* undefined; a service has the uplink */
	sd_event_source *link_source; /* of network_watch.c */
	uint32_t report_id;           /* last used by network_report() */
	struct client_list *clients;
	const struct ticket_delivery *delivery; /* NULL: no clients yet */
	struct kept_answers kept_answers;       /* until they are on disk */
	struct engine_probe *probe;
	struct rendezvous *rendezvous;
	/* By role, NULL last: what services serve. */
	const struct attachment_ops *const *attachments;
	/* A child came whom the store should know (adopt.h). */
	int (*adopt_unrecorded)(struct supervisor *supervisor,
				const struct process_record *record,
				struct process **ret_process);
	/* A child has gone for good. */
	void (*process_ended)(struct supervisor *supervisor);
	struct adoption *adoption; /* while is_adopting */
	bool is_adopting; /* children of an earlier life are expected */
	bool is_ending;   /* host shutdown: no partition is started again */
	bool are_services_ending; /* the last partition has stopped */
	bool is_over;             /* and the last service */
	struct ticket shutdown_ticket;
	sd_event_source *shutdown_timer;
	sd_event_source *autostart_timer;
	uint32_t autostart_ms;         /* its last pause */
	sd_event_source *flush_source; /* of record.c, to flushed() */
	bool is_flushing;
	char store_trouble[STORE_ERROR_SIZE]; /* of the last flush; "": none */
	uint64_t flush_at_ns;                 /* of flush_source */
	uint64_t retry_at_ns;                 /* of a flush that has failed */
	uint64_t states_at_ns; /* states are written then; 0: none is new */
	/* Deferred states are written, or cannot be (result < 0). */
	void (*flushed)(struct supervisor *supervisor, int result);
	sd_event_source *copy_source; /* of copier.c */
	bool is_copying;
	bool is_copy_failing;
	bool is_recovering;     /* the store was a copy (recover.h) */
	bool is_making_service; /* an errand of placement.c */
	uint32_t adopted_count;
	uint64_t started_ns;
};

/* Make everything and take over what runs. The refusal says why not. */
int supervisor_open(struct supervisor *supervisor, struct refusal *refusal);
/* Children live on. */
void supervisor_close(struct supervisor *supervisor);

/* Stop all partitions, then all services, then leave the event loop. */
int supervisor_shut_down(struct supervisor *supervisor,
			 const struct ticket *ticket, uint32_t deadline_ms);
/* A partition or process has ended: go on with the shutdown, if there is one. */
void supervisor_shutdown_progress(struct supervisor *supervisor);

#endif
