/* SPDX-License-Identifier: MIT */
#include "supervisor/partition/redefine.h"

#include <errno.h>
#include <string.h>

#include "base/count.h"
#include "base/failpoint.h"
#include "base/scope.h"
#include "definition/compare.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/supervisor.h"

/* A redefinition under way. */
struct change {
	struct partition *partition;
	struct partition_document now;
	struct partition_document then;
	uint64_t nic_ids[NIC_COUNT_MAX]; /* of those of `then` */
	enum field_change allowed;       /* in the partition's state */
	uint32_t count;                  /* of differences */
	struct refusal *refusal;
};

void partition_document(const struct partition *partition,
			struct partition_document *ret_document)
{
	memset(ret_document, 0, sizeof(*ret_document));
	ret_document->partition = partition->record.definition;
	ret_document->nic_count = partition->nic_count;
	for (unsigned i = 0; i < partition->nic_count; i++)
		ret_document->nics[i] = partition->nics[i].definition;
}

static bool has_mac(const struct nic_definition *definition)
{
	static const uint8_t none[6];

	return memcmp(definition->mac, none, sizeof(none)) != 0;
}

void partition_keep_macs(const struct partition *partition,
			 struct partition_document *document)
{
	for (uint32_t i = 0; i < min_u64(document->nic_count, NIC_COUNT_MAX);
	     i++) {
		struct nic_definition *definition = &document->nics[i];
		const struct nic *nic =
			partition_find_nic(partition, definition->name);

		if (nic && !has_mac(definition))
			memcpy(definition->mac, nic->definition.mac,
			       sizeof(definition->mac));
	}
}

/* Checking. ------------------------------------------------------------------ */

static enum field_change allowed_in(enum partition_state state)
{
	if (state == PARTITION_UNINSTALLED)
		return CHANGE_UNINSTALLED;
	return state == PARTITION_STOPPED ? CHANGE_STOPPED : CHANGE_RUNNING;
}

static int check_difference(void *context, const struct difference *difference)
{
	enum field_change level = difference->field->change;
	struct change *change = context;

	change->count++;
	if (level == CHANGE_NEVER)
		return refuse(change->refusal, -EBUSY, difference->name,
			      "cannot be changed");
	if (level >= change->allowed)
		return 0;
	return refuse(change->refusal, -EBUSY, difference->name,
		      "can be changed only while %s is %s; it is %s",
		      change->now.partition.name,
		      level == CHANGE_STOPPED ? "stopped" : "not installed",
		      partition_state_name(partition_state(change->partition)));
}

/* Interfaces. ---------------------------------------------------------------- */

/* Numbers grow in the order in which the guest sees its interfaces: whatever
 * comes behind a new one, or out of turn, is stored as another one. */
static int number_nics(struct change *change)
{
	struct supervisor *supervisor = change->partition->supervisor;
	unsigned next = 0;
	bool is_new = false;

	for (uint32_t i = 0; i < change->then.nic_count; i++) {
		struct nic *nic = partition_find_nic(change->partition,
						     change->then.nics[i].name);

		is_new |= !nic || nic->index < next;
		change->nic_ids[i] =
			is_new ? supervisor_next_attachment(supervisor)
			       : nic->binding.id;
		if (!change->nic_ids[i])
			return -EIO;
		next = is_new ? next : nic->index + 1;
	}
	return 0;
}

/* Those that are new are given one of ours. */
static void make_macs(struct change *change)
{
	for (uint32_t i = 0; i < change->then.nic_count; i++)
		if (!has_mac(&change->then.nics[i]))
			nic_make_mac(change->nic_ids[i],
				     change->then.nics[i].mac);
}

static bool is_kept(const struct change *change, uint64_t id)
{
	for (uint32_t i = 0; i < change->then.nic_count; i++)
		if (change->nic_ids[i] == id)
			return true;
	return false;
}

static struct nic_record nic_record_of(const struct change *change, uint32_t i)
{
	struct nic_record record = { .id = change->nic_ids[i],
				     .definition = change->then.nics[i] };

	memcpy(record.partition, change->now.partition.name,
	       sizeof(record.partition));
	return record;
}

