/* SPDX-License-Identifier: MIT */
/*
 * A volume: what the clients of one or more SCSI channels share. It has a unit
 * with a ledger, and for each row of the ledger who executes it and which bytes
 * it holds.
 *
 * Each client reads and writes through a description of its own; what they
 * must agree on is here. A volume lives as long as it has clients: what has to
 * outlive them is in the ledger's memory, which is a file of the supervisor's.
 *
 * Threads    The loop's.
 */
#ifndef TARGET_VOLUME_H
#define TARGET_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/protocol.h"
#include "scsi/ledger.h"
#include "scsi/unit.h"
#include "volume/share.h"

struct client;
struct command;

/* What is known of a row in this life of the service. */
struct hold {
	struct share_range range;
	bool has_range;        /* it is in volume->share */
	bool is_left;          /* no command has it, and others may wait */
	bool is_promised;      /* its client was told -ENOSPC, and will come */
	bool is_due;           /* to be settled when a client can do it */
	bool is_settling;      /* what it moved is being written */
	uint64_t settle_at_ns; /* what is left waits for its owner till then */
	uint64_t settle_again_ns; /* not before: it failed */
	struct command *command;  /* that executes it, or NULL */
	uint32_t nexus;
	uint32_t row_sequence; /* whose range it is */
	uint16_t row;
};

struct volume {
	struct volume *next; /* of the service's */
	uint64_t id;
	struct scsi_unit unit;
	struct scsi_ledger ledger;
	void *memory; /* owned: the ledger's */
	bool is_damaged;
	struct share share;
	struct hold *holds[SCSI_NEXUS_MAX]; /* owned: one per row */
	uint64_t serial;                    /* of commands, counting up */
	uint32_t entering_count;            /* clients with scsi->is_entering */
	uint32_t left_count;                /* ranges with is_left */
	uint32_t settling_count;            /* ranges with is_settling */
	uint32_t special_count; /* in flight that others may wait for */
	uint64_t attached;      /* a bit for each nexus */
	uint64_t expire_at_ns;  /* when to look at what is left */
	struct client *clients; /* linked by scsi->next */
};

static inline struct hold *hold_of(const struct share_range *range)
{
	return (void *)((char *)range - offsetof(struct hold, range));
}

/*
 * Make a volume. `ledger_fd` is borrowed; NO_FD: a ledger that nobody finds
 * again. Ranges of commands that were begun in an earlier life are held.
 *
 * -EINVAL   impossible settings, or too small a file
 * -ENOMEM
 */
int volume_new(const struct disk_attach *attach, int ledger_fd,
	       struct volume **ret_volume);
void volume_free(struct volume *volume);

/*
 * A client comes: its nexus' index.
 *
 * -EINVAL, -ENOSPC  as scsi_ledger_attach()
 * -EBUSY            a client with this initiator port is there already, or
 *                   any, and the volume is not shared
 * -ENOMEM
 */
int volume_attach(struct volume *volume, const struct disk_attach *attach,
		  struct scsi_nexus *ret_nexus);

/* No command has this range any more: its owner has some seconds to come with
 * it, once others wait for that. */
void volume_leave(struct volume *volume, struct hold *hold);

/* Is this the initiator that the ledger knows, or another life of it? */
bool volume_knows_life(const struct volume *volume, uint32_t nexus,
		       uint32_t life);

/* Is anything left of an earlier life's commands? volume_begin_life() has to
 * wait for that. */
bool volume_has_left(const struct volume *volume, uint32_t nexus);

/* The nexus begins anew, with the unit attention that says so. */
int volume_begin_life(struct volume *volume, const struct scsi_nexus *nexus,
		      uint32_t life);

/* A client goes, and may come back in another life of the service. */
void volume_detach(struct volume *volume, uint32_t nexus);

/* NULL: the nexus has no such row. */
struct hold *volume_hold(const struct volume *volume, uint32_t nexus,
			 uint16_t row);

#endif
