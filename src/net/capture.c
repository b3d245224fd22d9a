/* SPDX-License-Identifier: MIT */
#include "net/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"

#define BLOCK_SECTION   0x0a0d0d0a
#define BLOCK_INTERFACE 1
#define BLOCK_PACKET    6
#define BYTE_ORDER_MARK 0x1a2b3c4d
#define LINK_ETHERNET   1
#define OPTION_FLAGS    2

#define PACKET_OVERHEAD 44u /* of its block, with the option */

static void put(struct capture *capture, const void *bytes, uint32_t count)
{
	if (count == 0)
		return;
	memcpy(capture->bytes + capture->end, bytes, count);
	capture->end += count;
}

static void put32(struct capture *capture, uint32_t value)
{
	put(capture, &value, sizeof(value));
}

/* Section and interface: what a file begins with. */
static void put_beginning(struct capture *capture)
{
	static const uint32_t beginning[] = {
		/* section: its length is not known */
		BLOCK_SECTION,
		28,
		BYTE_ORDER_MARK,
		1,
		UINT32_MAX,
		UINT32_MAX,
		28,
		/* interface: no bound, times in microseconds */
		BLOCK_INTERFACE,
		20,
		LINK_ETHERNET,
		0,
		20,
	};

	put(capture, beginning, sizeof(beginning));
}

int capture_new(const struct net_capture *config, int *fd,
		struct capture **ret_capture)
{
	struct capture *capture;
	int flags = fcntl(*fd, F_GETFL);

	if (flags < 0 || (flags & O_NONBLOCK) == 0) {
		close_fd(fd);
		return -EINVAL;
	}
	capture = malloc(sizeof(*capture));
	if (!capture) {
		close_fd(fd);
		return -ENOMEM;
	}
	/* Not all of it: memory is used as frames come. */
	memset(capture, 0, offsetof(struct capture, bytes));
	capture->attachment_id = config->attachment_id;
	capture->snap_bytes =
		config->snap_bytes ? config->snap_bytes : UINT32_MAX;
	capture->fd = take_fd(fd);
	put_beginning(capture);
	*ret_capture = capture;
	return 0;
}

void capture_free(struct capture *capture)
{
	if (!capture)
		return;
	close_fd(&capture->fd);
	free(capture);
}

/* What waits goes to the front when that makes room. */
static bool make_room(struct capture *capture, uint32_t bytes)
{
	if (CAPTURE_SIZE - capture->end >= bytes)
		return true;
	memmove(capture->bytes, capture->bytes + capture->begin,
		capture->end - capture->begin);
	capture->end -= capture->begin;
	capture->begin = 0;
	return CAPTURE_SIZE - capture->end >= bytes;
}

void capture_frame(struct capture *capture, uint64_t time_us,
		   enum capture_direction direction, const uint8_t *head,
		   uint32_t head_bytes, const uint8_t *data,
		   uint32_t data_bytes)
{
	static const uint8_t padding[3];
	uint32_t length = head_bytes + data_bytes;
	uint32_t kept = (uint32_t)min_u64(length, capture->snap_bytes);
	uint32_t padded = (kept + 3) & ~3u;
	uint32_t head_kept = (uint32_t)min_u64(kept, head_bytes);

	if (!make_room(capture, padded + PACKET_OVERHEAD)) {
		capture->lost++;
		return;
	}
	put32(capture, BLOCK_PACKET);
	put32(capture, padded + PACKET_OVERHEAD);
	put32(capture, 0); /* the interface */
	put32(capture, (uint32_t)(time_us >> 32));
	put32(capture, (uint32_t)time_us);
	put32(capture, kept);
	put32(capture, length);
	put(capture, head, head_kept);
	put(capture, data, kept - head_kept);
	put(capture, padding, padded - kept);
	put32(capture, OPTION_FLAGS | 4 << 16);
	put32(capture, direction);
	put32(capture, 0); /* the end of the options */
	put32(capture, padded + PACKET_OVERHEAD);
}

void capture_flush(struct capture *capture)
{
	while (capture->begin < capture->end) {
		ssize_t sent =
			write(capture->fd, capture->bytes + capture->begin,
			      capture->end - capture->begin);

		if (sent < 0) {
			capture->is_over = errno != EAGAIN && errno != EINTR;
			return;
		}
		capture->begin += (uint32_t)sent;
	}
	capture->begin = capture->end = 0;
}
