/* SPDX-License-Identifier: MIT */
#include "monitor/engine/qemu/qemu.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/count.h"
#include "base/scope.h"
#include "monitor/engine/qemu/qemu_private.h"

static void init(struct qemu *qemu, struct engine *engine)
{
	const struct qmp_handler own = { qemu_happened, qemu_answered,
					 qemu_filter_changed, qemu_filtered,
					 qemu };

	qemu->engine = engine;
	qemu->jailed.pidfd = NO_FD;
	qemu->qmp_fd = NO_FD;
	qemu->words.fd = NO_FD;
	for (uint32_t i = 0; i < DISK_COUNT_MAX; i++)
		qemu->disk_fds[i] = NO_FD;
	for (uint32_t i = 0; i < NIC_COUNT_MAX; i++)
		qemu->nic_fds[i] = NO_FD;
	qmp_init(&qemu->qmp, &own);
}

static int start(struct engine *engine, const struct engine_machine *machine)
{
	bool has_initrd = *machine->initrd_fd != NO_FD;
	struct qemu *qemu;

	if (*machine->kernel_fd == NO_FD ||
	    !!machine->settings->has_initrd != has_initrd)
		return -EINVAL;
	qemu = calloc(1, sizeof(*qemu));
	if (!qemu)
		return -ENOMEM;
	init(qemu, engine);
	engine->own = qemu;
	engine->is_paused = true;
	engine->last_words = qemu->words.last;
	return qemu_launch(qemu, machine);
}

/* Its socket is the one of its first disk. */
static uint32_t first_disk(const struct iothread *io, uint32_t front_index)
{
	return io->fronts[front_index].disks[0]->settings.index;
}

static int attach(struct engine *engine, struct iothread *io)
{
	struct qemu *qemu = engine->own;

	qemu->io = io;
	for (uint32_t i = 0; i < io->front_count; i++)
		iothread_attach_front(
			io, i, take_fd(&qemu->disk_fds[first_disk(io, i)]),
			false);
	for (uint32_t i = 0; i < io->nic_count; i++)
		iothread_attach_nic(io, i, take_fd(&qemu->nic_fds[i]));
	return 0;
}

static int command(struct engine *engine, enum engine_verb verb,
		   uint32_t request_id, const struct engine_argument *argument)
{
	switch (verb) {
	case ENGINE_RESUME:
		return qemu_order(engine->own, ORDER_CONTINUE, request_id);
	case ENGINE_PAUSE:
		return qemu_order(engine->own, ORDER_STOP, request_id);
	case ENGINE_POWERDOWN:
		return qemu_order(engine->own, ORDER_POWERDOWN, request_id);
	case ENGINE_RESET:
		return qemu_order(engine->own, ORDER_RESET, request_id);
	case ENGINE_SAVE:
	case ENGINE_BALLOON:
		break;
	}
	return -EOPNOTSUPP;
}

static void nic_started(struct engine *engine, uint32_t index)
{
	if (index < NIC_COUNT_MAX)
		qemu_ask_filter(engine->own, index);
}

/* Watching. ---------------------------------------------------------------- */

static void hang_up(struct qemu *qemu)
{
	qemu->qmp_source = sd_event_source_unref(qemu->qmp_source);
	close_fd(&qemu->qmp_fd);
}

static int on_qmp(sd_event_source *source, int fd, uint32_t events,
		  void *context)
{
	struct qemu *qemu = context;
	char bytes[1024];
	ssize_t got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0) {
		hang_up(qemu);
		return 0;
	}
	if (qmp_feed(&qemu->qmp, bytes, (size_t)got) < 0) {
		hang_up(qemu);
		qemu_kill(qemu, "it broke QMP");
	}
	return 0;
}

/* What QMP still has to say comes before the end. */
static void drain(struct qemu *qemu)
{
	while (qemu->qmp_fd != NO_FD) {
		char bytes[1024];
		ssize_t got =
			recv(qemu->qmp_fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (got <= 0 || qmp_feed(&qemu->qmp, bytes, (size_t)got) < 0)
			hang_up(qemu);
	}
}

static int on_end(sd_event_source *source, int fd, uint32_t events,
		  void *context)
{
	struct qemu *qemu = context;
	siginfo_t info = { 0 };
	int status;

	qemu->end_source = sd_event_source_unref(qemu->end_source);
	drain(qemu);
	words_drain(&qemu->words);
	if (waitid(P_PID, (id_t)qemu->jailed.pid, &info, WEXITED | WNOWAIT) < 0)
		info.si_status = -1;
	status = info.si_code == CLD_EXITED ? info.si_status
					    : 128 + info.si_status;
	qemu->is_started = false;
	qemu->engine->pid = 0;
	jail_close(&qemu->jailed);
	qemu->engine->handler.ended(qemu->engine->handler.context, status,
				    qemu->is_guest_off && status == 0);
	return 0;
}

static int watch(struct engine *engine, sd_event *event)
{
	struct qemu *qemu = engine->own;
	int r;

	r = sd_event_add_io(event, &qemu->qmp_source, qemu->qmp_fd, EPOLLIN,
			    on_qmp, qemu);
	if (r >= 0)
		r = sd_event_add_io(event, &qemu->end_source,
				    qemu->jailed.pidfd, EPOLLIN, on_end, qemu);
	if (r >= 0)
		r = words_watch(&qemu->words, event);
	return r < 0 ? r : 0;
}

/* Ready is when it answers in QMP. */
static int sealed(struct engine *engine)
{
	return 0;
}

static void close_engine(struct engine *engine)
{
	struct qemu *qemu = engine->own;

	if (!qemu)
		return;
	hang_up(qemu);
	qemu->end_source = sd_event_source_unref(qemu->end_source);
	if (qemu->is_started)
		jail_close(&qemu->jailed);
	words_close(&qemu->words);
	for (uint32_t i = 0; i < DISK_COUNT_MAX; i++)
		close_fd(&qemu->disk_fds[i]);
	for (uint32_t i = 0; i < NIC_COUNT_MAX; i++)
		close_fd(&qemu->nic_fds[i]);
	qmp_release(&qemu->qmp);
	free(qemu);
	engine->own = NULL;
}

/* clang-format off */
static const struct sandbox_call calls[] = {
	SANDBOX_CALL(pidfd_send_signal, "ending QEMU"),
	SANDBOX_CALL(waitid, "reaping QEMU"),
	SANDBOX_CALL(wait4, "reaping QEMU"),
};
/* clang-format on */

const struct engine_ops qemu_engine = {
	.name = "qemu",
	.number = ENGINE_QEMU,
	.has_process = true,
	.has_guest = true,
	.start = start,
	.attach = attach,
	.watch = watch,
	.sealed = sealed,
	.command = command,
	.close = close_engine,
	.nic_started = nic_started,
	.calls = calls,
	.call_count = ARRAY_COUNT(calls),
};
