/* SPDX-License-Identifier: MIT */
/*
 * Commands of a SCSI channel: each is a sequence of steps (scsi/unit.h), done
 * by jobs on its client's provider, or by waiting for other commands of the
 * volume.
 *
 * A command waits for its turn (behind ordered ones and task management), for
 * bytes that another client is changing, or, when it aborts others, for their
 * end. Nothing that waits is in the kernel. Only older commands are waited for,
 * or those that asked for the bytes earlier, so nothing waits for ever.
 *
 * Threads    The loop's.
 */
#ifndef TARGET_SCSI_H
#define TARGET_SCSI_H

#include <stdbool.h>
#include <stdint.h>

#include "target/service.h"
#include "target/volume.h"

enum command_state {
	COMMAND_RUNS,       /* its job is, or it is being stepped */
	COMMAND_WAITS_TURN, /* before it has begun */
	COMMAND_WAITS_RANGE,
	COMMAND_WAITS_OTHERS,
	COMMAND_READY, /* goes on with command->result */
};

/* One in flight, beside the task of the same number. */
struct command {
	struct scsi_task scsi;
	struct task *task;
	struct hold *hold;
	struct command *next; /* of the client's, in the order taken */
	struct command *previous;
	struct command *next_ready;
	uint64_t serial; /* of the volume, counting up */
	enum command_state state;
	int result;
	uint16_t op;    /* enum scsi_op */
	uint16_t flags; /* of the request */
	uint16_t sense_slot;
	uint16_t managed_row;
	uint8_t function;  /* enum scsi_function */
	uint8_t end_flags; /* SCSI_RESET or SCSI_ABORTED */
	bool has_begun;
	bool is_special;    /* counted in the volume's special_count */
	uint64_t waits_for; /* nexuses whose older commands it waits for */
};

/* What a client of a SCSI channel has besides. */
struct scsi_client {
	struct volume *volume;
	struct scsi_nexus nexus;
	struct client *next;      /* of the volume's */
	struct command *commands; /* owned: one per task */
	uint8_t *scratch;         /* owned: for each of them */
	struct command *first;    /* in flight */
	struct command *last;
	struct hold no_row;   /* of SCSI_REPLAYED */
	struct task settling; /* completes what an absent client began */
	struct hold *settled;
	bool is_entering; /* nothing is taken yet: an earlier life's commands
			   * are being settled */
	uint32_t life;
};

/*
 * Make client->scsi, on a volume that is there already or made now. The ledger
 * is borrowed.
 *
 * -EINVAL, -ENOMEM, -EBUSY, -ENOSPC  as volume_new() and volume_attach()
 */
int scsi_client_open(struct service *service, struct client *client,
		     const struct disk_attach *attach, int ledger_fd);

/* None of its jobs is in the kernel. What waits is forgotten; ranges of
 * commands that were begun are held on. */
void scsi_client_close(struct service *service, struct client *client);

/* A request has come; it has been checked. False: it broke the client. */
bool scsi_take(struct service *service, struct client *client,
	       const struct channel_request *request);

/* The job of one of its tasks is done. */
void scsi_finish(struct service *service, struct task *task);

/* May its requests be taken? */
static inline bool scsi_is_open(const struct client *client)
{
	return !client->scsi->is_entering;
}

/* Once per turn: go on with what is ready, and with what nobody came back
 * for. True if there was anything. */
bool scsi_turn(struct service *service);

/* Does a client wait to be let in? Then scsi_turn() is to be called without
 * any event, too. */
bool scsi_is_awaited(const struct service *service);

#endif
