/* SPDX-License-Identifier: MIT */
#include "vhostuser/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

#define QUEUES   2
#define FEATURES (1ull << 32 | 1ull << 9)
#define PROTOCOL (1ull << VHOSTUSER_F_PROTOCOL_FEATURES)
#define PAGE     4096

/* What the back end asked of its device. */
static struct {
	uint64_t features;
	int features_result;
	int memory_changes;
	int starts[QUEUES];
	int stops[QUEUES];
	int calls[QUEUES];
	int resets;
	int detachments;
	int start_result;
	int inflight_sets;
	ino_t inflight_inode;
	struct virtio_inflight_place inflight;
} device;

static struct vhostuser_backend backend;
static struct guestmem memory;
static int front; /* the front end's end of the socket */

static uint64_t device_features(void *self)
{
	CHECK(self == &device);
	return FEATURES;
}

static int device_set_features(void *self, uint64_t features)
{
	device.features = features;
	return device.features_result;
}

static void device_memory_changed(void *self)
{
	device.memory_changes++;
}

static int device_start(void *self, uint32_t index,
			const struct virtio_queue_place *queue)
{
	CHECK(queue == &backend.queues[index].place);
	CHECK(!backend.queues[index].is_served);
	CHECK((fcntl(queue->kick_fd, F_GETFL) & O_NONBLOCK) != 0);
	device.starts[index]++;
	return device.start_result;
}

static uint16_t device_stop(void *self, uint32_t index)
{
	device.stops[index]++;
	return (uint16_t)(1000 + index);
}

static void device_call(void *self, uint32_t index,
			const struct virtio_queue_place *queue)
{
	device.calls[index]++;
}

static size_t device_config(void *self, uint8_t *space, size_t room_bytes)
{
	CHECK(room_bytes >= 8);
	memcpy(space, (const char[]){ 'c', 'a', 'p', 'a', 'c', 'i', 't', 'y' },
	       8);
	return 8;
}

static int device_inflight_create(void *self, uint16_t queue_count,
				  uint16_t queue_size, int *ret_fd,
				  uint64_t *ret_bytes)
{
	if (queue_size == 3)
		return -ENOMEM;
	*ret_fd = memfd_create("inflight", MFD_CLOEXEC);
	*ret_bytes = 100u * queue_count + queue_size;
	return *ret_fd < 0 ? -errno : 0;
}

static ino_t inode_of(int fd)
{
	struct stat status;

	CHECK_EQ(fstat(fd, &status), 0);
	return status.st_ino;
}

static int device_inflight_set(void *self, int fd,
			       const struct virtio_inflight_place *place)
{
	device.inflight_inode = inode_of(fd);
	device.inflight_sets++;
	device.inflight = *place;
	return 0;
}

static void device_reset(void *self)
{
	device.resets++;
}

static void device_detach(void *self)
{
	CHECK_EQ(memory.count, 0);
	device.detachments++;
}

static const struct virtio_device_ops device_ops = {
	.features = device_features,
	.set_features = device_set_features,
	.queue_start = device_start,
	.queue_stop = device_stop,
	.queue_call = device_call,
	.config = device_config,
	.reset = device_reset,
	.detach = device_detach,
	.memory_changed = device_memory_changed,
	.inflight_create = device_inflight_create,
	.inflight_set = device_inflight_set,
};

static void open_backend(void)
{
	static const struct vhostuser_settings settings = {
		.ops = &device_ops,
		.device = &device,
		.memory = &memory,
		.queue_count = QUEUES,
		.protocol = VHOSTUSER_PROTOCOL_ALL,
	};
	int pair[2];

	memset(&device, 0, sizeof(device));
	guestmem_init(&memory);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	front = pair[0];
	vhostuser_backend_init(&backend, pair[1], &settings);
}

static void close_backend(void)
{
	vhostuser_backend_release(&backend);
	vhostuser_backend_release(&backend);
	CHECK_EQ(backend.fd, NO_FD);
	CHECK_EQ(memory.count, 0);
	CHECK_EQ(device.detachments, 1);
	CHECK_EQ(close(front), 0);
}

/* Send raw bytes with descriptors; the caller keeps those. */
static void send_raw(const void *bytes, size_t count, const int *fds,
		     size_t fd_count)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * 16)];
	uint8_t copy[1024];
	struct iovec part = { copy, count };
	struct msghdr out = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *c;

	CHECK(count <= sizeof(copy));
	memcpy(copy, bytes, count);
	if (fd_count > 0) {
		memset(control, 0, sizeof(control));
		out.msg_control = control;
		out.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		c = CMSG_FIRSTHDR(&out);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
	}
	CHECK_EQ(sendmsg(front, &out, MSG_NOSIGNAL), (long long)count);
}

