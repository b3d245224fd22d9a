/* SPDX-License-Identifier: MIT */
/* What the supervisor may ask of a network service, and what it is told. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/scope.h"
#include "control/definition_message.h"
#include "control/dispatch.h"
#include "net/service.h"

/* A link that takes no more is given up (control/child.h). */
#define ROWS_PER_REPORT 32

static void send_attachment(struct service *service, uint32_t type,
			    const struct attachment *attachment)
{
	(void)child_send(&service->child, type, 0, attachment,
			 sizeof(*attachment));
}

void service_report(void *context, enum event_level level, const char *text)
{
	struct service *service = context;

	if (log_limit_passes(&service->event_limit))
		child_say(&service->child, level, text);
}

void service_report_end(struct service *service, const struct port *port)
{
	uint32_t type = MSG_NET_PEER_BROKEN;

	if (port->is_detaching)
		type = MSG_NET_DETACHED;
	else if (port->uplink != UPLINK_NONE)
		type = MSG_NET_UPLINK_LOST;
	if (port->is_broken)
		log_warn("a port's peer is gone or violated the protocol; the "
			 "port was dropped attachment=%llu",
			 (unsigned long long)port->attachment.id);
	send_attachment(service, type, &port->attachment);
}

/* Finding. ------------------------------------------------------------------- */

static struct network *find_network(const struct service *service,
				    const char *name)
{
	for (uint32_t i = 0; i < service->network_count; i++)
		if (strcmp(service->networks[i]->name, name) == 0)
			return service->networks[i];
	return NULL;
}

static struct port *find_port(const struct service *service,
			      uint64_t attachment_id)
{
	for (uint32_t i = 0; i < service->port_count; i++)
		if (service->ports[i]->attachment.id == attachment_id)
			return service->ports[i];
	return NULL;
}

static struct port *find_attached(const struct service *service,
				  const struct attachment *attachment)
{
	struct port *port = find_port(service, attachment->id);

	return port && port->attachment.generation == attachment->generation
		       ? port
		       : NULL;
}

/* Switches and ports. --------------------------------------------------------- */

static int add_switch(void *process, struct message *message)
{
	const struct net_switch *asked = (const void *)message->body;
	struct service *service = process;
	struct network *network;
	int r;

	if (service->network_count == SWITCH_COUNT_MAX)
		return -EBADMSG;
	if (find_network(service, asked->name))
		return 0;
	r = network_new(asked->name, service_report, service, &network);
	if (r == 0)
		service->networks[service->network_count++] = network;
	return r;
}

static void forget_port(struct port **port)
{
	if (*port)
		port_free(*port);
}

/* A port that cannot be is reported as ended; the supervisor decides. */
static int refuse_port(struct service *service, uint32_t type,
		       const struct attachment *attachment, int result)
{
	log_error("cannot add a port attachment=%llu error=%s",
		  (unsigned long long)attachment->id, strerrorname_np(-result));
	send_attachment(service, type, attachment);
	return 0;
}

static int take_port(struct service *service, struct port **port,
		     const char *network_name,
		     const struct switch_port_settings *settings)
{
	struct network *network = find_network(service, network_name);
	int r;

	if (!network || service->port_count == NET_SERVICE_PORTS_MAX)
		return -ENOSPC;
	r = network_add(network, *port, settings);
	if (r < 0)
		return r;
	service->ports[service->port_count++] = *port;
	*port = NULL;
	return 0;
}

static int attach(void *process, struct message *message)
{
	const struct net_attach *asked = (const void *)message->body;
	SCOPED(forget_port) struct port *port = NULL;
	struct switch_port_settings settings;
	struct nic_definition definition;
	struct refusal refusal;
	struct service *service = process;
	int r;

	if (find_port(service, asked->attachment.id))
		return -EBADMSG;
	r = definition_message_take(message, &definition, &refusal);
	if (r == 0)
		r = network_port_settings(&definition, &settings);
	if (r == 0)
		r = port_new(asked, &definition, message->fds, clock_now_ns(),
			     &port);
	if (r == 0)
		r = take_port(service, &port, definition.network, &settings);
	if (r == 0)
		return 0;
	return refuse_port(service, MSG_NET_PEER_BROKEN, &asked->attachment, r);
}

