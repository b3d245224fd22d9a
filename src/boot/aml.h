/* SPDX-License-Identifier: MIT */
/*
 * A writer of AML, the byte code of ACPI's definition blocks (ACPI 6.4, 20.2).
 *
 * Objects with a length are begun and ended, properly nested; anything else is
 * one call. An operator is written before its operands, each by a call of its
 * own: aml_op(AML_STORE), then the source, then the target.
 *
 * Errors     Sticky: after writing beyond the room, or an unmatched end, every
 *            later call does nothing and aml_result() returns the error.
 */
#ifndef BOOT_AML_H
#define BOOT_AML_H

#include <stddef.h>
#include <stdint.h>

#define AML_DEPTH_MAX 8

struct aml {
	uint8_t *bytes; /* borrowed */
	size_t room;
	size_t used;
	size_t open[AML_DEPTH_MAX]; /* where each open length is */
	uint32_t depth;
	int error;
};

/* Operators, an extended one with its prefix in the high byte. */
enum aml_operator {
	AML_NAME = 0x08,
	AML_LOCAL0 = 0x60,
	AML_ARG0 = 0x68,
	AML_ARG1 = 0x69,
	AML_ARG3 = 0x6b,
	AML_STORE = 0x70,
	AML_AND = 0x7b, /* operand, operand, target */
	AML_OR = 0x7d,
	AML_NOTIFY = 0x86,
	AML_DWORD_FIELD = 0x8a, /* buffer, index, name */
	AML_NOT = 0x92,
	AML_EQUAL = 0x93,
	AML_RETURN = 0xa4,
	AML_REGION = 0x5b80, /* name, a byte: space, offset, length */
};

/* Operators that begin something with a length. */
enum aml_block {
	AML_SCOPE = 0x10,
	AML_BUFFER = 0x11,
	AML_PACKAGE = 0x12,
	AML_METHOD = 0x14,
	AML_IF = 0xa0,
	AML_FIELD = 0x5b81,
	AML_DEVICE = 0x5b82,
};

#define AML_SERIALIZED 0x08 /* in the flags of a method */

void aml_init(struct aml *aml, uint8_t *bytes, size_t room);

/* 0, -ENOSPC, or -EINVAL for blocks or names that are wrong. */
int aml_result(const struct aml *aml);

void aml_begin(struct aml *aml, enum aml_block block);
void aml_end(struct aml *aml);

void aml_op(struct aml *aml, enum aml_operator operator);
void aml_byte(struct aml *aml, uint8_t byte);
void aml_bytes(struct aml *aml, const void *bytes, size_t count);

/* A path: segments of up to four characters, with `\` first if absolute. */
void aml_path(struct aml *aml, const char *path);

/* Constants. */
void aml_integer(struct aml *aml, uint64_t value);

/* A definition of a name: Name(path, constant). */
void aml_name_integer(struct aml *aml, const char *path, uint64_t value);
void aml_name_string(struct aml *aml, const char *path, const char *text);
void aml_name_eisa_id(struct aml *aml, const char *path, const char *id);

/* Name(_CRS, ResourceTemplate() { ... }); inside, only the resources below. */
void aml_begin_resources(struct aml *aml);
void aml_end_resources(struct aml *aml);
void aml_ports(struct aml *aml, uint16_t first, uint8_t count);
void aml_isa_interrupt(struct aml *aml, uint32_t number);
void aml_level_interrupt(struct aml *aml, uint32_t gsi);
void aml_memory(struct aml *aml, uint32_t base, uint32_t bytes);
void aml_memory_window(struct aml *aml, uint32_t base, uint32_t bytes);
void aml_bus_window(struct aml *aml, uint16_t first, uint16_t last);

#endif
