/* SPDX-License-Identifier: MIT */
/*
 * What the board needs from its owner: interrupts and doorbells. With KVM these
 * are interrupt routing, irqfds and ioeventfds; a test records them. No pointer
 * is NULL.
 *
 * Threads    Called with the board lock held, except set_line(), which may be
 *            called by any thread.
 * Errors     0 or a negative errno. The board carries on after a failure: an
 *            interrupt that is not bound is not delivered, and a doorbell that
 *            is not bound is rung by an ordinary access.
 */
#ifndef MACHINE_OPS_H
#define MACHINE_OPS_H

#include <stdbool.h>
#include <stdint.h>

struct machine_ops {
	/* Raise or lower a pin of the interrupt controllers. */
	void (*set_line)(void *context, uint32_t gsi, bool level);
	/* Route this GSI (GSI_MSI or above) to that message from now on. */
	int (*route_msi)(void *context, uint32_t gsi, uint64_t address,
			 uint32_t data);
	/* A count in the eventfd fires the GSI; an existing count does so at
	 * once. Off: counts stay in the eventfd. */
	int (*bind_irq)(void *context, uint32_t gsi, int event_fd, bool on);
	/* A write of any width to this guest-physical address increments the
	 * eventfd and causes no further exit. */
	int (*bind_doorbell)(void *context, uint64_t gpa, int event_fd,
			     bool on);
	void *context;
};

#endif
