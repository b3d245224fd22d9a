/* SPDX-License-Identifier: MIT */
/* What clients may ask for: one thin handler each. Rows are in report.c. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/count.h"
#include "base/scope.h"
#include "control/fields.h"
#include "supervisor/client/report.h"
#include "supervisor/client/request_private.h"
#include "supervisor/errand/errand.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/partition/partition_report.h"
#include "supervisor/partition/save.h"
#include "supervisor/storage/install.h"
#include "supervisor/store/operation.h"
#include "supervisor/supervisor.h"

int request_answer(struct request *request, int r)
{
	if (r < 0)
		ticket_refused(request->supervisor, &request->ticket, r,
			       &request->refusal);
	else
		ticket_done(request->supervisor, &request->ticket);
	return 0;
}

int request_answer_if_refused(struct request *request, int r)
{
	return r < 0 ? request_answer(request, r) : 0;
}

int request_refuse_store(struct request *request, int error)
{
	return store_refuse(request->supervisor->store, error,
			    &request->refusal);
}

struct partition *request_partition(struct request *request)
{
	const char *name = (const char *)request->message->body;
	struct partition *partition = partition_find(request->supervisor, name);

	if (!partition)
		(void)request_answer(request,
				     refuse(&request->refusal, -ENOENT, "name",
					    "there is no partition %s", name));
	return partition;
}

static int handle_install(void *data, struct message *message)
{
	struct request *request = data;
	struct partition *partition = request_partition(request);
	struct supervisor *supervisor = request->supervisor;
	int r;

	if (!partition)
		return 0;
	r = partition_check_verb(partition, PARTITION_EVENT_INSTALL,
				 &request->refusal);
	if (r < 0)
		return request_answer(request, r);
	partition_occupy(partition);
	r = install_partition(supervisor->store, &partition->record,
			      &request->refusal);
	partition_vacate(partition);
	if (r == 0)
		partition_event_text(partition, EVENT_INFO, "is installed");
	return request_answer(request, r);
}

/* Verbs that need no more than the partition's name. */
static const struct verb {
	uint32_t type;
	int (*carry_out)(struct partition *partition,
			 const struct ticket *ticket, struct refusal *refusal);
} verbs[] = {
	{ MSG_PARTITION_START, partition_start },
	{ MSG_PARTITION_PAUSE, partition_pause },
	{ MSG_PARTITION_RESUME, partition_resume },
	{ MSG_PARTITION_RESET, partition_reset },
	{ MSG_PARTITION_SAVE, partition_save },
	{ MSG_PARTITION_RESTORE, partition_restore },
};

static int handle_verb(void *data, struct message *message)
{
	struct request *request = data;
	struct partition *partition = request_partition(request);
	const struct verb *verb = verbs;

	if (!partition)
		return 0;
	while (verb->type != message->type)
		verb++;
	return request_answer_if_refused(
		request, verb->carry_out(partition, &request->ticket,
					 &request->refusal));
}

static int handle_stop(void *data, struct message *message)
{
	const struct partition_stop *stop = (const void *)message->body;
	struct request *request = data;
	struct partition *partition = request_partition(request);

	if (!partition)
		return 0;
	return request_answer_if_refused(
		request,
		partition_stop(partition, &request->ticket, stop->deadline_ms,
			       stop->is_forced, &request->refusal));
}

static int handle_balloon(void *data, struct message *message)
{
	const struct partition_balloon *body = (const void *)message->body;
	struct request *request = data;
	struct partition *partition = request_partition(request);

	if (!partition)
		return 0;
	return request_answer_if_refused(
		request,
		partition_balloon(partition, &request->ticket,
				  body->memory_bytes, &request->refusal));
}

static enum image_disposal
image_disposal_of(const struct partition_uninstall *body)
{
	if (body->is_scrubbed)
		return IMAGES_SCRUB;
	return body->removes_images ? IMAGES_REMOVE : IMAGES_KEEP;
}

static int handle_uninstall(void *data, struct message *message)
{
	const struct partition_uninstall *body = (const void *)message->body;
	struct request *request = data;
	struct partition *partition = request_partition(request);

	if (!partition)
		return 0;
	return request_answer_if_refused(
		request, partition_uninstall(partition, &request->ticket,
					     image_disposal_of(body),
					     &request->refusal));
}

