/* SPDX-License-Identifier: MIT */
/*
 * Who holds a volume: its ledger, read from its file. So the answer does not
 * depend on a service, and comes during an outage too.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/count.h"
#include "base/scope.h"
#include "supervisor/client/request_private.h"
#include "supervisor/errand/errand.h"
#include "supervisor/service/scsi_id.h"
#include "supervisor/service/volume.h"
#include "supervisor/storage/ledger_file.h"

/* A copy may have been made while the ledger changed; the next one is whole. */
#define LOOKS 4

/* One look at a volume. */
struct look {
	struct request *request;
	uint64_t volume_id; /* it may be undefined while we look */
	struct scsi_state ledger;
	struct reservation_row *row; /* whose port is wanted */
	const uint8_t *port;
};

static const char *const types[RESERVE_TYPE_COUNT] = {
	[RESERVE_WRITE_EXCLUSIVE] = "write-exclusive",
	[RESERVE_EXCLUSIVE_ACCESS] = "exclusive-access",
	[RESERVE_WRITE_EXCLUSIVE_REGISTRANTS] = "write-exclusive-registrants",
	[RESERVE_EXCLUSIVE_ACCESS_REGISTRANTS] = "exclusive-access-registrants",
	[RESERVE_WRITE_EXCLUSIVE_ALL] = "write-exclusive-all",
	[RESERVE_EXCLUSIVE_ACCESS_ALL] = "exclusive-access-all",
};

static int name_holder(void *context, const struct attachment_record *record)
{
	struct look *look = context;
	uint8_t port[SCSI_ID_BYTES];

	if (record->volume_id != look->volume_id)
		return 0;
	scsi_id_of_port(look->request->supervisor, record->id, port);
	if (memcmp(port, look->port, sizeof(port)) != 0)
		return 0;
	memcpy(look->row->partition, record->partition, NAME_SIZE);
	memcpy(look->row->disk, record->name, NAME_SIZE);
	return 1;
}

/* Of the two types that all registrants hold, each is a holder. */
static bool is_holder(const struct scsi_reserve *reserve, uint32_t nexus)
{
	if (reserve->type == RESERVE_WRITE_EXCLUSIVE_ALL ||
	    reserve->type == RESERVE_EXCLUSIVE_ACCESS_ALL)
		return true;
	return reserve->type != RESERVE_NONE && reserve->holder == nexus;
}

static int report(struct look *look, uint32_t nexus)
{
	const struct scsi_reserve *reserve = &look->ledger.reserve;
	struct reservation_row row = {
		.is_holder = is_holder(reserve, nexus),
		.is_persistent = reserve->is_aptpl,
	};
	int r;

	(void)snprintf(row.key, sizeof(row.key), "0x%" PRIx64,
		       reserve->key[nexus]);
	if (row.is_holder && reserve->type < RESERVE_TYPE_COUNT &&
	    types[reserve->type])
		(void)text_copy(row.type, sizeof(row.type),
				types[reserve->type]);
	look->row = &row;
	look->port = look->ledger.ports[nexus].name;
	r = store_each_attachment(look->request->supervisor->store, NULL,
				  name_holder, look);
	if (r < 0)
		return request_refuse_store(look->request, r);
	ticket_row(look->request->supervisor, &look->request->ticket,
		   MSG_RESERVATION_ROW, &row, NULL);
	return 0;
}

static int read_once(struct look *look, void *copy)
{
	const struct supervisor *supervisor = look->request->supervisor;
	uint8_t unit[SCSI_ID_BYTES], boot[SCSI_ID_BYTES];
	int r;

	scsi_id_of_unit(supervisor, look->volume_id, unit);
	scsi_id_of_boot(boot);
	r = ledger_file_read(supervisor->config.runtime_dir, look->volume_id,
			     copy, SCSI_LEDGER_LOOK_BYTES);
	return r < 0 ? r : scsi_ledger_look(copy, unit, boot, &look->ledger);
}

/* -ENOENT, -ESTALE: nobody has had a unit of it in this life of the host. */
static int read_state(struct look *look)
{
	SCOPED(free_pointer) void *copy = malloc(SCSI_LEDGER_LOOK_BYTES);
	int r = -ENOMEM;

	for (unsigned i = 0; copy && i < LOOKS; i++) {
		r = read_once(look, copy);
		if (r != -EUCLEAN)
			break;
	}
	return r;
}

int request_reservations(void *data, struct message *message)
{
	struct request *request = data;
	const struct volume *volume = request_volume(request);
	SCOPED(free_pointer) struct look *look = NULL;
	int r;

	if (!volume)
		return 0;
	look = calloc(1, sizeof(*look));
	if (!look)
		return request_answer(request,
				      refuse(&request->refusal, -ENOMEM, "",
					     "out of memory"));
	look->request = request;
	look->volume_id = volume->record.id;
	r = read_state(look);
	if (r == -ENOENT || r == -ESTALE)
		return request_answer(request, 0);
	if (r < 0)
		return request_answer(
			request,
			refuse(&request->refusal, r, "name",
			       "the ledger of volume %s cannot be "
			       "read: %s",
			       volume->record.definition.name, strerror(-r)));
	for (uint32_t i = 0; r == 0 && i < SCSI_NEXUS_MAX; i++)
		if (look->ledger.reserve.registered & 1ull << i)
			r = report(look, i);
	return request_answer(request, r);
}