static size_t build(uint8_t *message, uint32_t request, uint32_t flags,
		    const void *body, uint32_t bytes)
{
	const struct vhostuser_header header = { request,
						 VHOSTUSER_VERSION | flags,
						 bytes };

	memcpy(message, &header, sizeof(header));
	if (bytes > 0)
		memcpy(message + sizeof(header), body, bytes);
	return sizeof(header) + bytes;
}

static int tell_fds(uint32_t request, uint32_t flags, const void *body,
		    uint32_t bytes, const int *fds, size_t fd_count)
{
	uint8_t message[1024];

	send_raw(message, build(message, request, flags, body, bytes), fds,
		 fd_count);
	return vhostuser_backend_receive(&backend);
}

static int tell(uint32_t request, const void *body, uint32_t bytes)
{
	return tell_fds(request, 0, body, bytes, NULL, 0);
}

static int tell_u64(uint32_t request, uint64_t value)
{
	return tell(request, &value, sizeof(value));
}

static int tell_state(uint32_t request, uint32_t index, uint32_t value)
{
	const struct vhostuser_vring_state state = { index, value };

	return tell(request, &state, sizeof(state));
}

/* KICK, CALL or ERR with an eventfd. */
static int tell_ring_fd(uint32_t request, uint64_t word)
{
	SCOPED(close_fd) int fd = eventfd(0, EFD_CLOEXEC);

	CHECK(fd >= 0);
	return tell_fds(request, 0, &word, sizeof(word), &fd, 1);
}

static int tell_addresses(uint32_t index)
{
	const struct vhostuser_vring_addresses addresses = {
		.index = index,
		.descriptors = 0x1000,
		.used = 0x3000,
		.available = 0x2000,
	};

	return tell(VHOSTUSER_SET_VRING_ADDR, &addresses, sizeof(addresses));
}

/* Read one answer; returns the bytes of its body. */
static uint32_t answer(uint32_t request, void *body, size_t room)
{
	struct vhostuser_header header = { 0 };

	CHECK_EQ(recv(front, &header, sizeof(header), MSG_DONTWAIT),
		 sizeof(header));
	CHECK_EQ(header.request, request);
	CHECK_EQ(header.flags, VHOSTUSER_VERSION | VHOSTUSER_REPLY);
	CHECK(header.payload_bytes <= room);
	if (header.payload_bytes > 0)
		CHECK_EQ(recv(front, body, header.payload_bytes, MSG_DONTWAIT),
			 header.payload_bytes);
	return header.payload_bytes;
}

static uint64_t answer_u64(uint32_t request)
{
	uint64_t value = 0;

	CHECK_EQ(answer(request, &value, sizeof(value)), sizeof(value));
	return value;
}

