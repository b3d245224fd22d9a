/* SPDX-License-Identifier: MIT */
/* A switch's uplink: opened, given to a service, lost and made anew. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/scope.h"
#include "control/definition_message.h"
#include "probe/probe.h"
#include "supervisor/child/engine.h"
#include "supervisor/errand/errand.h"
#include "supervisor/network/network_private.h"
#include "supervisor/supervisor.h"

#define HANG_MS HANG_MS_DEFAULT
/* An uplink that lasted longer ends the row of those that were lost. */
#define EARLY_EXIT_NS (10 * NS_PER_S)
/* Between attempts to open one: doubled each time. */
#define OPEN_FIRST_MS 100
#define OPEN_MOST_MS  30000

static struct network *network_of(struct binding *binding)
{
	return CONTAINER_OF(binding, struct network, binding);
}

/* What an errand does for a network, which stays until that is done. */
struct uplink_work {
	struct network *network;
	struct uplink uplink;
	struct switch_definition definition; /* to be opened */
};

static void end_work(struct uplink_work *work)
{
	struct network *network = work->network;

	free(work);
	network->errand_count--;
	network_settle(network);
}

static int begin_work(struct network *network, struct uplink *uplink,
		      void (*carry_out)(void *work))
{
	struct uplink_work *work = calloc(1, sizeof(*work));

	if (!work)
		return -ENOMEM;
	work->network = network;
	work->uplink = *uplink;
	work->definition = network->record.definition;
	network->errand_count++;
	errand_run(network->supervisor->errands, carry_out, work);
	return 0;
}

/* An errand. */
static void close_aside(void *context)
{
	struct uplink_work *work = context;
	struct supervisor *supervisor = work->network->supervisor;

	uplink_close(&work->uplink);
	end_work(work);
	networks_progress(supervisor);
}

void network_take_uplink(struct network *network, struct uplink *uplink)
{
	struct uplink old = network->uplink;

	network->passt_source =
		sd_event_source_disable_unref(network->passt_source);
	network->uplink = *uplink;
	*uplink = (struct uplink)UPLINK_CLOSED;
	if (old.fd == NO_FD && old.passt_pidfd == NO_FD)
		return;
	if (begin_work(network, &old, close_aside) < 0)
		uplink_close(&old);
}

void network_close_uplink(struct network *network)
{
	struct uplink closed = UPLINK_CLOSED;

	network_take_uplink(network, &closed);
}

/* Why passt may be lost again and again. */
static const char *passt_trouble(const struct network *network)
{
	/* The loop does not wait for the probe. */
	if (network->record.definition.uplink.kind != UPLINK_PASST ||
	    !engine_probe_has_answered(network->supervisor->probe))
		return "";
	return engine_probe_wait(network->supervisor->probe)->userns_refusal;
}

void network_note_lost(struct network *network)
{
	const struct switch_definition *definition =
		&network->record.definition;
	const char *trouble = passt_trouble(network);

	binding_note_end(&network->binding, EARLY_EXIT_NS);
	if (back_off_is_news(&network->binding.back_off))
		supervisor_event(network->supervisor, EVENT_WARNING,
				 definition->name,
				 "the uplink %s %s was lost%s%s; reopening it, "
				 "with growing pauses",
				 uplink_kind_name(definition->uplink.kind),
				 definition->uplink.name,
				 trouble[0] ? ", " : "", trouble);
	network_close_uplink(network);
}

static int on_passt_end(sd_event_source *source, int fd, uint32_t events,
			void *data)
{
	struct network *network = data;

	network_note_lost(network);
	binding_leave(&network->binding);
	networks_progress(network->supervisor);
	return 0;
}

void networks_check_bridges(struct supervisor *supervisor)
{
	struct network *network;

	TAILQ_FOREACH(network, &supervisor->networks, link) {
		const struct switch_definition *definition =
			&network->record.definition;

		if (definition->uplink.kind != UPLINK_BRIDGE ||
		    network->binding.state != BINDING_UP ||
		    network->uplink.fd == NO_FD ||
		    uplink_is_in_bridge(&network->uplink,
					definition->uplink.name))
			continue;
		network_note_lost(network);
		binding_leave(&network->binding);
	}
	networks_progress(supervisor);
}

static uint64_t open_pause_ms(unsigned failures)
{
	uint64_t ms = OPEN_FIRST_MS;

	for (unsigned i = 1; i < failures && ms < OPEN_MOST_MS; i++)
		ms *= 2;
	return min_u64(ms, OPEN_MOST_MS);
}

