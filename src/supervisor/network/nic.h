/* SPDX-License-Identifier: MIT */
/*
 * One network interface of a partition: which instance of a network service
 * carries its frames, over rings of which generation. As disk.h, but without a
 * fence: what a dead service still has are frames, which may be lost.
 *
 * The definition and the attachment's id are there as long as the partition
 * is; the rest only while it has a monitor.
 */
#ifndef SUPERVISOR_NIC_H
#define SUPERVISOR_NIC_H

#include "definition/network.h"
#include "supervisor/service/binding.h"
#include "supervisor/store/store.h"

struct partition;

struct nic {
	struct binding binding; /* wanted: its monitor is READY */
	struct partition *partition;
	struct nic_definition definition; /* with its MAC filled in */
	unsigned index;
	struct mirror_record mirror; /* what it gets copies of */
	/* What its driver negotiated, for every next generation. */
	bool has_features;
	struct nic_features features;
	bool are_features_new;            /* than what was told */
	sd_event_source *features_source; /* while it is too soon to tell */
	struct nic_counters counters;
};

extern const struct binding_ops nic_binding;

/* A MAC address of our own for an attachment: the same at every start, and
 * another on another host. */
void nic_make_mac(uint64_t id, uint8_t ret_mac[6]);

/* Tell its monitor, which has not been launched yet, of it. */
void nic_plan(struct nic *nic);

/* Its monitor is READY; is gone or going. */
void nic_want(struct nic *nic);
void nic_unwant(struct nic *nic);

/* Give it to the instance, which has its switch already. */
void nic_give(struct nic *nic, struct instance *instance);

/* Does it get copies, and nothing else? */
bool nic_is_mirror(const struct nic *nic);

/* It gets copies of something else now. */
void nic_mirror_changed(struct nic *nic);

/* New settings of one that may be in use. */
void nic_changed(struct nic *nic);

/* Messages of its monitor. */
void nic_take_features(struct nic *nic, const struct nic_features *features);
void nic_broken(struct nic *nic, uint64_t generation);

/* Forget what it had of a monitor. */
void nic_release(struct nic *nic);

#endif
