/* SPDX-License-Identifier: MIT */
/* What clients may ask for of switches and interfaces. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/count.h"
#include "base/failpoint.h"
#include "base/scope.h"
#include "control/dispatch.h"
#include "supervisor/check.h"
#include "supervisor/check_network.h"
#include "supervisor/partition_private.h"
#include "supervisor/report.h"
#include "supervisor/request_private.h"

int request_refuse_store(struct request *request, int error)
{
	return refuse(&request->refusal, error, "",
		      "the store cannot be written: %s",
		      store_error(request->supervisor->store));
}

/* Interfaces. ---------------------------------------------------------------- */

/* Against every interface that is defined, but `self`. */
static int check_against_all(struct request *request,
			     const struct nic_definition *definition,
			     const char *prefix, const struct nic *self)
{
	struct partition *partition;
	char field[64];

	(void)snprintf(field, sizeof(field), "%smac", prefix);
	TAILQ_FOREACH(partition, &request->supervisor->partitions, link)
	for (unsigned i = 0; i < partition->nic_count; i++) {
		const struct nic *other = &partition->nics[i];

		if (other != self &&
		    check_nics_collide(definition, &other->definition))
			return refuse(&request->refusal, -EEXIST, field,
				      "is that of %s of partition %s in the "
				      "same VLAN of switch %s",
				      other->definition.name,
				      partition->record.definition.name,
				      definition->network);
	}
	return 0;
}

static int check_switch_there(struct request *request,
			      const struct nic_definition *definition,
			      const char *prefix)
{
	char field[64];

	if (network_find(request->supervisor, definition->network))
		return 0;
	(void)snprintf(field, sizeof(field), "%sswitch", prefix);
	return refuse(&request->refusal, -ENOENT, field,
		      "there is no switch %s", definition->network);
}

int request_check_nics(struct request *request,
		       const struct partition_document *document)
{
	int r = check_nics(document, &request->refusal);

	for (uint32_t i = 0; r == 0 && i < document->nic_count; i++) {
		char prefix[24];

		(void)snprintf(prefix, sizeof(prefix), "nics[%u].", i);
		r = check_switch_there(request, &document->nics[i], prefix);
		if (r == 0)
			r = check_against_all(request, &document->nics[i],
					      prefix, NULL);
	}
	return r;
}

static void fill_mac(uint64_t id, struct nic_definition *definition)
{
	static const uint8_t none[6];

	if (memcmp(definition->mac, none, sizeof(none)) == 0)
		nic_make_mac(id, definition->mac);
}

int request_add_nic(struct partition *partition,
		    const struct nic_definition *definition)
{
	struct supervisor *supervisor = partition->supervisor;
	struct nic_record record = {
		.id = supervisor_next_attachment(supervisor),
		.definition = *definition,
	};
	int r;

	if (record.id == 0)
		return -EIO;
	fill_mac(record.id, &record.definition);
	memcpy(record.partition, partition->record.definition.name,
	       sizeof(record.partition));
	r = store_put_nic(supervisor->store, &record);
	return r < 0 ? r : partition_add_nic(partition, &record);
}

static struct nic *find_nic(struct partition *partition, const char *name)
{
	for (unsigned i = 0; i < partition->nic_count; i++)
		if (strcmp(partition->nics[i].definition.name, name) == 0)
			return &partition->nics[i];
	return NULL;
}

static struct nic *named_nic(struct request *request,
			     struct partition *partition, const char *name)
{
	struct nic *nic = NULL;

	if (check_name(name, "nic", &request->refusal) < 0)
		return NULL;
	nic = find_nic(partition, name);
	if (!nic)
		(void)refuse(&request->refusal, -ENOENT, "nic",
			     "partition %s has no interface %s",
			     partition->record.definition.name, name);
	return nic;
}

/* What a guest has been told cannot change under it. */
static int check_same(struct request *request, const struct nic *nic,
		      const struct nic_definition *wanted)
{
	const struct nic_definition *now = &nic->definition;
	const char *field = NULL;

	if (!partition_has_monitor(partition_state(nic->partition)) &&
	    partition_state(nic->partition) != PARTITION_SAVED)
		return 0;
	if (strcmp(now->network, wanted->network) != 0)
		field = "switch";
	if (memcmp(now->mac, wanted->mac, sizeof(now->mac)) != 0)
		field = "mac";
	if (now->mtu != wanted->mtu)
		field = "mtu";
	if (now->queue_pair_count != wanted->queue_pair_count)
		field = "queues";
	return field ? refuse(&request->refusal, -EBUSY, field,
			      "cannot change while the partition is %s",
			      partition_state_name(
				      partition_state(nic->partition)))
		     : 0;
}

