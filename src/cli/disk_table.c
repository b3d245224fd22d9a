/* SPDX-License-Identifier: MIT */
#include "cli/disk_table.h"

#include "definition/units.h"

void disk_table_init(struct table *table)
{
	static const char *const headings[] = {
		"PARTITION", "DISK",   "SERVICE", "STATE", "SIZE", "READS",
		"WRITES",    "ERRORS", "OUTAGES", "FILE",  NULL
	};

	table_init(table, headings);
}

void disk_table_add(struct table *table, const struct disk_row *row)
{
	char size[UNIT_SIZE];

	size_write(size, row->size_bytes);
	table_add(table, "%s", row->partition);
	table_add(table, "%s", row->disk);
	table_add(table, "%s", row->service);
	table_add(table, "%s", row->state);
	table_add(table, "%s", size);
	table_add(table, "%llu", (unsigned long long)row->counters.reads);
	table_add(table, "%llu", (unsigned long long)row->counters.writes);
	table_add(table, "%llu", (unsigned long long)row->counters.errors);
	table_add(table, "%llu", (unsigned long long)row->counters.outages);
	table_add(table, "%s", row->file);
}
