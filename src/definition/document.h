/* SPDX-License-Identifier: MIT */
/*
 * Documents: YAML or JSON text to the struct of a record, and back. That of a
 * partition is the document where nothing else is said.
 *
 * JSON is read as the subset of YAML that it is. A document is one map of the
 * fields in schema.h; anything else (unknown fields, fields given twice,
 * anchors, aliases, tags, a second document) is refused with the field, the
 * rule and the line. The result still passes the supervisor's own checks.
 *
 * Trust      The text may be hostile: its size and depth are bounded and
 *            nothing in it is followed, included or executed.
 * Threads    Any; no state is kept.
 */
#ifndef DEFINITION_DOCUMENT_H
#define DEFINITION_DOCUMENT_H

#include <stddef.h>
#include <stdio.h>

#include "base/refusal.h"
#include "definition/network.h"
#include "definition/schema.h"

/* Longest document, in bytes. */
#define DOCUMENT_BYTES_MAX 65536

/*
 * Parse and check. Paths are absolute: a document means the same wherever it
 * comes from.
 *
 * -EINVAL  refused; *ret_refusal says why, *ret_document is untouched
 * -ENOMEM  no memory
 */
int document_parse(const char *text, size_t bytes,
		   struct partition_document *ret_document,
		   struct refusal *ret_refusal);

/* The same of another record. */
int document_parse_record(const struct record_type *record, const char *text,
			  size_t bytes, void *ret_value,
			  struct refusal *ret_refusal);

/*
 * Write it as YAML that parses to the same document. It is trusted to be terminated; it need not be
 * valid.
 */
void document_write(const struct partition_document *document, FILE *out);
void document_write_record(const struct record_type *record, const void *value,
			   FILE *out);

#endif
