/* SPDX-License-Identifier: MIT */
/*
 * One child process of the supervisor: a monitor or an instance of a service.
 *
 * It is born by process_spawn() or, after the supervisor's own restart, found
 * again by process_expect() and process_adopt(). Its death is seen through a
 * pidfd, so it need not be our child in the kernel's sense.
 *
 * Its states and the ways between them are the table of process_state.c.
 *
 *   STARTING  spawned and told its settings; not READY by the deadline: killed
 *   EXPECTED  running since before us; not back by the deadline: killed
 *   READY     sandboxed, at work
 *   DYING     killed, its end not seen yet; messages from it are dropped
 *
 * One that ends before it was READY has said why in an event (EVENT_ERROR);
 * its last one is the reason.
 *
 * Trust      The process may be hostile. A message that breaks its rule table
 *            costs it its life, and nothing else.
 * Threads    The supervisor's only one.
 */
#ifndef SUPERVISOR_PROCESS_H
#define SUPERVISOR_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/state_table.h"
#include "control/control.h"
#include "control/dispatch.h"
#include "control/protocol.h"
#include "supervisor/child/loan.h"
#include "supervisor/child/outbox.h"
#include "supervisor/errand/budget.h"

struct child_log;
struct supervisor;
struct process;

enum process_state {
	PROCESS_STARTING,
	PROCESS_EXPECTED,
	PROCESS_READY,
	PROCESS_DYING,
	PROCESS_STATE_COUNT,
};

enum process_event {
	PROCESS_EVENT_READY,    /* CHILD_READY came */
	PROCESS_EVENT_EXPECT,   /* of an earlier supervisor, or it is back */
	PROCESS_EVENT_REPORTED, /* CHILD_REPORTED came */
	PROCESS_EVENT_KILL,
	PROCESS_EVENT_ENDED,
	PROCESS_EVENT_COUNT,
};

extern const struct state_table process_states;

/* What its owner (a partition or a service) wants to know. */
struct process_ops {
	const struct message_rule *rules; /* besides the CHILD_ ones */
	size_t rule_count;
	/* CHILD_READY came, or CHILD_REPORTED after an adoption. */
	void (*ready)(struct process *process);
	/*
	 * It is dead and its memory is unmapped. `reason` is a fragment for a
	 * person. The owner forgets it; it is freed after this returns.
	 */
	void (*died)(struct process *process, const char *reason);
	/* A CHILD_PONG came. May be NULL. */
	void (*pong)(struct process *process);
	uint64_t birth_ms; /* loan_make() from its birth; or 0 */
};

struct process {
	TAILQ_ENTRY(process) link;
	struct supervisor *supervisor;
	const struct process_ops *ops;
	void *owner;
	enum process_state state; /* written by process_apply() alone */
	uint32_t role;            /* enum role */
	char name[NAME_SIZE];
	uint8_t token[TOKEN_BYTES];
	uint64_t id; /* of its row in the store */
	pid_t pid;
	int pidfd;     /* NO_FD while it is being started */
	int child_end; /* of its link, until it has it; or NO_FD */
	bool is_adopted;
	bool is_moving; /* into its group: it is not reaped before the end */
	bool is_gone;   /* dead, and forgotten by its owner */
	struct budget connects; /* at the rendezvous (rendezvous.c) */
	bool is_quitting;       /* told to end */
	struct control control;
	uint64_t started_ns;
	uint32_t layers;  /* sandbox layers in place */
	uint32_t missing; /* asked for, not in place */
	bool has_crashed; /* it ended by a fault of its own */
	struct loan loan; /* of urgency */
	char reason[TEXT_SIZE];
	char last_error[TEXT_SIZE]; /* that it told */
	char field[64];             /* of a definition, which that is about */
	char last_words[TEXT_SIZE]; /* why it ends, by its own account */
	struct outbox outbox;
	struct child_log *log; /* NULL: of an earlier supervisor */
	sd_event_source *control_source;
	sd_event_source *death_source;
	sd_event_source *deadline_source;
};

TAILQ_HEAD(process_list, process);

/*
 * Start a child of this role and send its settings, behind the caller's back:
 * what is sent to it meanwhile follows, and if it cannot be started it dies as
 * any other does, later. The process belongs to the supervisor's list and frees
 * itself after ops->died().
 */
int process_spawn(struct supervisor *supervisor, uint32_t role,
		  const char *name, const struct process_ops *ops, void *owner,
		  struct process **ret_process);

/* A row of the store: a child of an earlier supervisor. */
struct process_record {
	uint64_t id;
	pid_t pid;
	uint64_t start_time;
	uint32_t role;
	char name[NAME_SIZE];
	uint8_t token[TOKEN_BYTES];
};

/*
 * Watch a child of an earlier supervisor until it comes back.
 *
 * -ESRCH  it is not running any more
 */
int process_expect(struct supervisor *supervisor,
		   const struct process_record *record,
		   const struct process_ops *ops, void *owner,
		   struct process **ret_process);

/* Give an expected process its new link (taken) and welcome it. */
int process_adopt(struct process *process, struct control *control);

/*
 * Send, or queue when the peer is slow to read; descriptors are duplicated as
 * needed. A process whose queue is full is killed, and its death tells its
 * owner. What is sent to one without a link is lost: it ends soon, or comes
 * back and says what it holds.
 */
void process_send(struct process *process, uint32_t type, uint32_t request_id,
		  const void *body, size_t body_bytes, const int *fds,
		  size_t fd_count);

/* Send with the body's own size. */
#define process_tell(process, type, body) \
	process_send(process, type, 0, body, sizeof(*(body)), NULL, 0)

/* It will end by itself, for this reason. */
void process_tell_end(struct process *process, const char *why);

/* SIGKILL, with the reason its owner will be told. Safe on one that is dying. */
void process_kill(struct process *process, const char *reason);

/* It is STARTING and gets on: it has all the time to be READY again. */
void process_extend(struct process *process);

/* Ask it to end (CHILD_QUIT) and kill it after `grace_ms`. */
void process_quit(struct process *process, uint64_t grace_ms);

/* "bulkhead-disk [disk0]" */
void process_title(const struct process *process, char *to, size_t room);

/* At the supervisor's end its children live on: close every link, so that
 * nothing that follows tells them anything; then forget them. */
void processes_let_go(struct supervisor *supervisor);
void processes_free(struct supervisor *supervisor);

/* When a process began, in ticks since the boot: tells who is older. 0 when
 * there is no such process. */
uint64_t process_started_ticks(pid_t pid);

/* Who started it; 0 when there is no such process. */
pid_t process_parent(pid_t pid);

/*
 * When a process began, in which boot: tells a reused pid, also after the host
 * was started again. 0 when there is no such process.
 */
uint64_t process_birth(pid_t pid);

#endif
