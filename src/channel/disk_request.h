/* SPDX-License-Identifier: MIT */
/*
 * The requests of a disk channel.
 *
 * offset_bytes and length_bytes are multiples of the attachment's block size.
 * READ and WRITE use the buffer bytes [buffer_offset, +length_bytes), where
 * buffer_offset is a multiple of CHANNEL_BUFFER_UNIT; the others have no buffer
 * and no payload. FLUSH has offset and length 0.
 *
 * A response's status is 0 or one of
 *   -EIO       the device failed (any errno of the device not listed here)
 *   -ENOSPC    no room behind a sparse file
 *   -EROFS     a write to a read-only attachment
 *   -EINVAL    offset or length not a multiple of the block size, outside the
 *              disk, or zero where it may not be
 *   -EOPNOTSUPP  an operation this file cannot do (discard only)
 * and `bytes` is length_bytes on success of READ and WRITE, else 0.
 *
 * What no honest client sends breaks the channel instead: an unknown op or
 * flag, another generation, a buffer that is misaligned or outside the buffer
 * area, a transfer above DISK_TRANSFER_MAX.
 */
#ifndef CHANNEL_DISK_REQUEST_H
#define CHANNEL_DISK_REQUEST_H

#include <stdint.h>

enum disk_op {
	DISK_READ = 1,
	DISK_WRITE = 2,
	DISK_FLUSH = 3,
	DISK_DISCARD = 4,
	DISK_WRITE_ZEROES = 5,
};

/* WRITE, WRITE_ZEROES: answered only once on stable storage. */
#define DISK_FLAG_DURABLE 0x0001u
/* WRITE_ZEROES: the space may be deallocated. */
#define DISK_FLAG_UNMAP 0x0002u

/* The longest READ or WRITE; the others take any length. It takes about 100 us,
 * which is as long as another client of the service should wait for its
 * turn. */
#define DISK_TRANSFER_MAX (1024u * 1024)

/* Neither end spins for requests of this size and above. */
#define DISK_LARGE_BYTES (64u * 1024)

#endif
