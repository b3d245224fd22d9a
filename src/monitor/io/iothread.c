/* SPDX-License-Identifier: MIT */
#include "monitor/io/iothread.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/event.h"
#include "base/scope.h"
#include "monitor/thread/thread.h"

/* While busy the sockets are looked at every so many turns. */
#define SOCKET_TURNS 64

/* Wake, listener, and for each device a socket, a service and its rings. */
#define WATCH_MAX                                     \
	(2 + DISK_COUNT_MAX * (2 + FRONT_QUEUE_MAX) + \
	 NIC_COUNT_MAX * (2 + NIC_QUEUE_MAX))

/* The sockets of a round of poll(), in the order of the disks. */
struct watch {
	struct pollfd fds[WATCH_MAX];
	nfds_t count;
	/* Where the sockets are in it; 0: not watched. */
	nfds_t listener;
	nfds_t front_ends[FRONT_END_COUNT_MAX];
	/* Those behind are eventfds, to be emptied. */
	bool is_event[WATCH_MAX];
};

static nfds_t add(struct watch *watch, int fd, bool is_event)
{
	watch->fds[watch->count] =
		(struct pollfd){ .fd = fd, .events = POLLIN };
	watch->is_event[watch->count] = is_event;
	return watch->count++;
}

static void watch_sockets(struct iothread *io, struct watch *watch)
{
	watch->count = 0;
	(void)add(watch, io->wake_fd, true);
	watch->listener = 0;
	/* A foreign machine has one device, and one front end at a time. */
	if (io->listener_fd != NO_FD && io->front_ends[0].backend.fd == NO_FD)
		watch->listener = add(watch, io->listener_fd, false);
	for (uint32_t i = 0; i < io->front_end_count; i++) {
		int fd = io->front_ends[i].backend.fd;

		watch->front_ends[i] = fd == NO_FD ? 0 : add(watch, fd, false);
	}
}

static void watch_nic(struct watch *watch, const struct nic *nic)
{
	if (nic->link.is_open)
		(void)add(watch, nic->link.call_fd, true);
	for (uint32_t i = 0; i < NIC_QUEUE_MAX; i++)
		if (nic->queues[i].is_served)
			(void)add(watch, nic->queues[i].kick_fd, true);
}

static void watch_front(struct watch *watch, const struct front *front)
{
	for (uint32_t i = 0; i < front->queue_count; i++)
		if (front->queues[i].vq.is_served)
			(void)add(watch, front->queues[i].vq.kick_fd, true);
}

static void watch_events(struct iothread *io, struct watch *watch)
{
	for (uint32_t i = 0; i < io->disk_count; i++)
		if (io->disks[i].disk.lane.is_open)
			(void)add(watch, io->disks[i].disk.lane.call_fd, true);
	for (uint32_t i = 0; i < io->front_count; i++)
		watch_front(watch, &io->fronts[i]);
	for (uint32_t i = 0; i < io->nic_count; i++)
		watch_nic(watch, &io->nics[i]);
}

