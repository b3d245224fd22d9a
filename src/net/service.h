/* SPDX-License-Identifier: MIT */
/*
 * The network service: switches, their ports, and the loop that moves frames
 * between them.
 *
 * One thread. It never waits for a port: a frame for a receiver without room is
 * dropped, a sender without credit is not read. When idle it spins briefly
 * where that pays, and otherwise sleeps in one poll.
 *
 *   serve.c     the loop: scheduling of ports, when to sleep
 *   messages.c  requests of the supervisor
 *   network.c   switches; between ports and the pure switch
 *   port.c      a monitor's rings
 *   uplink.c    TAP, packet socket, passt
 *   capture.c   pcapng
 *
 * Trust      Monitors, uplinks and frames are hostile. The supervisor is not,
 *            but every message's shape is checked.
 */
#ifndef NET_SERVICE_H
#define NET_SERVICE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "channel/spin.h"
#include "control/child.h"
#include "net/network.h"
#include "sandbox/sandbox.h"

/* First in `polled`; ports follow, in their order. */
enum { POLLED_LINK, POLLED_PORTS };

struct service {
	struct child child;
	struct spin spin;
	bool has_begun; /* NET_BEGIN has come: frames are forwarded */
	uint32_t busy_turns;
	uint64_t aged_ns; /* when forwarding tables were last aged */
	struct log_limit event_limit;
	uint32_t network_count;
	struct network *networks[SWITCH_COUNT_MAX];
	uint32_t port_count;
	uint32_t first; /* the port whose turn comes first */
	struct port *ports[NET_SERVICE_PORTS_MAX];
	struct pollfd polled[POLLED_PORTS + NET_SERVICE_PORTS_MAX];
};

/* serve.c ---------------------------------------------------------------- */

/* Everything but the child, which the caller has opened. */
int service_init(struct service *service);

/* Serve until CHILD_QUIT. */
void service_run(struct service *service);

/* messages.c ------------------------------------------------------------- */

/* Handle what the supervisor sent. */
void service_receive(struct service *service);

/* A port has ended by itself: report that and why to the supervisor. */
void service_report_end(struct service *service, const struct port *port);

/* Report an event to the operators, through the supervisor. */
void service_report(void *context, enum event_level level, const char *text);

/* sandbox.c -------------------------------------------------------------- */

/* Install the last filter. */
int service_seal(struct sandbox_layers *layers);

#endif
