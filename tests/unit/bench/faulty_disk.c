/* SPDX-License-Identifier: MIT */
#include "faulty_disk.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/harness.h"
#include "vhostuser/protocol.h"

#define FAULT_EVERY 50u /* requests */

struct server {
	enum fault fault;
	int fd;
	int kick_fd;
	int call_fd;
	bool is_enabled;
	bool has_died;
	uint8_t *memory;
	struct vhostuser_region region;
	struct vring ring;
	uint16_t next;
	uint32_t served;
	uint32_t repeat_in; /* requests until the old write is done again */
	uint64_t repeat_offset;
	uint8_t repeat_data[FAULTY_CELL_BYTES];
	uint8_t disk[FAULTY_DISK_BYTES + FAULTY_CELL_BYTES];
};

static void *at_gpa(struct server *server, uint64_t gpa)
{
	return server->memory + (gpa - server->region.gpa);
}

static void *at_user(struct server *server, uint64_t address)
{
	return server->memory + (address - server->region.user_address);
}

/* Mistakes. ------------------------------------------------------------ */

static void keep_for_repeating(struct server *server, uint64_t offset)
{
	server->repeat_in = FAULT_EVERY / 2;
	server->repeat_offset = offset;
	memcpy(server->repeat_data, server->disk + offset, FAULTY_CELL_BYTES);
}

static void repeat_when_due(struct server *server)
{
	if (server->repeat_in == 0 || --server->repeat_in > 0)
		return;
	memcpy(server->disk + server->repeat_offset, server->repeat_data,
	       FAULTY_CELL_BYTES);
}

static void write_wrongly(struct server *server, uint64_t offset,
			  const uint8_t *data, uint32_t bytes)
{
	if (server->fault == FAULT_LOSES_A_WRITE)
		return;
	if (server->fault == FAULT_MISPLACES_A_WRITE)
		offset += FAULTY_CELL_BYTES;
	if (server->fault == FAULT_TEARS_A_WRITE)
		bytes /= 2;
	if (server->fault == FAULT_REPEATS_A_WRITE && !server->repeat_in)
		keep_for_repeating(server, offset);
	memcpy(server->disk + offset, data, bytes);
	if (server->fault == FAULT_FLIPS_A_BIT)
		server->disk[offset + bytes - 1] ^= 1;
}

/* Requests. ------------------------------------------------------------ */

static void do_request(struct server *server, struct vring_desc *chain)
{
	struct virtio_blk_outhdr *header = at_gpa(server, chain[0].addr);
	uint8_t *data = at_gpa(server, chain[1].addr);
	uint64_t offset = header->sector * 512;
	bool is_due = server->served % FAULT_EVERY < 2;

	if (header->type == VIRTIO_BLK_T_IN)
		memcpy(data, server->disk + offset, chain[1].len);
	else if (is_due)
		write_wrongly(server, offset, data, chain[1].len);
	else
		memcpy(server->disk + offset, data, chain[1].len);
	*(uint8_t *)at_gpa(server, chain[2].addr) = VIRTIO_BLK_S_OK;
}

static void answer(struct server *server, uint32_t id)
{
	struct vring_used *used = server->ring.used;

	used->ring[used->idx % server->ring.num] =
		(struct vring_used_elem){ .id = id };
	__atomic_store_n(&used->idx, (uint16_t)(used->idx + 1),
			 __ATOMIC_RELEASE);
}

/* False when the server is to die. */
static bool serve_one(struct server *server)
{
	uint32_t id = server->ring.avail->ring[server->next % server->ring.num];
	struct vring_desc *head = &server->ring.desc[id];
	bool is_due = server->served % FAULT_EVERY == FAULT_EVERY - 1;

	if (server->fault == FAULT_DIES_ONCE && is_due && !server->has_died) {
		server->has_died = true;
		return false;
	}
	server->next++;
	server->served++;
	if (server->fault == FAULT_FORGETS_A_REQUEST && is_due)
		return true;
	do_request(server, at_gpa(server, head->addr));
	repeat_when_due(server);
	answer(server, id);
	if (server->fault == FAULT_ANSWERS_TWICE && is_due)
		answer(server, id);
	return true;
}

static bool serve_queue(struct server *server)
{
	const uint64_t one = 1;
	bool is_alive = true;
	uint64_t count;

	(void)!read(server->kick_fd, &count, sizeof(count));
	while (is_alive && __atomic_load_n(&server->ring.avail->idx,
					   __ATOMIC_ACQUIRE) != server->next)
		is_alive = serve_one(server);
	(void)!write(server->call_fd, &one, sizeof(one));
	return is_alive;
}

/* Messages. ------------------------------------------------------------ */

struct wire {
	struct vhostuser_header header;
	_Alignas(8) uint8_t payload[VHOSTUSER_PAYLOAD_MAX];
	int fd;
};

static bool receive_wire(struct server *server, struct wire *wire)
{
	struct iovec part = { &wire->header, sizeof(wire->header) };
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr in = { .msg_iov = &part,
			     .msg_iovlen = 1,
			     .msg_control = room,
			     .msg_controllen = sizeof(room) };
	size_t bytes;

	wire->fd = -1;
	if (recvmsg(server->fd, &in, MSG_WAITALL) != sizeof(wire->header))
		return false;
	if (CMSG_FIRSTHDR(&in))
		memcpy(&wire->fd, CMSG_DATA(CMSG_FIRSTHDR(&in)), sizeof(int));
	bytes = wire->header.payload_bytes;
	return bytes == 0 || recv(server->fd, wire->payload, bytes,
				  MSG_WAITALL) == (ssize_t)bytes;
}

