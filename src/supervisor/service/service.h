/* SPDX-License-Identifier: MIT */
/*
 * Services and their instances.
 *
 * A service is a name that disks and consoles refer to; an instance is a
 * process that serves it. One instance is active, others stand by (started,
 * sandboxed, READY, without a client), and one may serve a single disk alone
 * because that disk's requests killed three instances in a row.
 *
 * service_settle() is the only place that starts, promotes and retires: it
 * looks at what is there, does what is missing, and may be called at any time.
 * A service that exits early again and again is started with growing pauses,
 * for ever; so is a standby, and an instance for one disk, each on its own
 * account: what one disk does to its instance delays nobody else.
 */
#ifndef SUPERVISOR_SERVICE_H
#define SUPERVISOR_SERVICE_H

#include "base/count.h"
#include "supervisor/child/process.h"
#include "supervisor/child/ticket.h"
#include "supervisor/errand/back_off.h"

struct binding;
struct disk;
struct instance;
struct service;

enum instance_duty {
	DUTY_NONE,    /* just made */
	DUTY_ACTIVE,  /* serves every client that is not served alone */
	DUTY_STANDBY, /* takes over at once */
	DUTY_ALONE,   /* serves instance->alone_for */
	DUTY_RETIRED, /* drains its clients, then quits */
	DUTY_COUNT,
};

/* What it is to do; the table is instance_duty.c's. */
enum duty_event {
	DUTY_EVENT_SERVE,
	DUTY_EVENT_STAND_BY,
	DUTY_EVENT_SERVE_ALONE,
	DUTY_EVENT_RETIRE,
	DUTY_EVENT_COUNT,
};

extern const struct state_table instance_duties;

/*
 * What is attached to the services of a role: disks, consoles, networks. A
 * service knows no more of them.
 */
struct attachment_ops {
	uint32_t role;
	struct process_ops instance; /* INSTANCE_OPS() */
	uint32_t detach; /* tells an instance to let go of an attachment */
	/* What has this attachment; NULL: nobody. */
	struct binding *(*find)(struct supervisor *supervisor, uint64_t id);
	/* Give what waits to instances that are READY. */
	void (*progress)(struct supervisor *supervisor);
	/* Let an instance have what nobody knows, if it may be of a guest in
	 * quarantine. */
	bool must_keep;
	/* Is all of the service's served? NULL: it always is. */
	bool (*is_settled)(struct supervisor *supervisor,
			   const struct service *service);
};

struct instance {
	TAILQ_ENTRY(instance) link;
	struct service *service;
	struct process *process;
	enum instance_duty duty; /* written by instance_apply() alone */
	struct disk *alone_for;
	TAILQ_HEAD(, binding) bindings;
	unsigned client_count;   /* disks or ports, also being detached */
	struct attachment *held; /* what it said it serves, at its return */
	unsigned held_count;     /* 0 once that is settled */
	unsigned network_count;  /* switches it was told of */
	bool has_begun;          /* of ROLE_NET: NET_BEGIN was sent */
	uint64_t ready_ns;       /* 0 until READY */
	uint64_t active_ns;      /* since when it serves; 0: not yet */
	uint64_t ping_at_ns;     /* of ping_source */
	sd_event_source *ping_source; /* armed while a PONG is awaited */
};

struct service {
	TAILQ_ENTRY(service) link;
	struct supervisor *supervisor;
	char name[NAME_SIZE];
	uint32_t role; /* of its instances */
	const struct attachment_ops *ops;
	uint32_t standby_count;
	uint32_t restarts;
	struct back_off back_off;         /* of active instances */
	struct back_off standby_back_off; /* of standbys */
	uint64_t death_ns; /* of an active instance not yet replaced */
	uint64_t last_outage_us;

	struct ticket restart_ticket; /* who waits for service_restart() */
	struct ticket leave_ticket;   /* and for service_remove() */
	bool is_unwanted; /* takes nobody new: it is about to be removed */
	bool is_leaving;
	uint64_t settle_at_ns; /* of settle_source */
	sd_event_source *settle_source;
	sd_event_source *watch_source; /* asks every instance if it lives */
	TAILQ_HEAD(, instance) instances;
};

TAILQ_HEAD(service_list, service);

/* Make a service known and start it. The supervisor's list owns it. */
int service_add(struct supervisor *supervisor, const char *name, uint32_t role,
		uint32_t standby_count, struct service **ret_service);

/* Define and record one that is not there yet. */
int service_define(struct supervisor *supervisor, const char *name,
		   uint32_t role, uint32_t standby_count);

/* By name; NULL when there is none that stays. */
struct service *service_find(struct supervisor *supervisor, const char *name);

/* End one that nothing uses and free it; `ticket` is answered then. */
void service_remove(struct service *service, const struct ticket *ticket);

/* All of them, with their instances; whose processes live on. */
void services_free(struct supervisor *supervisor);

/* Do what is missing. */
void service_settle(struct service *service);

/* The instance that may be given this disk now; NULL when none is READY. */
struct instance *service_instance_for(struct service *service,
				      const struct disk *disk);

/* The disk is released: its instance of its own is the heir's, or may end. */
void service_rejoin(struct service *service, const struct disk *disk,
		    struct disk *heir);

/* A client of an instance was detached or came; a retired one may now end. */
void instance_client_left(struct instance *instance);
void instance_client_came(struct instance *instance);

/* This instance and the monitor have a channel, and a guest waits for it. */
void instance_answer_soon(struct instance *instance, struct process *monitor);

/* Kill the instance unless its loop answers within `ms`. Of several deadlines
 * the earliest counts. */
void instance_check(struct instance *instance, uint64_t ms);

/*
 * Replace the active instance by a new one: an upgrade. Clients move when the
 * new one is READY; `ticket` is answered when they all are served by it. When
 * the new one never gets READY, the old one goes on.
 *
 * -EALREADY  one is under way
 */
int service_restart(struct service *service, const struct ticket *ticket);

/* Something became served: tell who waits for a restart, when all is. */
void service_tell_restart(struct service *service);

/* True when the active instance is READY and nothing is being moved. */
bool service_is_settled(const struct service *service);

/* A child of an earlier supervisor, expected back. */
int service_expect(struct service *service,
		   const struct process_record *record);

/*
 * Rules for what instances say of an attachment: that they serve it, at their
 * return (-EBADMSG when too often, -ENOMEM), that they have let go of it, and
 * that what is at its other end broke the channel or is gone.
 */
int instance_take_held(void *data, struct message *message);
int instance_take_detached(void *data, struct message *message);
int instance_take_peer_broken(void *data, struct message *message);

/* All have said what they serve: believe what agrees with the record. */
void service_take_held(struct service *service);

/* After re-adoption: who serves most is active, the others' clients move. */
void service_choose_active(struct service *service);

/* Tell every instance to end (host shutdown). */
void service_quit(struct service *service);

/* What the instances of every kind of service have: with an array of rules for
 * what they say, and how long they are lent urgency at their birth. */
void instance_ready(struct process *process);
void instance_died(struct process *process, const char *reason);
void instance_pong(struct process *process);

#define INSTANCE_OPS(rules_, birth_ms_)                             \
	{                                                           \
		.rules = rules_, .rule_count = ARRAY_COUNT(rules_), \
		.ready = instance_ready, .died = instance_died,     \
		.pong = instance_pong, .birth_ms = birth_ms_,       \
	}

/* For the tables: "active", "standby", "alone", "retired", "starting", ... */
const char *instance_state_name(const struct instance *instance);

#endif
