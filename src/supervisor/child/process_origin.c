/* SPDX-License-Identifier: MIT */
/* Where a process comes from, by its number: for any process of the host. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/child/process.h"

/* Numbers that a boot gives to processes come again in the next one. */
static uint64_t boot_number(void)
{
	static uint64_t number;
	char line[64];
	FILE *file;

	if (number)
		return number;
	file = fopen("/proc/sys/kernel/random/boot_id", "re");
	if (file && fgets(line, sizeof(line), file))
		for (const char *c = line; *c; c++)
			number = (number ^ (uint8_t)*c) * 0x100000001b3u;
	if (file)
		(void)fclose(file);
	return number;
}

/* A field of /proc/PID/stat, by its number in proc(5); 0 when there is none. */
static uint64_t read_field(pid_t pid, int wanted)
{
	char path[32], line[512];
	const char *at;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	at = fgets(line, sizeof(line), file);
	(void)fclose(file);
	/* The name in parentheses may hold anything; fields follow it. */
	at = at ? strrchr(line, ')') : NULL;
	for (int field = 2; at && field < wanted; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at + 1, NULL, 10) : 0;
}

uint64_t process_started_ticks(pid_t pid)
{
	return read_field(pid, 22);
}

pid_t process_parent(pid_t pid)
{
	return (pid_t)read_field(pid, 4);
}

uint64_t process_birth(pid_t pid)
{
	uint64_t ticks = process_started_ticks(pid);

	/* Stored as a signed number. */
	return ticks ? (boot_number() + ticks) & INT64_MAX : 0;
}