static bool is_silent(void)
{
	char byte;

	return recv(front, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void negotiate(void)
{
	CHECK_EQ(tell(VHOSTUSER_SET_OWNER, NULL, 0), 0);
	CHECK_EQ(tell_u64(VHOSTUSER_SET_FEATURES, FEATURES | PROTOCOL), 0);
	CHECK_EQ(tell_u64(VHOSTUSER_SET_PROTOCOL_FEATURES,
			  VHOSTUSER_PROTOCOL_ALL),
		 0);
}

static void start_queue(uint32_t index)
{
	CHECK_EQ(tell_state(VHOSTUSER_SET_VRING_NUM, index, 128), 0);
	CHECK_EQ(tell_state(VHOSTUSER_SET_VRING_BASE, index, 5), 0);
	CHECK_EQ(tell_addresses(index), 0);
	CHECK_EQ(tell_ring_fd(VHOSTUSER_SET_VRING_KICK, index), 0);
	CHECK_EQ(tell_ring_fd(VHOSTUSER_SET_VRING_CALL, index), 0);
	CHECK_EQ(tell_state(VHOSTUSER_SET_VRING_ENABLE, index, 1), 0);
}

static int make_memory(uint64_t bytes)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static int tell_table(uint32_t count, uint64_t bytes, size_t fd_count)
{
	SCOPED(close_fd) int fd = make_memory(PAGE);
	struct vhostuser_table table = { .region_count = count };
	int fds[16];

	for (size_t i = 0; i < fd_count; i++)
		fds[i] = fd;
	for (uint32_t i = 0; i < VHOSTUSER_TABLE_MAX; i++)
		table.regions[i] = (struct vhostuser_region){
			.gpa = i * 0x10000ull,
			.bytes = bytes,
			.user_address = 0x1000000 + i * 0x10000ull,
		};
	return tell_fds(VHOSTUSER_SET_MEM_TABLE, 0, &table,
			8 + 32 * (count < 8 ? count : 8), fds, fd_count);
}

static int tell_region(uint32_t request, uint64_t gpa, size_t fd_count)
{
	SCOPED(close_fd) int fd = make_memory(PAGE);
	const struct vhostuser_single_region single = {
		.region = { gpa, PAGE, 0x1000000 + gpa, 0 },
	};

	return tell_fds(request, VHOSTUSER_NEED_REPLY, &single, sizeof(single),
			&fd, fd_count);
}

TEST(features_are_offered_and_chosen)
{
	open_backend();

	CHECK_EQ(tell(VHOSTUSER_GET_FEATURES, NULL, 0), 0);
	CHECK_EQ(answer_u64(VHOSTUSER_GET_FEATURES), FEATURES | PROTOCOL);
	CHECK_EQ(tell(VHOSTUSER_GET_PROTOCOL_FEATURES, NULL, 0), 0);
	CHECK_EQ(answer_u64(VHOSTUSER_GET_PROTOCOL_FEATURES),
		 VHOSTUSER_PROTOCOL_ALL);
	negotiate();
	CHECK_EQ(device.features, FEATURES);
	CHECK_EQ(tell(VHOSTUSER_GET_QUEUE_NUM, NULL, 0), 0);
	CHECK_EQ(answer_u64(VHOSTUSER_GET_QUEUE_NUM), QUEUES);
	CHECK_EQ(tell(VHOSTUSER_GET_MAX_MEM_SLOTS, NULL, 0), 0);
	CHECK_EQ(answer_u64(VHOSTUSER_GET_MAX_MEM_SLOTS), GUESTMEM_REGION_MAX);
	CHECK_EQ(tell(VHOSTUSER_RESET_OWNER, NULL, 0), 0);
	CHECK(is_silent());

	close_backend();
}

TEST(a_ring_is_served_once_it_has_everything)
{
	open_backend();
	negotiate();

	CHECK_EQ(tell_state(VHOSTUSER_SET_VRING_ENABLE, 1, 1), 0);
	CHECK_EQ(tell_ring_fd(VHOSTUSER_SET_VRING_KICK, 1), 0);
	CHECK_EQ(tell_state(VHOSTUSER_SET_VRING_NUM, 1, 256), 0);
	CHECK_EQ(device.starts[1], 0);
	CHECK_EQ(tell_addresses(1), 0);
	CHECK_EQ(device.starts[1], 1);
	CHECK_EQ(device.starts[0], 0);
	CHECK_EQ(backend.queues[1].place.size, 256);
	CHECK_EQ(backend.queues[1].place.available, 0x2000);
	CHECK_EQ(backend.queues[1].place.used, 0x3000);

	close_backend();
	CHECK_EQ(device.stops[1], 1);
}

TEST(the_base_is_answered_at_once_and_stops_the_ring)
{
	struct vhostuser_vring_state state = { 0 };

	open_backend();
	negotiate();
	start_queue(1);

	CHECK_EQ(tell_state(VHOSTUSER_GET_VRING_BASE, 1, 0), 0);
	CHECK_EQ(answer(VHOSTUSER_GET_VRING_BASE, &state, sizeof(state)),
		 sizeof(state));
	CHECK_EQ(state.index, 1);
	CHECK_EQ(state.value, 1001);
	CHECK_EQ(device.stops[1], 1);

	/* Only a new kick descriptor starts it again. */
	CHECK_EQ(tell_state(VHOSTUSER_SET_VRING_ENABLE, 1, 1), 0);
	CHECK_EQ(device.starts[1], 1);
	CHECK_EQ(tell_ring_fd(VHOSTUSER_SET_VRING_KICK, 1), 0);
	CHECK_EQ(device.starts[1], 2);

	close_backend();
}

TEST(the_base_of_a_ring_never_served_is_what_was_set)
{
	struct vhostuser_vring_state state = { 0 };

	open_backend();
	negotiate();
	CHECK_EQ(tell_state(VHOSTUSER_SET_VRING_BASE, 0, 77), 0);

	CHECK_EQ(tell_state(VHOSTUSER_GET_VRING_BASE, 0, 0), 0);
	(void)answer(VHOSTUSER_GET_VRING_BASE, &state, sizeof(state));
	CHECK_EQ(state.value, 77);
	CHECK_EQ(device.stops[0], 0);

	close_backend();
}

TEST(disabling_stops_and_enabling_serves_again)
{
	open_backend();
	negotiate();
	start_queue(0);

	CHECK_EQ(tell_state(VHOSTUSER_SET_VRING_ENABLE, 0, 0), 0);
	CHECK_EQ(device.stops[0], 1);
	CHECK_EQ(tell_state(VHOSTUSER_SET_VRING_ENABLE, 0, 1), 0);
	CHECK_EQ(device.starts[0], 2);

	close_backend();
}

TEST(a_change_under_a_served_ring_is_a_stop_and_a_start)
{
	open_backend();
	negotiate();
	start_queue(0);

	CHECK_EQ(tell_addresses(0), 0);
	CHECK_EQ(device.stops[0], 1);
	CHECK_EQ(device.starts[0], 2);
	CHECK_EQ(tell_ring_fd(VHOSTUSER_SET_VRING_KICK, 0), 0);
	CHECK_EQ(device.starts[0], 3);
	CHECK_EQ(tell_ring_fd(VHOSTUSER_SET_VRING_CALL, 0), 0);
	CHECK_EQ(tell_ring_fd(VHOSTUSER_SET_VRING_ERR, 0), 0);
	CHECK_EQ(device.starts[0], 3);
	CHECK_EQ(device.calls[0], 2);

	close_backend();
}

TEST(without_protocol_features_rings_are_enabled)
{
	open_backend();
	CHECK_EQ(tell_state(VHOSTUSER_SET_VRING_NUM, 0, 128), 0);
	CHECK_EQ(tell_addresses(0), 0);
	CHECK_EQ(tell_ring_fd(VHOSTUSER_SET_VRING_KICK, 0), 0);
	CHECK_EQ(device.starts[0], 0);

	CHECK_EQ(tell_u64(VHOSTUSER_SET_FEATURES, FEATURES), 0);
	CHECK_EQ(device.starts[0], 1);

	close_backend();
}

TEST(a_memory_table_replaces_the_last_one)
{
	open_backend();
	negotiate();

	CHECK_EQ(tell_table(3, PAGE, 3), 0);
	CHECK_EQ(memory.count, 3);
	CHECK(guestmem_at(&memory, 0x20000, PAGE));
	CHECK(guestmem_at_user(&memory, 0x1020000, PAGE));
	CHECK_EQ(tell_table(1, PAGE, 1), 0);
	CHECK_EQ(memory.count, 1);
	CHECK(!guestmem_at(&memory, 0x20000, PAGE));
	CHECK_EQ(device.memory_changes, 2);

	close_backend();
	CHECK_EQ(device.memory_changes, 3);
}

TEST(regions_come_and_go_one_by_one)
{
	open_backend();
	negotiate();

	CHECK_EQ(tell_region(VHOSTUSER_ADD_MEM_REG, 0x1000, 1), 0);
	CHECK_EQ(answer_u64(VHOSTUSER_ADD_MEM_REG), 0);
	CHECK_EQ(memory.count, 1);
	CHECK_EQ(tell_region(VHOSTUSER_ADD_MEM_REG, 0x1000, 1), 0);
	CHECK_EQ(answer_u64(VHOSTUSER_ADD_MEM_REG), 1);
	CHECK_EQ(tell_region(VHOSTUSER_REM_MEM_REG, 0x9000, 0), 0);
	CHECK_EQ(answer_u64(VHOSTUSER_REM_MEM_REG), 1);
	CHECK_EQ(tell_region(VHOSTUSER_REM_MEM_REG, 0x1000, 1), 0);
	CHECK_EQ(answer_u64(VHOSTUSER_REM_MEM_REG), 0);
	CHECK_EQ(memory.count, 0);
	CHECK_EQ(device.memory_changes, 2);

	close_backend();
}

TEST(the_configuration_is_read_in_any_part)
{
	struct vhostuser_config config = { .offset_bytes = 4, .bytes = 8 };

	open_backend();
	negotiate();

	CHECK_EQ(tell(VHOSTUSER_GET_CONFIG, &config,
		      VHOSTUSER_CONFIG_HEADER_BYTES + 8),
		 0);
	CHECK_EQ(answer(VHOSTUSER_GET_CONFIG, &config, sizeof(config)),
		 VHOSTUSER_CONFIG_HEADER_BYTES + 8);
	CHECK_EQ(config.offset_bytes, 4);
	CHECK_EQ(memcmp(config.space, "city\0\0\0\0", 8), 0);

	close_backend();
}

TEST(the_configuration_cannot_be_written)
{
	struct vhostuser_config config = { .offset_bytes = 4, .bytes = 1 };

	open_backend();
	negotiate();

	CHECK_EQ(tell(VHOSTUSER_SET_CONFIG, &config,
		      VHOSTUSER_CONFIG_HEADER_BYTES + 1),
		 0);
	CHECK(is_silent());
	CHECK_EQ(tell_fds(VHOSTUSER_SET_CONFIG, VHOSTUSER_NEED_REPLY, &config,
			  VHOSTUSER_CONFIG_HEADER_BYTES + 1, NULL, 0),
		 0);
	CHECK_EQ(answer_u64(VHOSTUSER_SET_CONFIG), 1);

	close_backend();
}

/* Ask for a region with a body of so many bytes; check what comes back. */
static void check_get_inflight(uint32_t body_bytes)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct vhostuser_inflight inflight = { .queue_count = 2,
					       .queue_size = 128 };
	uint8_t message[64];
	struct iovec part = { message, sizeof(message) };
	struct msghdr in = { .msg_iov = &part,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control) };
	const struct cmsghdr *c;
	int fd;

	CHECK_EQ(tell(VHOSTUSER_GET_INFLIGHT_FD, &inflight, body_bytes), 0);
	CHECK_EQ(recvmsg(front, &in, MSG_DONTWAIT | MSG_CMSG_CLOEXEC),
		 12 + body_bytes);
	c = CMSG_FIRSTHDR(&in);
	CHECK(c && c->cmsg_len == CMSG_LEN(sizeof(int)));
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	CHECK_EQ(close(fd), 0);
	memcpy(&inflight, message + 12, body_bytes);
	CHECK_EQ(inflight.bytes, 328);
	CHECK_EQ(inflight.offset_bytes, 0);
}

