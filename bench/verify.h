/* SPDX-License-Identifier: MIT */
/*
 * What a disk may legally hold, and whether it does.
 *
 * The disk is divided into cells of one request's size. Every sector of a cell
 * is stamped with the run, its place, the cell's version and a pattern made
 * from these. At most one write per cell is in flight, so the versions that a
 * read may return are those from the one acknowledged when the read was sent
 * up to the newest one issued when it was answered.
 *
 * What is found is counted:
 *   lost        an acknowledged write is not there: an older version is, that
 *               no read found replaced before; or a request was never answered
 *   duplicated  an older version is there although a read already found a
 *               newer acknowledged one; or a request was answered twice
 *   corrupt     foreign, misplaced or torn content, or a version never issued
 * A sector that a write in flight may just be changing is not judged torn:
 * the page cache does not promise that.
 *
 * Threads    One owner.
 */
#ifndef BENCH_VERIFY_H
#define BENCH_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#define VERIFY_SECTOR 512u

struct verify_cell {
	uint32_t issued; /* newest version sent; 0: none in this run */
	uint32_t acked;  /* newest version acknowledged */
	uint32_t seen;   /* newest acknowledged version that a read found */
	bool is_writing;
};

struct verify {
	struct verify_cell *cells; /* owned */
	uint64_t cell_count;
	uint32_t cell_bytes;
	uint64_t run; /* tells this run's stamps from all others */
	uint64_t checked;
	uint64_t lost;
	uint64_t duplicated;
	uint64_t corrupt;
};

/*
 * cell_bytes is a multiple of VERIFY_SECTOR.
 *
 * -ENOMEM
 */
int verify_init(struct verify *verify, uint64_t cell_count, uint32_t cell_bytes,
		uint64_t run);
void verify_release(struct verify *verify);

/* True when a write of this cell may be sent: none is in flight. */
bool verify_may_write(const struct verify *verify, uint64_t cell);

/* Stamp the next version into `data`; the write is about to be sent. */
void verify_begin_write(struct verify *verify, uint64_t cell, void *data);

/* The write was answered; !is_ok leaves both versions legal. */
void verify_end_write(struct verify *verify, uint64_t cell, bool is_ok);

/* What a read sent now must return at least; keep it for verify_end_read(). */
uint32_t verify_begin_read(const struct verify *verify, uint64_t cell);

/* Judge and count what a read returned. */
void verify_end_read(struct verify *verify, uint64_t cell, uint32_t floor,
		     const void *data);

#endif
