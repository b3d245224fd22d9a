/* SPDX-License-Identifier: MIT */
/*
 * MSI-X of a PCI function (PCI 3.0, 6.8.2): a table of vectors, each with an
 * eventfd that is written to raise the interrupt, and a GSI to which the
 * eventfd is bound while the vector is not masked. While it is masked, the
 * count stays in the eventfd and serves as the pending bit.
 *
 * Trust      The table is written by a hostile guest.
 * Threads    The board lock is held, except for msix_fire().
 * Errors     0 or a negative errno.
 */
#ifndef MACHINE_MSIX_H
#define MACHINE_MSIX_H

#include <stdbool.h>
#include <stdint.h>

#include "machine/ops.h"
#include "machine/state.h"

#define MSIX_VECTOR_MAX  32
#define MSIX_ENTRY_BYTES 16

struct msix_vector {
	uint32_t words[4]; /* address low, high, data, control */
	int event_fd;      /* owned; non-blocking */
	bool is_bound;
	bool is_routed; /* the GSI is this address and data */
};

struct msix {
	const struct machine_ops *ops; /* borrowed */
	uint32_t gsi;                  /* of vector 0; the others follow */
	uint16_t count;
	bool is_enabled;
	bool is_masked; /* the whole function */
	struct msix_vector vectors[MSIX_VECTOR_MAX];
};

/* All vectors masked, MSI-X disabled. On failure nothing is held. */
int msix_init(struct msix *msix, uint16_t count, uint32_t gsi,
	      const struct machine_ops *ops);
void msix_release(struct msix *msix);
/* As after msix_init(); pending interrupts are discarded. */
void msix_reset(struct msix *msix);

/* The message control word of the capability was written. */
void msix_control(struct msix *msix, bool is_enabled, bool is_masked);

/* The table and the pending bits, by offset from their start. Accesses other
 * than of 4 or 8 aligned bytes read 0 and write nothing (6.8.2 leaves them
 * undefined). */
uint64_t msix_table_read(const struct msix *msix, uint64_t offset,
			 uint32_t width);
void msix_table_write(struct msix *msix, uint64_t offset, uint64_t value,
		      uint32_t width);
uint64_t msix_pending_read(const struct msix *msix, uint64_t offset,
			   uint32_t width);

/* The eventfd of a vector, or NO_FD if it does not exist. */
int msix_event_fd(const struct msix *msix, uint16_t vector);

/* Raise an interrupt, from any thread; does nothing for a vector that does not
 * exist. */
void msix_fire(const struct msix *msix, uint16_t vector);

/* Within the section of the function. Restore into a freshly initialised one,
 * then call msix_control(). */
void msix_save(const struct msix *msix, struct state_writer *writer);
void msix_restore(struct msix *msix, struct state_reader *reader);

#endif
