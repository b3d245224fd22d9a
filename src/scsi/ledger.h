/* SPDX-License-Identifier: MIT */
/*
 * What a unit remembers beyond its service: a volume's state, who has yet to be
 * told of a unit attention, and which commands were begun and ended.
 *
 * It is SCSI_LEDGER_BYTES of memory that outlives the processes that map it
 * and ends with the host; plain memory does for who needs none of that. One
 * process has it open at a time. Each change is one 8-byte store, whose content
 * was written beside the old one before. So a process may die after any store:
 * whoever opens the ledger next finds the change made or not made, and finishes
 * what follows from it.
 *
 * A command is known by its nexus, the row that its initiator's side chose, and
 * the sequence of the row. That the same row and sequence come again means that
 * the answer may have been lost: one that has ended is answered as it was then.
 *
 * Trust      What the memory has when it is opened is checked in every byte:
 *            a process may have died over it, or scribbled on it. Afterwards
 *            it is this process' own. It is never given to a monitor.
 * Threads    A ledger belongs to one thread.
 * Errors     Damage is never read as "nothing": a state that does not check is
 *            -EUCLEAN, and the unit stays NOT READY until somebody decides. A
 *            command whose row does not check is answered I_T NEXUS LOSS
 *            OCCURRED: nobody knows what became of it.
 */
#ifndef SCSI_LEDGER_H
#define SCSI_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scsi/attention.h"
#include "scsi/medium.h"
#include "scsi/mode.h"
#include "scsi/reserve.h"
#include "scsi/sense.h"
#include "scsi/tape.h"

#define SCSI_ID_BYTES   16
#define SCSI_ROWS_MAX   4096 /* of a nexus */
#define SCSI_AREA_COUNT 4
#define SCSI_AREA_BYTES (32u << 10)

/* Sparse: what nobody uses takes no memory. */
#define SCSI_LEDGER_BYTES 0x202f000ul

/* A command, as the ledger knows it. */
struct scsi_origin {
	uint32_t nexus; /* index */
	uint32_t row_sequence;
	uint16_t row;
};

/* The command that made a state, and what followed from it. */
struct scsi_last {
	uint32_t nexus; /* SCSI_NEXUS_NONE: no command did */
	uint32_t row_sequence;
	uint16_t row;
	uint16_t reserved[3];
	struct scsi_outcome outcome;
	struct scsi_effects effects;
};

/* A nexus; all zeroes: a free index. */
struct scsi_port {
	uint8_t name[SCSI_PORT_BYTES];
	uint16_t row_count;
	uint8_t is_attached;
	uint8_t reserved;
	uint32_t life; /* of its initiator; 0: scsi_ledger_live() never said */
};

/* All that changes by commands. The first two fields are the ledger's. */
struct scsi_state {
	uint64_t sequence;
	uint32_t crc;
	uint32_t reserved;
	struct scsi_last last;
	struct scsi_port ports[SCSI_NEXUS_MAX];
	struct scsi_reserve reserve;
	struct scsi_mode mode;
	struct scsi_mode saved_mode;
	struct scsi_medium medium;
	struct scsi_tape tape;
};

/* What a nexus has yet to be told, and the last that it was told. */
struct scsi_nexus_notes {
	uint64_t sequence;
	uint32_t crc;
	uint32_t pending; /* ATTENTION_BIT() of each */
	uint32_t told_count;
	uint32_t told_sequence; /* of the row */
	uint16_t told_row;
	uint8_t told; /* enum scsi_attention, and how */
	uint8_t is_descriptor;
	uint8_t is_data;
	uint8_t reserved[3];
};

struct scsi_ledger {
	void *memory; /* borrowed */
	bool is_prepared;
	unsigned areas_taken;    /* a bit for each */
	struct scsi_state state; /* the current one */
	struct scsi_state next;  /* while it is prepared */
	struct scsi_nexus_notes notes[SCSI_NEXUS_MAX];
};

/* Open and make. ----------------------------------------------------------- */

/*
 * Open what another process left, and finish what it had begun. The memory is
 * borrowed until the ledger is used no more.
 *
 * -ESTALE   never made, or in another life of the host: make it
 * -EUCLEAN  damaged, or another volume's
 */
int scsi_ledger_open(struct scsi_ledger *ledger, void *memory,
		     const uint8_t volume[SCSI_ID_BYTES],
		     const uint8_t boot[SCSI_ID_BYTES]);

/* Make it: the unit was powered on. `first` is what outlived the host, with
 * nobody attached (scsi/plate.h), or NULL. */
void scsi_ledger_make(struct scsi_ledger *ledger, void *memory,
		      const uint8_t volume[SCSI_ID_BYTES],
		      const uint8_t boot[SCSI_ID_BYTES],
		      const struct scsi_state *first);

/* What comes first in a ledger, and has its state. */
#define SCSI_LEDGER_LOOK_BYTES (4096 + 2 * 0x4000)

/*
 * The current state, of a copy of a ledger's first SCSI_LEDGER_LOOK_BYTES that
 * may have been made while it changed.
 *
 * -ESTALE   never made, or in another life of the host
 * -EUCLEAN  damaged, another volume's, or changed meanwhile
 */
