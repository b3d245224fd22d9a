/* SPDX-License-Identifier: MIT */
/* What QEMU is told over QMP, and what it says. */
#include "monitor/engine/qemu/qemu_private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"
#include "monitor/engine/qemu/arguments.h"

#define LINE_SIZE 128

static const char *const names[] = {
	[ORDER_CAPABILITIES] = "qmp_capabilities",
	[ORDER_CONTINUE] = "cont",
	[ORDER_STOP] = "stop",
	[ORDER_POWERDOWN] = "system_powerdown",
	[ORDER_RESET] = "system_reset",
	[ORDER_FILTER] = "query-rx-filter",
};

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

int qemu_order(struct qemu *qemu, enum order order, uint32_t request_id)
{
	struct pending *pending = find_pending(qemu, 0);
	char line[LINE_SIZE], arguments[LINE_SIZE / 2];
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

static void tell_filter(struct qemu *qemu, uint32_t index,
			const struct nic_filter *filter)
{
	struct filtering filtering = { index, filter };

	if (qemu->io)
		iothread_call(qemu->io, set_filter, &filtering);
}

void qemu_filtered(void *context, uint32_t number,
		   const struct nic_filter *filter)
{
	struct qemu *qemu = context;
	const struct pending *pending = find_pending(qemu, number);

	if (pending && pending->order == ORDER_FILTER)
		tell_filter(qemu, pending->request_id, filter);
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
void qemu_ask_filter(struct qemu *qemu, uint32_t index)
{
	static const struct nic_filter all = { .takes_all_groups = true };

	qemu->is_filter_due[index] = is_filter_pending(qemu, index);
	if (qemu->is_filter_due[index])
		return;
	if (qemu_order(qemu, ORDER_FILTER, index) == 0)
		return;
	log_warn("cannot ask for a filter, taking every group interface=%u",
		 index);
	tell_filter(qemu, index, &all);
}

/* Refused or not: a driver that is not known of gets every group. */
static void note_filter_answered(struct qemu *qemu, uint32_t index)
{
	if (qemu->is_filter_due[index])
		qemu_ask_filter(qemu, index);
}

void qemu_filter_changed(void *context, const char *device)
{
	struct qemu *qemu = context;

	for (uint32_t i = 0; qemu->io && i < qemu->io->nic_count; i++) {
		char name[QEMU_NIC_SIZE];

		(void)snprintf(name, sizeof(name), QEMU_NIC_DEVICE, i);
		if (strcmp(name, device) == 0)
			qemu_ask_filter(qemu, i);
	}
}

/* What comes. ---------------------------------------------------------------- */

void qemu_kill(struct qemu *qemu, const char *why)
{
	log_warn("ending the engine reason=\"%s\"", why);
	if (syscall(SYS_pidfd_send_signal, qemu->jailed.pidfd, SIGKILL, NULL,
		    0) < 0)
		log_error("cannot kill the engine error=%d", errno);
}

static void begin(struct qemu *qemu)
{
	const struct engine_handler *handler = &qemu->engine->handler;

	resets_begin(&qemu->resets, clock_now_ns());
	handler->ready(handler->context, GUEST_PAUSED);
}

void qemu_answered(void *context, uint32_t number, int status, const char *text)
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
		begin(qemu);
	else
		qemu_kill(qemu, "it refuses QMP");
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

static void give_up(struct qemu *qemu)
{
	qemu->engine->last_words = RESETS_HOPELESS;
	qemu_kill(qemu, RESETS_HOPELESS);
}

static void note_reset(struct qemu *qemu, bool is_guest)
{
	qemu->is_panicked = false;
	if (!is_guest) {
		resets_begin(&qemu->resets, clock_now_ns());
		return;
	}
	switch (resets_note(&qemu->resets, clock_now_ns())) {
	case RESETS_GIVE_UP:
		give_up(qemu);
		break;
	case RESETS_TELL:
		tell_changed(qemu, GUEST_RESET);
		break;
	case RESETS_GO_ON:
		break;
	}
}

void qemu_happened(void *context, enum qmp_event event, bool is_guest)
{
	struct qemu *qemu = context;

	switch (event) {
	case QMP_GREETING:
		if (qemu_order(qemu, ORDER_CAPABILITIES, 0) < 0)
			qemu_kill(qemu, "it does not accept QMP");
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