/* Storing. ------------------------------------------------------------------- */

static int store_nics(const struct change *change)
{
	const struct partition *partition = change->partition;
	struct store *store = partition->supervisor->store;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < partition->nic_count; i++)
		if (!is_kept(change, partition->nics[i].binding.id))
			r = store_delete_nic(store,
					     partition->nics[i].binding.id);
	for (uint32_t i = 0; r == 0 && i < change->then.nic_count; i++) {
		struct nic_record record = nic_record_of(change, i);

		r = store_put_nic(store, &record);
	}
	return r;
}

static int store_all(struct change *change)
{
	struct store *store = change->partition->supervisor->store;
	SCOPED(store_scope_end) struct store_scope scope = { 0 };
	struct partition_record record;
	int r = number_nics(change);

	make_macs(change);
	if (r == 0)
		r = store_scope_begin(&scope, store);
	if (r < 0)
		return r;
	/* Its state may have changed while this waited for the store. */
	record = change->partition->record;
	record.definition = change->then.partition;
	record.is_autostart_due &= record.definition.autostart;
	r = store_put_partition(store, &record);
	if (r == 0)
		r = store_nics(change);
	return r < 0 ? r : store_scope_commit(&scope);
}

/* Applying. ------------------------------------------------------------------ */

static void apply_nics(const struct change *change)
{
	struct partition *partition = change->partition;

	for (unsigned i = partition->nic_count; i-- > 0;)
		if (!is_kept(change, partition->nics[i].binding.id))
			partition_remove_nic(partition, i);
	for (uint32_t i = 0; i < change->then.nic_count; i++) {
		struct nic_record record = nic_record_of(change, i);
		struct nic *nic = &partition->nics[i];

		if (i == partition->nic_count)
			(void)partition_add_nic(partition, &record);
		nic->definition = record.definition;
		nic_changed(nic);
	}
}

static void apply(const struct change *change)
{
	struct partition *partition = change->partition;

	partition->record.definition = change->then.partition;
	partition->record.is_autostart_due &=
		partition->record.definition.autostart;
	if (change->allowed != CHANGE_RUNNING)
		partition->engine = change->then.partition.engine;
	for (unsigned i = 0; i < partition->disk_count; i++)
		disk_changed(&partition->disks[i]);
	console_changed(partition);
	apply_nics(change);
}

static int tell_difference(void *context, const struct difference *difference)
{
	partition_event_text(
		context, EVENT_INFO, "definition changed: %s %.60s to %.60s",
		difference->name, difference->now[0] ? difference->now : "none",
		difference->then[0] ? difference->then : "none");
	return 0;
}

static int carry_out(struct change *change)
{
	int r = store_all(change);

	if (r < 0)
		return r;
	(void)failpoint("redefine.stored");
	apply(change);
	return 0;
}

static struct change change_to(struct partition *partition,
			       const struct partition_document *document)
{
	struct change change = {
		.partition = partition,
		.then = *document,
		.allowed = allowed_in(partition_state(partition)),
	};

	partition_document(partition, &change.now);
	return change;
}

int partition_set_document(struct partition *partition,
			   const struct partition_document *document)
{
	struct change change = change_to(partition, document);

	return carry_out(&change);
}

int partition_redefine(struct partition *partition,
		       const struct partition_document *document,
		       struct refusal *refusal)
{
	struct change change = change_to(partition, document);
	int r;

	change.refusal = refusal;
	r = document_compare(&change.now, &change.then, check_difference,
			     &change);
	/* A verb under way writes the record, too, or reads the definition. */
	if (r == 0 && change.count)
		r = partition_check_busy(partition, refusal);
	if (r < 0 || !change.count)
		return r;
	partition_occupy(partition);
	r = carry_out(&change);
	if (r == 0)
		(void)document_compare(&change.now, &change.then,
				       tell_difference, partition);
	for (unsigned i = 0; r == 0 && i < partition->nic_count; i++)
		network_warn_vlans(&partition->nics[i]);
	partition_vacate(partition);
	return r < 0 ? partition_refuse_store(partition, r, refusal) : 0;
}