int scsi_ledger_look(const void *copy, const uint8_t volume[SCSI_ID_BYTES],
		     const uint8_t boot[SCSI_ID_BYTES],
		     struct scsi_state *ret_state);

/* Nexuses. ----------------------------------------------------------------- */

/*
 * The index of a nexus with this port. One that was attached, and never
 * detached, goes on where it was; others begin with a unit attention.
 *
 * -EINVAL  row_count is 0 or above SCSI_ROWS_MAX, or the port all zeroes
 * -ENOSPC  every index is taken by a nexus that is attached or registered
 */
int scsi_ledger_attach(struct scsi_ledger *ledger,
		       const uint8_t port[SCSI_PORT_BYTES], uint32_t row_count,
		       uint32_t *ret_nexus);

/* Note which life of its initiator an attached nexus is in, for whoever attaches
 * it next: the rows of an earlier life are no longer that initiator's. */
void scsi_ledger_live(struct scsi_ledger *ledger, uint32_t nexus,
		      uint32_t life);

/* Its initiator is gone, with every command of it: I_T nexus loss. Rows that
 * have moved (scsi_row_next()) are to be completed before. */
void scsi_ledger_detach(struct scsi_ledger *ledger, uint32_t nexus);

/* State. ------------------------------------------------------------------- */

/*
 * A copy of the state, to be changed. NULL: another one is prepared and waits
 * for its plate; answer BUSY. Attaching and detaching drop what is prepared.
 */
struct scsi_state *scsi_ledger_prepare(struct scsi_ledger *ledger);
/* Say who changes it, how that command ends, and what else follows. */
void scsi_ledger_record(struct scsi_ledger *ledger,
			const struct scsi_origin *origin,
			const struct scsi_outcome *outcome,
			const struct scsi_effects *effects);
void scsi_ledger_drop(struct scsi_ledger *ledger);

/*
 * Make it the current one; the command's row has ended then, attentions are
 * raised, and rows of the aborted are aborted.
 *
 * -EAGAIN  what was prepared has been dropped since: prepare again
 */
int scsi_ledger_commit(struct scsi_ledger *ledger);

/* Unit attentions. --------------------------------------------------------- */

static inline uint32_t scsi_ledger_pending(const struct scsi_ledger *ledger,
					   uint32_t nexus)
{
	return ledger->notes[nexus].pending;
}

/* Raise one by something else than a command, for a set of nexuses. */
void scsi_ledger_raise(struct scsi_ledger *ledger, uint64_t nexuses,
		       enum scsi_attention attention);

/* Tell the next one that is pending to this command, which ends with it, as
 * scsi_attention_outcome() has it. */
void scsi_ledger_tell(struct scsi_ledger *ledger,
		      const struct scsi_origin *origin, bool is_descriptor,
		      bool is_data, struct scsi_outcome *ret_outcome);

/* Rows. -------------------------------------------------------------------- */

enum scsi_row_state {
	SCSI_ROW_FREE,
	SCSI_ROW_BEGUN, /* its effect may be there, in part */
	SCSI_ROW_MOVED, /* what it writes is in an area: it will */
	SCSI_ROW_ENDED,
	SCSI_ROW_ABORTED, /* it was begun, and is not to go on */
};

struct scsi_row {
	enum scsi_row_state state;
	uint32_t sequence;
	uint16_t code; /* operation code */
	uint64_t offset_bytes;
	uint64_t length_bytes;
	uint64_t before;             /* tape: where it began */
	struct scsi_outcome outcome; /* when it has ended */
	uint8_t *data;               /* when it has moved: to be written */
	uint32_t data_bytes;
};

/*
 * What is known of a command that has come. FREE: it is new; BEGUN and MOVED: go
 * on with it; ENDED: answer with its outcome, which an aborted one has as well.
 *
 * -EPROTO  no honest peer says so: there is no such row, or its command goes on
 *          and this is another
 */
int scsi_row_look(struct scsi_ledger *ledger, const struct scsi_origin *origin,
		  struct scsi_row *ret_row);

/* A command begins; `row` has code, place and length, and `before`. */
void scsi_row_begin(struct scsi_ledger *ledger,
		    const struct scsi_origin *origin,
		    const struct scsi_row *row);

/*
 * Keep what it writes, before any of it is written: *ret_data, the only copy
 * that may be used from now on.
 *
 * -EBUSY  every area is taken: wait for another command
 */
int scsi_row_move(struct scsi_ledger *ledger, const struct scsi_origin *origin,
		  const void *data, uint32_t bytes, uint8_t **ret_data);

/* It ends. What was aborted in the meantime ends so, unless it had moved: the
 * outcome says. */
void scsi_row_end(struct scsi_ledger *ledger, const struct scsi_origin *origin,
		  struct scsi_outcome *outcome);

/* Let one that is begun, and that nobody executes, never go on. */
void scsi_row_abort(struct scsi_ledger *ledger,
		    const struct scsi_origin *origin);

/* The first row from *origin on that has begun or moved, and whose it is; false:
 * none. To rebuild locks, and to complete what has moved. */
bool scsi_row_next(struct scsi_ledger *ledger, struct scsi_origin *origin,
		   struct scsi_row *ret_row);

#endif