static int check_change(struct request *request, struct nic *nic,
			const struct nic_definition *wanted)
{
	int r = check_nic(wanted, "", &request->refusal);

	if (r == 0)
		r = check_switch_there(request, wanted, "");
	if (r == 0)
		r = check_same(request, nic, wanted);
	return r < 0 ? r : check_against_all(request, wanted, "", nic);
}

static int set_nic(struct request *request, struct nic *nic,
		   const struct nic_definition *wanted)
{
	struct nic_record record = { .id = nic->id, .definition = *wanted };
	int r;

	fill_mac(nic->id, &record.definition);
	r = check_change(request, nic, &record.definition);
	if (r < 0)
		return r;
	memcpy(record.partition, nic->partition->record.definition.name,
	       sizeof(record.partition));
	r = store_put_nic(request->supervisor->store, &record);
	if (r < 0)
		return request_refuse_store(request, r);
	(void)failpoint("net.set.stored");
	nic->definition = record.definition;
	nic_changed(nic);
	return 0;
}

static int handle_nic_set(void *data, struct message *message)
{
	struct request *request = data;
	struct partition *partition = request_partition(request);
	struct nic_change change;
	struct nic *nic;

	if (!partition)
		return 0;
	memcpy(&change, message->body, sizeof(change));
	nic = named_nic(request, partition, change.definition.name);
	return request_answer(request,
			      nic ? set_nic(request, nic, &change.definition)
				  : -EINVAL);
}

/* An interface comes and goes only while no guest sees it. */
static int check_idle(struct request *request,
		      const struct partition *partition)
{
	enum partition_state state = partition_state(partition);

	if (state == PARTITION_UNINSTALLED || state == PARTITION_STOPPED)
		return 0;
	return refuse(&request->refusal, -EBUSY, "state",
		      "partition %s is %s; interfaces are added and removed "
		      "only while it is stopped",
		      partition->record.definition.name,
		      partition_state_name(state));
}

static int check_not_foreign(struct request *request,
			     const struct partition *partition)
{
	if (partition->record.definition.engine != ENGINE_FOREIGN)
		return 0;
	return refuse(&request->refusal, -EINVAL, "engine",
		      "a foreign VMM has the one device it was defined with");
}

static int add_nic(struct request *request, struct partition *partition,
		   const struct nic_definition *definition)
{
	int r = check_nic(definition, "", &request->refusal);

	if (r == 0)
		r = check_idle(request, partition);
	if (r == 0)
		r = check_not_foreign(request, partition);
	if (r == 0 && find_nic(partition, definition->name))
		r = refuse(&request->refusal, -EEXIST, "name",
			   "is the name of another interface");
	if (r == 0 && partition->nic_count == NIC_COUNT_MAX)
		r = refuse(&request->refusal, -ENOSPC, "nics",
			   "are more than %d", NIC_COUNT_MAX);
	if (r == 0)
		r = check_switch_there(request, definition, "");
	if (r == 0)
		r = check_against_all(request, definition, "", NULL);
	if (r < 0)
		return r;
	r = request_add_nic(partition, definition);
	return r < 0 ? request_refuse_store(request, r) : 0;
}

static int handle_nic_add(void *data, struct message *message)
{
	struct request *request = data;
	struct partition *partition = request_partition(request);
	struct nic_change change;

	if (!partition)
		return 0;
	memcpy(&change, message->body, sizeof(change));
	return request_answer(request,
			      add_nic(request, partition, &change.definition));
}

static int remove_nic(struct request *request, struct partition *partition,
		      const char *name)
{
	struct nic *nic = named_nic(request, partition, name);
	int r = nic ? check_idle(request, partition) : -EINVAL;

	if (r == 0)
		r = check_not_foreign(request, partition);
	if (r < 0)
		return r;
	r = store_delete_nic(request->supervisor->store, nic->id);
	if (r < 0)
		return request_refuse_store(request, r);
	partition_remove_nic(partition, nic->index);
	return 0;
}

static int handle_nic_remove(void *data, struct message *message)
{
	struct request *request = data;
	struct partition *partition = request_partition(request);
	struct nic_change change;

	if (!partition)
		return 0;
	memcpy(&change, message->body, sizeof(change));
	return request_answer(request, remove_nic(request, partition,
						  change.definition.name));
}

/* Switches. ------------------------------------------------------------------- */

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
	r = supervisor_add_service(supervisor, name, ROLE_NET,
				   supervisor->config.disk_standby);
	if (r < 0)
		return request_refuse_store(request, r);
	service_settle(service_find(supervisor, name));
	return 0;
}