TEST(an_inflight_region_is_made_with_or_without_padding)
{
	open_backend();
	negotiate();

	check_get_inflight(sizeof(struct vhostuser_inflight));
	check_get_inflight(VHOSTUSER_INFLIGHT_BYTES_MIN);

	close_backend();
}

TEST(an_inflight_region_is_handed_to_the_device)
{
	SCOPED(close_fd) int fd = make_memory(PAGE);
	const struct vhostuser_inflight inflight = { .bytes = 4000,
						     .offset_bytes = 64,
						     .queue_count = 2,
						     .queue_size = 128 };

	open_backend();
	negotiate();

	CHECK_EQ(tell_fds(VHOSTUSER_SET_INFLIGHT_FD, VHOSTUSER_NEED_REPLY,
			  &inflight, sizeof(inflight), &fd, 1),
		 0);
	CHECK_EQ(answer_u64(VHOSTUSER_SET_INFLIGHT_FD), 0);
	CHECK_EQ(device.inflight_sets, 1);
	CHECK_EQ(device.inflight_inode, inode_of(fd));
	CHECK_EQ(device.inflight.bytes, 4000);
	CHECK_EQ(device.inflight.offset_bytes, 64);
	CHECK_EQ(device.inflight.queue_count, 2);
	CHECK_EQ(device.inflight.queue_size, 128);

	close_backend();
}

