/* SPDX-License-Identifier: MIT */
/*
 * Stable storage: the witness executes every FLUSH, and what follows a write
 * of a driver without FLUSH.
 *
 * The service has no part in it. The kernel tells a failed write-back once to
 * each open file description, and a device its failed FLUSH to whoever asked
 * for it; so what a service was told would die with it. The witness is the
 * monitor's own, and dies with the guest.
 *
 * An error means that data is lost, though the host may still have it to read.
 * So it is told again and again, for as long as the guest lives that lost it.
 */
#include <errno.h>

#include "monitor/disk/table.h"

static void ask(const struct disk *disk)
{
	disk->ops.ask_witness(disk->ops.context, disk->settings.index,
			      disk->asked);
}

void flush_begin(struct request *request)
{
	struct disk *disk = request->disk;

	request->asked = 0;
	request_enter(request, REQUEST_WITNESS);
	if (disk->has_flush_error) {
		request_answer(request, -EIO);
		return;
	}
	if (request_is_change(request)) {
		request->asked = ++disk->asked;
		ask(disk);
	} else {
		disk->has_unasked = true;
	}
	flush_advance(disk);
}

/* The service may not have done it yet. */
static bool is_unanswered_change(const struct request *request)
{
	return request_is_change(request) &&
	       (request->state == REQUEST_ISSUING ||
		request->state == REQUEST_SENT);
}

/* Up to the oldest change without an answer, every FLUSH has the same turn. */
void flush_advance(struct disk *disk)
{
	struct request *request = disk->oldest;
	uint64_t turn = disk->asked + 1;

	if (!disk->has_unasked)
		return;
	for (; request && !is_unanswered_change(request);
	     request = request->newer) {
		if (request->state != REQUEST_WITNESS || request->asked != 0)
			continue;
		request->asked = turn;
		disk->asked = turn;
	}
	disk->has_unasked = request != NULL;
	if (disk->asked == turn)
		ask(disk);
}

static void note_error(struct disk *disk)
{
	if (disk->has_flush_error)
		return;
	disk->has_flush_error = true;
	disk->told_on = NULL;
	notices_put(disk->ops.notices,
		    &(struct notice){
			    .kind = NOTICE_EVENT,
			    .disk_index = disk->settings.index,
			    .level = EVENT_ERROR,
			    .text = "the host lost data that was written: "
				    "every FLUSH fails until the guest is "
				    "reset",
		    });
}

void disk_owe_error(struct disk *disk)
{
	note_error(disk);
}

/* After an error nobody is told otherwise, whose turn it ever is. */
void disk_witnessed(struct disk *disk, uint64_t asked, int result)
{
	struct request *request = disk->oldest;

	disk->witnessed = asked;
	if (result < 0)
		note_error(disk);
	while (request) {
		struct request *newer = request->newer;
		bool is_its_turn =
			request->asked != 0 && request->asked <= asked;

		if (request->state == REQUEST_WITNESS && disk->has_flush_error)
			request_answer(request, -EIO);
		else if (request->state == REQUEST_WITNESS && is_its_turn)
			request_answer(request, 0);
		request = newer;
	}
	if (disk->lane.is_open && disk->is_first_answer_due)
		disk_end_outage(disk);
	front_signal(disk->front);
}

void flush_note_told(const struct request *request)
{
	struct disk *disk = request->disk;

	if (disk->has_flush_error && request->error != 0 &&
	    request->work.is_promised)
		disk->told_on = request->queue;
}

/* What nobody was told of is owed to this life. */
void flush_begin_life(struct disk *disk)
{
	if (disk->told_on)
		disk->has_flush_error = false;
	disk->told_on = NULL;
}
