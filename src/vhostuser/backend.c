/* SPDX-License-Identifier: MIT */
#include "vhostuser/backend.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/count.h"
#include "base/scope.h"
#include "vhostuser/queues.h"
#include "vhostuser/wire.h"

/* Messages handled per call, so that one front end cannot hold the thread. */
#define MESSAGES_PER_CALL 32

#define ALWAYS (-1)

/* A message: its shape, and the protocol feature it belongs to. */
struct rule {
	uint32_t request;
	uint32_t least_bytes;
	uint32_t most_bytes;
	uint32_t most_fds;
	int feature;
	bool has_answer; /* its own, instead of an acknowledgement */
	int (*handle)(struct vhostuser_backend *backend);
};

static int answer_u64(struct vhostuser_backend *backend, uint64_t value)
{
	return wire_reply(backend, &value, sizeof(value), NO_FD);
}

static uint64_t read_u64(const struct vhostuser_backend *backend)
{
	uint64_t value;

	memcpy(&value, backend->payload, sizeof(value));
	return value;
}

static uint64_t offered_features(const struct vhostuser_backend *backend)
{
	return backend->ops->features(backend->device) |
	       1ull << VHOSTUSER_F_PROTOCOL_FEATURES;
}

static int get_features(struct vhostuser_backend *backend)
{
	return answer_u64(backend, offered_features(backend));
}

static int set_features(struct vhostuser_backend *backend)
{
	const uint64_t own = 1ull << VHOSTUSER_F_PROTOCOL_FEATURES;
	uint64_t features = read_u64(backend);
	int r;

	if ((features & ~offered_features(backend)) != 0)
		return -EBADMSG;
	r = backend->ops->set_features(backend->device, features & ~own);
	if (r < 0)
		return r;
	return (features & own) == 0 ? queues_enable_all(backend) : 0;
}

/* SET_OWNER, and RESET_OWNER, which the specification wants ignored. */
static int accept_quietly(struct vhostuser_backend *backend)
{
	return 0;
}

static int get_protocol_features(struct vhostuser_backend *backend)
{
	return answer_u64(backend, backend->offered_protocol);
}

static int set_protocol_features(struct vhostuser_backend *backend)
{
	uint64_t features = read_u64(backend);

	if ((features & ~backend->offered_protocol) != 0)
		return -EBADMSG;
	backend->protocol = features;
	return 0;
}

static int get_queue_count(struct vhostuser_backend *backend)
{
	return answer_u64(backend, backend->queue_count);
}

static int add_region(struct guestmem *memory,
		      const struct vhostuser_region *region, int fd)
{
	const struct guestmem_place place = {
		.gpa = region->gpa,
		.user_address = region->user_address,
		.bytes = region->bytes,
		.offset_bytes = region->offset_bytes,
	};

	return guestmem_add(memory, &place, fd);
}

static int map_table(struct vhostuser_backend *backend,
		     const struct vhostuser_table *table,
		     struct guestmem *memory)
{
	for (uint32_t i = 0; i < table->region_count; i++) {
		int result =
			add_region(memory, &table->regions[i], backend->fds[i]);

		if (result < 0)
			return result;
	}
	return 0;
}

/* The new table is complete before the old one goes. */
static int set_memory_table(struct vhostuser_backend *backend)
{
	SCOPED(guestmem_clear) struct guestmem spare;
	struct vhostuser_table table;
	struct guestmem old = *backend->memory;
	int r;

	guestmem_init(&spare);
	memcpy(&table, backend->payload, sizeof(table));
	/* The rule allows as many descriptors as the table has regions. */
	if (table.region_count != backend->fd_count ||
	    backend->header.payload_bytes !=
		    offsetof(struct vhostuser_table, regions) +
			    sizeof(table.regions[0]) * table.region_count)
		return -EBADMSG;
	r = map_table(backend, &table, &spare);
	if (r < 0)
		return r;
	*backend->memory = spare;
	spare = old;
	backend->ops->memory_changed(backend->device);
	return 0;
}

static int get_slot_count(struct vhostuser_backend *backend)
{
	return answer_u64(backend, GUESTMEM_REGION_MAX);
}

