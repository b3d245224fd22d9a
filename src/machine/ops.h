/* SPDX-License-Identifier: MIT */
/*
 * What the board needs from the one who runs it: interrupts and doorbells. With
 * KVM these are the interrupt routing, irqfds and ioeventfds; a test records
 * them. All pointers are set.
 *
 * Threads    Called with the board lock held, by whoever holds it, except
 *            set_line(), which may be called by any thread.
 * Errors     0 or a negative errno. The board goes on without what it could
 *            not have: an interrupt that is not bound is not delivered, and a
 *            doorbell that is not bound is rung by an ordinary access.
 */
#ifndef MACHINE_OPS_H
#define MACHINE_OPS_H

#include <stdbool.h>
#include <stdint.h>

struct machine_ops {
	/* Raise or lower a pin of the interrupt controllers. */
	void (*set_line)(void *context, uint32_t gsi, bool level);
	/* This GSI (GSI_MSI or above) is that message from now on. */
	int (*route_msi)(void *context, uint32_t gsi, uint64_t address,
			 uint32_t data);
	/* A count in the eventfd fires the GSI; one that is there already does
	 * at once. Off: counts stay in the eventfd. */
	int (*bind_irq)(void *context, uint32_t gsi, int event_fd, bool on);
	/* A write of any width to this guest-physical address counts in the
	 * eventfd and leaves the guest no further. */
	int (*bind_doorbell)(void *context, uint64_t gpa, int event_fd,
			     bool on);
	void *context;
};

#endif