static int handle_undefine(void *data, struct message *message)
{
	struct request *request = data;
	struct partition *partition = request_partition(request);

	if (!partition)
		return 0;
	return request_answer(request,
			      partition_undefine(partition, &request->refusal));
}

static int handle_list(void *data, struct message *message)
{
	struct request *request = data;
	struct partition *partition;

	TAILQ_FOREACH(partition, &request->supervisor->partitions, link)
		report_partition(partition, &request->ticket);
	return request_answer(request, 0);
}

static int handle_show(void *data, struct message *message)
{
	struct request *request = data;
	struct partition *partition = request_partition(request);

	if (!partition)
		return 0;
	/* With fresh counters when there is a monitor to ask. */
	if (partition_count(partition, &request->ticket) < 0)
		report_show(partition, &request->ticket);
	return 0;
}

static int handle_service_list(void *data, struct message *message)
{
	struct request *request = data;
	struct service *service;

	TAILQ_FOREACH(service, &request->supervisor->services, link)
		report_service(service, &request->ticket);
	return request_answer(request, 0);
}

struct service *request_service(struct request *request)
{
	const char *name = (const char *)request->message->body;
	struct service *service = service_find(request->supervisor, name);

	if (!service)
		(void)request_answer(request,
				     refuse(&request->refusal, -ENOENT, "name",
					    "there is no service %s", name));
	return service;
}

static int handle_service_restart(void *data, struct message *message)
{
	struct request *request = data;
	struct service *service = request_service(request);
	int r;

	if (!service)
		return 0;
	r = service_restart(service, &request->ticket);
	if (r == -EALREADY)
		(void)refuse(&request->refusal, r, "name",
			     "a restart of %s is in progress", service->name);
	else if (r < 0)
		(void)refuse(&request->refusal, r, "",
			     "cannot start an instance: %s", strerror(-r));
	return request_answer_if_refused(request, r);
}

static int service_set(struct request *request)
{
	const struct service_settings *settings =
		(const void *)request->message->body;
	struct supervisor *supervisor = request->supervisor;
	struct service_record record = { .role = settings->role,
					 .standby_count =
						 settings->standby_count };
	struct service *service;
	int r;

	if (settings->role == ROLE_MONITOR)
		return refuse(&request->refusal, -EINVAL, "role",
			      "must be disk, console or net");
	memcpy(record.name, settings->name, sizeof(record.name));
	service = service_find(supervisor, settings->name);
	if (!service && !settings->role)
		return refuse(&request->refusal, -ENOENT, "name",
			      "there is no service %s; with a kind, one is "
			      "defined",
			      settings->name);
	if (!record.role)
		record.role = service->role;
	if (service && service->role != record.role)
		return refuse(&request->refusal, -EEXIST, "kind",
			      "service %s exists and is of another kind",
			      service->name);
	record.restarts = service ? service->restarts : 0;
	r = store_put_service(supervisor->store, &record);
	if (r < 0)
		return request_refuse_store(request, r);
	if (!service)
		r = service_add(supervisor, settings->name, record.role,
				settings->standby_count, &service);
	if (r < 0)
		return refuse(&request->refusal, r, "", "out of memory");
	service->standby_count = settings->standby_count;
	service_settle(service);
	return 0;
}

static int handle_service_set(void *data, struct message *message)
{
	return request_answer(data, service_set(data));
}

struct event_page {
	struct request *request;
	unsigned most;
	unsigned count;
};

static void visit_event(void *context, const struct event_row *row)
{
	struct event_page *page = context;

	page->count++;
	ticket_row(page->request->supervisor, &page->request->ticket,
		   MSG_EVENT_ROW, row, NULL);
}

#define EVENT_PAGE 200

static int send_events(struct event_page *page, const struct event_query *query)
{
	struct events *events = page->request->supervisor->events;
	uint64_t after = query->after;
	int r = 0;

	page->most = EVENT_PAGE;
	if (query->wants_newest) {
		/* Those that are not on disk yet come on top. */
		page->most += STORE_DEFERRED_MAX;
		r = events_before_newest(events, EVENT_PAGE, &after);
	}
	return r < 0 ? r
		     : events_after(events, after, page->most, visit_event,
				    page);
}