static int add_uplink(void *process, struct message *message)
{
	const struct net_uplink *asked = (const void *)message->body;
	SCOPED(forget_port) struct port *port = NULL;
	struct switch_port_settings settings;
	struct switch_definition definition;
	struct refusal refusal;
	struct service *service = process;
	int r;

	if (find_port(service, asked->attachment.id))
		return -EBADMSG;
	r = definition_message_take(message, &definition, &refusal);
	if (r == 0)
		r = network_uplink_settings(&definition, &settings);
	if (r == 0)
		r = port_new_uplink(&asked->attachment, definition.uplink.kind,
				    &message->fds[0], &port);
	if (r == 0)
		r = take_port(service, &port, definition.name, &settings);
	if (r == 0)
		return 0;
	return refuse_port(service, MSG_NET_UPLINK_LOST, &asked->attachment, r);
}

/* A port between generations is not there; it will come with its settings. */
static int change(void *process, struct message *message)
{
	const struct net_attach *asked = (const void *)message->body;
	struct service *service = process;
	struct port *port = find_attached(service, &asked->attachment);
	struct switch_port_settings settings;
	struct nic_definition definition;
	struct refusal refusal;
	int r;

	if (!port || port->uplink != UPLINK_NONE)
		return 0;
	r = definition_message_take(message, &definition, &refusal);
	if (r < 0)
		return r;
	/* A supervisor that is new tells all again: nothing is forgotten. */
	if (memcmp(&port->definition, &definition, sizeof(definition)) == 0)
		return 0;
	r = network_port_settings(&definition, &settings);
	if (r == 0)
		r = network_change(port, &settings);
	if (r < 0)
		return r;
	port->definition = definition;
	port_set_credit(port, clock_now_ns());
	return 0;
}

static int set_features(void *process, struct message *message)
{
	const struct nic_features *asked = (const void *)message->body;
	struct service *service = process;
	struct port *port = find_port(service, asked->attachment_id);
	struct switch_port_filter filter = {
		.all_multicast = asked->all_multicast != 0,
		.group_count = asked->group_count,
	};
	const struct offload_features features = {
		.checksum = (asked->offloads & NIC_OFFLOAD_CHECKSUM) != 0,
		.tso4 = (asked->offloads & NIC_OFFLOAD_TSO4) != 0,
		.tso6 = (asked->offloads & NIC_OFFLOAD_TSO6) != 0,
		.ecn = (asked->offloads & NIC_OFFLOAD_ECN) != 0,
		.uso4 = (asked->offloads & NIC_OFFLOAD_USO4) != 0,
		.uso6 = (asked->offloads & NIC_OFFLOAD_USO6) != 0,
	};

	struct mac mac;

	if (!port || port->uplink != UPLINK_NONE)
		return 0;
	_Static_assert(sizeof(filter.groups) == sizeof(asked->groups),
		       "the same groups");
	memcpy(filter.groups, asked->groups, sizeof(filter.groups));
	switch_set_features(port->network->vswitch, port->number, &features);
	switch_set_filter(port->network->vswitch, port->number, &filter);
	port->frame_bytes_max = asked->frame_bytes_max;
	memcpy(mac.bytes, asked->mac, sizeof(mac.bytes));
	network_guest_mac(port, &mac);
	return 0;
}

static int mirror(void *process, struct message *message)
{
	const struct net_mirror *asked = (const void *)message->body;
	struct port *port = find_port(process, asked->attachment_id);

	if (port)
		network_mirror(port, asked->from_id, (uint16_t)asked->vid);
	return 0;
}

static int detach(void *process, struct message *message)
{
	const struct attachment *asked = (const void *)message->body;
	struct service *service = process;
	struct port *port = find_attached(service, asked);

	if (port)
		port->is_detaching = true;
	else
		send_attachment(service, MSG_NET_DETACHED, asked);
	return 0;
}

static int activate(void *process, struct message *message)
{
	const struct attachment *asked = (const void *)message->body;
	const struct port *port = find_attached(process, asked);

	if (port)
		(void)switch_activate_trunk(port->network->vswitch,
					    port->number);
	return 0;
}

static int begin(void *process, struct message *message)
{
	struct service *service = process;

	service->has_begun = true;
	return 0;
}

/* Reports. ----------------------------------------------------------------------- */

static void report_port(struct service *service, uint32_t request_id,
			const struct port *port)
{
	const struct switch_counters *counters =
		switch_count(port->network->vswitch, port->number);
	struct net_port row = {
		.attachment_id = port->attachment.id,
		.in_frames = counters->in_frames,
		.in_bytes = counters->in_bytes,
		.out_frames = counters->out_frames,
		.out_bytes = counters->out_bytes,
		.finished = counters->finished,
		.moves = counters->moves,
		.is_trunk_active = network_is_active_trunk(port),
		.is_uplink = port->uplink != UPLINK_NONE,
	};

	_Static_assert(DROP_COUNT <= NET_DROP_MAX, "a counter per reason");
	memcpy(row.drops, counters->drops, sizeof(counters->drops));
	memcpy(row.network, port->network->name, sizeof(row.network));
	memcpy(row.partition, port->partition, sizeof(row.partition));
	memcpy(row.nic, port->definition.name, sizeof(row.nic));
	(void)child_send(&service->child, MSG_NET_PORT, request_id, &row,
			 sizeof(row));
}

