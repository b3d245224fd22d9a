/* SPDX-License-Identifier: MIT */
#include "cli/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static char *next_cell(struct table *table)
{
	size_t count = table->cell_count + 1;
	void *grown = reallocarray(table->cells, count, TABLE_CELL_SIZE);

	if (!grown) {
		(void)fputs("bulkhead: no memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	table->cells = grown;
	table->cell_count = count;
	return table->cells[count - 1];
}

void table_init(struct table *table, const char *const *headings)
{
	memset(table, 0, sizeof(*table));
	for (; headings[table->column_count]; table->column_count++)
		(void)snprintf(next_cell(table), TABLE_CELL_SIZE, "%s",
			       headings[table->column_count]);
}

void table_release(struct table *table)
{
	free(table->cells);
	table->cells = NULL;
	table->cell_count = 0;
}

void table_add(struct table *table, const char *format, ...)
{
	char raw[TABLE_CELL_SIZE];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(raw, sizeof(raw), format, arguments);
	va_end(arguments);
	text_escape(next_cell(table), TABLE_CELL_SIZE, raw, strlen(raw));
}

static int column_width(const struct table *table, size_t column)
{
	size_t width = 0;

	for (size_t i = column; i < table->cell_count; i += table->column_count)
		if (strlen(table->cells[i]) > width)
			width = strlen(table->cells[i]);
	return (int)width;
}

void table_print(const struct table *table)
{
	int widths[TABLE_COLUMN_MAX] = { 0 };
	size_t columns = table->column_count;

	assert(columns > 0 && columns <= TABLE_COLUMN_MAX);

	for (size_t i = 0; i < columns; i++)
		widths[i] = column_width(table, i);
	for (size_t i = 0; i < table->cell_count; i++) {
		/* No blanks at the end of a line. */
		if ((i + 1) % columns == 0)
			(void)printf("%s\n", table->cells[i]);
		else
			(void)printf("%-*s  ", widths[i % columns],
				     table->cells[i]);
	}
}
