/* SPDX-License-Identifier: MIT */
/* How a partition gives up its storage, and is forgotten. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/scope.h"
#include "supervisor/errand/errand.h"
#include "supervisor/partition/hold.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/partition/save.h"
#include "supervisor/storage/image.h"
#include "supervisor/storage/install.h"
#include "supervisor/storage/ledger_file.h"
#include "supervisor/supervisor.h"

void partition_drop_uninstall(struct partition *partition)
{
	sd_event_source_disable_unref(partition->uninstall_source);
	partition->uninstall_source = NULL;
	uninstall_free(partition->uninstall);
	partition->uninstall = NULL;
}

static int on_uninstall(sd_event_source *source, int fd, uint32_t events,
			void *data);

static void tell_left(void *context, const char *file, uint64_t size_bytes)
{
	struct partition *partition = context;
	struct image_left_row row = { .bytes = size_bytes };

	(void)text_copy(row.file, sizeof(row.file), file);
	ticket_row(partition->supervisor, &partition->ticket,
		   MSG_IMAGE_LEFT_ROW, &row, NULL);
}

static void uninstall_step(struct partition *partition)
{
	struct supervisor *supervisor = partition->supervisor;
	struct refusal refusal = { 0 };
	int r;

	r = uninstall_finish(partition->uninstall, &refusal);
	if (r == -EAGAIN) {
		r = sd_event_add_io(supervisor->event,
				    &partition->uninstall_source,
				    uninstall_fd(partition->uninstall), EPOLLIN,
				    on_uninstall, partition);
		if (r >= 0)
			return;
	}
	if (r == 0)
		uninstall_each_left(partition->uninstall, tell_left, partition);
	if (r == 0 && uninstall_scrubs(partition->uninstall))
		console_log_remove(supervisor,
				   partition->record.definition.name);
	partition_drop_uninstall(partition);
	if (r < 0) {
		ticket_refused(supervisor, &partition->ticket, r, &refusal);
		return;
	}
	partition->is_half_uninstalled = false;
	(void)store_get_partition(supervisor->store,
				  partition->record.definition.name,
				  &partition->record);
	save_forget_image(partition);
	partition_tell_state(partition);
	ticket_done(supervisor, &partition->ticket);
}

/* An errand. */
static void uninstall_aside(void *context)
{
	struct partition *partition = context;

	partition_occupy(partition);
	uninstall_step(partition);
	partition_vacate(partition);
}

static int on_uninstall(sd_event_source *source, int fd, uint32_t events,
			void *data)
{
	struct partition *partition = data;

	sd_event_source_disable_unref(partition->uninstall_source);
	partition->uninstall_source = NULL;
	errand_run(partition->supervisor->errands, uninstall_aside, partition);
	return 0;
}

/* What the guest said and what it had in memory is as much its own as its
 * disks are. */
static int scrub_what_it_said(struct partition *partition)
{
	int fds[IMAGE_FILE_COUNT + 1];
	int *log = &fds[IMAGE_FILE_COUNT];
	int r = image_open_files(partition->supervisor->config.state_dir,
				 partition->record.definition.name, fds);
	int log_result;

	*log = NO_FD;
	log_result = console_log_open(partition, O_RDWR, log);
	for (int i = 0; i <= IMAGE_FILE_COUNT; i++)
		uninstall_scrub_also(partition->uninstall, &fds[i]);
	return log_result < 0 && log_result != -ENOENT ? log_result : r;
}

static void remove_ledger(void *context, uint64_t attachment_id)
{
	const struct supervisor *supervisor = context;

	ledger_file_remove(supervisor->config.runtime_dir, attachment_id);
}

static void uninstall_run(struct partition *partition)
{
	struct refusal refusal = { 0 };
	int r;

	/* Before the storage is released, after which nobody knows of them. */
	uninstall_each_attachment(partition->uninstall, remove_ledger,
				  partition->supervisor);
	r = uninstall_scrubs(partition->uninstall)
		    ? scrub_what_it_said(partition)
		    : 0;
	if (r == 0) {
		uninstall_step(partition);
		return;
	}
	partition_drop_uninstall(partition);
	(void)refuse(&refusal, r, "",
		     "its log or saved memory cannot be scrubbed: %s",
		     strerror(-r));
	ticket_refused(partition->supervisor, &partition->ticket, r, &refusal);
}

/* An errand. */
static void run_aside(void *context)
{
	struct partition *partition = context;

	partition_occupy(partition);
	uninstall_run(partition);
	partition_vacate(partition);
}

static int begin_uninstall(struct partition *partition,
			   enum image_disposal disposal,
			   struct refusal *refusal)
{
	struct store *store = partition->supervisor->store;
	/* It looks at the record that is stored. */
	int r = store_flush_deferred(store);

	if (r < 0)
		return partition_refuse_store(partition, r, refusal);
	hold_drop(partition);
	r = uninstall_begin(&partition->uninstall, store,
			    partition->record.definition.name, disposal,
			    refusal);
	if (r == 0)
		partition->is_half_uninstalled = true;
	if (r < 0 && partition_state(partition) == PARTITION_SAVED)
		hold_open(partition);
	return r;
}

int partition_uninstall(struct partition *partition,
			const struct ticket *ticket,
			enum image_disposal disposal, struct refusal *refusal)
{
	int r = partition_check_verb(partition, PARTITION_EVENT_UNINSTALL,
				     refusal);

	if (r < 0)
		return r;
	partition_occupy(partition);
	r = begin_uninstall(partition, disposal, refusal);
	if (r == 0) {
		partition->ticket = *ticket;
		uninstall_run(partition);
	}
	partition_vacate(partition);
	return r;
}

void partition_resume_uninstall(struct partition *partition,
				struct uninstall *uninstall)
{
	partition->uninstall = uninstall;
	errand_run(partition->supervisor->errands, run_aside, partition);
}

int partition_undefine(struct partition *partition, struct refusal *refusal)
{
	struct supervisor *supervisor = partition->supervisor;
	int r;

	r = partition_check_verb(partition, PARTITION_EVENT_UNDEFINE, refusal);
	if (r < 0)
		return r;
	partition_occupy(partition);
	r = store_delete_partition(supervisor->store,
				   partition->record.definition.name);
	if (r == 0)
		console_log_remove(supervisor,
				   partition->record.definition.name);
	partition_vacate(partition);
	if (r < 0)
		return partition_refuse_store(partition, r, refusal);
	partition_event_text(partition, EVENT_INFO, "is undefined");
	partition_free(partition);
	return 0;
}
