/* SPDX-License-Identifier: MIT */
/*
 * The one thread that moves requests: it serves the vhost-user sockets, the
 * rings and the lanes of all disks, spins while that pays, and sleeps without a
 * timer when nothing is in flight. It never blocks on anything else, so the
 * main thread may wait for it.
 *
 * Threads    iothread_call() may be called by any thread but the I/O thread;
 *            everything else here by the main thread. The disks belong to the
 *            I/O thread from iothread_start() to iothread_stop().
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_IOTHREAD_H
#define MONITOR_IOTHREAD_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include "channel/spin.h"
#include "monitor/disk/disk.h"
#include "monitor/disk/witness.h"
#include "monitor/nic/nic.h"
#include "sandbox/sandbox.h"
#include "vhostuser/backend.h"

struct iothread_disk {
	struct disk disk;
	struct witness witness;
};

#define FRONT_END_COUNT_MAX (DISK_COUNT_MAX + NIC_COUNT_MAX)

/* Of a device that is served over vhost-user. */
struct front_end {
	struct vhostuser_backend backend; /* fd NO_FD: nobody is connected */
	enum notice_kind event;           /* of the device's kind */
	uint32_t index;                   /* of the device */
};

struct iothread {
	pthread_t thread;
	bool is_running;
	int wake_fd;     /* owned */
	int listener_fd; /* owned; NO_FD unless a front end may connect */
	struct notices notices;
	struct iothread_disk disks[DISK_COUNT_MAX];
	uint32_t disk_count;
	/* In the order of their first disks. */
	struct front fronts[DISK_COUNT_MAX];
	uint32_t front_count;
	struct front *scsi; /* the one that SCSI units share; NULL: none */
	struct nic nics[NIC_COUNT_MAX];
	uint32_t nic_count;
	struct front_end front_ends[FRONT_END_COUNT_MAX];
	uint32_t front_end_count;
	struct spin spin;

	/* A call from another thread; `call` is what the I/O thread sees. */
	pthread_mutex_t callers; /* one at a time */
	void (*call)(struct iothread *io, void *argument);
	void *argument;
	sem_t called;
	bool must_end;
};

int iothread_init(struct iothread *io);

/* Before the start: the next disk. Takes the witness. The first SCSI unit makes
 * their controller, with so many request queues. */
int iothread_add_disk(struct iothread *io, const struct monitor_disk *settings,
		      uint32_t scsi_queue_count, int witness_fd);

/* Before the start: the next interface. `has_control`: its control queue is
 * ours, as it is not with a vhost-user front end. */
int iothread_add_nic(struct iothread *io, const struct monitor_nic *settings,
		     bool has_control);

/* Before the start: serve this front or interface, added before, over vhost-user.
 * Takes the connected socket. With `has_region` the front end is offered an in-flight
 * region, so that a successor of ours can go on where we stopped. */
void iothread_attach_front(struct iothread *io, uint32_t index, int fd,
			   bool has_region);
void iothread_attach_nic(struct iothread *io, uint32_t index, int fd);

/* Before the start: the socket on which the front end of the first device will connect.
 * Takes it. */
void iothread_listen(struct iothread *io, int listener_fd);

int iothread_start(struct iothread *io);

/*
 * After the seal: make it and the witnesses' threads install their own filters.
 * The programs are borrowed until iothread_stop().
 */
int iothread_narrow(struct iothread *io, const struct sandbox_program *own,
		    const struct sandbox_program *witness);

/* End it, and release everything. Safe on one not started. */
void iothread_stop(struct iothread *io);

/* Have `call` executed by the I/O thread, and wait for that; callers take
 * turns. Before the start it is executed at once. */
void iothread_call(struct iothread *io,
		   void (*call)(struct iothread *io, void *argument),
		   void *argument);

#endif