static int handle_event_list(void *data, struct message *message)
{
	const struct event_query *query = (const void *)message->body;
	struct request *request = data;
	struct event_page page = { .request = request };
	int r = send_events(&page, query);

	if (r < 0)
		return request_answer(request,
				      refuse(&request->refusal, r, "",
					     "the store cannot be read"));
	/* A full page may not be the last: who follows asks for the next. */
	if (!query->follow || page.count == page.most)
		return request_answer(request, 0);
	r = client_follow(request->supervisor, &request->ticket);
	if (r < 0)
		return request_answer(request,
				      refuse(&request->refusal, r, "follow",
					     "too many clients follow events"));
	return 0;
}

static int handle_console_open(void *data, struct message *message)
{
	const struct console_open *open = (const void *)message->body;
	struct request *request = data;
	struct partition *partition = request_partition(request);
	int r;

	if (!partition)
		return 0;
	r = console_join(partition, open->mode, message->fds[0]);
	if (r < 0)
		(void)refuse(&request->refusal, r, "state",
			     "partition %s has no console now",
			     partition->record.definition.name);
	return request_answer(request, r);
}

static int handle_console_log(void *data, struct message *message)
{
	struct request *request = data;
	struct partition *partition = request_partition(request);
	SCOPED(close_fd) int fd = NO_FD;
	int r;

	if (!partition)
		return 0;
	r = console_log_open(partition, O_RDONLY, &fd);
	if (r < 0)
		return request_answer(
			request, refuse(&request->refusal, r, "name",
					"partition %s has no console log yet",
					partition->record.definition.name));
	ticket_row(request->supervisor, &request->ticket, MSG_CONSOLE_LOG_FILE,
		   NULL, &fd);
	return request_answer(request, 0);
}

static int handle_supervisor_show(void *data, struct message *message)
{
	struct request *request = data;

	report_supervisor(request->supervisor, &request->ticket);
	report_layers(request->supervisor, NULL, &request->ticket);
	return request_answer(request, 0);
}

static int handle_shutdown(void *data, struct message *message)
{
	const struct host_shutdown *shutdown = (const void *)message->body;
	struct request *request = data;

	if (supervisor_shut_down(request->supervisor, &request->ticket,
				 shutdown->deadline_ms) < 0)
		return request_answer(request,
				      refuse(&request->refusal, -EALREADY, "",
					     "a shutdown is in progress"));
	return 0;
}

static int handle_disk_list(void *data, struct message *message)
{
	struct request *request = data;
	struct partition *partition;

	TAILQ_FOREACH(partition, &request->supervisor->partitions, link)
		report_disks(partition, &request->ticket);
	return request_answer(request, 0);
}

