/* SPDX-License-Identifier: MIT */
/* A board without KVM: what it asks of the outside is recorded. */
#ifndef TESTS_UNIT_MACHINE_BOARD_H
#define TESTS_UNIT_MACHINE_BOARD_H

#include "machine/pci.h"

#define BOARD_BINDINGS 256

struct binding {
	uint64_t where; /* a GSI or an address */
	int event_fd;
};

struct board {
	struct bus ports;
	struct bus memory;
	struct pci pci;
	struct machine_ops ops;
	/* GSIs. */
	uint64_t addresses[GSI_COUNT];
	uint32_t data[GSI_COUNT];
	int routes; /* how often one was set */
	struct binding irqs[BOARD_BINDINGS];
	struct binding doorbells[BOARD_BINDINGS];
	bool refuses_doorbells;
	bool refuses_routes;
};

void board_start(struct board *board);
void board_stop(struct board *board);

/* The eventfd bound there, or NO_FD. */
int board_irq(const struct board *board, uint32_t gsi);
int board_doorbell(const struct board *board, uint64_t gpa);
/* How many are. */
int board_irqs(const struct board *board);
int board_doorbells(const struct board *board);

/* Accesses of the guest. */
uint64_t board_read(struct board *board, uint64_t address, uint32_t width);
void board_write(struct board *board, uint64_t address, uint64_t value,
		 uint32_t width);
uint64_t board_in(struct board *board, uint64_t port, uint32_t width);
void board_out(struct board *board, uint64_t port, uint64_t value,
	       uint32_t width);
/* Configuration space, by ECAM. */
uint64_t board_config(struct board *board, uint32_t slot, uint32_t offset,
		      uint32_t width);
void board_set_config(struct board *board, uint32_t slot, uint32_t offset,
		      uint64_t value, uint32_t width);

/* Take what is in an eventfd; 0: nothing. */
uint64_t board_count(int event_fd);

#endif