TEST(a_reset_stops_rings_and_forgets_their_settings)
{
	open_backend();
	negotiate();
	start_queue(0);
	start_queue(1);

	CHECK_EQ(tell(VHOSTUSER_RESET_DEVICE, NULL, 0), 0);
	CHECK_EQ(device.stops[0] + device.stops[1], 2);
	CHECK_EQ(device.resets, 1);
	CHECK_EQ(tell_ring_fd(VHOSTUSER_SET_VRING_KICK, 0), 0);
	CHECK_EQ(device.starts[0], 1);
	start_queue(0);
	CHECK_EQ(device.starts[0], 2);

	close_backend();
}

TEST(a_message_may_come_byte_by_byte)
{
	uint8_t message[64];
	uint64_t word = 1;
	size_t bytes;
	int fd;

	open_backend();
	negotiate();
	fd = eventfd(0, EFD_CLOEXEC);
	bytes = build(message, VHOSTUSER_SET_VRING_CALL, 0, &word,
		      sizeof(word));

	for (size_t i = 0; i < bytes; i++) {
		CHECK_EQ(backend.queues[1].place.call_fd, NO_FD);
		send_raw(message + i, 1, &fd, i == 0);
		CHECK_EQ(vhostuser_backend_receive(&backend), 0);
	}
	CHECK(backend.queues[1].place.call_fd != NO_FD);
	CHECK_EQ(close(fd), 0);

	close_backend();
}

