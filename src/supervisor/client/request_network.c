/* SPDX-License-Identifier: MIT */
/* What clients may ask for of switches. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/failpoint.h"
#include "base/scope.h"
#include "control/definition_message.h"
#include "probe/probe.h"
#include "supervisor/child/engine.h"
#include "supervisor/client/report.h"
#include "supervisor/client/request_private.h"

/* The default one is made with the first switch. */
static int have_service(struct request *request, const char *name)
{
	struct supervisor *supervisor = request->supervisor;
	struct service *service = service_find(supervisor, name);
	int r;

	if (service && service->role == ROLE_NET)
		return 0;
	if (service || strcmp(name, DEFAULT_NET_SERVICE) != 0)
		return refuse(&request->refusal, -ENOENT, "service",
			      "there is no network service %s", name);
	r = service_define(supervisor, name, ROLE_NET,
			   supervisor->config.disk_standby);
	if (r < 0)
		return request_refuse_store(request, r);
	service_settle(service_find(supervisor, name));
	return 0;
}

static bool has_same_uplink(const struct switch_definition *a,
			    const struct switch_definition *b)
{
	return a->uplink.kind == b->uplink.kind &&
	       strcmp(a->uplink.name, b->uplink.name) == 0;
}

static int check_uplink_free(struct request *request,
			     const struct switch_definition *definition)
{
	struct network *network;

	if (!definition->uplink.name[0])
		return 0;
	TAILQ_FOREACH(network, &request->supervisor->networks, link)
		if (network->record.definition.uplink.kind ==
			    definition->uplink.kind &&
		    definition->uplink.kind != UPLINK_BRIDGE &&
		    strcmp(network->record.definition.name, definition->name) !=
			    0 &&
		    strcmp(network->record.definition.uplink.name,
			   definition->uplink.name) == 0)
			return refuse(&request->refusal, -EBUSY, "uplink",
				      "%s is the uplink of switch %s",
				      definition->uplink.name,
				      network->record.definition.name);
	return 0;
}

static int check_port_free(struct request *request,
			   const struct switch_definition *definition)
{
	if (networks_count_ports(request->supervisor, definition->service,
				 NULL) < NET_SERVICE_PORTS_MAX)
		return 0;
	return refuse(&request->refusal, -EBUSY, "service",
		      "%s has room for %d ports, and none for another uplink",
		      definition->service, NET_SERVICE_PORTS_MAX);
}

static int new_switch(struct request *request,
		      const struct switch_definition *definition)
{
	SCOPED(uplink_close) struct uplink uplink = UPLINK_CLOSED;
	struct supervisor *supervisor = request->supervisor;
	struct switch_record record = { .definition = *definition };
	struct network *network;
	unsigned count = 0;
	int r;

	TAILQ_FOREACH(network, &supervisor->networks, link)
		count++;
	if (count == SWITCH_COUNT_MAX)
		return refuse(&request->refusal, -ENOSPC, "name",
			      "there are %u switches already", count);
	if (definition->uplink.kind != UPLINK_NONE) {
		r = check_port_free(request, definition);
		if (r == 0)
			r = uplink_open(definition, &uplink, &request->refusal);
		if (r < 0)
			return r;
	}
	r = have_service(request, definition->service);
	if (r < 0)
		return r;
	record.id = supervisor_next_attachment(supervisor);
	r = record.id ? store_put_switch(supervisor->store, &record) : -EIO;
	if (r < 0)
		return request_refuse_store(request, r);
	if (!network_new(supervisor, &record, &uplink))
		return refuse(&request->refusal, -ENOMEM, "", "out of memory");
	networks_progress(supervisor);
	return 0;
}

static int change_switch(struct request *request, struct network *network,
			 const struct switch_definition *definition)
{
	SCOPED(uplink_close) struct uplink uplink = UPLINK_CLOSED;
	const struct switch_definition *now = &network->record.definition;
	bool is_same = has_same_uplink(now, definition);
	struct switch_record record = { network->record.id, *definition };
	int r;

	if (strcmp(now->service, definition->service) != 0)
		return refuse(&request->refusal, -EBUSY, "service",
			      "switch %s is part of %s; undefine it first",
			      now->name, now->service);
	if (!is_same && definition->uplink.kind != UPLINK_NONE) {
		r = now->uplink.kind == UPLINK_NONE
			    ? check_port_free(request, definition)
			    : 0;
		if (r == 0)
			r = uplink_open(definition, &uplink, &request->refusal);
		if (r < 0)
			return r;
	}
	r = store_put_switch(request->supervisor->store, &record);
	if (r < 0)
		return request_refuse_store(request, r);
	(void)failpoint("net.switch.stored");
	network_change(network, definition, is_same ? NULL : &uplink,
		       &request->ticket);
	return 0;
}

