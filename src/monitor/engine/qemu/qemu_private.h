/* SPDX-License-Identifier: MIT */
/*
 * Shared by the files of engine qemu: qemu.c has its life cycle, launch.c
 * starts the process, orders.c talks to it over QMP.
 *
 * Trust      QEMU is as hostile as its guest.
 * Threads    The main thread.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_ENGINE_QEMU_QEMU_PRIVATE_H
#define MONITOR_ENGINE_QEMU_QEMU_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "definition/partition.h"
#include "monitor/engine/engine.h"
#include "monitor/engine/qemu/qmp.h"
#include "monitor/engine/qemu/words.h"
#include "monitor/engine/resets.h"
#include "sandbox/jail.h"

/* What is sent over QMP. */
enum order {
	ORDER_CAPABILITIES,
	ORDER_CONTINUE,
	ORDER_STOP,
	ORDER_POWERDOWN,
	ORDER_RESET,
	ORDER_FILTER,
};

/* A pending order. */
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
	struct resets resets;
	bool is_started;
	bool is_guest_off; /* the guest switched itself off */
	bool is_panicked;
	bool is_filter_due[NIC_COUNT_MAX]; /* to be asked for once more */
};

/* launch.c: run it in its jail, with our ends of its sockets in `qemu`. */
int qemu_launch(struct qemu *qemu, const struct engine_machine *machine);

/*
 * orders.c: send one; its outcome goes to the engine's handler.
 *
 * -ESRCH   it is gone
 * -EBUSY   it has not answered the ones before
 * -EAGAIN  it does not read
 */
int qemu_order(struct qemu *qemu, enum order order, uint32_t request_id);

/* orders.c: for struct qmp_handler; `context` is the struct qemu. */
void qemu_happened(void *context, enum qmp_event event, bool is_guest);
void qemu_answered(void *context, uint32_t number, int status,
		   const char *text);
void qemu_filter_changed(void *context, const char *device);
void qemu_filtered(void *context, uint32_t number,
		   const struct nic_filter *filter);

/* orders.c: query this interface's filter, for the I/O thread. */
void qemu_ask_filter(struct qemu *qemu, uint32_t index);

/* orders.c: kill the process; its end is reported as usual. */
void qemu_kill(struct qemu *qemu, const char *why);

#endif
