/* SPDX-License-Identifier: MIT */
#include "monitor/engine/qemu/qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/log.h"
#include "base/scope.h"
#include "control/definition.h"
#include "monitor/engine/qemu/arguments.h"
#include "monitor/engine/qemu/qmp.h"
#include "monitor/engine/qemu/words.h"
#include "sandbox/jail.h"

#define LINE_ROOM     128
#define CONNECT_MS    30000
#define RESET_CALM_NS NS_PER_S

/* What is sent over QMP. */
enum order {
	ORDER_CAPABILITIES,
	ORDER_CONTINUE,
	ORDER_STOP,
	ORDER_POWERDOWN,
	ORDER_RESET,
	ORDER_FILTER,
};

static const char *const names[] = {
	[ORDER_CAPABILITIES] = "qmp_capabilities",
	[ORDER_CONTINUE] = "cont",
	[ORDER_STOP] = "stop",
	[ORDER_POWERDOWN] = "system_powerdown",
	[ORDER_RESET] = "system_reset",
	[ORDER_FILTER] = "query-rx-filter",
};

/* An order under way. */
struct pending {
	uint32_t number;     /* QMP's; 0: free */
	uint32_t request_id; /* ORDER_FILTER: the interface's index */
	enum order order;
};

struct qemu {
	struct engine *engine;
	struct iothread *io;
	struct jailed jailed;
	int qmp_fd;                   /* owned */
	int disk_fds[DISK_COUNT_MAX]; /* owned until taken: our ends */
	int nic_fds[NIC_COUNT_MAX];   /* likewise; at first listening */
	struct qmp qmp;
	struct words words; /* the last ones are the reason of its end */
	sd_event_source *qmp_source;
	sd_event_source *end_source;
	struct pending pending[QMP_PENDING_MAX];
	uint32_t last_number;
	uint64_t reset_ns; /* the last reset */
	bool is_started;
	bool is_guest_off; /* the guest switched itself off */
	bool is_panicked;
	bool is_filter_due[NIC_COUNT_MAX]; /* to be asked for once more */
};

static void happened(void *context, enum qmp_event event, bool is_guest);
static void answered(void *context, uint32_t number, int status,
		     const char *text);
static void filter_changed(void *context, const char *device);
static void note_filter_answered(struct qemu *qemu, uint32_t index);
static void filtered(void *context, uint32_t number,
		     const struct nic_filter *filter);

