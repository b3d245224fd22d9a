/* SPDX-License-Identifier: MIT */
/*
 * A partition at run time: its record, its monitor, its disks and console, and
 * the verb that a client waits for.
 *
 * The state is lifecycle.h's; every change of it goes through one function
 * that follows the table, stores the row and records an event. A verb first
 * checks everything and changes nothing; then it changes the state and begins
 * what takes time; the client's reply follows when the outcome is known.
 *
 * A monitor's resources (witnesses, console ring) live from START until every
 * disk's fence has lifted after the monitor's end; only then may the partition
 * be started again.
 */
#ifndef SUPERVISOR_PARTITION_H
#define SUPERVISOR_PARTITION_H

#include "base/refusal.h"
#include "supervisor/child/ticket.h"
#include "supervisor/network/nic.h"
#include "supervisor/service/console.h"
#include "supervisor/service/disk.h"
#include "supervisor/storage/install.h"
#include "supervisor/store/store.h"

struct uninstall;

/* What a SAVING partition waits for; SAVE_NOT: nothing, or its monitor's end.*/
enum save_step {
	SAVE_NOT,
	SAVE_PAUSING,
	SAVE_WRITING,
	SAVE_COMMITTING,
	SAVE_TAKING_BACK, /* the guest is to run on */
};

/* Different instructions emulated for one guest; more are not told. */
#define EMULATIONS_MAX 64

/* Asked of a monitor, by request_id; 0: none. */
struct question {
	uint32_t id;
	enum partition_event event; /* to apply; PARTITION_EVENT_COUNT: none */
};
#define QUESTIONS_MAX 8

struct partition {
	TAILQ_ENTRY(partition) link;
	struct supervisor *supervisor;
	struct partition_record record;
	struct process *monitor; /* NULL: none */
	uint32_t engine;         /* in use; never ENGINE_AUTO while active */
	uint32_t engine_pid;
	uint32_t accelerator; /* of engine qemu: 0 TCG, 1 KVM */
	struct disk disks[DISK_COUNT_MAX];
	unsigned disk_count; /* 0 while there is no monitor nor a fence */
	struct nic nics[NIC_COUNT_MAX];
	unsigned nic_count; /* as defined, also without a monitor */
	struct console console;
	struct ticket ticket;  /* who waits for the verb under way */
	unsigned errand_count; /* that have stepped aside with it in hand */
	struct question questions[QUESTIONS_MAX]; /* without an answer */
	uint32_t verb_id; /* of the last one: request_id of its message */
	sd_event_source *question_timer; /* its deadline */
	struct budget writes;            /* of its state to the store */
	bool is_off;              /* its guest is, which is dealt with once */
	bool is_stop_wanted;      /* a client asked; policy does not restart */
	bool is_paused_by_policy; /* until its disks are back */
	bool is_autostart_told;   /* that it is refused */
	uint32_t guest_state;     /* last MONITOR_GUEST; enum guest_state */
	/* What to apply when every disk is released. */
	struct {
		bool is_pending;
		enum partition_event event;
		char reason[TEXT_SIZE];
		char field[64]; /* which that is about; may be empty */
	} end;
	struct {
		enum save_step step;
		int status; /* why it is taken back */
		char reason[TEXT_SIZE];
		uint64_t done_bytes;
		uint64_t told_ns; /* when the client was told last */
	} save;
	int held_fds[DISK_COUNT_MAX];      /* witnesses (hold.h); or NO_FD */
	int listening_fds[DISK_COUNT_MAX]; /* to errors (hold.h); or NO_FD */
	bool owes_error[DISK_COUNT_MAX];   /* one was heard */
	/* On their way to the monitor, which gets what was checked; or NO_FD. */
	int kernel_fd;
	int initrd_fd;
	int kvm_fd;
	int image_fd;
	struct emulation emulations[EMULATIONS_MAX];
	unsigned emulation_count;
	struct ticket
		count_ticket; /* a PARTITION_SHOW that waits for counters */
	sd_event_source *count_timer;
	struct uninstall *uninstall; /* scrub under way */
	bool is_half_uninstalled;    /* one was begun and is not over */
	sd_event_source *uninstall_source;
	sd_event_source *timer; /* stop deadline or restart back-off */
};

TAILQ_HEAD(partition_list, partition);

extern const struct process_ops monitor_ops;

/* Make a partition of a record; the supervisor's list owns it. */
struct partition *partition_new(struct supervisor *supervisor,
				const struct partition_record *record);
void partition_free(struct partition *partition);

struct partition *partition_find(struct supervisor *supervisor,
				 const char *name);

/*
 * Verbs. 0: under way or done, `ticket` will be answered; negative: refused,
 * with the sentence filled in, and nothing has changed.
 */
int partition_start(struct partition *partition, const struct ticket *ticket,
		    struct refusal *refusal);
int partition_stop(struct partition *partition, const struct ticket *ticket,
		   uint32_t deadline_ms, bool is_forced,
		   struct refusal *refusal);
int partition_pause(struct partition *partition, const struct ticket *ticket,
		    struct refusal *refusal);
int partition_resume(struct partition *partition, const struct ticket *ticket,
		     struct refusal *refusal);
int partition_reset(struct partition *partition, const struct ticket *ticket,
		    struct refusal *refusal);
int partition_balloon(struct partition *partition, const struct ticket *ticket,
		      uint64_t memory_bytes, struct refusal *refusal);
int partition_uninstall(struct partition *partition,
			const struct ticket *ticket,
			enum image_disposal disposal, struct refusal *refusal);
int partition_undefine(struct partition *partition, struct refusal *refusal);

/* An uninstall that an earlier supervisor left unfinished; takes it over. */
void partition_resume_uninstall(struct partition *partition,
				struct uninstall *uninstall);

/*
 * Ask the monitor for counters; `ticket` gets the rows of PARTITION_SHOW when
 * they are in, or soon without them.
 *
 * -ENOTCONN  no monitor is READY; -EBUSY  another client is asking
 */
int partition_count(struct partition *partition, const struct ticket *ticket);

/* Its interface of this name; NULL when there is none. */
struct nic *partition_find_nic(const struct partition *partition,
			       const char *name);

/* Give it an interface of the store, behind those that it has. -ENOSPC */
int partition_add_nic(struct partition *partition,
		      const struct nic_record *record);
void partition_remove_nic(struct partition *partition, unsigned index);

/* A disk's fence has lifted and nobody wants it (from disk.c). */
void partition_disk_released(struct partition *partition);

/* Re-adoption. */
int partition_expect(struct partition *partition,
		     const struct process_record *record);
/* All children have reported or died: make record and world agree. */
void partition_reconcile(struct partition *partition);

#endif
