/* SPDX-License-Identifier: MIT */
/* The document of a partition, of a file and of the supervisor. All return an
 * exit status and have said what went wrong. */
#ifndef CLI_DOCUMENT_H
#define CLI_DOCUMENT_H

#include "cli/cli.h"
#include "definition/network.h"
#include "definition/schema.h"

/* Of a file, which describes a record of this type; "-" is standard input. */
int document_read(struct cli *cli, const struct record_type *record,
		  const char *file, void *ret_value);

/* The one that is defined under this name. */
int document_fetch(struct cli *cli, const char *name,
		   struct partition_document *ret_document);

/* Run a verb that changes the document of the partition that is its first
 * argument (verb.change). */
int document_change(struct cli *cli, const struct invocation *invocation);

/* Redefine its partition; `expected` is the digest of what this was made from,
 * or 0. */
int document_send(struct cli *cli, uint32_t type,
		  const struct partition_document *document, uint64_t expected);

#endif
