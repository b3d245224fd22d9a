/* SPDX-License-Identifier: MIT */
/*
 * What ties a client of a service to the instance that serves it: a disk, an
 * interface, a switch's uplink, a console. Every time it is served it has a
 * channel of a new generation. The ways between its states are the table of
 * binding_state.c.
 *
 *   DETACHED   nobody serves it and nothing of it is in the kernel
 *   FENCING    an earlier generation may still have requests in the kernel
 *   WAITING    no instance is READY, or it has to wait for one
 *   UP         an instance has its channel
 *   DETACHING  the instance was told to let go of it
 *
 * Only a disk has a fence, so only a disk stays FENCING: of the others is lost
 * what a service had.
 *
 * Threads    The supervisor's only one.
 */
#ifndef SUPERVISOR_BINDING_H
#define SUPERVISOR_BINDING_H

#include "base/state_table.h"
#include "supervisor/service/service.h"

struct binding;

enum binding_state {
	BINDING_DETACHED,
	BINDING_FENCING,
	BINDING_WAITING,
	BINDING_UP,
	BINDING_DETACHING,
	BINDING_STATE_COUNT,
};

enum binding_event {
	BINDING_EVENT_CLAIM,    /* wanted, or someone may serve it */
	BINDING_EVENT_LIFTED,   /* nothing of it is in the kernel */
	BINDING_EVENT_BLOCKED,  /* somebody's requests are, after all */
	BINDING_EVENT_UNWANTED, /* nobody waits for it any more */
	BINDING_EVENT_GIVEN,    /* to an instance */
	BINDING_EVENT_FOUND,    /* with an instance, at re-adoption */
	BINDING_EVENT_LEAVE,    /* its instance is to let go of it */
	BINDING_EVENT_LOST,     /* by its instance, which died or let go */
	BINDING_EVENT_RELEASED, /* it is forgotten */
	BINDING_EVENT_COUNT,
};

/* What both ends of a new channel are given, in this order; a client without a
 * file of its own has the last three. */
struct handover {
	int file;
	int ends[3]; /* memory, kick, call */
	int ledger;  /* of a SCSI unit; the service alone has it */
};

/* Make its eventfds. */
int handover_make_events(struct handover *handover);

enum binding_loss {
	BINDING_DRAINED, /* its instance has let go of it */
	BINDING_DIED,    /* its instance has died */
};

struct binding_ops {
	/* Open what both ends are given. -EAGAIN: somebody's requests are in
	 * the kernel. */
	int (*prepare)(struct binding *binding, uint64_t generation,
		       struct handover *handover);
	void (*tell_both)(struct binding *binding, struct instance *instance,
			  const struct handover *handover);
	/* Its monitor is to send nothing more. May be NULL. */
	void (*tell_leaving)(struct binding *binding);
	/* Its instance is to let go of it. */
	void (*tell_leave)(struct binding *binding);
	/* It is time to look at it again. */
	void (*progress)(struct binding *binding);
	/* May an instance of this service have it? */
	bool (*fits)(const struct binding *binding,
		     const struct service *service);
	/* Re-adoption: an instance has it, and nobody else. */
	void (*found)(struct binding *binding, struct instance *instance,
		      uint64_t generation);
	/* Its instance was killed and may take long to die. May be NULL. */
	void (*doomed)(struct binding *binding);
	/* Nobody serves it any more: binding_lose(). */
	void (*lost)(struct binding *binding, enum binding_loss loss);
	/* What is at its other end broke the channel, or is gone, by its
	 * instance's word. May be NULL. */
	void (*peer_broken)(struct binding *binding);
};

struct binding {
	TAILQ_ENTRY(binding) link; /* of those that its instance has */
	const struct binding_ops *ops;
	struct supervisor *supervisor;
	uint64_t id; /* of the attachment, from the store */
	uint64_t generation;
	enum binding_state state;  /* written by binding_apply() alone */
	bool is_wanted;            /* whoever uses it is ready for it */
	struct instance *instance; /* in UP and DETACHING */
	uint64_t up_ns;            /* when the last channel came up */
	struct back_off back_off;  /* of channels that were broken */
	sd_event_source *timer;
};

extern const struct state_table binding_states;

/* The one place that writes binding->state. */
void binding_apply(struct binding *binding, enum binding_event event);

/* After a hand-over that failed. */
#define BINDING_RETRY_MS 1000

/* Look at it again in `ms`, if that is not to be sooner already. */
void binding_progress_later(struct binding *binding, uint64_t ms);

/* Were its last channels broken so soon that it has to wait for another? It is
 * looked at again then. */
bool binding_must_wait(struct binding *binding);

/* Make a channel of a new generation. Errors are those of prepare(). */
int binding_hand_over(struct binding *binding, struct instance *instance);

/* Re-adoption: this instance has it, by its own word. */
void binding_found(struct binding *binding, struct instance *instance,
		   uint64_t generation);

/* Its monitor is back and has a channel of this generation: at re-adoption that
 * is the one to compare with; later it is made anew if it is another. */
void binding_held(struct binding *binding, uint64_t generation);

/* Have its instance let go of it, if one has it. */
void binding_leave(struct binding *binding);

/* No instance has it any more. FENCING follows. */
void binding_lose(struct binding *binding);

/* Its fence is lifted: WAITING or, if nobody wants it, DETACHED. */
void binding_lift(struct binding *binding);

/* Of one without a fence. */
void binding_want(struct binding *binding, bool is_wanted);
void binding_let_go(struct binding *binding);

/* Forget who served it and every timer. */
void binding_release(struct binding *binding);

/* Is a message about the channel that it has now? */
bool binding_is_up(const struct binding *binding, uint64_t generation);

/* Is it with the instance that this process is? */
bool binding_is_with(const struct binding *binding,
		     const struct process *process);

/* Its monitor complains of an instance that does not answer. */
void binding_suspected(struct binding *binding, uint64_t generation,
		       uint64_t hang_ms);

/* Its channel was broken; one that lasted less than `early_ns` counts. */
void binding_note_end(struct binding *binding, uint64_t early_ns);

struct attachment binding_attachment(const struct binding *binding);

/* Tell its instance: a message that names the attachment. */
void binding_tell(const struct binding *binding, uint32_t type);

/* "up", "waiting", ... */
const char *binding_state_name(enum binding_state state);

#endif
