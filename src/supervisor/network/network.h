/* SPDX-License-Identifier: MIT */
/*
 * Switches at run time, their uplinks, and what a network service is told.
 *
 * An instance that begins to serve is given all switches of its service, their
 * uplinks and every interface whose monitor is READY, and NET_BEGIN last. An
 * uplink is a port like an interface, with the same states; its descriptor
 * stays with the supervisor, so that the next generation has it too; after the
 * supervisor's own death it comes back from the service. (When both die before
 * that, the uplink is opened anew.)
 */
#ifndef SUPERVISOR_NETWORK_H
#define SUPERVISOR_NETWORK_H

#include "supervisor/network/nic.h"
#include "supervisor/network/uplink.h"
#include "supervisor/store/store.h"

struct network {
	TAILQ_ENTRY(network) link;
	struct supervisor *supervisor;
	struct switch_record record;
	struct binding binding; /* of the uplink, wanted if there is one */
	struct uplink uplink;
	unsigned open_failures; /* in a row */
	unsigned errand_count;  /* under way that open or close it */
	sd_event_source *passt_source;
	uint64_t told_id;          /* instance that was told of it last */
	bool is_left;              /* by who had it when that was asked */
	bool is_undefined;         /* and ends when its uplink is free */
	struct ticket left_ticket; /* who waits until the uplink is free */
	TAILQ_HEAD(, network_report) reports; /* network_report.c */
	unsigned report_count;
};

TAILQ_HEAD(network_list, network);

extern const struct attachment_ops network_attachments;

/* Of a record; the supervisor's list owns it. NULL: no memory. The uplink, if
 * it is open already, is taken. */
struct network *network_new(struct supervisor *supervisor,
			    const struct switch_record *record,
			    struct uplink *uplink);
struct network *network_find(struct supervisor *supervisor, const char *name);

/* Its uplink's VLANs, or with `uplink` all of the uplink, are others now. The
 * ticket is answered when no service has the old one any more: what it was
 * may then be opened anew. */
void network_change(struct network *network,
		    const struct switch_definition *definition,
		    struct uplink *uplink, const struct ticket *ticket);

/* Forget it, and answer as network_change(). The network is not to be used any
 * more. */
void network_undefine(struct network *network, const struct ticket *ticket);

/* All of them. What they have opened is closed, and no passt is ended: it lives
 * on as long as its service. */
void networks_free(struct supervisor *supervisor);

/* How many interfaces are defined on it; one of them, if there are any. */
unsigned network_count_nics(const struct network *network,
			    const struct nic **ret_nic);

/*
 * VLANs of an interface in which nobody else is: neither another interface, of
 * whatever partition that is defined, nor the switch's uplink. False: it has
 * none. And an event about them, if there are any.
 */
bool network_find_dead_ends(const struct nic *nic,
			    struct switch_dead_end *ret_row);
void network_warn_vlans(const struct nic *nic);

/*
 * How many ports the service has to serve, of NET_SERVICE_PORTS_MAX: one for
 * each uplink, and for each interface of a partition with a monitor, or of the
 * one that is about to have one (may be NULL).
 */
unsigned networks_count_ports(const struct supervisor *supervisor,
			      const char *service,
			      const struct partition *coming);

/* The instance that serves it now; NULL: none. */
struct instance *network_instance(const struct network *network);

/*
 * Ask the service for its ports and addresses; `ticket` gets the rows of
 * SWITCH_SHOW when they are in, or soon without them.
 *
 * -ENOTCONN  no instance serves it
 * -EBUSY     too many ask at once
 */
int network_report(struct network *network, const struct ticket *ticket);

/* The interface with this attachment; NULL: none. */
struct nic *nic_find(struct supervisor *supervisor, uint64_t attachment_id);

/* Give all switches and interfaces that wait to an instance. */
void networks_progress(struct supervisor *supervisor);

#endif