static void report_entry(struct service *service, uint32_t request_id,
			 const struct network *network,
			 const struct fdb_entry *entry)
{
	const struct port *port = network->ports[entry->port];
	struct net_entry row = {
		.vid = entry->vid,
		.is_static = entry->is_static,
	};

	if (!entry->is_static)
		row.age_ms = (uint32_t)((clock_now_ns() - entry->seen_ns) /
					NS_PER_MS);
	memcpy(row.mac, entry->mac.bytes, sizeof(row.mac));
	memcpy(row.network, network->name, sizeof(row.network));
	memcpy(row.partition, port->partition, sizeof(row.partition));
	memcpy(row.nic, port->definition.name, sizeof(row.nic));
	(void)child_send(&service->child, MSG_NET_ENTRY, request_id, &row,
			 sizeof(row));
}

/* Report what is at the position and move on; false at the end. */
static bool report_next(struct service *service, uint32_t request_id,
			struct net_report *position)
{
	const struct network *network;
	const struct fdb_entry *entry;
	size_t cursor = position->entry;

	if (position->port < service->port_count) {
		report_port(service, request_id,
			    service->ports[position->port++]);
		return true;
	}
	if (position->network >= service->network_count)
		return false;
	network = service->networks[position->network];
	entry = switch_next_entry(network->vswitch, &cursor);
	position->entry = cursor;
	if (entry) {
		report_entry(service, request_id, network, entry);
		return true;
	}
	position->network++;
	position->entry = 0;
	return true;
}

static int report(void *process, struct message *message)
{
	struct service *service = process;
	struct net_report position;
	uint32_t rows = 0;

	memcpy(&position, message->body, sizeof(position));
	position.is_over = false;
	while (rows++ < ROWS_PER_REPORT && !position.is_over)
		position.is_over =
			!report_next(service, message->request_id, &position);
	(void)child_send(&service->child, MSG_NET_REPORTED, message->request_id,
			 &position, sizeof(position));
	return 0;
}

/* Captures. ------------------------------------------------------------------------- */

static struct capture **free_place(struct network *network)
{
	for (uint32_t i = 0; i < NETWORK_CAPTURES_MAX; i++)
		if (!network->captures[i])
			return &network->captures[i];
	return NULL;
}

/* One that cannot be ends at once: its reader sees the end of the file. */
static int begin_capture(void *process, struct message *message)
{
	const struct net_capture *asked = (const void *)message->body;
	struct network *network = find_network(process, asked->network);
	struct capture **place = network ? free_place(network) : NULL;

	if (place)
		(void)capture_new(asked, &message->fds[0], place);
	return 0;
}

/* Every child. ------------------------------------------------------------------------ */

static int welcome(void *process, struct message *message)
{
	struct service *service = process;

	for (uint32_t i = 0; i < service->port_count; i++) {
		const struct port *port = service->ports[i];

		send_attachment(service, MSG_NET_HELD, &port->attachment);
		if (port->uplink != UPLINK_NONE)
			(void)child_send_fds(
				&service->child, MSG_NET_UPLINK_HELD, 0,
				&port->attachment, sizeof(port->attachment),
				&port->fd, 1);
	}
	return 0;
}

static const struct message_rule from_supervisor[] = {
	{ MSG_NET_SWITCH, IN_ANY_STATE, add_switch },
	{ MSG_NET_UPLINK, IN_ANY_STATE, add_uplink },
	{ MSG_NET_ATTACH, IN_ANY_STATE, attach },
	{ MSG_NET_SET, IN_ANY_STATE, change },
	{ MSG_NET_FEATURES, IN_ANY_STATE, set_features },
	{ MSG_NET_MIRROR, IN_ANY_STATE, mirror },
	{ MSG_NET_DETACH, IN_ANY_STATE, detach },
	{ MSG_NET_ACTIVATE, IN_ANY_STATE, activate },
	{ MSG_NET_BEGIN, IN_ANY_STATE, begin },
	{ MSG_NET_REPORT, IN_ANY_STATE, report },
	{ MSG_NET_CAPTURE, IN_ANY_STATE, begin_capture },
	{ MSG_CHILD_WELCOME, IN_ANY_STATE, welcome },
};

void service_receive(struct service *service)
{
	child_serve(&service->child, from_supervisor,
		    ARRAY_COUNT(from_supervisor), service);
}
