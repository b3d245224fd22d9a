/* SPDX-License-Identifier: MIT */
/*
 * PCI: one host bridge with bus 0, configuration space through ECAM and through
 * ports cf8/cfc, functions with one 32-bit memory BAR (0), capabilities and
 * MSI-X. INTx is not offered (interrupt pin 0).
 *
 * A BAR is decoded while the command register enables memory space and it lies
 * entirely in the PCI window (machine/layout.h) without overlapping a range
 * that is already decoded: it can never cover RAM or another device. Reset
 * assigns it an address in the window, as firmware would, with decoding
 * disabled.
 *
 * Trust      Everything written is a hostile guest's. Read-only bits stay; an
 *            access beyond the configuration space reads all ones.
 * Threads    The board lock is held.
 * Errors     0 or a negative errno.
 */
#ifndef MACHINE_PCI_H
#define MACHINE_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "machine/bus.h"
#include "machine/layout.h"
#include "machine/msix.h"
#include "machine/ops.h"
#include "machine/state.h"

#define PCI_CONFIG_BYTES 256

struct pci;

/* The behaviour of a function besides its registers. */
struct pci_ops {
	struct bus_ops bar; /* offsets from the start of the BAR */
	/* BAR 0 is decoded at `base` from now on; 0: nowhere. */
	void (*decoded)(void *device, uint64_t base);
	/* Before bytes of configuration space are read, and after they were
	 * written: for registers with side effects. May be NULL. */
	void (*config_read)(void *device, uint32_t offset, uint32_t width);
	void (*config_written)(void *device, uint32_t offset, uint32_t width);
	void (*reset)(void *device);
	/* The device's own state, within the section of the function. Restore
	 * is called once registers, BAR and MSI-X are restored. */
	void (*save)(const void *device, struct state_writer *writer);
	void (*restore)(void *device, struct state_reader *reader);
};

/* The identity of a function. */
struct pci_identity {
	uint16_t vendor;
	uint16_t device;
	uint16_t subsystem_vendor;
	uint16_t subsystem;
	uint32_t class_code; /* 24 bits: class, subclass, interface */
	uint8_t revision;
	uint32_t bar_bytes; /* power of two of a page or more; 0: no BAR */
};

struct pci_function {
	struct pci *pci;           /* set by pci_add() */
	const struct pci_ops *ops; /* borrowed; NULL: only registers */
	void *device;              /* borrowed */
	uint8_t slot;
	uint8_t space[PCI_CONFIG_BYTES];
	uint8_t writable[PCI_CONFIG_BYTES]; /* a mask of bits */
	uint8_t next_capability;            /* where there is room */
	uint8_t last_capability;            /* its offset; 0: none yet */
	uint8_t msix_capability;            /* its offset; 0: none */
	uint32_t bar_bytes;
	uint64_t decoded; /* where BAR 0 is decoded; 0: nowhere */
	struct msix msix;
};

struct pci {
	struct bus *memory;            /* borrowed */
	const struct machine_ops *ops; /* borrowed */
	struct pci_function host;
	struct pci_function *slots[SLOT_COUNT]; /* borrowed; NULL: empty */
	uint32_t address;                       /* last written to port cf8 */
	uint32_t next_gsi;
	/* Port cf9, a byte within cf8: the chipset's reset control register.
	 * NULL: not present. Set after pci_init(). */
	void (*reset_control)(void *context, uint8_t value);
	void *reset_context;
};

/*
 * An empty bus 0 with its host bridge; claims ECAM and the two ports. Both
 * buses and `ops` are borrowed.
 */
int pci_init(struct pci *pci, struct bus *ports, struct bus *memory,
	     const struct machine_ops *ops);
void pci_release(struct pci *pci);

/* Reset the bus to its power-on state, and every device on it. */
void pci_reset(struct pci *pci);

/* Initialise a function that is not on a bus yet. */
void pci_function_init(struct pci_function *function,
		       const struct pci_identity *identity,
		       const struct pci_ops *ops, void *device);

/*
 * Add a capability of `bytes`, of which the first two (id and next) are filled
 * in here. `writable` is its mask of writable bits, or NULL. Returns its
 * offset.
 *
 * -ENOSPC
 */
int pci_add_capability(struct pci_function *function, uint8_t id,
		       const uint8_t *body, const uint8_t *writable,
		       uint8_t bytes);

/*
 * Add MSI-X with this number of vectors, its table and pending bits at these
 * offsets of BAR 0. The function's bar ops pass accesses there on to msix.h. To
 * be called after pci_add().
 */
int pci_add_msix(struct pci_function *function, uint16_t vectors,
		 uint32_t table_offset, uint32_t pending_offset);

/*
 * Add a function to a slot. GSIs are assigned in the order of these calls.
 *
 * -EBUSY   the slot is taken
 */
int pci_add(struct pci *pci, uint8_t slot, struct pci_function *function);

/* Remove a function, and release what it held. Safe twice. */
void pci_remove(struct pci_function *function);

/* One STATE_PCI section per function present, by slot. -EBADMSG (sticky) if the
 * functions present differ. */
void pci_save(const struct pci *pci, struct state_writer *writer);
void pci_restore(struct pci *pci, struct state_reader *reader);

#endif
