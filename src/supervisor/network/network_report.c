/* SPDX-License-Identifier: MIT */
/* `switch show`: a service is asked, and its rows are passed on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "supervisor/network/network_private.h"
#include "supervisor/supervisor.h"

/* Who asks waits this long for the service. */
#define REPORT_USEC 500000u
/* More at a time would choke the service's link. */
#define REPORTS_MAX 16u

/* Someone who waits for the rows of a switch. */
struct network_report {
	TAILQ_ENTRY(network_report) link;
	struct network *network;
	struct ticket ticket;
	uint32_t id; /* request_id of NET_REPORT */
	sd_event_source *timer;
};

/* Who asked for it is answered with what has come. */
static void end_report(struct network_report *report)
{
	struct network *network = report->network;

	TAILQ_REMOVE(&network->reports, report, link);
	network->report_count--;
	sd_event_source_disable_unref(report->timer);
	ticket_done(network->supervisor, &report->ticket);
	free(report);
}

void network_end_reports(struct network *network)
{
	while (!TAILQ_EMPTY(&network->reports))
		end_report(TAILQ_FIRST(&network->reports));
}

static int on_no_report(sd_event_source *source, uint64_t usec, void *data)
{
	end_report(data);
	return 0;
}

int network_report(struct network *network, const struct ticket *ticket)
{
	struct instance *instance = network_instance(network);
	struct net_report position = { 0 };
	struct network_report *report;

	if (!instance)
		return -ENOTCONN;
	if (network->report_count == REPORTS_MAX)
		return -EBUSY;
	report = calloc(1, sizeof(*report));
	if (!report)
		return -ENOMEM;
	report->network = network;
	report->ticket = *ticket;
	report->id = ++network->supervisor->report_id;
	TAILQ_INSERT_TAIL(&network->reports, report, link);
	network->report_count++;
	(void)sd_event_add_time_relative(
		network->supervisor->event, &report->timer, CLOCK_MONOTONIC,
		REPORT_USEC, 1000, on_no_report, report);
	process_send(instance->process, MSG_NET_REPORT, report->id, &position,
		     sizeof(position), NULL, 0);
	return 0;
}

/* Who asked for what this message answers; NULL: nobody any more. */
static struct network_report *find_report(const struct process *process,
					  uint32_t id)
{
	struct network_report *report;
	struct network *network;

	TAILQ_FOREACH(network, &process->supervisor->networks, link)
		TAILQ_FOREACH(report, &network->reports, link)
			if (report->id == id)
				return report;
	return NULL;
}

static int pass_row(struct process *process, struct message *message,
		    const char *name, uint32_t type)
{
	struct network_report *report =
		find_report(process, message->request_id);

	if (report &&
	    strcmp(report->network->record.definition.name, name) == 0)
		ticket_row(process->supervisor, &report->ticket, type,
			   message->body, NULL);
	return 0;
}

int network_take_port(void *data, struct message *message)
{
	const struct net_port *row = (const void *)message->body;

	return pass_row(data, message, row->network, MSG_SWITCH_PORT_ROW);
}

int network_take_entry(void *data, struct message *message)
{
	const struct net_entry *row = (const void *)message->body;

	return pass_row(data, message, row->network, MSG_SWITCH_ENTRY_ROW);
}

int network_take_reported(void *data, struct message *message)
{
	const struct net_report *position = (const void *)message->body;
	struct process *process = data;
	struct network_report *report =
		find_report(process, message->request_id);

	if (!report)
		return 0;
	if (position->is_over)
		end_report(report);
	else
		process_send(process, MSG_NET_REPORT, report->id, position,
			     sizeof(*position), NULL, 0);
	return 0;
}
