/* SPDX-License-Identifier: MIT */
/*
 * The loop: deficit round robin over the ports that have frames (Shreedhar and
 * Varghese, 1995), beginning with another one each time.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/failpoint.h"
#include "base/scope.h"
#include "net/service.h"

#define TURNS_PER_LINK_LOOK 64
#define AGE_EVERY_NS        (10 * NS_PER_S)
#define HEARTBEAT_NS        (100 * NS_PER_MS)

int service_init(struct service *service)
{
	spin_init(&service->spin, SPIN_SERVICE_NS);
	service->aged_ns = clock_now_ns();
	return 0;
}

static void tidy(struct service *service, uint64_t now_ns)
{
	bool is_due = now_ns - service->aged_ns >= AGE_EVERY_NS;

	if (is_due)
		service->aged_ns = now_ns;
	for (uint32_t i = 0; i < service->network_count; i++) {
		struct network *network = service->networks[i];

		network->now_ns = now_ns;
		if (is_due)
			switch_age(network->vswitch, now_ns);
	}
}

static void flush_captures(struct network *network)
{
	for (uint32_t i = 0; i < NETWORK_CAPTURES_MAX; i++) {
		struct capture *capture = network->captures[i];

		if (!capture)
			continue;
		capture_flush(capture);
		if (!capture->is_over)
			continue;
		capture_free(capture);
		network->captures[i] = NULL;
	}
}

static bool serve_ports(struct service *service, uint64_t now_ns)
{
	bool has_worked = false;

	for (uint32_t i = 0; i < service->port_count; i++) {
		uint32_t at = (service->first + i) % service->port_count;

		has_worked |= port_serve(service->ports[at], now_ns);
	}
	if (service->port_count > 0)
		service->first = (service->first + 1) % service->port_count;
	return has_worked;
}

static void remove_over(struct service *service)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < service->port_count; i++) {
		struct port *port = service->ports[i];

		if (port->is_broken || port->is_detaching) {
			struct port last = *port;

			/* Told when it is closed: what was an uplink may be one
			 * again at once. */
			port_free(port);
			service_report_end(service, &last);
		} else {
			service->ports[kept++] = port;
		}
	}
	service->port_count = kept;
}

static void publish(struct service *service)
{
	for (uint32_t i = 0; i < service->port_count; i++) {
		struct port *port = service->ports[i];

		if (port->must_announce)
			network_announce(port);
		port_publish(port);
	}
	for (uint32_t i = 0; i < service->network_count; i++)
		flush_captures(service->networks[i]);
}

static bool turn(struct service *service)
{
	uint64_t now_ns = clock_now_ns();
	bool has_worked = false;

	tidy(service, now_ns);
	if (service->has_begun)
		has_worked = serve_ports(service, now_ns);
	if (has_worked)
		(void)failpoint("net.before_publish");
	publish(service);
	if (has_worked)
		(void)failpoint("net.after_publish");
	remove_over(service);
	return has_worked;
}

/* Sleeping. ------------------------------------------------------------------ */

/* True when every source of work will wake us. */
static bool prepare_sleep(struct service *service)
{
	if (!service->has_begun)
		return true;
	for (uint32_t i = 0; i < service->port_count; i++)
		if (!port_prepare_sleep(service->ports[i]))
			return false;
	return true;
}

static nfds_t list_polled(struct service *service, uint64_t now_ns)
{
	struct pollfd *polled = service->polled;

	polled[POLLED_LINK] = (struct pollfd){ .fd = child_fd(&service->child),
					       .events = POLLIN };
	for (uint32_t i = 0; i < service->port_count; i++)
		polled[POLLED_PORTS + i] = (struct pollfd){
			.fd = service->has_begun
				      ? port_poll_fd(service->ports[i], now_ns)
				      : NO_FD,
			.events = POLLIN,
		};
	return POLLED_PORTS + service->port_count;
}

static void sooner(uint64_t *ns, uint64_t other)
{
	if (other && (*ns == 0 || other < *ns))
		*ns = other;
}

static bool has_waiting_capture(const struct service *service)
{
	for (uint32_t i = 0; i < service->network_count; i++)
		for (uint32_t j = 0; j < NETWORK_CAPTURES_MAX; j++)
			if (service->networks[i]->captures[j] &&
			    service->networks[i]->captures[j]->end > 0)
				return true;
	return false;
}

/* When to wake up without being woken; 0: never. A port without credit has
 * frames that wait, so the loop goes on beating. */
static uint64_t deadline_ns(const struct service *service, uint64_t now_ns)
{
	int link_ms = child_timeout_ms(&service->child);
	uint64_t deadline = 0;

	if (link_ms >= 0)
		deadline = now_ns + (uint64_t)link_ms * NS_PER_MS;
	for (uint32_t i = 0; i < service->port_count; i++) {
		const struct port *port = service->ports[i];

		sooner(&deadline, port->look_ns);
		sooner(&deadline, port->trim_ns);
		if (!port->ready_ns && port->retry_ns <= now_ns)
			continue;
		sooner(&deadline, max_u64(port->ready_ns, port->retry_ns));
		sooner(&deadline, now_ns + HEARTBEAT_NS);
	}
	if (has_waiting_capture(service))
		sooner(&deadline, now_ns + NS_PER_MS);
	return deadline;
}

static int wait_for_work(struct service *service, nfds_t count, uint64_t now_ns)
{
	uint64_t deadline = deadline_ns(service, now_ns);
	uint64_t left = deadline > now_ns ? deadline - now_ns : 0;
	const struct timespec timeout = {
		.tv_sec = (time_t)(left / NS_PER_S),
		.tv_nsec = (long)(left % NS_PER_S),
	};

	return ppoll(service->polled, count, deadline ? &timeout : NULL, NULL);
}

/* Rings' eventfds are non-blocking; what they say is not used. */
static void drain(const struct service *service)
{
	uint64_t count;

	for (uint32_t i = 0; i < service->port_count; i++)
		if (service->ports[i]->uplink == UPLINK_NONE &&
		    service->polled[POLLED_PORTS + i].revents &&
		    read(service->ports[i]->kick_fd, &count, sizeof(count)) < 0)
			continue;
}

static void look_at_link(struct service *service)
{
	child_turn(&service->child);
	service_receive(service);
}

/* One at a time: it takes the kernel a while, and frames may wait. */
static void rest_one(struct service *service, uint64_t now_ns)
{
	for (uint32_t i = 0; i < service->port_count; i++) {
		struct port *port = service->ports[i];

		if (port->trim_ns && now_ns >= port->trim_ns &&
		    frames_trim(&port->frames, now_ns))
			return;
	}
}

static void sleep_until_work(struct service *service)
{
	uint64_t now_ns = clock_now_ns();
	nfds_t count = list_polled(service, now_ns);
	bool is_woken = prepare_sleep(service) &&
			wait_for_work(service, count, now_ns) > 0;

	if (is_woken)
		drain(service);
	if ((is_woken && service->polled[POLLED_LINK].revents) ||
	    child_timeout_ms(&service->child) == 0)
		look_at_link(service);
	rest_one(service, now_ns);
}

void service_run(struct service *service)
{
	while (!service->child.is_quitting) {
		if (turn(service)) {
			spin_found(&service->spin);
			if (++service->busy_turns % TURNS_PER_LINK_LOOK == 0)
				look_at_link(service);
		} else if (!spin_again(&service->spin)) {
			sleep_until_work(service);
		}
	}
}
