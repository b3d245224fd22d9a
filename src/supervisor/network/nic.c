/* SPDX-License-Identifier: MIT */
#include "supervisor/network/nic.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/scope.h"
#include "channel/frames.h"
#include "supervisor/network/network.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/supervisor.h"

/* What a guest sends waits in its own ring when ours is full; what comes for it
 * is lost then: a window of TCP in frames of 64 KiB fits in. */
#define TRANSMIT_BYTES (1u << 20)
#define RECEIVE_BYTES  (4u << 20)
#define HANG_MS        HANG_MS_DEFAULT
#define RETRY_MS       1000
/* Rings that lasted longer end the row of broken ones. */
#define EARLY_EXIT_NS (60 * NS_PER_S)
/* They are passed on at most this often: the service is others', too, and one
 * monitor must not fill its link. */
#define FEATURES_USEC 20000u

const char *nic_state_name(enum nic_state state)
{
	static const char *const names[] = {
		[NIC_IS_DETACHED] = "detached",
		[NIC_IS_WAITING] = "waiting",
		[NIC_IS_UP] = "up",
		[NIC_IS_DETACHING] = "detaching",
	};

	return names[state];
}

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

static struct supervisor *supervisor_of(const struct nic *nic)
{
	return nic->partition->supervisor;
}

static void disarm(struct nic *nic)
{
	nic->timer = sd_event_source_disable_unref(nic->timer);
	nic->features_source =
		sd_event_source_disable_unref(nic->features_source);
}

static void progress(struct nic *nic)
{
	if (nic->state == NIC_IS_WAITING)
		networks_progress(supervisor_of(nic));
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct nic *nic = data;

	nic->timer = sd_event_source_disable_unref(nic->timer);
	progress(nic);
	return 0;
}

static void progress_later(struct nic *nic, uint64_t ms)
{
	if (nic->timer)
		return;
	(void)sd_event_add_time_relative(supervisor_of(nic)->event, &nic->timer,
					 CLOCK_MONOTONIC, ms * 1000, 100,
					 on_timer, nic);
}

/* The monitor's side. ---------------------------------------------------------- */