static bool has_same_uplink(const struct switch_definition *a,
			    const struct switch_definition *b)
{
	return a->uplink_kind == b->uplink_kind &&
	       strcmp(a->uplink, b->uplink) == 0;
}

static int check_uplink_free(struct request *request,
			     const struct switch_definition *definition)
{
	struct network *network;

	if (!definition->uplink[0])
		return 0;
	TAILQ_FOREACH(network, &request->supervisor->networks, link)
	if (network->record.definition.uplink_kind == definition->uplink_kind &&
	    definition->uplink_kind != UPLINK_BRIDGE &&
	    strcmp(network->record.definition.name, definition->name) != 0 &&
	    strcmp(network->record.definition.uplink, definition->uplink) == 0)
		return refuse(&request->refusal, -EBUSY, "uplink",
			      "%s is the uplink of switch %s",
			      definition->uplink,
			      network->record.definition.name);
	return 0;
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
	if (definition->uplink_kind != UPLINK_NONE) {
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
	if (!is_same && definition->uplink_kind != UPLINK_NONE) {
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

static int handle_switch_define(void *data, struct message *message)
{
	struct request *request = data;
	struct switch_definition definition;
	struct network *network;
	int r;

	memcpy(&definition, message->body, sizeof(definition));
	r = check_switch(&definition, &request->refusal);
	if (r == 0)
		r = check_uplink_free(request, &definition);
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
	struct network *network;

	if (check_name(name, "name", &request->refusal) < 0) {
		(void)request_answer(request, -EINVAL);
		return NULL;
	}
	network = network_find(request->supervisor, name);
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

static int handle_switch_undefine(void *data, struct message *message)
{
	struct request *request = data;
	struct network *network = request_switch(request);

	return network ? request_answer_if_refused(
				 request, undefine_switch(request, network))
		       : 0;
}

static int handle_switch_list(void *data, struct message *message)
{
	struct request *request = data;
	struct network *network;

	TAILQ_FOREACH(network, &request->supervisor->networks, link)
	report_switch(network, &request->ticket);
	return request_answer(request, 0);
}

static int handle_switch_show(void *data, struct message *message)
{
	struct request *request = data;
	struct network *network = request_switch(request);
	int r;

	if (!network)
		return 0;
	report_switch(network, &request->ticket);
	report_mirrors(network, &request->ticket);
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

int request_find_port(struct request *request, const char *network,
		      const char *partition_name, const char *name,
		      struct nic **ret_nic)
{
	struct partition *partition;
	int r = check_name(partition_name, "nic", &request->refusal);

	if (r < 0)
		return r;
	partition = partition_find(request->supervisor, partition_name);
	if (!partition)
		return refuse(&request->refusal, -ENOENT, "nic",
			      "there is no partition %s", partition_name);
	*ret_nic = named_nic(request, partition, name);
	if (!*ret_nic)
		return -EINVAL;
	if (strcmp((*ret_nic)->definition.network, network) != 0)
		return refuse(&request->refusal, -EINVAL, "nic",
			      "is a port of switch %s",
			      (*ret_nic)->definition.network);
	return 0;
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
		capture->attachment_id = nic->id;
	return r;
}

static int handle_switch_capture(void *data, struct message *message)
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
	capture.id = supervisor_next_generation(request->supervisor);
	capture.snap_bytes = asked.snap_bytes;
	memcpy(capture.network, asked.name, sizeof(capture.network));
	process_send(instance->process, MSG_NET_CAPTURE, 0, &capture,
		     sizeof(capture), &fd, 1);
	return request_answer(request, 0);
}

static const struct message_rule rules[] = {
	/* type                 allowed in     handler */
	{ MSG_SWITCH_DEFINE, IN_ANY_STATE, handle_switch_define },
	{ MSG_SWITCH_UNDEFINE, IN_ANY_STATE, handle_switch_undefine },
	{ MSG_SWITCH_LIST, IN_ANY_STATE, handle_switch_list },
	{ MSG_SWITCH_SHOW, IN_ANY_STATE, handle_switch_show },
	{ MSG_SWITCH_CAPTURE, IN_ANY_STATE, handle_switch_capture },
	{ MSG_SWITCH_MIRROR, IN_ANY_STATE, request_mirror },
	{ MSG_NIC_SET, IN_ANY_STATE, handle_nic_set },
	{ MSG_NIC_ADD, IN_ANY_STATE, handle_nic_add },
	{ MSG_NIC_REMOVE, IN_ANY_STATE, handle_nic_remove },
};

bool request_is_of_network(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_COUNT(rules); i++)
		if (rules[i].type == type)
			return true;
	return false;
}

int request_network(struct request *request, struct message *message)
{
	return message_dispatch(rules, ARRAY_COUNT(rules), 0, request, message);
}
