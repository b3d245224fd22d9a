/* SPDX-License-Identifier: MIT */
#include "supervisor/network/nic.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/failpoint.h"
#include "channel/frames.h"
#include "control/definition_message.h"
#include "supervisor/network/network_private.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/supervisor.h"

/* What a guest sends waits in its own ring when ours is full; what comes for it
 * is lost then: a window of TCP in frames of 64 KiB fits in. */
#define TRANSMIT_BYTES (1u << 20)
#define RECEIVE_BYTES  (4u << 20)
#define HANG_MS        HANG_MS_DEFAULT
/* Rings that lasted longer end the row of broken ones. */
#define EARLY_EXIT_NS (60 * NS_PER_S)
/* They are passed on at most this often: the service is others', too, and one
 * monitor must not fill its link. */
#define FEATURES_USEC 20000u

static uint32_t hash_host(void)
{
	char text[64] = "";
	FILE *file = fopen("/etc/machine-id", "re");
	uint32_t hash = 2166136261u; /* FNV-1a */

	if (file && !fgets(text, sizeof(text), file))
		text[0] = '\0';
	if (file)
		(void)fclose(file);
	for (const char *at = text; *at; at++)
		hash = (hash ^ (uint8_t)*at) * 16777619u;
	return hash ^ hash >> 16;
}

void nic_make_mac(uint64_t id, uint8_t ret_mac[6])
{
	uint32_t host = hash_host();

	ret_mac[0] = 0x02; /* locally administered */
	ret_mac[1] = (uint8_t)(host >> 8);
	ret_mac[2] = (uint8_t)host;
	ret_mac[3] = (uint8_t)(id >> 16);
	ret_mac[4] = (uint8_t)(id >> 8);
	ret_mac[5] = (uint8_t)id;
}

static struct nic *nic_of(struct binding *binding)
{
	return CONTAINER_OF(binding, struct nic, binding);
}

/* The monitor's side. ---------------------------------------------------------- */

void nic_plan(struct nic *nic)
{
	const struct nic_definition *definition = &nic->definition;
	struct monitor_nic message = {
		.attachment_id = nic->binding.id,
		.index = nic->index,
		.queue_pair_count = definition->queue_pair_count,
		.mtu = definition->mtu,
		.hang_ms = HANG_MS,
	};

	memcpy(message.mac, definition->mac, sizeof(message.mac));
	memcpy(message.name, definition->name, sizeof(message.name));
	process_tell(nic->partition->monitor, MSG_MONITOR_NIC, &message);
}

static struct nic_channel channel_of(const struct nic *nic)
{
	return (struct nic_channel){ .attachment_id = nic->binding.id,
				     .generation = nic->binding.generation,
				     .index = nic->index };
}

static void tell_monitor_down(struct nic *nic)
{
	struct nic_channel channel = channel_of(nic);

	if (nic->binding.is_wanted)
		process_tell(nic->partition->monitor, MSG_MONITOR_NIC_DOWN,
			     &channel);
}

/* Giving. ----------------------------------------------------------------------- */

static void send_definition(const struct nic *nic, struct instance *instance,
			    uint32_t type, const int *fds, size_t fd_count)
{
	struct net_attach attach = {
		.attachment = binding_attachment(&nic->binding),
	};
	struct definition_message message;
	int bytes;

	memcpy(attach.partition, nic->partition->record.definition.name,
	       sizeof(attach.partition));
	bytes = definition_message_make(type, &attach, &nic->definition,
					&message);
	process_send(instance->process, type, 0, &message, (size_t)bytes, fds,
		     fd_count);
}

bool nic_is_mirror(const struct nic *nic)
{
	return nic->mirror.from_id || nic->mirror.vid;
}

static void tell_mirror(const struct nic *nic, const struct instance *instance)
{
	const struct net_mirror message = { .attachment_id = nic->binding.id,
					    .from_id = nic->mirror.from_id,
					    .vid = nic->mirror.vid };

	process_tell(instance->process, MSG_NET_MIRROR, &message);
}

static void tell_service(struct nic *nic, struct instance *instance,
			 const struct handover *handover)
{
	send_definition(nic, instance, MSG_NET_ATTACH, handover->ends, 3);
	if (nic->has_features)
		process_tell(instance->process, MSG_NET_FEATURES,
			     &nic->features);
	if (nic_is_mirror(nic))
		tell_mirror(nic, instance);
}

static int prepare(struct binding *binding, uint64_t generation,
		   struct handover *handover)
{
	int r = frames_create(TRANSMIT_BYTES, RECEIVE_BYTES,
			      (uint32_t)generation, &handover->ends[0]);

	(void)failpoint("net.handover.before");
	return r < 0 ? r : handover_make_events(handover);
}

static void tell_both(struct binding *binding, struct instance *instance,
		      const struct handover *handover)
{
	struct nic *nic = nic_of(binding);
	const struct nic_channel channel = channel_of(nic);

	tell_service(nic, instance, handover);
	(void)failpoint("net.handover.between");
	process_send(nic->partition->monitor, MSG_MONITOR_NIC_UP, 0, &channel,
		     sizeof(channel), handover->ends, 3);
	(void)failpoint("net.handover.after");
}