/* passt becomes an ordinary user, also root's. */
static int check_passt(struct request *request,
		       const struct switch_definition *definition)
{
	const char *refusal =
		engine_probe_wait(request->supervisor->probe)->userns_refusal;

	if (definition->uplink.kind != UPLINK_PASST || !refusal[0])
		return 0;
	return refuse(&request->refusal, -EPERM, "uplink",
		      "passt cannot run, %s", refusal);
}

int request_switch_define(void *data, struct message *message)
{
	struct request *request = data;
	struct switch_definition definition;
	struct network *network;
	int r = definition_message_take(message, &definition,
					&request->refusal);

	if (r == 0)
		r = check_uplink_free(request, &definition);
	if (r == 0)
		r = check_passt(request, &definition);
	if (r < 0)
		return request_answer(request, r);
	network = network_find(request->supervisor, definition.name);
	if (!network)
		return request_answer(request,
				      new_switch(request, &definition));
	return request_answer_if_refused(
		request, change_switch(request, network, &definition));
}

struct network *request_switch(struct request *request)
{
	const char *name = (const char *)request->message->body;
	struct network *network = network_find(request->supervisor, name);

	if (!network)
		(void)request_answer(request,
				     refuse(&request->refusal, -ENOENT, "name",
					    "there is no switch %s", name));
	return network;
}

static int undefine_switch(struct request *request, struct network *network)
{
	const char *name = network->record.definition.name;
	const struct nic *nic = NULL;
	int r;

	if (network_count_nics(network, &nic))
		return refuse(&request->refusal, -EBUSY, "name",
			      "switch %s has ports: %s of partition %s is one",
			      name, nic->definition.name,
			      nic->partition->record.definition.name);
	r = store_delete_switch(request->supervisor->store, name);
	if (r < 0)
		return request_refuse_store(request, r);
	network_undefine(network, &request->ticket);
	return 0;
}

int request_switch_undefine(void *data, struct message *message)
{
	struct request *request = data;
	struct network *network = request_switch(request);

	return network ? request_answer_if_refused(
				 request, undefine_switch(request, network))
		       : 0;
}

int request_switch_list(void *data, struct message *message)
{
	struct request *request = data;
	struct network *network;

	TAILQ_FOREACH(network, &request->supervisor->networks, link)
		report_switch(network, &request->ticket);
	return request_answer(request, 0);
}

int request_switch_show(void *data, struct message *message)
{
	struct request *request = data;
	struct network *network = request_switch(request);
	int r;

	if (!network)
		return 0;
	report_switch(network, &request->ticket);
	report_ports(network, &request->ticket);
	r = network_report(network, &request->ticket);
	if (r == -ENOTCONN)
		return request_answer(request, 0);
	if (r < 0)
		(void)refuse(&request->refusal, r, "",
			     "too many look at switch %s at once",
			     network->record.definition.name);
	return request_answer_if_refused(request, r);
}

/*
 * Only what cannot keep the service waiting, and ends when its reader does: the
 * client's pipe, opened anew, because whether a descriptor blocks could be
 * changed at any time by everyone who shares it.
 */
static int open_capture_pipe(struct request *request, int fd, int *ret_fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat stat;
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY ||
	    fstat(fd, &stat) < 0 || !S_ISFIFO(stat.st_mode))
		return refuse(&request->refusal, -EINVAL, "file",
			      "a capture is written to a pipe");
	*ret_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (*ret_fd >= 0)
		return 0;
	return refuse(&request->refusal, -errno, "file",
		      "the pipe of a capture cannot be opened: %s",
		      strerror(errno));
}

static int find_captured(struct request *request,
			 const struct switch_capture *asked,
			 struct net_capture *capture)
{
	struct nic *nic;
	int r;

	if (!asked->partition[0] && !asked->nic[0])
		return 0;
	r = request_find_port(request, asked->name, asked->partition,
			      asked->nic, &nic);
	if (r == 0)
		capture->attachment_id = nic->binding.id;
	return r;
}

int request_switch_capture(void *data, struct message *message)
{
	struct request *request = data;
	struct network *network = request_switch(request);
	struct net_capture capture = { 0 };
	SCOPED(close_fd) int fd = NO_FD;
	struct switch_capture asked;
	struct instance *instance;
	int r;

	if (!network)
		return 0;
	memcpy(&asked, message->body, sizeof(asked));
	instance = network_instance(network);
	r = open_capture_pipe(request, message->fds[0], &fd);
	if (r == 0)
		r = find_captured(request, &asked, &capture);
	if (r == 0 && !instance)
		r = refuse(&request->refusal, -EAGAIN, "name",
			   "no service serves switch %s now", asked.name);
	if (r < 0)
		return request_answer(request, r);
	capture.snap_bytes = asked.snap_bytes;
	memcpy(capture.network, asked.name, sizeof(capture.network));
	process_send(instance->process, MSG_NET_CAPTURE, 0, &capture,
		     sizeof(capture), &fd, 1);
	return request_answer(request, 0);
}