static void reply(struct server *server, struct wire *wire, const void *body,
		  size_t bytes, int fd)
{
	struct vhostuser_header header = {
		.request = wire->header.request,
		.flags = VHOSTUSER_VERSION | VHOSTUSER_REPLY,
		.payload_bytes = (uint32_t)bytes,
	};
	struct iovec parts[2] = { { &header, sizeof(header) },
				  { (void *)body, bytes } };
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr out = { .msg_iov = parts, .msg_iovlen = 2 };
	struct cmsghdr *control;

	if (fd >= 0) {
		out.msg_control = room;
		out.msg_controllen = sizeof(room);
		control = CMSG_FIRSTHDR(&out);
		control->cmsg_level = SOL_SOCKET;
		control->cmsg_type = SCM_RIGHTS;
		control->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(control), &fd, sizeof(int));
	}
	(void)sendmsg(server->fd, &out, MSG_NOSIGNAL);
}

static void reply_u64(struct server *server, struct wire *wire, uint64_t value)
{
	reply(server, wire, &value, sizeof(value), -1);
}

static void take_memory(struct server *server, const struct wire *wire)
{
	struct vhostuser_table table;
	void *map;

	memcpy(&table, wire->payload, sizeof(table));
	server->region = table.regions[0];
	map = mmap(NULL, server->region.bytes, PROT_READ | PROT_WRITE,
		   MAP_SHARED, wire->fd, 0);
	if (map == MAP_FAILED)
		_exit(1);
	server->memory = map;
}

static void take_addresses(struct server *server, const struct wire *wire)
{
	struct vhostuser_vring_addresses addresses;

	memcpy(&addresses, wire->payload, sizeof(addresses));
	server->ring.desc = at_user(server, addresses.descriptors);
	server->ring.avail = at_user(server, addresses.available);
	server->ring.used = at_user(server, addresses.used);
}

static void reply_inflight(struct server *server, struct wire *wire)
{
	struct vhostuser_inflight inflight;
	int fd = memfd_create("inflight", MFD_CLOEXEC);

	memcpy(&inflight, wire->payload, sizeof(inflight));
	inflight.bytes = 4096;
	(void)!ftruncate(fd, 4096);
	reply(server, wire, &inflight, sizeof(inflight), fd);
	(void)close(fd);
}

static void handle(struct server *server, struct wire *wire)
{
	struct virtio_blk_config *config =
		(void *)(wire->payload + VHOSTUSER_CONFIG_HEADER_BYTES);
	struct vhostuser_vring_state state;

	memcpy(&state, wire->payload, sizeof(state));
	switch (wire->header.request) {
	case VHOSTUSER_GET_FEATURES:
		reply_u64(server, wire,
			  1ull << VIRTIO_F_VERSION_1 |
				  1ull << VIRTIO_RING_F_INDIRECT_DESC |
				  1ull << VHOSTUSER_F_PROTOCOL_FEATURES);
		return;
	case VHOSTUSER_GET_PROTOCOL_FEATURES:
		reply_u64(server, wire,
			  1ull << VHOSTUSER_PROTOCOL_CONFIG |
				  1ull << VHOSTUSER_PROTOCOL_INFLIGHT_SHMFD);
		return;
	case VHOSTUSER_GET_CONFIG:
		config->capacity = FAULTY_DISK_BYTES / 512;
		reply(server, wire, wire->payload, wire->header.payload_bytes,
		      -1);
		return;
	case VHOSTUSER_GET_INFLIGHT_FD:
		reply_inflight(server, wire);
		return;
	case VHOSTUSER_SET_MEM_TABLE:
		take_memory(server, wire);
		return;
	case VHOSTUSER_SET_VRING_NUM:
		server->ring.num = state.value;
		return;
	case VHOSTUSER_SET_VRING_BASE:
		server->next = (uint16_t)state.value;
		return;
	case VHOSTUSER_SET_VRING_ADDR:
		take_addresses(server, wire);
		return;
	case VHOSTUSER_SET_VRING_KICK:
		server->kick_fd = wire->fd;
		return;
	case VHOSTUSER_SET_VRING_CALL:
		server->call_fd = wire->fd;
		return;
	case VHOSTUSER_SET_VRING_ENABLE:
		server->is_enabled = true;
		return;
	default:
		return;
	}
}

static void serve_connection(struct server *server)
{
	struct wire wire;
	bool is_alive = true;

	server->is_enabled = false;
	server->kick_fd = -1;
	while (is_alive) {
		struct pollfd fds[2] = {
			{ .fd = server->fd, .events = POLLIN },
			{ .fd = server->is_enabled ? server->kick_fd : -1,
			  .events = POLLIN },
		};

		(void)poll(fds, 2, -1);
		if (fds[0].revents) {
			is_alive = receive_wire(server, &wire);
			if (is_alive)
				handle(server, &wire);
		} else if (fds[1].revents) {
			is_alive = serve_queue(server);
		}
	}
	(void)close(server->fd);
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	memcpy(address.sun_path, path, strlen(path));
	(void)unlink(path);
	CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	CHECK_EQ(listen(fd, 1), 0);
	return fd;
}

void faulty_disk_start(struct faulty_disk *disk, enum fault fault)
{
	static struct server server;
	int listener;

	(void)snprintf(disk->path, sizeof(disk->path), "/tmp/faulty-disk.%d",
		       getpid());
	listener = listen_at(disk->path);
	disk->pid = fork();
	CHECK(disk->pid >= 0);
	if (disk->pid == 0) {
		server.fault = fault;
		for (;;) {
			server.fd = accept(listener, NULL, NULL);
			serve_connection(&server);
		}
	}
	(void)close(listener);
}

void faulty_disk_stop(struct faulty_disk *disk)
{
	(void)kill(disk->pid, SIGKILL);
	(void)waitpid(disk->pid, NULL, 0);
	(void)unlink(disk->path);
}