void nic_plan(struct nic *nic)
{
	const struct nic_definition *definition = &nic->definition;
	struct monitor_nic message = {
		.attachment_id = nic->id,
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
	return (struct nic_channel){ .attachment_id = nic->id,
				     .generation = nic->generation,
				     .index = nic->index };
}

static void tell_monitor_down(struct nic *nic)
{
	struct nic_channel channel = channel_of(nic);

	if (nic->is_wanted)
		process_tell(nic->partition->monitor, MSG_MONITOR_NIC_DOWN,
			     &channel);
}

/* Giving. ----------------------------------------------------------------------- */

/* What both ends are given: memory, kick, call. */
struct rings {
	int fds[3];
};

static void rings_release(struct rings *rings)
{
	for (int i = 0; i < 3; i++)
		close_fd(&rings->fds[i]);
}

static int rings_make(uint64_t generation, struct rings *rings)
{
	int r = frames_create(TRANSMIT_BYTES, RECEIVE_BYTES,
			      (uint32_t)generation, &rings->fds[0]);

	if (r < 0)
		return r;
	rings->fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rings->fds[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return rings->fds[1] < 0 || rings->fds[2] < 0 ? -errno : 0;
}

static void fill_attach(const struct nic *nic, struct net_attach *ret_attach)
{
	*ret_attach = (struct net_attach){
		.attachment = { .id = nic->id, .generation = nic->generation },
		.definition = nic->definition,
	};
	memcpy(ret_attach->partition, nic->partition->record.definition.name,
	       sizeof(ret_attach->partition));
}

bool nic_is_mirror(const struct nic *nic)
{
	return nic->mirror.from_id || nic->mirror.vid;
}

static void tell_mirror(const struct nic *nic, const struct instance *instance)
{
	const struct net_mirror message = { .attachment_id = nic->id,
					    .from_id = nic->mirror.from_id,
					    .vid = nic->mirror.vid };

	process_tell(instance->process, MSG_NET_MIRROR, &message);
}

static void tell_service(struct nic *nic, struct instance *instance,
			 const struct rings *rings)
{
	struct net_attach attach;

	fill_attach(nic, &attach);
	process_send(instance->process, MSG_NET_ATTACH, 0, &attach,
		     sizeof(attach), rings->fds, 3);
	if (nic->has_features)
		process_tell(instance->process, MSG_NET_FEATURES,
			     &nic->features);
	if (nic_is_mirror(nic))
		tell_mirror(nic, instance);
}

static int give(struct nic *nic, struct instance *instance)
{
	SCOPED(rings_release) struct rings rings = { { NO_FD, NO_FD, NO_FD } };
	uint64_t generation = supervisor_next_generation(supervisor_of(nic));
	struct nic_channel channel;
	int r;

	if (generation == 0)
		return -EIO;
	r = rings_make(generation, &rings);
	if (r < 0)
		return r;
	(void)failpoint("net.handover.before");
	nic->generation = generation;
	tell_service(nic, instance, &rings);
	(void)failpoint("net.handover.between");
	channel = channel_of(nic);
	process_send(nic->partition->monitor, MSG_MONITOR_NIC_UP, 0, &channel,
		     sizeof(channel), rings.fds, 3);
	(void)failpoint("net.handover.after");
	nic->state = NIC_IS_UP;
	nic->up_ns = clock_now_ns();
	nic->instance = instance;
	instance_client_came(instance);
	instance_answer_soon(instance, nic->partition->monitor);
	return 0;
}

void nic_give(struct nic *nic, struct instance *instance)
{
	uint64_t wait_ms = back_off_wait_ms(&nic->back_off, clock_now_ns());
	int r;

	if (nic->state != NIC_IS_WAITING)
		return;
	if (wait_ms) {
		progress_later(nic, wait_ms);
		return;
	}
	r = give(nic, instance);
	if (r == 0)
		return;
	partition_event_text(nic->partition, EVENT_ERROR,
			     "interface %s cannot be handed to its service, "
			     "trying again: %s",
			     nic->definition.name, strerror(-r));
	progress_later(nic, RETRY_MS);
}

void nic_changed(struct nic *nic)
{
	struct net_attach attach;

	if (nic->state != NIC_IS_UP)
		return;
	fill_attach(nic, &attach);
	process_tell(nic->instance->process, MSG_NET_SET, &attach);
}

void nic_mirror_changed(struct nic *nic)
{
	if (nic->state == NIC_IS_UP)
		tell_mirror(nic, nic->instance);
}

/* Taking back. ------------------------------------------------------------------- */

/* No instance has it any more. */
static void let_go(struct nic *nic)
{
	nic->instance = NULL;
	nic->state = nic->is_wanted ? NIC_IS_WAITING : NIC_IS_DETACHED;
}

void nic_want(struct nic *nic)
{
	nic->is_wanted = true;
	if (nic->state == NIC_IS_DETACHED)
		nic->state = NIC_IS_WAITING;
	progress(nic);
}

void nic_leave(struct nic *nic)
{
	struct attachment attachment = { nic->id, nic->generation };

	if (nic->state != NIC_IS_UP)
		return;
	tell_monitor_down(nic);
	nic->state = NIC_IS_DETACHING;
	process_tell(nic->instance->process, MSG_NET_DETACH, &attachment);
	instance_check(nic->instance, HANG_MS);
}

void nic_unwant(struct nic *nic)
{
	nic->is_wanted = false;
	nic->has_features = false;
	disarm(nic);
	if (nic->state == NIC_IS_WAITING)
		nic->state = NIC_IS_DETACHED;
	nic_leave(nic);
}

void nic_detached(struct nic *nic)
{
	struct instance *instance = nic->instance;

	if (nic->state != NIC_IS_DETACHING)
		return;
	let_go(nic);
	instance_client_left(instance);
	progress(nic);
}

/* The next rings come later with every time. */
static void note_broken(struct nic *nic, const char *by_whom)
{
	partition_event_text(nic->partition, EVENT_WARNING,
			     "interface %s: its %s broke the rings; it gets "
			     "new ones",
			     nic->definition.name, by_whom);
	back_off_note(&nic->back_off, nic->up_ns, EARLY_EXIT_NS,
		      clock_now_ns());
}

void nic_broken(struct nic *nic, uint64_t generation)
{
	if (nic->state != NIC_IS_UP || nic->generation != generation)
		return;
	note_broken(nic, "service");
	nic_leave(nic);
}

void nic_dropped(struct nic *nic)
{
	struct instance *instance = nic->instance;

	if (nic->state != NIC_IS_UP)
		return;
	note_broken(nic, "monitor");
	tell_monitor_down(nic);
	let_go(nic);
	instance_client_left(instance);
	progress(nic);
}

void nic_instance_died(struct nic *nic)
{
	if (nic->state == NIC_IS_UP && nic->is_wanted)
		loan_make(nic->partition->monitor, LOAN_MS);
	if (nic->state == NIC_IS_UP)
		tell_monitor_down(nic);
	let_go(nic);
}

void nic_found(struct nic *nic, struct instance *instance, uint64_t generation)
{
	bool is_known = nic->is_wanted && nic->generation == generation;

	nic->instance = instance;
	nic->generation = generation;
	nic->up_ns = clock_now_ns();
	nic->state = NIC_IS_UP;
	instance_client_came(instance);
	/* Different lives, or no monitor: take it back and begin anew. */
	if (!is_known) {
		nic_leave(nic);
		return;
	}
	/* What was stored last may never have been told. */
	nic_changed(nic);
	nic_mirror_changed(nic);
}

void nic_suspected(struct nic *nic, uint64_t generation)
{
	if (nic->state == NIC_IS_UP && nic->generation == generation)
		instance_check(nic->instance, HANG_MS / 2);
}

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
	if (nic->state == NIC_IS_UP)
		process_tell(nic->instance->process, MSG_NET_FEATURES,
			     &nic->features);
	(void)sd_event_add_time_relative(supervisor_of(nic)->event,
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
	struct attachment attachment = { nic->id, nic->generation };

	disarm(nic);
	if (nic->instance) {
		if (nic->state == NIC_IS_UP)
			process_tell(nic->instance->process, MSG_NET_DETACH,
				     &attachment);
		instance_client_left(nic->instance);
	}
	nic->instance = NULL;
	nic->is_wanted = false;
	nic->state = NIC_IS_DETACHED;
}