TEST(several_messages_may_come_at_once)
{
	uint8_t messages[64];
	size_t bytes;

	open_backend();
	bytes = build(messages, VHOSTUSER_GET_FEATURES, 0, NULL, 0);
	bytes += build(messages + bytes, VHOSTUSER_GET_PROTOCOL_FEATURES, 0,
		       NULL, 0);

	send_raw(messages, bytes, NULL, 0);
	CHECK_EQ(vhostuser_backend_receive(&backend), 0);
	(void)answer_u64(VHOSTUSER_GET_FEATURES);
	(void)answer_u64(VHOSTUSER_GET_PROTOCOL_FEATURES);

	close_backend();
}

TEST(an_acknowledgement_is_sent_where_asked_for)
{
	const uint64_t features = FEATURES | PROTOCOL;

	open_backend();
	CHECK_EQ(tell_fds(VHOSTUSER_SET_FEATURES, VHOSTUSER_NEED_REPLY,
			  &features, 8, NULL, 0),
		 0);
	CHECK(is_silent()); /* not negotiated yet */
	negotiate();

	CHECK_EQ(tell_fds(VHOSTUSER_SET_FEATURES, VHOSTUSER_NEED_REPLY,
			  &features, 8, NULL, 0),
		 0);
	CHECK_EQ(answer_u64(VHOSTUSER_SET_FEATURES), 0);
	device.features_result = -EIO;
	CHECK_EQ(tell_fds(VHOSTUSER_SET_FEATURES, VHOSTUSER_NEED_REPLY,
			  &features, 8, NULL, 0),
		 0);
	CHECK_EQ(answer_u64(VHOSTUSER_SET_FEATURES), 1);
	CHECK_EQ(tell_u64(VHOSTUSER_SET_FEATURES, features), -EBADMSG);

	close_backend();
}

TEST(an_unknown_message_is_refused_where_a_refusal_can_be_sent)
{
	open_backend();
	negotiate();

	CHECK_EQ(tell_fds(40, VHOSTUSER_NEED_REPLY, NULL, 0, NULL, 0), 0);
	CHECK_EQ(answer_u64(40), 1);
	CHECK_EQ(tell(40, NULL, 0), -EBADMSG);

	close_backend();
}

TEST(a_front_end_that_goes_is_noticed)
{
	open_backend();
	negotiate();
	start_queue(0);
	send_raw("\x01\x02", 2, NULL, 0);
	CHECK_EQ(shutdown(front, SHUT_RDWR), 0);

	CHECK_EQ(vhostuser_backend_receive(&backend), -EPIPE);

	close_backend();
	CHECK_EQ(device.stops[0], 1);
}

TEST(a_hostile_peer_cannot_send_other_than_requests)
{
	const uint32_t bad_flags[] = { 0, 2,
				       VHOSTUSER_VERSION | VHOSTUSER_REPLY };

	for (int i = 0; i < 3; i++) {
		const struct vhostuser_header header = { VHOSTUSER_GET_FEATURES,
							 bad_flags[i], 0 };

		open_backend();
		send_raw(&header, sizeof(header), NULL, 0);
		CHECK_EQ(vhostuser_backend_receive(&backend), -EBADMSG);
		close_backend();
	}
}

TEST(a_hostile_peer_cannot_announce_a_huge_body)
{
	const struct vhostuser_header header = { VHOSTUSER_SET_FEATURES,
						 VHOSTUSER_VERSION,
						 VHOSTUSER_PAYLOAD_MAX + 1 };

	open_backend();
	send_raw(&header, sizeof(header), NULL, 0);

	CHECK_EQ(vhostuser_backend_receive(&backend), -EBADMSG);

	close_backend();
}

TEST(a_hostile_peer_cannot_send_a_body_of_the_wrong_size)
{
	for (uint32_t request = 1; request < 40; request++) {
		uint8_t body[VHOSTUSER_PAYLOAD_MAX] = { 0 };
		int result;

		open_backend();
		negotiate();
		result = tell(request, body, 3);
		CHECK_EQ(result, -EBADMSG);
		close_backend();
		open_backend();
		negotiate();
		result = tell(request, body, VHOSTUSER_PAYLOAD_MAX);
		CHECK_EQ(result, -EBADMSG);
		close_backend();
	}
}