static struct vhostuser_region
read_region(const struct vhostuser_backend *backend)
{
	struct vhostuser_single_region single;

	memcpy(&single, backend->payload, sizeof(single));
	return single.region;
}

static int add_memory(struct vhostuser_backend *backend)
{
	struct vhostuser_region region = read_region(backend);
	int r;

	if (backend->fd_count != 1)
		return -EBADMSG;
	r = add_region(backend->memory, &region, backend->fds[0]);
	if (r < 0)
		return r;
	backend->ops->memory_changed(backend->device);
	return 0;
}

/* Some front ends send the descriptor again; it is closed unused. */
static int remove_memory(struct vhostuser_backend *backend)
{
	struct vhostuser_region region = read_region(backend);
	const struct guestmem_place place = {
		.gpa = region.gpa,
		.user_address = region.user_address,
		.bytes = region.bytes,
	};
	int r = guestmem_remove(backend->memory, &place);

	if (r < 0)
		return r;
	backend->ops->memory_changed(backend->device);
	return 0;
}

static int read_config(const struct vhostuser_backend *backend,
		       struct vhostuser_config *ret_config)
{
	memset(ret_config, 0, sizeof(*ret_config));
	memcpy(ret_config, backend->payload, VHOSTUSER_CONFIG_HEADER_BYTES);
	/* The rule bounds the payload, and so the length it must agree with. */
	if (backend->header.payload_bytes !=
		    VHOSTUSER_CONFIG_HEADER_BYTES + ret_config->bytes ||
	    ret_config->offset_bytes > VHOSTUSER_CONFIG_MAX - ret_config->bytes)
		return -EBADMSG;
	return 0;
}

/* What lies behind the device's own space reads as zero: front ends ask for
 * the space of the newest specification that they know. */
static int get_config(struct vhostuser_backend *backend)
{
	uint8_t space[VHOSTUSER_CONFIG_MAX] = { 0 };
	struct vhostuser_config config;

	if (read_config(backend, &config) < 0)
		return -EBADMSG;
	(void)backend->ops->config(backend->device, space, sizeof(space));
	memcpy(config.space, space + config.offset_bytes, config.bytes);
	return wire_reply(backend, &config,
			  VHOSTUSER_CONFIG_HEADER_BYTES + config.bytes, NO_FD);
}

/* Nothing in our configuration space can be written. A guest may try, so it
 * is no fault of the front end's. */
static int set_config(struct vhostuser_backend *backend)
{
	struct vhostuser_config config;

	if (read_config(backend, &config) < 0)
		return -EBADMSG;
	return (backend->header.flags & VHOSTUSER_NEED_REPLY) != 0 ? -EPERM : 0;
}

static int read_inflight(const struct vhostuser_backend *backend,
			 struct vhostuser_inflight *ret_inflight)
{
	memcpy(ret_inflight, backend->payload, sizeof(*ret_inflight));
	if (ret_inflight->queue_count == 0 ||
	    ret_inflight->queue_count > backend->queue_count ||
	    ret_inflight->queue_size == 0 ||
	    ret_inflight->queue_size > VHOSTUSER_QUEUE_SIZE_MAX)
		return -EBADMSG;
	return 0;
}

/* The answer is as long as the question: with or without its padding. */
static int get_inflight(struct vhostuser_backend *backend)
{
	SCOPED(close_fd) int fd = NO_FD;
	struct vhostuser_inflight inflight;
	int r;

	if (read_inflight(backend, &inflight) < 0)
		return -EBADMSG;
	inflight.offset_bytes = 0;
	r = backend->ops->inflight_create(backend->device, inflight.queue_count,
					  inflight.queue_size, &fd,
					  &inflight.bytes);
	if (r < 0)
		return r;
	return wire_reply(backend, &inflight, backend->header.payload_bytes,
			  fd);
}