static void init(struct qemu *qemu, struct engine *engine)
{
	const struct qmp_handler own = { happened, answered, filter_changed,
					 filtered, qemu };

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

/* Starting. -------------------------------------------------------------- */

/* QEMU's ends of the sockets, and what it inherits. */
struct ends {
	struct jail_fd fds[3 + DISK_COUNT_MAX];
	size_t count;
	struct jail_socket sockets[NIC_COUNT_MAX];
	size_t socket_count;
	char names[NIC_COUNT_MAX][QEMU_NIC_ROOM];
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
	(void)snprintf(name, QEMU_NIC_ROOM, QEMU_NIC, index);
	ends->sockets[ends->socket_count++] = (struct jail_socket){ fd, name };
	*ret_ours = fd;
	return 0;
}

static int connect_words(struct qemu *qemu, struct ends *ends)
{
	int theirs;
	int result = words_open(&qemu->words, &theirs);

	if (result == 0)
		ends->fds[ends->count++] =
			(struct jail_fd){ theirs, STDERR_FILENO };
	return result;
}

static int connect_lines(struct qemu *qemu,
			 const struct engine_machine *machine,
			 struct ends *ends)
{
	int result;

	result = connect_words(qemu, ends);
	if (result < 0)
		return result;
	result = connect_line(ends, QEMU_FD_QMP, &qemu->qmp_fd);
	if (result == 0)
		result = connect_line(ends, QEMU_FD_SERIAL,
				      &qemu->engine->serial_fd);
	for (uint32_t i = 0; i < machine->settings->disk_count && result == 0;
	     i++)
		result = connect_line(ends, QEMU_FD_DISK + (int)i,
				      &qemu->disk_fds[i]);
	for (uint32_t i = 0; i < machine->nic_count && result == 0; i++)
		result = listen_for_nic(ends, i, &qemu->nic_fds[i]);
	return result;
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
	};
	int result = jail_start(&jail, &qemu->jailed, &qemu->engine->layers);

	qemu->is_started = result == 0;
	if (result == 0)
		qemu->engine->pid = qemu->jailed.pid;
	return result;
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
	int result = 0;

	if (poll(polled, 2, CONNECT_MS) <= 0)
		return -ETIMEDOUT;
	if (polled[0].revents & POLLIN)
		line = accept4(*fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (line < 0)
		result = open_dead_line(&line);
	if (result < 0)
		return result;
	close_fd(fd);
	*fd = take_fd(&line);
	return 0;
}

static int accept_lines(struct qemu *qemu, uint32_t count)
{
	int result = 0;

	for (uint32_t i = 0; i < count && result == 0; i++)
		result = accept_line(qemu, &qemu->nic_fds[i]);
	return result;
}

static int prepare(struct qemu *qemu, const struct engine_machine *machine)
{
	SCOPED(close_ends) struct ends ends = { 0 };
	SCOPED(free_pointer) struct qemu_arguments *arguments = NULL;
	int result;

	arguments = calloc(1, sizeof(*arguments));
	if (!arguments)
		return -ENOMEM;
	result = qemu_arguments(machine, arguments);
	if (result == 0)
		result = connect_lines(qemu, machine, &ends);
	if (result == 0)
		result = run_jailed(qemu, machine, &ends, arguments);
	return result == 0 ? accept_lines(qemu, machine->nic_count) : result;
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
	return prepare(qemu, machine);
}

static int attach(struct engine *engine, struct iothread *io)
{
	struct qemu *qemu = engine->own;

	qemu->io = io;
	for (uint32_t i = 0; i < io->disk_count; i++)
		disk_attach_front(&io->disks[i].disk,
				  take_fd(&qemu->disk_fds[i]), false);
	for (uint32_t i = 0; i < io->nic_count; i++)
		nic_attach_front(&io->nics[i], take_fd(&qemu->nic_fds[i]));
	return 0;
}

/* Verbs. ------------------------------------------------------------------ */

static struct pending *find_pending(struct qemu *qemu, uint32_t number)
{
	for (size_t i = 0; i < QMP_PENDING_MAX; i++)
		if (qemu->pending[i].number == number)
			return &qemu->pending[i];
	return NULL;
}

static bool is_pending(const struct qemu *qemu, enum order order)
{
	for (size_t i = 0; i < QMP_PENDING_MAX; i++)
		if (qemu->pending[i].number && qemu->pending[i].order == order)
			return true;
	return false;
}

static int send_order(struct qemu *qemu, enum order order, uint32_t request_id)
{
	struct pending *pending = find_pending(qemu, 0);
	char line[LINE_ROOM], arguments[LINE_ROOM / 2];
	int bytes;

	if (qemu->qmp_fd == NO_FD)
		return -ESRCH;
	if (!pending)
		return -EBUSY;
	if (++qemu->last_number == 0)
		qemu->last_number = 1;
	(void)snprintf(arguments, sizeof(arguments),
		       "{\"name\":\"" QEMU_NIC_DEVICE "\"}", request_id);
	bytes = qmp_command(&qemu->qmp, qemu->last_number, names[order],
			    order == ORDER_FILTER ? arguments : NULL, line,
			    sizeof(line));
	if (bytes < 0)
		return bytes;
	/* A line is far below what a socket takes whole. */
	if (send(qemu->qmp_fd, line, (size_t)bytes,
		 MSG_NOSIGNAL | MSG_DONTWAIT) != bytes)
		return -EAGAIN;
	*pending = (struct pending){ qemu->last_number, request_id, order };
	return 0;
}

static int command(struct engine *engine, enum engine_verb verb,
		   uint32_t request_id, const struct engine_argument *argument)
{
	switch (verb) {
	case ENGINE_RESUME:
		return send_order(engine->own, ORDER_CONTINUE, request_id);
	case ENGINE_PAUSE:
		return send_order(engine->own, ORDER_STOP, request_id);
	case ENGINE_POWERDOWN:
		return send_order(engine->own, ORDER_POWERDOWN, request_id);
	case ENGINE_RESET:
		return send_order(engine->own, ORDER_RESET, request_id);
	case ENGINE_SAVE:
	case ENGINE_BALLOON:
		break;
	}
	return -EOPNOTSUPP;
}

/* Its end will be noticed by the pidfd. */
static void kill_engine(struct qemu *qemu, const char *why)
{
	log_warn("ending the engine reason=\"%s\"", why);
	if (syscall(SYS_pidfd_send_signal, qemu->jailed.pidfd, SIGKILL, NULL,
		    0) < 0)
		log_error("cannot kill the engine error=%d", errno);
}

static void answered(void *context, uint32_t number, int status,
		     const char *text)
{
	struct qemu *qemu = context;
	const struct engine_handler *handler = &qemu->engine->handler;
	struct pending *pending = find_pending(qemu, number);
	struct pending was;

	if (!pending)
		return;
	was = *pending;
	*pending = (struct pending){ 0 };
	if (was.order == ORDER_FILTER) {
		note_filter_answered(qemu, was.request_id);
		return;
	}
	if (was.order != ORDER_CAPABILITIES)
		handler->done(handler->context, was.request_id, status, text);
	else if (status == 0)
		handler->ready(handler->context, GUEST_PAUSED);
	else
		kill_engine(qemu, "it refuses QMP");
}

static void tell_changed(struct qemu *qemu, enum guest_state state)
{
	qemu->engine->handler.changed(qemu->engine->handler.context, state);
}

/* A pause or a resume that was asked for is reported as that verb's outcome. */
static void note_running(struct qemu *qemu, bool is_paused)
{
	bool was_asked =
		is_pending(qemu, is_paused ? ORDER_STOP : ORDER_CONTINUE);

	qemu->engine->is_paused = is_paused;
	if (!was_asked && !qemu->is_panicked)
		tell_changed(qemu, is_paused ? GUEST_PAUSED : GUEST_RUNNING);
}

/* Firmware resets the machine a few times more on its way up. */
static void note_reset(struct qemu *qemu, bool is_guest)
{
	uint64_t now_ns = clock_now_ns();
	bool is_news = now_ns - qemu->reset_ns > RESET_CALM_NS;

	qemu->is_panicked = false;
	qemu->reset_ns = now_ns;
	if (is_guest && is_news)
		tell_changed(qemu, GUEST_RESET);
}

static void happened(void *context, enum qmp_event event, bool is_guest)
{
	struct qemu *qemu = context;

	switch (event) {
	case QMP_GREETING:
		if (send_order(qemu, ORDER_CAPABILITIES, 0) < 0)
			kill_engine(qemu, "it does not take QMP");
		break;
	case QMP_SHUTDOWN:
		qemu->is_guest_off = is_guest;
		break;
	case QMP_RESET:
		note_reset(qemu, is_guest);
		break;
	case QMP_STOP:
	case QMP_RESUME:
		note_running(qemu, event == QMP_STOP);
		break;
	case QMP_PANICKED:
		qemu->is_panicked = true;
		tell_changed(qemu, GUEST_PANICKED);
		break;
	}
}

/* Filters. ------------------------------------------------------------------ */

struct filtering {
	uint32_t index;
	const struct nic_filter *filter;
};

/* By the I/O thread. */
static void set_filter(struct iothread *io, void *argument)
{
	const struct filtering *filtering = argument;

	if (filtering->index < io->nic_count)
		nic_set_filter(&io->nics[filtering->index], filtering->filter);
}

static void filtered(void *context, uint32_t number,
		     const struct nic_filter *filter)
{
	struct qemu *qemu = context;
	const struct pending *pending = find_pending(qemu, number);
	struct filtering filtering = { .filter = filter };

	if (!pending || pending->order != ORDER_FILTER || !qemu->io)
		return;
	filtering.index = pending->request_id;
	iothread_call(qemu->io, set_filter, &filtering);
}

static bool is_filter_pending(const struct qemu *qemu, uint32_t index)
{
	for (size_t i = 0; i < QMP_PENDING_MAX; i++)
		if (qemu->pending[i].number &&
		    qemu->pending[i].order == ORDER_FILTER &&
		    qemu->pending[i].request_id == index)
			return true;
	return false;
}

/* One question at a time for each, so that verbs find room. */
static void ask_filter(struct qemu *qemu, uint32_t index)
{
	qemu->is_filter_due[index] = is_filter_pending(qemu, index);
	if (qemu->is_filter_due[index])
		return;
	if (send_order(qemu, ORDER_FILTER, index) < 0)
		log_warn("cannot ask for a filter, taking every group "
			 "interface=%u",
			 index);
}

/* Refused or not: a driver that is not known of gets every group. */
static void note_filter_answered(struct qemu *qemu, uint32_t index)
{
	if (qemu->is_filter_due[index])
		ask_filter(qemu, index);
}

static void filter_changed(void *context, const char *device)
{
	struct qemu *qemu = context;

	for (uint32_t i = 0; qemu->io && i < qemu->io->nic_count; i++) {
		char name[QEMU_NIC_ROOM];

		(void)snprintf(name, sizeof(name), QEMU_NIC_DEVICE, i);
		if (strcmp(name, device) == 0)
			ask_filter(qemu, i);
	}
}

static void nic_started(struct engine *engine, uint32_t index)
{
	if (index < NIC_COUNT_MAX)
		ask_filter(engine->own, index);
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
		kill_engine(qemu, "it broke QMP");
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
	int result;

	result = sd_event_add_io(event, &qemu->qmp_source, qemu->qmp_fd,
				 EPOLLIN, on_qmp, qemu);
	if (result >= 0)
		result = sd_event_add_io(event, &qemu->end_source,
					 qemu->jailed.pidfd, EPOLLIN, on_end,
					 qemu);
	if (result >= 0)
		result = words_watch(&qemu->words, event);
	return result < 0 ? result : 0;
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