static void note_opened(struct network *network, int r, const char *why)
{
	network->open_failures = r < 0 ? network->open_failures + 1 : 0;
	/* At first its last holder may be about to close it. */
	if (network->open_failures == 2)
		supervisor_event(network->supervisor, EVENT_ERROR,
				 network->record.definition.name,
				 "its uplink cannot be opened, retrying: %s",
				 why);
	if (r < 0)
		binding_progress_later(&network->binding,
				       open_pause_ms(network->open_failures));
}

static bool is_still_wanted(const struct uplink_work *work)
{
	const struct network *network = work->network;

	return !network->is_undefined && network->uplink.fd == NO_FD &&
	       memcmp(&network->record.definition, &work->definition,
		      sizeof(work->definition)) == 0;
}

/* An errand. */
static void open_aside(void *context)
{
	struct uplink_work *work = context;
	struct network *network = work->network;
	struct supervisor *supervisor = network->supervisor;
	struct refusal refusal = { 0 };
	int r = uplink_open(&work->definition, &work->uplink, &refusal);

	if (!network->is_undefined)
		note_opened(network, r, refusal.text);
	if (r == 0 && is_still_wanted(work))
		network->uplink = work->uplink;
	else
		uplink_close(&work->uplink);
	end_work(work);
	if (r == 0)
		networks_progress(supervisor);
}

/* One after the other: a name is free when what had it is closed. */
static void open_soon(struct network *network)
{
	struct uplink closed = UPLINK_CLOSED;

	if (network->errand_count || network->binding.timer)
		return;
	if (begin_work(network, &closed, open_aside) < 0)
		binding_progress_later(&network->binding, OPEN_MOST_MS);
}

static void watch_passt(struct network *network)
{
	if (network->uplink.passt_pidfd != NO_FD && !network->passt_source)
		(void)sd_event_add_io(network->supervisor->event,
				      &network->passt_source,
				      network->uplink.passt_pidfd, EPOLLIN,
				      on_passt_end, network);
}

static int prepare(struct binding *binding, uint64_t generation,
		   struct handover *handover)
{
	struct network *network = network_of(binding);

	watch_passt(network);
	network_watch(network);
	return 0;
}

static void tell_service(struct binding *binding, struct instance *instance,
			 const struct handover *handover)
{
	const struct network *network = network_of(binding);
	const struct net_uplink uplink = {
		.attachment = binding_attachment(binding),
	};
	struct definition_message message;
	int bytes = definition_message_make(
		MSG_NET_UPLINK, &uplink, &network->record.definition, &message);

	process_send(instance->process, MSG_NET_UPLINK, 0, &message,
		     (size_t)bytes, &network->uplink.fd, 1);
}

void network_tell_leave(struct binding *binding)
{
	binding_tell(binding, MSG_NET_DETACH);
	instance_check(binding->instance, HANG_MS);
}

static void progress(struct binding *binding)
{
	networks_progress(binding->supervisor);
}

static bool fits(const struct binding *binding, const struct service *service)
{
	const struct network *network =
		CONTAINER_OF(binding, struct network, binding);

	return network_is_of_service(network, service);
}

static void found(struct binding *binding, struct instance *instance,
		  uint64_t generation)
{
	struct network *network = network_of(binding);

	/* Which it was, only the service knows. */
	binding->generation = generation;
	network_watch(network);
	binding_found(binding, instance, generation);
	/* What it has was not given back: it is not what is defined by now. */
	if (network->uplink.fd == NO_FD)
		binding_leave(&network->binding);
}

static void lost(struct binding *binding, enum binding_loss loss)
{
	struct supervisor *supervisor = binding->supervisor;

	network_let_go(network_of(binding));
	if (loss == BINDING_DRAINED)
		networks_progress(supervisor);
}

/* One that is being detached is told of by NET_DETACHED. */
static void peer_broken(struct binding *binding)
{
	if (binding->state != BINDING_UP)
		return;
	network_note_lost(network_of(binding));
	lost(binding, BINDING_DRAINED);
}

const struct binding_ops uplink_binding = {
	.prepare = prepare,
	.tell_both = tell_service,
	.tell_leave = network_tell_leave,
	.progress = progress,
	.fits = fits,
	.found = found,
	.lost = lost,
	.peer_broken = peer_broken,
};

void network_give_uplink(struct network *network, struct instance *instance)
{
	struct binding *binding = &network->binding;

	if (binding->state != BINDING_WAITING || binding_must_wait(binding))
		return;
	if (network->uplink.fd == NO_FD)
		open_soon(network);
	else if (binding_hand_over(binding, instance) < 0)
		binding_progress_later(binding, OPEN_MOST_MS);
}
