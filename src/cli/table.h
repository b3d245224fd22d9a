/* SPDX-License-Identifier: MIT */
/*
 * A table of texts for people: columns as wide as their widest cell, foreign
 * text escaped.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stddef.h>

#define TABLE_COLUMN_MAX 10
#define TABLE_CELL_SIZE  256

struct table {
	size_t column_count;
	size_t cell_count;              /* headings included */
	char (*cells)[TABLE_CELL_SIZE]; /* owned; row by row */
};

/* Headings, ending in NULL, are the first row. */
void table_init(struct table *table, const char *const *headings);
void table_release(struct table *table);

/* Append the next cell. Without memory the command ends. */
void table_add(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void table_print(const struct table *table);

#endif
