/* SPDX-License-Identifier: MIT */
/*
 * One value of a definition: read from text and written as text, by the type of
 * its field. `base` is the struct of the record that it belongs to.
 */
#ifndef DEFINITION_VALUE_H
#define DEFINITION_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/refusal.h"
#include "definition/schema.h"

struct scalar {
	const char *text; /* terminated */
	size_t bytes;     /* without the terminator; a NUL may lie inside */
	bool is_quoted;
	size_t line; /* 0: not from a document */
};

/*
 * Store the scalar, if the field may have that value. A list's scalars come one
 * by one. `name` is what the refusal calls the field.
 *
 * -EINVAL  refused
 */
int value_store(const struct field *field, const char *name,
		const struct scalar *scalar, void *base,
		struct refusal *refusal);

/* A list is written as JSON, which is YAML too. */
enum value_kind {
	VALUE_ABSENT,
	VALUE_TEXT,
	VALUE_NUMBER,
	VALUE_SWITCH,
	VALUE_LIST,
};

#define VALUE_SIZE CMDLINE_SIZE

/* The value as a document writes it. It need not be valid. */
enum value_kind field_value(const struct field *field, const void *base,
			    char ret_text[VALUE_SIZE]);

/* True for a field whose value is a list of scalars. */
bool field_is_list(const struct field *field);

/* True for a field that can be taken back: a list, a rate, a VLAN. */
bool field_may_be_none(const struct field *field);

/* Make it what an absent field means. */
void value_clear(const struct field *field, void *base);

/*
 * Give it the value of a word of the command line, a list's with commas between.
 * An empty one is what an absent field means, and so is "none" where the field
 * can be taken back.
 *
 * -EINVAL  refused; the field has any value
 */
int value_assign(const struct field *field, const char *name, const char *text,
		 void *base, struct refusal *refusal);

/* Give what is needed and not in `seen`, which has a bit for each row, its
 * fallback. */
void record_set_fallbacks(const struct record_type *record, void *base,
			  uint64_t seen);

/* "1 to 64", "16M to 4T", "auto | kvm | qemu": what the field accepts. */
void field_describe_range(const struct field *field, char *to, size_t room);

#endif