TEST(a_hostile_peer_cannot_send_more_descriptors_than_wanted)
{
	const int fds[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };

	open_backend();
	negotiate();
	CHECK_EQ(tell_fds(VHOSTUSER_GET_FEATURES, 0, NULL, 0, fds, 1),
		 -EBADMSG);
	close_backend();

	open_backend();
	CHECK_EQ(tell_fds(VHOSTUSER_SET_OWNER, 0, NULL, 0, fds, 11), -EBADMSG);
	close_backend();
}

TEST(a_hostile_peer_cannot_gather_descriptors_in_one_message)
{
	const int fds[] = { 0, 0, 0, 0, 0, 0, 0, 0 };
	uint8_t message[64];

	open_backend();
	(void)build(message, VHOSTUSER_SET_OWNER, 0, NULL, 0);

	send_raw(message, 1, fds, 8);
	CHECK_EQ(vhostuser_backend_receive(&backend), 0);
	send_raw(message + 1, 1, fds, 1);
	CHECK_EQ(vhostuser_backend_receive(&backend), -EBADMSG);

	close_backend();
}

TEST(a_hostile_peer_cannot_name_a_ring_that_is_not_there)
{
	const uint32_t requests[] = { VHOSTUSER_SET_VRING_NUM,
				      VHOSTUSER_SET_VRING_BASE,
				      VHOSTUSER_GET_VRING_BASE,
				      VHOSTUSER_SET_VRING_ENABLE };

	for (int i = 0; i < 4; i++) {
		open_backend();
		negotiate();
		CHECK_EQ(tell_state(requests[i], QUEUES, 1), -EBADMSG);
		close_backend();
		open_backend();
		negotiate();
		CHECK_EQ(tell_state(requests[i], UINT32_MAX, 1), -EBADMSG);
		close_backend();
	}
	open_backend();
	CHECK_EQ(tell_addresses(QUEUES), -EBADMSG);
	close_backend();
	open_backend();
	CHECK_EQ(tell_ring_fd(VHOSTUSER_SET_VRING_KICK, QUEUES), -EBADMSG);
	close_backend();
	open_backend();
	CHECK_EQ(tell_ring_fd(VHOSTUSER_SET_VRING_CALL, 0xff), -EBADMSG);
	close_backend();
}

TEST(a_hostile_peer_cannot_choose_impossible_values)
{
	const struct {
		uint32_t request, value;
	} bad[] = {
		{ VHOSTUSER_SET_VRING_NUM, 0 },
		{ VHOSTUSER_SET_VRING_NUM, 100 },
		{ VHOSTUSER_SET_VRING_NUM, 2048 },
		{ VHOSTUSER_SET_VRING_NUM, 0x80000000 },
		{ VHOSTUSER_SET_VRING_BASE, 0x10000 },
		{ VHOSTUSER_SET_VRING_ENABLE, 2 },
	};

	for (int i = 0; i < 6; i++) {
		open_backend();
		negotiate();
		CHECK_EQ(tell_state(bad[i].request, 0, bad[i].value), -EBADMSG);
		close_backend();
	}
}

TEST(a_hostile_peer_cannot_choose_features_not_offered)
{
	open_backend();
	CHECK_EQ(tell_u64(VHOSTUSER_SET_FEATURES, 1ull << 35), -EBADMSG);
	close_backend();
	open_backend();
	CHECK_EQ(tell_u64(VHOSTUSER_SET_PROTOCOL_FEATURES, 1ull << 1),
		 -EBADMSG);
	close_backend();
}

TEST(a_hostile_peer_cannot_use_what_it_did_not_negotiate)
{
	const struct vhostuser_config config = { .bytes = 8 };

	open_backend();
	CHECK_EQ(tell(VHOSTUSER_GET_CONFIG, &config,
		      VHOSTUSER_CONFIG_HEADER_BYTES + 8),
		 -EBADMSG);
	close_backend();
	open_backend();
	CHECK_EQ(tell(VHOSTUSER_RESET_DEVICE, NULL, 0), -EBADMSG);
	CHECK_EQ(device.resets, 0);
	close_backend();
}

TEST(a_hostile_peer_cannot_read_beyond_the_configuration)
{
	const struct vhostuser_config beyond[] = {
		{ .offset_bytes = 0, .bytes = VHOSTUSER_CONFIG_MAX + 1 },
		{ .offset_bytes = VHOSTUSER_CONFIG_MAX, .bytes = 8 },
		{ .offset_bytes = UINT32_MAX, .bytes = 8 },
		{ .offset_bytes = 0, .bytes = 9 }, /* not what was sent */
	};

	for (int i = 0; i < 4; i++) {
		open_backend();
		negotiate();
		CHECK_EQ(tell(VHOSTUSER_GET_CONFIG, &beyond[i],
			      VHOSTUSER_CONFIG_HEADER_BYTES + 8),
			 -EBADMSG);
		close_backend();
	}
}

