/* SPDX-License-Identifier: MIT */
/* From a machine's description to a QEMU in its jail. */
#include "monitor/engine/qemu/qemu_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "monitor/engine/qemu/arguments.h"

#define CONNECT_MS 30000

/* QEMU's ends of the sockets, and what it inherits. */
struct ends {
	struct jail_fd fds[3 + DISK_COUNT_MAX];
	size_t count;
	struct jail_socket sockets[NIC_COUNT_MAX];
	size_t socket_count;
	char names[NIC_COUNT_MAX][QEMU_NIC_SIZE];
};

static void close_ends(struct ends *ends)
{
	for (size_t i = 0; i < ends->count; i++)
		close_fd(&ends->fds[i].fd);
}

static int connect_line(struct ends *ends, int number, int *ret_ours)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	*ret_ours = pair[0];
	ends->fds[ends->count++] = (struct jail_fd){ pair[1], number };
	/* Ours alone: QEMU decides about its own end. */
	return fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

/* QEMU connects to it by its name in the jail. */
static int listen_for_nic(struct ends *ends, uint32_t index, int *ret_ours)
{
	char *name = ends->names[index];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	(void)snprintf(name, QEMU_NIC_SIZE, QEMU_NIC, index);
	ends->sockets[ends->socket_count++] = (struct jail_socket){ fd, name };
	*ret_ours = fd;
	return 0;
}

static int connect_words(struct qemu *qemu, struct ends *ends)
{
	int theirs;
	int r = words_open(&qemu->words, &theirs);

	if (r == 0)
		ends->fds[ends->count++] =
			(struct jail_fd){ theirs, STDERR_FILENO };
	return r;
}

static int connect_lines(struct qemu *qemu,
			 const struct engine_machine *machine,
			 struct ends *ends)
{
	int r;

	r = connect_words(qemu, ends);
	if (r < 0)
		return r;
	r = connect_line(ends, QEMU_FD_QMP, &qemu->qmp_fd);
	if (r == 0)
		r = connect_line(ends, QEMU_FD_SERIAL,
				 &qemu->engine->serial_fd);
	for (uint32_t i = 0; i < machine->settings->disk_count && r == 0; i++)
		if (engine_disk_has_device(&machine->disks[i]))
			r = connect_line(ends, QEMU_FD_DISK + (int)i,
					 &qemu->disk_fds[i]);
	for (uint32_t i = 0; i < machine->nic_count && r == 0; i++)
		r = listen_for_nic(ends, i, &qemu->nic_fds[i]);
	return r;
}

static int run_jailed(struct qemu *qemu, const struct engine_machine *machine,
		      const struct ends *ends,
		      const struct qemu_arguments *arguments)
{
	const struct jail_file files[] = {
		{ *machine->kernel_fd, QEMU_KERNEL },
		{ *machine->initrd_fd, QEMU_INITRD },
	};
	const struct jail jail = {
		.program = machine->settings->qemu,
		.arguments = arguments->list,
		.fds = ends->fds,
		.fd_count = ends->count,
		.sockets = ends->sockets,
		.socket_count = ends->socket_count,
		.files = files,
		.file_count = *machine->initrd_fd == NO_FD ? 1 : 2,
		.uid = machine->uid,
		.gid = machine->gid,
		.has_kvm = machine->settings->accelerator == 1,
		.required = machine->jail_required,
	};
	int r = jail_start(&jail, &qemu->jailed, &qemu->engine->layers);

	qemu->is_started = r == 0;
	if (r == 0)
		qemu->engine->pid = qemu->jailed.pid;
	return r;
}

/* A line to a QEMU that has ended: its end is told as any other's. */
static int open_dead_line(int *ret_fd)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       pair) < 0)
		return -errno;
	close_fd(&pair[1]);
	*ret_fd = pair[0];
	return 0;
}

/* Early in its start, before it waits for us: put the line in the place of
 * the listening socket. */
static int accept_line(const struct qemu *qemu, int *fd)
{
	struct pollfd polled[] = {
		{ .fd = *fd, .events = POLLIN },
		{ .fd = qemu->jailed.pidfd, .events = POLLIN },
	};
	SCOPED(close_fd) int line = NO_FD;
	int r = 0;

	if (poll(polled, 2, CONNECT_MS) <= 0)
		return -ETIMEDOUT;
	if (polled[0].revents & POLLIN)
		line = accept4(*fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (line < 0)
		r = open_dead_line(&line);
	if (r < 0)
		return r;
	close_fd(fd);
	*fd = take_fd(&line);
	return 0;
}

static int accept_lines(struct qemu *qemu, uint32_t count)
{
	int r = 0;

	for (uint32_t i = 0; i < count && r == 0; i++)
		r = accept_line(qemu, &qemu->nic_fds[i]);
	return r;
}

int qemu_launch(struct qemu *qemu, const struct engine_machine *machine)
{
	SCOPED(close_ends) struct ends ends = { 0 };
	SCOPED(free_pointer) struct qemu_arguments *arguments = NULL;
	int r;

	arguments = calloc(1, sizeof(*arguments));
	if (!arguments)
		return -ENOMEM;
	r = qemu_arguments(machine, arguments);
	if (r == 0)
		r = connect_lines(qemu, machine, &ends);
	if (r == 0)
		r = run_jailed(qemu, machine, &ends, arguments);
	return r == 0 ? accept_lines(qemu, machine->nic_count) : r;
}
