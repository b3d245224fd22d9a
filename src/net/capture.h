/* SPDX-License-Identifier: MIT */
/*
 * A packet capture in pcapng: frames are written to a descriptor that another
 * process reads. When it does not read fast enough, frames are dropped; the
 * capture never waits.
 *
 * Trust      The reader is a client of the supervisor; it may disconnect or
 *            stop reading at any time.
 * Source     draft-ietf-opsawg-pcapng, 4.1 to 4.6.
 */
#ifndef NET_CAPTURE_H
#define NET_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "control/protocol.h"

#define CAPTURE_SIZE (512u << 10)

struct capture {
	uint64_t attachment_id; /* of one port; 0: all */
	uint32_t snap_bytes;
	int fd; /* owned; non-blocking */
	bool is_over;
	uint64_t lost;  /* frames */
	uint32_t begin; /* what is pending to be written */
	uint32_t end;
	uint8_t bytes[CAPTURE_SIZE];
};

enum capture_direction { CAPTURE_IN = 1, CAPTURE_OUT = 2 };

/* Takes the descriptor, on failure too. -EINVAL: it could block us. */
int capture_new(const struct net_capture *config, int *fd,
		struct capture **ret_capture);
void capture_free(struct capture *capture);

/* Add a frame, passed in two parts; `time_us` since 1970. */
void capture_frame(struct capture *capture, uint64_t time_us,
		   enum capture_direction direction, const uint8_t *head,
		   uint32_t head_bytes, const uint8_t *data,
		   uint32_t data_bytes);

/* Write what can be written now. */
void capture_flush(struct capture *capture);

#endif