static int set_inflight(struct vhostuser_backend *backend)
{
	struct vhostuser_inflight inflight;
	struct virtio_inflight_place place;

	if (backend->fd_count != 1 || read_inflight(backend, &inflight) < 0)
		return -EBADMSG;
	place = (struct virtio_inflight_place){
		.offset_bytes = inflight.offset_bytes,
		.bytes = inflight.bytes,
		.queue_count = inflight.queue_count,
		.queue_size = inflight.queue_size,
	};
	return backend->ops->inflight_set(backend->device, backend->fds[0],
					  &place);
}

static int reset_device(struct vhostuser_backend *backend)
{
	queues_reset(backend);
	backend->ops->reset(backend->device);
	return 0;
}

#define STATE_BYTES  sizeof(struct vhostuser_vring_state)
#define ADDR_BYTES   sizeof(struct vhostuser_vring_addresses)
#define TABLE_BYTES  sizeof(struct vhostuser_table)
#define SINGLE_BYTES sizeof(struct vhostuser_single_region)
#define CONFIG_BYTES sizeof(struct vhostuser_config)
#define CONFIG_MIN   VHOSTUSER_CONFIG_HEADER_BYTES
#define INFL_BYTES   sizeof(struct vhostuser_inflight)
#define INFL_MIN     VHOSTUSER_INFLIGHT_BYTES_MIN
#define P(name)      VHOSTUSER_PROTOCOL_##name

/* clang-format off */
static const struct rule rules[] = {
	/* request                     bytes: least..most        fds feature          answer handler */
	{ VHOSTUSER_GET_FEATURES,          0, 0,                       0, ALWAYS,           true,  get_features },
	{ VHOSTUSER_SET_FEATURES,          8, 8,                       0, ALWAYS,           false, set_features },
	{ VHOSTUSER_SET_OWNER,             0, 0,                       0, ALWAYS,           false, accept_quietly },
	{ VHOSTUSER_RESET_OWNER,           0, 0,                       0, ALWAYS,           false, accept_quietly },
	{ VHOSTUSER_SET_MEM_TABLE,         8, TABLE_BYTES,             VHOSTUSER_TABLE_MAX, ALWAYS,           false, set_memory_table },
	{ VHOSTUSER_SET_VRING_NUM,         STATE_BYTES, STATE_BYTES,   0, ALWAYS,           false, queue_set_size },
	{ VHOSTUSER_SET_VRING_ADDR,        ADDR_BYTES, ADDR_BYTES,     0, ALWAYS,           false, queue_set_addresses },
	{ VHOSTUSER_SET_VRING_BASE,        STATE_BYTES, STATE_BYTES,   0, ALWAYS,           false, queue_set_base },
	{ VHOSTUSER_GET_VRING_BASE,        STATE_BYTES, STATE_BYTES,   0, ALWAYS,           true,  queue_get_base },
	{ VHOSTUSER_SET_VRING_KICK,        8, 8,                       1, ALWAYS,           false, queue_set_kick },
	{ VHOSTUSER_SET_VRING_CALL,        8, 8,                       1, ALWAYS,           false, queue_set_call },
	{ VHOSTUSER_SET_VRING_ERR,         8, 8,                       1, ALWAYS,           false, queue_set_error },
	{ VHOSTUSER_GET_PROTOCOL_FEATURES, 0, 0,                       0, ALWAYS,           true,  get_protocol_features },
	{ VHOSTUSER_SET_PROTOCOL_FEATURES, 8, 8,                       0, ALWAYS,           false, set_protocol_features },
	{ VHOSTUSER_GET_QUEUE_NUM,         0, 0,                       0, P(MQ),            true,  get_queue_count },
	{ VHOSTUSER_SET_VRING_ENABLE,      STATE_BYTES, STATE_BYTES,   0, ALWAYS,           false, queue_set_enabled },
	{ VHOSTUSER_GET_CONFIG,            CONFIG_MIN, CONFIG_BYTES, 0, P(CONFIG),        true,  get_config },
	{ VHOSTUSER_SET_CONFIG,            CONFIG_MIN, CONFIG_BYTES, 0, P(CONFIG),        false, set_config },
	{ VHOSTUSER_GET_INFLIGHT_FD,       INFL_MIN, INFL_BYTES,     0, P(INFLIGHT_SHMFD), true, get_inflight },
	{ VHOSTUSER_SET_INFLIGHT_FD,       INFL_MIN, INFL_BYTES,     1, P(INFLIGHT_SHMFD), false, set_inflight },
	{ VHOSTUSER_RESET_DEVICE,          0, 0,                       0, P(RESET_DEVICE),  false, reset_device },
	{ VHOSTUSER_GET_MAX_MEM_SLOTS,     0, 0,                       0, P(CONFIGURE_MEM_SLOTS), true, get_slot_count },
	{ VHOSTUSER_ADD_MEM_REG,           SINGLE_BYTES, SINGLE_BYTES, 1, P(CONFIGURE_MEM_SLOTS), false, add_memory },
	{ VHOSTUSER_REM_MEM_REG,           SINGLE_BYTES, SINGLE_BYTES, 1, P(CONFIGURE_MEM_SLOTS), false, remove_memory },
};
/* clang-format on */