void nic_give(struct nic *nic, struct instance *instance)
{
	int r;

	if (nic->binding.state != BINDING_WAITING ||
	    binding_must_wait(&nic->binding))
		return;
	r = binding_hand_over(&nic->binding, instance);
	if (r == 0) {
		instance_answer_soon(instance, nic->partition->monitor);
		return;
	}
	partition_event_text(
		nic->partition, EVENT_ERROR,
		"interface %s cannot be attached to its service, retrying: %s",
		nic->definition.name, strerror(-r));
	binding_progress_later(&nic->binding, BINDING_RETRY_MS);
}

void nic_changed(struct nic *nic)
{
	if (nic->binding.state == BINDING_UP)
		send_definition(nic, nic->binding.instance, MSG_NET_SET, NULL,
				0);
}

void nic_mirror_changed(struct nic *nic)
{
	if (nic->binding.state == BINDING_UP)
		tell_mirror(nic, nic->binding.instance);
}

/* Taking back. ------------------------------------------------------------------- */

static void tell_leaving(struct binding *binding)
{
	tell_monitor_down(nic_of(binding));
}

static void progress(struct binding *binding)
{
	if (binding->state == BINDING_WAITING)
		networks_progress(binding->supervisor);
}

void nic_want(struct nic *nic)
{
	binding_want(&nic->binding, true);
	progress(&nic->binding);
}

static void disarm(struct nic *nic)
{
	nic->binding.timer = sd_event_source_disable_unref(nic->binding.timer);
	nic->features_source =
		sd_event_source_disable_unref(nic->features_source);
}

void nic_unwant(struct nic *nic)
{
	nic->has_features = false;
	disarm(nic);
	binding_want(&nic->binding, false);
	binding_leave(&nic->binding);
}

/* The next rings come later with every time. */
static void note_broken(struct nic *nic, const char *by_whom)
{
	partition_event_text(nic->partition, EVENT_WARNING,
			     "interface %s: its %s violated the ring protocol; "
			     "new rings are created",
			     nic->definition.name, by_whom);
	binding_note_end(&nic->binding, EARLY_EXIT_NS);
}

void nic_broken(struct nic *nic, uint64_t generation)
{
	if (!binding_is_up(&nic->binding, generation))
		return;
	note_broken(nic, "service");
	binding_leave(&nic->binding);
}

static void lost(struct binding *binding, enum binding_loss loss)
{
	struct nic *nic = nic_of(binding);

	if (loss == BINDING_DIED && binding->state == BINDING_UP) {
		if (binding->is_wanted)
			loan_make(nic->partition->monitor, LOAN_MS);
		tell_monitor_down(nic);
	}
	binding_let_go(binding);
	/* Who died is replaced first. */
	if (loss == BINDING_DRAINED)
		progress(binding);
}

static void peer_broken(struct binding *binding)
{
	struct nic *nic = nic_of(binding);

	if (binding->state != BINDING_UP)
		return;
	note_broken(nic, "monitor");
	tell_monitor_down(nic);
	lost(binding, BINDING_DRAINED);
}

static bool fits(const struct binding *binding, const struct service *service)
{
	const struct nic *nic = CONTAINER_OF(binding, struct nic, binding);
	const struct network *network =
		network_find(binding->supervisor, nic->definition.network);

	return !network || network_is_of_service(network, service);
}

static void found(struct binding *binding, struct instance *instance,
		  uint64_t generation)
{
	binding_found(binding, instance, generation);
	/* What was stored last may never have been told. */
	nic_changed(nic_of(binding));
	nic_mirror_changed(nic_of(binding));
}

const struct binding_ops nic_binding = {
	.prepare = prepare,
	.tell_both = tell_both,
	.tell_leaving = tell_leaving,
	.tell_leave = network_tell_leave,
	.progress = progress,
	.fits = fits,
	.found = found,
	.lost = lost,
	.peer_broken = peer_broken,
};

static void tell_features(struct nic *nic);

static int on_features(sd_event_source *source, uint64_t usec, void *data)
{
	struct nic *nic = data;

	nic->features_source =
		sd_event_source_disable_unref(nic->features_source);
	if (nic->are_features_new)
		tell_features(nic);
	return 0;
}

static void tell_features(struct nic *nic)
{
	nic->are_features_new = false;
	if (nic->binding.state == BINDING_UP)
		process_tell(nic->binding.instance->process, MSG_NET_FEATURES,
			     &nic->features);
	(void)sd_event_add_time_relative(nic->binding.supervisor->event,
					 &nic->features_source, CLOCK_MONOTONIC,
					 FEATURES_USEC, 1000, on_features, nic);
}

void nic_take_features(struct nic *nic, const struct nic_features *features)
{
	nic->features = *features;
	nic->has_features = true;
	nic->are_features_new = true;
	if (!nic->features_source)
		tell_features(nic);
}

void nic_release(struct nic *nic)
{
	disarm(nic);
	if (nic->binding.state == BINDING_UP)
		binding_tell(&nic->binding, MSG_NET_DETACH);
	binding_release(&nic->binding);
}
