/* SPDX-License-Identifier: MIT */
/*
 * Reads of what the host has in its page cache, without the service: the I/O
 * thread reads from the disk's witness straight into the guest's pages. This
 * saves a copy and two hand-overs, and goes on during an outage.
 *
 * A read is answered here only where that gives what the service would give: all
 * of it is in the cache, no change of these sectors is unanswered, and none of
 * an earlier life or of a service that is gone can still be in the kernel (I4).
 * All others are the service's, errors and the end of a file among them.
 *
 * Trust      The guest is hostile: its segments are checked like those of any
 *            request.
 * Threads    The I/O thread, once it runs. No read waits for a device; but the
 *            kernel may begin to read ahead, and look up on the device where
 *            the data lies. After a read in vain more and more are not tried.
 */
#ifndef MONITOR_LOCAL_READ_H
#define MONITOR_LOCAL_READ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* Requests of more pieces, which no driver makes that believes our
 * configuration, are the service's. */
#define LOCAL_READ_PIECES 128

/* Larger reads are the service's too: while one is copied here, the thread does
 * nothing for its other disks and networks. Linux asks for 1.25 MiB at most by
 * default. */
#define LOCAL_READ_BYTES_MAX (2u << 20)

struct disk;
struct front_queue;
struct work;

struct local_reads {
	int fd;    /* borrowed: the witness; NO_FD: the service does it all */
	int flags; /* of preadv2() */
	bool has_strays;  /* a change that nobody waits for may still land */
	uint32_t pause;   /* reads not tried after the next in vain */
	uint32_t to_pass; /* of those, still to come */
	struct iovec pieces[LOCAL_READ_PIECES];
};

/* Try reads on `fd`, which is borrowed and was opened for reading only. */
void local_reads_open(struct local_reads *local, int fd);

/* True: all of the data is where the guest wants it, and counted; the request
 * can be answered. */
bool local_read(struct disk *disk, const struct front_queue *queue,
		const struct work *work);

#endif