static const struct rule *rule_for(const struct vhostuser_backend *backend)
{
	for (size_t i = 0; i < ARRAY_COUNT(rules); i++)
		if (rules[i].request == backend->header.request &&
		    (rules[i].feature == ALWAYS ||
		     (backend->protocol >> rules[i].feature & 1) != 0))
			return &rules[i];
	return NULL;
}

static bool fits(const struct vhostuser_backend *backend,
		 const struct rule *rule)
{
	return backend->header.payload_bytes >= rule->least_bytes &&
	       backend->header.payload_bytes <= rule->most_bytes &&
	       backend->fd_count <= rule->most_fds;
}

/* Where no refusal can be sent, going on would be a misunderstanding. */
static int acknowledge(struct vhostuser_backend *backend, int result)
{
	bool wants_reply =
		(backend->header.flags & VHOSTUSER_NEED_REPLY) != 0 &&
		(backend->protocol >> VHOSTUSER_PROTOCOL_REPLY_ACK & 1) != 0;

	if (result == -EBADMSG || result == -EPIPE)
		return result;
	if (wants_reply)
		return answer_u64(backend, result < 0);
	return result < 0 ? -EBADMSG : 0;
}

static int handle(struct vhostuser_backend *backend)
{
	const struct rule *rule = rule_for(backend);
	int r;

	if (!rule)
		return acknowledge(backend, -ENOSYS);
	if (!fits(backend, rule))
		return -EBADMSG;
	/* A handler copies its whole body, of which less may have come. */
	memset(backend->payload + backend->header.payload_bytes, 0,
	       sizeof(backend->payload) - backend->header.payload_bytes);
	r = rule->handle(backend);
	if (!rule->has_answer)
		return acknowledge(backend, r);
	return r < 0 && r != -EPIPE ? -EBADMSG : r;
}

void vhostuser_backend_init(struct vhostuser_backend *backend, int fd,
			    const struct vhostuser_settings *settings)
{
	assert(settings->queue_count >= 1 &&
	       settings->queue_count <= VHOSTUSER_QUEUE_MAX);
	assert((settings->protocol & ~VHOSTUSER_PROTOCOL_ALL) == 0);
	memset(backend, 0, sizeof(*backend));
	backend->fd = fd;
	backend->ops = settings->ops;
	backend->device = settings->device;
	backend->memory = settings->memory;
	backend->queue_count = settings->queue_count;
	backend->offered_protocol = settings->protocol;
	queues_init(backend);
}

void vhostuser_backend_release(struct vhostuser_backend *backend)
{
	if (backend->fd == NO_FD)
		return;
	queues_reset(backend);
	if (backend->memory->count != 0) {
		guestmem_clear(backend->memory);
		backend->ops->memory_changed(backend->device);
	}
	if (backend->ops->detach)
		backend->ops->detach(backend->device);
	wire_next(backend);
	close_fd(&backend->fd);
}

int vhostuser_backend_receive(struct vhostuser_backend *backend)
{
	for (int i = 0; i < MESSAGES_PER_CALL; i++) {
		int r = wire_receive(backend);

		if (r == -EAGAIN)
			return 0;
		if (r < 0)
			return r;
		r = handle(backend);
		wire_next(backend);
		if (r < 0)
			return r;
	}
	return 0;
}
