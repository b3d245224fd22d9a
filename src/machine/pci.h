/* SPDX-License-Identifier: MIT */
/*
 * PCI: one host bridge with bus 0, configuration space through ECAM and through
 * ports cf8/cfc, functions with one 32-bit memory BAR (0), capabilities and
 * MSI-X. INTx is not offered (interrupt pin 0).
 *
 * A BAR is decoded while the command register allows and it lies wholly in the
 * PCI window (machine/layout.h) without touching what is decoded there
 * already: RAM and other devices cannot be covered. It is placed in the window
 * at reset as firmware would do it, and not decoded.
 *
 * Trust      Everything written is a hostile guest's. What is read-only stays;
 *            an access beyond the configuration space reads all ones.
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

/* What a function does beside having registers. */
struct pci_ops {
	struct bus_ops bar; /* offsets from the start of the BAR */
	/* BAR 0 is decoded at `base` from now on; 0: nowhere. */
	void (*decoded)(void *device, uint64_t base);
	/* Before bytes of configuration space are read, and after they were
	 * written: for registers there that act. May be NULL. */
	void (*config_read)(void *device, uint32_t offset, uint32_t width);
	void (*config_written)(void *device, uint32_t offset, uint32_t width);
	void (*reset)(void *device);
	/* The device's own state, within the section of the function. Restore
	 * is called when registers, BAR and MSI-X are as they were. */
	void (*save)(const void *device, struct state_writer *writer);
	void (*restore)(void *device, struct state_reader *reader);
};

/* What a function is. */
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
	/* Port cf9, a byte within cf8: the reset control register of chipsets.
	 * NULL: not there. Set after pci_init(). */
	void (*reset_control)(void *context, uint8_t value);
	void *reset_context;
};

/*
 * An empty bus 0 with its host bridge; claims ECAM and the two ports. Both
 * buses and `outside` are borrowed.
 */
int pci_init(struct pci *pci, struct bus *ports, struct bus *memory,
	     const struct machine_ops *ops);
void pci_release(struct pci *pci);

/* The whole bus as at power on, and every device on it reset. */
void pci_reset(struct pci *pci);

/* A function, on no bus yet. */
void pci_function_init(struct pci_function *function,
		       const struct pci_identity *identity,
		       const struct pci_ops *ops, void *device);

/*
 * Add a capability: `bytes` of it, of which the first two (id and next) are
 * filled in. `writable` is its mask, or NULL. Returns its offset.
 *
 * -ENOSPC
 */
int pci_add_capability(struct pci_function *function, uint8_t id,
		       const uint8_t *body, const uint8_t *writable,
		       uint8_t bytes);

/*
 * MSI-X with so many vectors, its table and pending bits at these offsets of
 * BAR 0. The function's bar ops pass accesses there on to msix.h. After
 * pci_add().
 */
int pci_add_msix(struct pci_function *function, uint16_t vectors,
		 uint32_t table_offset, uint32_t pending_offset);

/*
 * Put it into a slot. GSIs are given in the order of these calls.
 *
 * -EBUSY   the slot is taken
 */
int pci_add(struct pci *pci, uint8_t slot, struct pci_function *function);

/* Take it out again, and close what it held. Safe twice. */
void pci_remove(struct pci_function *function);

/* One STATE_PCI section per function present, by slot. -EBADMSG (sticky)
 * if other functions are present than were. */
void pci_save(const struct pci *pci, struct state_writer *writer);
void pci_restore(struct pci *pci, struct state_reader *reader);

#endif
