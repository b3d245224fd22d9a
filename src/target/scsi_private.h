/* SPDX-License-Identifier: MIT */
/* Between the files of scsi.h: scsi.c executes commands, scsi_client.c has how
 * clients come and go, scsi_wait.c who waits for whom, scsi_manage.c task
 * management and what is left over of an earlier life. */
#ifndef TARGET_SCSI_PRIVATE_H
#define TARGET_SCSI_PRIVATE_H

#include "target/scsi.h"

/* scsi.c ------------------------------------------------------------------- */

struct volume *command_volume(const struct command *command);
struct scsi_origin command_origin(const struct command *command);

/* Begin it, now that it has its turn. */
void command_begin(struct service *service, struct command *command);

/* Have it stepped with this result, in the next turn of scsi_turn(). */
void command_ready(struct service *service, struct command *command,
		   int result);

/* Send its outcome, or its error, and give it back. */
void command_answer(struct service *service, struct command *command);

/* It is in flight no more, and nobody waits for it. Is its range kept, for it to
 * come again? */
void command_retire(struct service *service, struct command *command,
		    bool is_kept);

/* Its client has violated the protocol with it. */
void command_break(struct service *service, struct command *command);

/* End one that waits, without an effect. */
void command_abort(struct service *service, struct command *command,
		   uint8_t end_flags);

/* scsi_client.c ------------------------------------------------------------ */

/* Let clients in whose initiator has begun a new life, when nothing of the old
 * one is left. True if there was one. */
bool volume_enter(struct service *service, struct volume *volume);

/* scsi_wait.c -------------------------------------------------------------- */

/* May it begin? An ordered one waits for all older ones of its nexus, the
 * others for older ordered ones and for task management that concerns them. */
bool command_has_its_turn(const struct command *command);

/* Does it wait for its row, whose earlier command is to be settled? */
bool command_waits_for_row(const struct command *command);

/* Are there still older commands that it waits for (command->waits_for)? */
bool command_has_to_wait(const struct command *command);

/* Abort those of the commands that it waits for that wait themselves. */
void volume_abort_waiting(struct service *service, struct command *command);

/* A command has ended: go on with those that waited for it. */
void volume_look_at_waiting(struct service *service, struct volume *volume);

/* Give a range back, and go on with those that waited for it. */
void volume_release(struct service *service, struct volume *volume,
		    struct hold *hold);

/* scsi_manage.c ------------------------------------------------------------ */

/* Begin task management, or SCSI_REPLAYED. */
void manage_begin(struct service *service, struct command *command);

/* Go on with it: what it waited for has ended. */
void manage_go_on(struct service *service, struct command *command);

/* Which of the ranges that no command has. */
enum settled_holds {
	SETTLE_ALL,
	SETTLE_LEFT, /* not those that came again and were told -ENOSPC */
	SETTLE_DUE,  /* for which no client was free */
};

/* Settle what no command of these nexuses executes any more: what has moved is
 * completed, the rest aborted. */
void volume_settle(struct service *service, struct volume *volume,
		   uint64_t nexuses, enum settled_holds which);
/* One. False: it cannot be settled now. */
bool volume_settle_hold(struct service *service, struct volume *volume,
			struct hold *hold);

/* The same for what is left since an earlier life and others wait for, if its
 * owner has had his time. True if there was any. */
bool volume_expire(struct service *service, struct volume *volume);

/* The job of client->scsi->settling is done. */
void volume_settled(struct service *service, struct client *client);

#endif
