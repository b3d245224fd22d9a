/* SPDX-License-Identifier: MIT */
#include "net/switch/ethernet.h"

#include <errno.h>

/* Whether the first tag is one of ours; what it encloses is payload. */
static bool is_tagged(const struct frame *frame)
{
	return frame_read16(frame->head + 12) == TPID_8021Q;
}

int frame_parse(struct frame *frame)
{
	frame->has_tag = false;
	frame->tci = 0;
	if (frame->length < FRAME_BYTES_MIN)
		return -EBADMSG;
	frame->head_bytes =
		frame->length < FRAME_HEAD_MAX ? frame->length : FRAME_HEAD_MAX;
	memcpy(frame->head, frame->bytes, frame->head_bytes);
	memcpy(frame->destination.bytes, frame->head, MAC_BYTES);
	memcpy(frame->source.bytes, frame->head + MAC_BYTES, MAC_BYTES);
	if (!is_tagged(frame))
		return frame->length <= FRAME_BYTES_MAX ? 0 : -EBADMSG;
	if (frame->length < FRAME_BYTES_MIN + TAG_BYTES ||
	    frame->length > FRAME_BYTES_MAX + TAG_BYTES)
		return -EBADMSG;
	frame->has_tag = true;
	frame->tci = frame_read16(frame->head + ETHERNET_HEAD_BYTES);
	return 0;
}
