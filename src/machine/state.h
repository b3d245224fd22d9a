/* SPDX-License-Identifier: MIT */
/*
 * The state of a machine as bytes, for a saved partition.
 *
 * A state is a list of sections, each with a tag, a version and a length. A
 * device has two functions, `NAME_save(const struct NAME *, struct state_writer
 * *)` and `NAME_restore(struct NAME *, struct state_reader *)`, in its own
 * file, next to its reset, so that adding a field means seeing all three.
 * Numbers are little endian and of fixed width; no struct is written as a whole
 * unless it is kernel ABI.
 *
 * Trust      A state being read is hostile: an author of the image can forge
 *            the guest's state, and must gain nothing else. A reader never
 *            reads beyond its section; NAME_restore() checks what it gets as it
 *            would check a guest's value.
 * Errors     Sticky. After the first failure a writer ignores further values
 *            and a reader returns zeros; *_result() returns the error.
 */
#ifndef MACHINE_STATE_H
#define MACHINE_STATE_H

#include <stddef.h>
#include <stdint.h>

/* Tags. Numbers are stored: add, never change. */
enum state_tag {
	STATE_MACHINE = 1, /* its shape: vCPUs, memory, slots */
	STATE_VM,          /* irqchip, PIT, clock */
	STATE_VCPU,        /* one per vCPU */
	STATE_SERIAL,
	STATE_RTC,
	STATE_ACPI,
	STATE_PCI,    /* configuration spaces, one per slot */
	STATE_VIRTIO, /* a virtio-pci transport, inside its STATE_PCI's order */
	STATE_DISK,   /* rings and heads in flight, one per disk */
	STATE_CONSOLE,
	STATE_RNG,
	STATE_BALLOON,
	STATE_NIC,
	STATE_LINES, /* the console line used last, and pending input */
};

struct state_writer {
	uint8_t *bytes; /* owned; grows */
	size_t used;
	size_t room;
	size_t section; /* where the open section begins */
	int error;
};

void state_writer_init(struct state_writer *writer);
void state_writer_release(struct state_writer *writer);

void state_begin(struct state_writer *writer, enum state_tag tag,
		 uint16_t version);
void state_end(struct state_writer *writer);
void state_put(struct state_writer *writer, const void *bytes, size_t count);
void state_put_u8(struct state_writer *writer, uint8_t value);
void state_put_u16(struct state_writer *writer, uint16_t value);
void state_put_u32(struct state_writer *writer, uint32_t value);
void state_put_u64(struct state_writer *writer, uint64_t value);

/* 0, or -ENOMEM. */
int state_writer_result(const struct state_writer *writer);

struct state_reader {
	const uint8_t *bytes; /* borrowed */
	size_t count;
	size_t at;
	size_t end; /* of the section entered */
	int error;
};

void state_reader_init(struct state_reader *reader, const uint8_t *bytes,
		       size_t count);

/*
 * Enter the next section, which must be this one, of a version from 1 to
 * `newest`; returns the version, or 0 after a failure.
 */
uint16_t state_enter(struct state_reader *reader, enum state_tag tag,
		     uint16_t newest);

/* Leave it; all of it must have been read. */
void state_leave(struct state_reader *reader);
void state_get(struct state_reader *reader, void *to, size_t count);
uint8_t state_get_u8(struct state_reader *reader);
uint16_t state_get_u16(struct state_reader *reader);
uint32_t state_get_u32(struct state_reader *reader);
uint64_t state_get_u64(struct state_reader *reader);

/* Bytes left in the section entered. */
size_t state_left(const struct state_reader *reader);

/* A value read is invalid: fail with -EBADMSG. */
void state_refuse(struct state_reader *reader);

/* 0, or -EBADMSG. */
int state_reader_result(const struct state_reader *reader);

#endif
