/* SPDX-License-Identifier: MIT */
#include "target/request.h"

#include <errno.h>

#include "base/count.h"

struct op_rule {
	uint16_t flags; /* those that may be set */
	bool has_data;
	bool has_range;
	bool is_change;
};

static const struct op_rule op_rules[] = {
	/* clang-format off */
	[DISK_READ]         = { 0, true, true, false },
	[DISK_WRITE]        = { DISK_FLAG_DURABLE, true, true, true },
	[DISK_FLUSH]        = { 0, false, false, false },
	[DISK_DISCARD]      = { 0, false, true, true },
	[DISK_WRITE_ZEROES] = { DISK_FLAG_DURABLE | DISK_FLAG_UNMAP,
				false, true, true },
	/* clang-format on */
};

static const struct op_rule *find_rule(uint16_t op)
{
	return op >= DISK_READ && op < ARRAY_COUNT(op_rules) ? &op_rules[op]
							     : NULL;
}

/* What no honest client gets wrong. */
static bool is_hostile(const struct channel_request *request,
		       const struct op_rule *rule,
		       const struct channel *channel)
{
	if (!rule || (request->flags & ~rule->flags) ||
	    request->generation != channel->shape.generation)
		return true;
	return rule->has_data &&
	       (request->length_bytes > DISK_TRANSFER_MAX ||
		request->buffer_offset % CHANNEL_BUFFER_UNIT != 0 ||
		!channel_has_buffer(channel, request->buffer_offset,
				    request->length_bytes));
}

static bool is_on_disk(const struct channel_request *request,
		       const struct disk_limits *limits)
{
	uint32_t odd_bits = limits->block_bytes - 1;

	return request->length_bytes != 0 &&
	       (request->offset_bytes & odd_bits) == 0 &&
	       (request->length_bytes & odd_bits) == 0 &&
	       request->offset_bytes <= limits->size_bytes &&
	       request->length_bytes <=
		       limits->size_bytes - request->offset_bytes;
}

int request_check(const struct channel_request *request,
		  const struct channel *channel,
		  const struct disk_limits *limits)
{
	const struct op_rule *rule = find_rule(request->op);

	if (is_hostile(request, rule, channel))
		return -EBADMSG;
	if (rule->is_change && limits->is_read_only)
		return -EROFS;
	if (rule->has_range)
		return is_on_disk(request, limits) ? 0 : -EINVAL;
	return request->offset_bytes || request->length_bytes ? -EINVAL : 0;
}

bool request_has_data(const struct channel_request *request)
{
	return request->op == DISK_READ || request->op == DISK_WRITE;
}