/* clang-format off */
static const struct request_rule {
	uint32_t type;
	int (*handle)(void *data, struct message *message);
	const char *operation; /* as events name it; NULL: a question */
	/* Checked against what is defined, stored and applied: one at a time. */
	bool is_configuring;
} rules[] = {
	{ MSG_PARTITION_DEFINE,       request_define,          "define",          true },
	{ MSG_PARTITION_REDEFINE,     request_redefine,        "redefine",        true },
	{ MSG_PARTITION_INSTALL,      handle_install,          "install",         false },
	{ MSG_PARTITION_START,        handle_verb,             "start",           false },
	{ MSG_PARTITION_STOP,         handle_stop,             "stop",            false },
	{ MSG_PARTITION_PAUSE,        handle_verb,             "pause",           false },
	{ MSG_PARTITION_RESUME,       handle_verb,             "resume",          false },
	{ MSG_PARTITION_RESET,        handle_verb,             "reset",           false },
	{ MSG_PARTITION_SAVE,         handle_verb,             "save",            false },
	{ MSG_PARTITION_RESTORE,      handle_verb,             "restore",         false },
	{ MSG_PARTITION_BALLOON,      handle_balloon,          "balloon",         false },
	{ MSG_PARTITION_UNINSTALL,    handle_uninstall,        "uninstall",       false },
	{ MSG_PARTITION_UNDEFINE,     handle_undefine,         "undefine",        true },
	{ MSG_PARTITION_LIST,         handle_list,             NULL,              false },
	{ MSG_PARTITION_SHOW,         handle_show,             NULL,              false },
	{ MSG_SERVICE_LIST,           handle_service_list,     NULL,              false },
	{ MSG_SERVICE_RESTART,        handle_service_restart,  "service restart", false },
	{ MSG_SERVICE_SET,            handle_service_set,      "service set",     true },
	{ MSG_SERVICE_REMOVE,         request_service_remove,  "service remove",  true },
	{ MSG_SWITCH_DEFINE,          request_switch_define,   "switch define",   true },
	{ MSG_SWITCH_UNDEFINE,        request_switch_undefine, "switch undefine", true },
	{ MSG_SWITCH_LIST,            request_switch_list,     NULL,              false },
	{ MSG_SWITCH_SHOW,            request_switch_show,     NULL,              false },
	{ MSG_SWITCH_CAPTURE,         request_switch_capture,  "switch capture",  false },
	{ MSG_SWITCH_MIRROR,          request_mirror,          "switch mirror",   true },
	{ MSG_VOLUME_DEFINE,          request_volume_define,   "volume define",   true },
	{ MSG_VOLUME_UNDEFINE,        request_volume_undefine, "volume undefine", true },
	{ MSG_VOLUME_LIST,            request_volume_list,     NULL,              false },
	{ MSG_VOLUME_SHOW,            request_volume_show,     NULL,              false },
	{ MSG_RESERVATION_LIST,       request_reservations,    NULL,              false },
	{ MSG_QUARANTINE_LIST,        request_quarantine_list, NULL,              false },
	{ MSG_QUARANTINE_END,         request_quarantine_end,  "quarantine end",  false },
	{ MSG_EVENT_LIST,             handle_event_list,       NULL,              false },
	{ MSG_CONSOLE_OPEN,           handle_console_open,     "console",         false },
	{ MSG_CONSOLE_LOG,            handle_console_log,      NULL,              false },
	{ MSG_SUPERVISOR_SHOW,        handle_supervisor_show,  NULL,              false },
	{ MSG_HOST_SHUTDOWN,          handle_shutdown,         "shutdown",        false },
	{ MSG_DISK_LIST,              handle_disk_list,        NULL,              false },
};
/* clang-format on */

static const struct request_rule *find_rule(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_COUNT(rules); i++)
		if (rules[i].type == type)
			return &rules[i];
	return NULL;
}

static int configure(struct request *request, const struct request_rule *rule)
{
	pthread_mutex_t *lock = &request->supervisor->configuration;
	int r = errand_lock(lock);

	if (r < 0)
		return request_answer(request,
				      refuse(&request->refusal, r, "",
					     "another change is in progress"));
	r = rule->handle(request, request->message);
	(void)pthread_mutex_unlock(lock);
	return r;
}

/* No handler took it: why. */
static int refuse_message(struct request *request)
{
	const struct message *message = request->message;
	const struct message_shape *shape = message_shape(message->type);
	const struct body_field *fault = NULL;
	char rule[96];

	if (shape && message->body_bytes >= shape->body_bytes)
		fault = body_fault(shape->fields, message->body);
	/* A newer command may ask for what a later release has. */
	if (!fault)
		return refuse(&request->refusal, -EOPNOTSUPP, "",
			      "request %u is not one that release %s of the "
			      "supervisor knows: see bulkhead version",
			      message->type, BULKHEAD_VERSION);
	body_rule(fault, rule, sizeof(rule));
	return refuse(&request->refusal, -EINVAL, fault->name, "%s", rule);
}

void client_request(struct client *client, struct message *message)
{
	struct request request = {
		.client = client,
		.supervisor = client->supervisor,
		.message = message,
		.ticket = { .client = client->id,
			    .request_id = message->request_id,
			    .uid = client->uid },
	};
	const struct request_rule *rule = find_rule(message->type);

	if (rule && rule->operation)
		operation_note(&request.ticket, rule->operation, message);
	if (!rule || !message_is_valid(message))
		(void)request_answer(&request, refuse_message(&request));
	else if (rule->is_configuring)
		(void)configure(&request, rule);
	else
		(void)rule->handle(&request, message);
}
