/* SPDX-License-Identifier: MIT */
#include "faulty_switch.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

#define FRAME_SIZE 2048
#define EACH       20

struct request {
	uint32_t magic, version, type;
	struct sockaddr_un socket;
	char description[128];
} __attribute__((packed));

struct frame {
	uint8_t bytes[FRAME_SIZE];
	ssize_t length;
	struct sockaddr_un from;
};

static void name(const struct faulty_switch *faulty, const char *file,
		 struct sockaddr_un *ret_address)
{
	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	CHECK(snprintf(ret_address->sun_path, sizeof(ret_address->sun_path),
		       "%s/%s", faulty->folder, file) > 0);
}

static int bound(const struct faulty_switch *faulty, const char *file, int type)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	name(faulty, file, &address);
	CHECK(fd >= 0);
	CHECK_EQ(bind(fd, (void *)&address, sizeof(address)), 0);
	return fd;
}

static void add_port(struct faulty_switch *faulty)
{
	struct sockaddr_un data;
	struct request request;
	int fd = accept(faulty->control_fd, NULL, NULL);

	CHECK(fd >= 0 && faulty->port_count < FAULTY_PORTS);
	CHECK_EQ(recv(fd, &request, sizeof(request), MSG_WAITALL),
		 sizeof(request));
	faulty->ports[faulty->port_count] = request.socket;
	faulty->port_fds[faulty->port_count++] = fd;
	name(faulty, "data", &data);
	CHECK_EQ(send(fd, &data, sizeof(data), 0), sizeof(data));
}

static void take(const struct faulty_switch *faulty, struct frame *frame)
{
	socklen_t length = sizeof(frame->from);

	frame->length =
		recvfrom(faulty->data_fd, frame->bytes, sizeof(frame->bytes), 0,
			 (void *)&frame->from, &length);
	CHECK(frame->length > 0);
}

static void give(const struct faulty_switch *faulty, const struct frame *frame)
{
	for (uint32_t i = 0; i < faulty->port_count; i++)
		if (strcmp(faulty->ports[i].sun_path, frame->from.sun_path))
			(void)sendto(faulty->data_fd, frame->bytes,
				     (size_t)frame->length, 0,
				     (const void *)&faulty->ports[i],
				     sizeof(faulty->ports[i]));
}

static void forward(struct faulty_switch *faulty)
{
	struct frame frame, next;
	bool is_wrong = ++faulty->frame_count % EACH == 0;

	take(faulty, &frame);
	if (is_wrong && faulty->fault == SWITCH_LOSES)
		return;
	if (is_wrong && faulty->fault == SWITCH_IS_LATE)
		(void)usleep(FAULTY_LATE_MS * 1000);
	if (is_wrong && faulty->fault == SWITCH_SWAPS) {
		take(faulty, &next);
		give(faulty, &next);
	}
	give(faulty, &frame);
}

static void *run(void *context)
{
	struct faulty_switch *faulty = context;
	struct pollfd fds[] = { { .fd = faulty->stop_fd, .events = POLLIN },
				{ .fd = faulty->control_fd, .events = POLLIN },
				{ .fd = faulty->data_fd, .events = POLLIN } };

	for (;;) {
		CHECK(poll(fds, 3, -1) > 0);
		if (fds[0].revents)
			return NULL;
		if (fds[1].revents)
			add_port(faulty);
		if (fds[2].revents)
			forward(faulty);
	}
}

void faulty_switch_start(struct faulty_switch *faulty, enum switch_fault fault)
{
	/* A port that is slow because the machine is busy loses nothing. */
	static const struct timeval patience = { .tv_usec = 50000 };

	*faulty = (struct faulty_switch){ .folder = "/tmp/faulty.XXXXXX",
					  .fault = fault };
	CHECK(mkdtemp(faulty->folder));
	CHECK(snprintf(faulty->spec, sizeof(faulty->spec), "vde:%s",
		       faulty->folder) > 0);
	faulty->data_fd = bound(faulty, "data", SOCK_DGRAM);
	CHECK_EQ(setsockopt(faulty->data_fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
			    sizeof(patience)),
		 0);
	faulty->control_fd = bound(faulty, "ctl", SOCK_STREAM);
	CHECK_EQ(listen(faulty->control_fd, FAULTY_PORTS), 0);
	faulty->stop_fd = eventfd(0, EFD_CLOEXEC);
	CHECK_EQ(pthread_create(&faulty->thread, NULL, run, faulty), 0);
}

void faulty_switch_stop(struct faulty_switch *faulty)
{
	const uint64_t one = 1;
	struct sockaddr_un address;

	CHECK_EQ(write(faulty->stop_fd, &one, sizeof(one)), sizeof(one));
	CHECK_EQ(pthread_join(faulty->thread, NULL), 0);
	for (uint32_t i = 0; i < faulty->port_count; i++)
		close_fd(&faulty->port_fds[i]);
	close_fd(&faulty->stop_fd);
	close_fd(&faulty->data_fd);
	close_fd(&faulty->control_fd);
	name(faulty, "ctl", &address);
	CHECK_EQ(unlink(address.sun_path), 0);
	name(faulty, "data", &address);
	CHECK_EQ(unlink(address.sun_path), 0);
	CHECK_EQ(rmdir(faulty->folder), 0);
}