TEST(a_hostile_peer_cannot_send_a_crooked_memory_table)
{
	open_backend();
	CHECK_EQ(tell_table(9, PAGE, 8), -EBADMSG);
	close_backend();
	open_backend();
	CHECK_EQ(tell_table(UINT32_MAX, PAGE, 8), -EBADMSG);
	close_backend();
	open_backend();
	CHECK_EQ(tell_table(2, PAGE, 1), -EBADMSG);
	close_backend();
	open_backend();
	CHECK_EQ(tell_table(1, PAGE, 2), -EBADMSG);
	close_backend();
	open_backend();
	CHECK_EQ(tell_table(8, PAGE, 9), -EBADMSG);
	close_backend();
	open_backend();
	CHECK_EQ(tell_table(8, PAGE, 8), 0);
	close_backend();
}

TEST(a_refused_memory_table_leaves_the_last_one)
{
	open_backend();
	CHECK_EQ(tell_table(2, PAGE, 2), 0);

	CHECK_EQ(tell_table(3, 2ull * PAGE, 3), -EBADMSG);
	CHECK_EQ(memory.count, 2);
	CHECK_EQ(device.memory_changes, 1);

	close_backend();
}

TEST(a_hostile_peer_cannot_ask_for_polling)
{
	const uint64_t word = VHOSTUSER_VRING_NO_FD;

	open_backend();
	negotiate();
	CHECK_EQ(tell_fds(VHOSTUSER_SET_VRING_KICK, VHOSTUSER_NEED_REPLY, &word,
			  8, NULL, 0),
		 0);
	CHECK_EQ(answer_u64(VHOSTUSER_SET_VRING_KICK), 1);
	CHECK_EQ(tell_u64(VHOSTUSER_SET_VRING_CALL, word), 0);
	CHECK_EQ(tell_u64(VHOSTUSER_SET_VRING_KICK, 0), -EBADMSG);
	close_backend();

	open_backend();
	CHECK_EQ(tell_ring_fd(VHOSTUSER_SET_VRING_CALL, word), -EBADMSG);
	close_backend();
}

TEST(a_hostile_peer_cannot_ask_for_impossible_inflight_regions)
{
	const struct vhostuser_inflight bad[] = {
		{ .queue_count = 0, .queue_size = 8 },
		{ .queue_count = QUEUES + 1, .queue_size = 8 },
		{ .queue_count = 1, .queue_size = 0 },
		{ .queue_count = 1, .queue_size = 2048 },
		{ .queue_count = 1, .queue_size = 3 }, /* the device fails */
	};

	for (int i = 0; i < 5; i++) {
		open_backend();
		negotiate();
		CHECK_EQ(tell(VHOSTUSER_GET_INFLIGHT_FD, &bad[i],
			      sizeof(bad[i])),
			 -EBADMSG);
		CHECK(is_silent());
		close_backend();
	}
}

TEST(a_ring_that_cannot_be_served_is_refused)
{
	open_backend();
	negotiate();
	device.start_result = -EFAULT;
	CHECK_EQ(tell_state(VHOSTUSER_SET_VRING_NUM, 0, 128), 0);
	CHECK_EQ(tell_addresses(0), 0);
	CHECK_EQ(tell_state(VHOSTUSER_SET_VRING_ENABLE, 0, 1), 0);

	CHECK_EQ(tell_ring_fd(VHOSTUSER_SET_VRING_KICK, 0), -EBADMSG);
	CHECK(!backend.queues[0].is_served);

	close_backend();
	CHECK_EQ(device.stops[0], 0);
}

TEST(a_hostile_peer_cannot_block_us_by_never_reading)
{
	int result = 0;

	open_backend();

	for (int i = 0; i < 1000000 && result == 0; i++)
		result = tell(VHOSTUSER_GET_FEATURES, NULL, 0);
	CHECK_EQ(result, -EBADMSG);

	close_backend();
}

TEST(a_hostile_peer_cannot_hold_the_thread)
{
	uint8_t message[64];
	size_t bytes;

	open_backend();
	bytes = build(message, VHOSTUSER_SET_OWNER, 0, NULL, 0);
	for (int i = 0; i < 100; i++)
		send_raw(message, bytes, NULL, 0);

	CHECK_EQ(vhostuser_backend_receive(&backend), 0);
	CHECK(recv(backend.fd, message, 1, MSG_PEEK | MSG_DONTWAIT) == 1);

	close_backend();
}