static void accept_front(struct iothread *io)
{
	int fd = accept4(io->listener_fd, NULL, NULL,
			 SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (io->disk_count > 0)
		iothread_attach_front(io, 0, fd, true);
	else
		iothread_attach_nic(io, 0, fd);
	notices_put(&io->notices, &(struct notice){ .kind = NOTICE_CONNECTED });
}

/* Its guest waits for this device from now on: say why. */
static void drop_front_end(struct iothread *io, struct front_end *front_end,
			   int result)
{
	vhostuser_backend_release(&front_end->backend);
	if (result == -EBADMSG)
		notices_put(
			&io->notices,
			&(struct notice){
				.kind = front_end->event,
				.disk_index = front_end->index,
				.level = EVENT_ERROR,
				.text = "its front end violated the vhost-user "
					"protocol and was dropped",
			});
	notices_put(&io->notices, &(struct notice){
					  .kind = NOTICE_DISCONNECTED,
					  .disk_index = front_end->index,
				  });
}

static void handle_sockets(struct iothread *io, const struct watch *watch)
{
	for (uint32_t i = 0; i < io->front_end_count; i++) {
		struct front_end *front_end = &io->front_ends[i];
		int r;

		if (!watch->front_ends[i] ||
		    !watch->fds[watch->front_ends[i]].revents)
			continue;
		r = vhostuser_backend_receive(&front_end->backend);
		if (r < 0)
			drop_front_end(io, front_end, r);
	}
	if (watch->listener && watch->fds[watch->listener].revents)
		accept_front(io);
}

/* A hostile end may have given us anything for an eventfd; it is
 * non-blocking, and what it says is not used. */
static void empty_events(const struct watch *watch)
{
	uint64_t count;

	for (nfds_t i = 0; i < watch->count; i++)
		if (watch->is_event[i] && watch->fds[i].revents &&
		    read(watch->fds[i].fd, &count, sizeof(count)) < 0)
			continue;
}

static int timeout_ms(const struct iothread *io)
{
	uint64_t deadline = 0;
	uint64_t now;

	for (uint32_t i = 0; i < io->front_count; i++) {
		uint64_t own = front_deadline_ns(&io->fronts[i]);

		if (own && (!deadline || own < deadline))
			deadline = own;
	}
	for (uint32_t i = 0; i < io->nic_count; i++) {
		uint64_t own = nic_deadline_ns(&io->nics[i]);

		if (own && (!deadline || own < deadline))
			deadline = own;
	}
	if (!deadline)
		return -1;
	now = clock_now_ns();
	return deadline <= now ? 0 : (int)((deadline - now) / NS_PER_MS) + 1;
}

static void run_timers(struct iothread *io)
{
	uint64_t now = clock_now_ns();

	for (uint32_t i = 0; i < io->front_count; i++)
		front_run_timers(&io->fronts[i], now);
	for (uint32_t i = 0; i < io->nic_count; i++)
		nic_run_timers(&io->nics[i], now);
}

static void run_call(struct iothread *io)
{
	void (*call)(struct iothread *, void *) =
		__atomic_load_n(&io->call, __ATOMIC_ACQUIRE);

	if (!call)
		return;
	call(io, io->argument);
	run_timers(io);
	__atomic_store_n(&io->call, NULL, __ATOMIC_RELEASE);
	(void)sem_post(&io->called);
}

/* What the rings and lanes do not show: calls, sockets, timers. */
static void look_around(struct iothread *io)
{
	struct watch watch;

	watch_sockets(io, &watch);
	if (poll(watch.fds, watch.count, 0) > 0)
		handle_sockets(io, &watch);
	run_timers(io);
}

static bool take_witness(struct iothread_disk *own)
{
	uint64_t answered;
	int r;

	if (!witness_take(&own->witness, &answered, &r))
		return false;
	disk_witnessed(&own->disk, answered, r);
	return true;
}

static bool turn(struct iothread *io)
{
	bool has_worked = false;

	for (uint32_t i = 0; i < io->disk_count; i++)
		has_worked |= take_witness(&io->disks[i]);

	for (uint32_t i = 0; i < io->front_count; i++)
		has_worked |= front_turn(&io->fronts[i]);
	for (uint32_t i = 0; i < io->nic_count; i++)
		has_worked |= nic_turn(&io->nics[i]);
	return has_worked;
}

/* How long the next answer may be waited for awake. */
static uint32_t spin_cap_ns(const struct iothread *io)
{
	for (uint32_t i = 0; i < io->disk_count; i++)
		if (disk_has_large(&io->disks[i].disk))
			return SPIN_LARGE_NS;
	return SPIN_MONITOR_NS;
}

/*
 * A disk service that slept on our own CPU was woken and waits for it: give way,
 * and it has answered before we even slept. Elsewhere this costs a microsecond.
 * A network service answers somebody else: there it would cost two switches
 * more.
 */
static bool give_way(struct iothread *io)
{
	bool has_woken = false;

	for (uint32_t i = 0; i < io->disk_count; i++) {
		has_woken |= io->disks[i].disk.lane.has_woken;
		io->disks[i].disk.lane.has_woken = false;
	}
	if (has_woken)
		(void)sched_yield();
	return has_woken;
}

static bool prepare_sleep(struct iothread *io)
{
	bool is_safe = true;

	for (uint32_t i = 0; i < io->front_count; i++)
		is_safe &= front_prepare_sleep(&io->fronts[i]);
	for (uint32_t i = 0; i < io->nic_count; i++)
		is_safe &= nic_prepare_sleep(&io->nics[i]);
	return is_safe;
}

static void sleep_once(struct iothread *io)
{
	struct watch watch;

	watch_sockets(io, &watch);
	watch_events(io, &watch);
	if (poll(watch.fds, watch.count, timeout_ms(io)) > 0) {
		empty_events(&watch);
		handle_sockets(io, &watch);
	}
	run_timers(io);
}

static void *run(void *context)
{
	struct iothread *io = context;
	uint32_t turns = 0;

	for (;;) {
		run_call(io);
		if (io->must_end)
			return NULL;
		if (turn(io)) {
			spin_found(&io->spin);
			if (++turns % SOCKET_TURNS == 0)
				look_around(io);
			continue;
		}
		spin_set_cap(&io->spin, spin_cap_ns(io));
		if (spin_again(&io->spin) || give_way(io))
			continue;
		if (prepare_sleep(io))
			sleep_once(io);
	}
}

static void ask_witness(void *context, uint32_t disk_index, uint64_t asked)
{
	struct iothread *io = context;

	witness_ask(&io->disks[disk_index].witness, asked);
}

int iothread_init(struct iothread *io)
{
	int r;

	memset(io, 0, sizeof(*io));
	io->listener_fd = NO_FD;
	io->notices.fd = NO_FD;
	for (uint32_t i = 0; i < FRONT_END_COUNT_MAX; i++)
		io->front_ends[i].backend.fd = NO_FD;
	io->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (io->wake_fd < 0)
		return -errno;
	r = notices_open(&io->notices);
	if (r < 0)
		return r;
	spin_init(&io->spin, SPIN_MONITOR_NS);
	(void)pthread_mutex_init(&io->callers, NULL);
	return sem_init(&io->called, 0, 0) < 0 ? -errno : 0;
}

static int add_block(struct iothread *io, struct disk *disk)
{
	struct front *front = &io->fronts[io->front_count];
	int r = front_init_blk(front, disk);

	if (r < 0)
		front_release(front);
	else
		io->front_count++;
	return r;
}

static int make_scsi(struct iothread *io, uint32_t queue_count)
{
	struct front *front = &io->fronts[io->front_count];
	int r;

	if (io->scsi)
		return 0;
	if (queue_count < 1 || queue_count > QUEUE_COUNT_MAX)
		return -EINVAL;
	r = front_init_scsi(front, queue_count);
	if (r < 0) {
		front_release(front);
		return r;
	}
	io->front_count++;
	io->scsi = front;
	return 0;
}

static int add_unit(struct iothread *io, struct disk *disk,
		    uint32_t queue_count)
{
	int r = make_scsi(io, queue_count);

	if (r < 0)
		return r;
	if (disk->settings.target != io->scsi->disk_count)
		return -EINVAL;
	front_add_unit(io->scsi, disk);
	return 0;
}

int iothread_add_disk(struct iothread *io, const struct monitor_disk *settings,
		      uint32_t scsi_queue_count, int witness_fd)
{
	SCOPED(close_fd) int fd = witness_fd;
	struct iothread_disk *added = &io->disks[io->disk_count];
	const struct disk_ops ops = {
		.notices = &io->notices,
		.ask_witness = ask_witness,
		.context = io,
	};
	int r;

	if (io->disk_count == DISK_COUNT_MAX ||
	    settings->index != io->disk_count)
		return -EINVAL;
	r = disk_init(&added->disk, settings, &ops);
	if (r < 0)
		return r;
	r = witness_open(&added->witness, take_fd(&fd), io->wake_fd);
	io->disk_count++;
	if (r < 0)
		return r;
	if (settings->local_reads)
		local_reads_open(&added->disk.local, added->witness.fd);
	return settings->bus == DISK_BUS_SCSI
		       ? add_unit(io, &added->disk, scsi_queue_count)
		       : add_block(io, &added->disk);
}

int iothread_add_nic(struct iothread *io, const struct monitor_nic *settings,
		     bool has_control)
{
	struct nic *nic = &io->nics[io->nic_count];
	int r;

	if (io->nic_count == NIC_COUNT_MAX || settings->index != io->nic_count)
		return -EINVAL;
	r = nic_init(nic, settings, &io->notices, has_control);
	if (r < 0) {
		nic_release(nic);
		return r;
	}
	io->nic_count++;
	return 0;
}

void iothread_listen(struct iothread *io, int listener_fd)
{
	close_fd(&io->listener_fd);
	io->listener_fd = listener_fd;
}

int iothread_start(struct iothread *io)
{
	int r = thread_start(&io->thread, "io", run, io);

	io->is_running = r == 0;
	return r;
}

struct narrowing {
	const struct sandbox_program *own;
	int result;
};

static void narrow(struct iothread *io, void *argument)
{
	struct narrowing *narrowing = argument;

	narrowing->result = sandbox_narrow(narrowing->own);
}

int iothread_narrow(struct iothread *io, const struct sandbox_program *own,
		    const struct sandbox_program *witness)
{
	struct narrowing narrowing = { .own = own };

	for (uint32_t i = 0; i < io->disk_count; i++)
		witness_narrow(&io->disks[i].witness, witness);
	iothread_call(io, narrow, &narrowing);
	return narrowing.result;
}

static void end(struct iothread *io, void *argument)
{
	io->must_end = true;
}

void iothread_stop(struct iothread *io)
{
	if (io->is_running) {
		iothread_call(io, end, NULL);
		(void)pthread_join(io->thread, NULL);
	}
	io->is_running = false;
	for (uint32_t i = 0; i < io->front_end_count; i++)
		vhostuser_backend_release(&io->front_ends[i].backend);
	for (uint32_t i = 0; i < io->front_count; i++)
		front_release(&io->fronts[i]);
	io->front_count = 0;
	for (uint32_t i = 0; i < io->disk_count; i++) {
		witness_close(&io->disks[i].witness);
		disk_release(&io->disks[i].disk);
	}
	io->disk_count = 0;
	for (uint32_t i = 0; i < io->nic_count; i++)
		nic_release(&io->nics[i]);
	io->nic_count = 0;
	notices_close(&io->notices);
	close_fd(&io->listener_fd);
	close_fd(&io->wake_fd);
}

static void call_and_wait(struct iothread *io,
			  void (*call)(struct iothread *io, void *argument),
			  void *argument)
{
	io->argument = argument;
	__atomic_store_n(&io->call, call, __ATOMIC_RELEASE);
	event_signal(io->wake_fd);
	while (sem_wait(&io->called) < 0)
		assert(errno == EINTR);
}

void iothread_call(struct iothread *io,
		   void (*call)(struct iothread *io, void *argument),
		   void *argument)
{
	if (!io->is_running) {
		call(io, argument);
		return;
	}
	(void)pthread_mutex_lock(&io->callers);
	call_and_wait(io, call, argument);
	(void)pthread_mutex_unlock(&io->callers);
}
