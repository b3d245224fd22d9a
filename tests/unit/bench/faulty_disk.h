/* SPDX-License-Identifier: MIT */
/*
 * A small vhost-user disk in a process of its own that makes one kind of
 * mistake on purpose, so that the judge can be judged. It serves requests
 * strictly in order, from memory.
 */
#ifndef TESTS_UNIT_BENCH_FAULTY_DISK_H
#define TESTS_UNIT_BENCH_FAULTY_DISK_H

#include <sys/types.h>

#define FAULTY_DISK_BYTES (128u * 1024)
#define FAULTY_CELL_BYTES 4096u

enum fault {
	FAULT_NONE,
	FAULT_LOSES_A_WRITE,     /* answers it, does not do it */
	FAULT_REPEATS_A_WRITE,   /* does an old one again, over a newer */
	FAULT_FLIPS_A_BIT,       /* in what is stored */
	FAULT_MISPLACES_A_WRITE, /* one cell further */
	FAULT_TEARS_A_WRITE,     /* does its first half */
	FAULT_ANSWERS_TWICE,
	FAULT_FORGETS_A_REQUEST, /* never answers it */
	FAULT_DIES_ONCE,         /* closes the connection with requests open */
};

struct faulty_disk {
	pid_t pid;
	char path[64]; /* of its socket */
};

void faulty_disk_start(struct faulty_disk *disk, enum fault fault);
void faulty_disk_stop(struct faulty_disk *disk);

#endif
