/* SPDX-License-Identifier: MIT */
#include "workload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/scope.h"

#define SLOTS_SPARE   32u /* so that an id is not used again at once */
#define WAIT_NS       (100 * NS_PER_MS)
#define LATE_NS       (50 * NS_PER_MS)
#define CELL_ATTEMPTS 64

enum phase { PHASE_WARMUP, PHASE_MEASURE, PHASE_DRAIN, PHASE_READ_BACK };

struct pending {
	uint64_t began_ns;
	uint64_t cell;
	uint32_t floor; /* of a read: the oldest version allowed */
	bool is_write;
};

struct workload {
	const struct workload_settings *settings;
	struct workload_result *result;
	struct fakeguest guest;
	struct verify verify;
	struct pending *pending; /* owned; by slot */
	enum phase phase;
	uint64_t cell_count;
	uint64_t cursor;
	uint64_t random;
	uint64_t now_ns;
	uint64_t answered_ns; /* the last answer, or the end of idleness */
	bool writes_next;
};

static uint64_t next_random(struct workload *load)
{
	load->random ^= load->random << 13;
	load->random ^= load->random >> 7;
	load->random ^= load->random << 17;
	return load->random;
}

static uint64_t cpu_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Requests. ------------------------------------------------------------ */

static bool next_is_write(struct workload *load)
{
	enum workload_op op = load->settings->op;

	if (op == WORKLOAD_MIXED) {
		load->writes_next = !load->writes_next;
		return load->writes_next;
	}
	return op == WORKLOAD_RANDWRITE || op == WORKLOAD_SEQWRITE;
}

static uint64_t next_cell(struct workload *load)
{
	enum workload_op op = load->settings->op;

	if (op == WORKLOAD_SEQREAD || op == WORKLOAD_SEQWRITE)
		return load->cursor++ % load->cell_count;
	return next_random(load) % load->cell_count;
}

/* A request that may be sent now; a write without a free cell is a read. */
static struct pending choose(struct workload *load)
{
	struct pending next = { .is_write = next_is_write(load) };

	for (int i = 0; i < CELL_ATTEMPTS; i++) {
		next.cell = next_cell(load);
		if (!load->settings->is_verifying || !next.is_write ||
		    verify_may_write(&load->verify, next.cell))
			return next;
	}
	next.is_write = false;
	return next;
}

static void send_request(struct workload *load, uint32_t slot,
			 struct pending next)
{
	uint32_t bytes = load->settings->block_bytes;

	next.began_ns = load->now_ns;
	if (load->settings->is_verifying && next.is_write)
		verify_begin_write(&load->verify, next.cell,
				   fakeguest_data(&load->guest, slot));
	else if (load->settings->is_verifying)
		next.floor = verify_begin_read(&load->verify, next.cell);
	if (load->guest.outstanding == 0)
		load->answered_ns = load->now_ns;
	load->pending[slot] = next;
	fakeguest_submit(&load->guest, slot,
			 next.is_write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN,
			 next.cell * bytes, bytes);
}

static void fill(struct workload *load)
{
	uint32_t slot;

	load->now_ns = clock_now_ns();
	while (load->guest.outstanding < load->settings->depth &&
	       fakeguest_take_slot(&load->guest, &slot) == 0)
		send_request(load, slot, choose(load));
	fakeguest_publish(&load->guest);
}

/* Answers. ------------------------------------------------------------- */

static void judge(struct workload *load, uint32_t slot, bool is_ok)
{
	const struct pending *pending = &load->pending[slot];

	if (pending->is_write)
		verify_end_write(&load->verify, pending->cell, is_ok);
	else if (is_ok)
		verify_end_read(&load->verify, pending->cell, pending->floor,
				fakeguest_data(&load->guest, slot));
}

static void take_answer(struct workload *load, uint32_t slot, uint8_t status)
{
	bool is_ok = status == VIRTIO_BLK_S_OK;

	load->result->all_requests++;
	if (!is_ok)
		load->result->errors++;
	if (load->phase == PHASE_MEASURE)
		stats_add_latency(&load->result->stats,
				  load->now_ns - load->pending[slot].began_ns);
	if (load->settings->is_verifying)
		judge(load, slot, is_ok);
	fakeguest_return_slot(&load->guest, slot);
}

static void reap(struct workload *load)
{
	uint32_t slot;
	uint8_t status;
	uint32_t count = 0;

	load->now_ns = clock_now_ns();
	while (fakeguest_reap(&load->guest, &slot, &status) == 0) {
		take_answer(load, slot, status);
		count++;
	}
	if (count == 0)
		return;
	if (load->phase == PHASE_MEASURE)
		stats_add_stall(&load->result->stats, load->answered_ns,
				load->now_ns);
	load->answered_ns = load->now_ns;
}

/* Nothing within a moment is no error: the caller knows how long to wait. */
static int wait_a_moment(struct workload *load)
{
	int error = fakeguest_wait(&load->guest, clock_now_ns() + WAIT_NS);

	if (error == -ETIMEDOUT)
		return 0;
	if (!error)
		reap(load);
	return error;
}

/* Phases. -------------------------------------------------------------- */

static void think(const struct workload *load)
{
	const struct timespec pause = {
		.tv_sec = (time_t)(load->settings->think_ns / NS_PER_S),
		.tv_nsec = (long)(load->settings->think_ns % NS_PER_S),
	};

	if (load->settings->think_ns)
		(void)nanosleep(&pause, NULL);
}

static bool is_stopped(const struct workload *load)
{
	return load->settings->stop && *load->settings->stop;
}

static int run_until(struct workload *load, uint64_t end_ns)
{
	int error = 0;

	while (!error && !is_stopped(load) && clock_now_ns() < end_ns) {
		think(load);
		fill(load);
		error = wait_a_moment(load);
	}
	return error;
}

static int measure(struct workload *load)
{
	struct workload_result *result = load->result;
	uint64_t cpu_ns = cpu_now_ns();
	int error;

	load->phase = PHASE_MEASURE;
	result->began_ns = clock_now_ns();
	load->answered_ns = result->began_ns;
	error = run_until(load, result->began_ns + load->settings->duration_ns);
	result->ended_ns = clock_now_ns();
	result->cpu_ns = cpu_now_ns() - cpu_ns;
	return error;
}

/* Wait until at most `most` requests are outstanding, or for too long. */
static int drain_to(struct workload *load, uint32_t most)
{
	uint64_t end_ns = clock_now_ns() + load->settings->drain_ns;
	int error = 0;

	while (!error && load->guest.outstanding > most &&
	       clock_now_ns() < end_ns)
		error = wait_a_moment(load);
	return error;
}

static int read_cell_back(struct workload *load, uint64_t cell)
{
	uint32_t slot;
	int error;

	if (load->guest.outstanding == load->settings->depth) {
		fakeguest_publish(&load->guest);
		error = drain_to(load, load->settings->depth - 1);
		if (error)
			return error;
	}
	/* None is free when nothing is answered any more: counted as lost. */
	if (fakeguest_take_slot(&load->guest, &slot))
		return 0;
	load->now_ns = clock_now_ns();
	send_request(load, slot, (struct pending){ .cell = cell });
	return 0;
}

/* Every cell written in this run, now that nothing is in flight. */
static int read_back(struct workload *load)
{
	int error = 0;

	load->phase = PHASE_READ_BACK;
	for (uint64_t cell = 0; cell < load->cell_count && !error; cell++)
		if (load->verify.cells[cell].issued)
			error = read_cell_back(load, cell);
	fakeguest_publish(&load->guest);
	return error ? error : drain_to(load, 0);
}

static void collect(struct workload *load)
{
	struct workload_result *result = load->result;
	const struct fakeguest *guest = &load->guest;

	result->all_cpu_ns = cpu_now_ns();
	result->unanswered = guest->outstanding;
	result->kicks = guest->kicks;
	result->wakes = guest->wakes;
	result->reconnects = guest->reconnects;
	result->checked = load->verify.checked;
	result->lost = load->verify.lost + guest->outstanding;
	result->duplicated = load->verify.duplicated + guest->violations;
	result->corrupt = load->verify.corrupt;
}

/* Second answers may come late. */
static void wait_for_late_answers(struct workload *load)
{
	const struct timespec pause = { .tv_nsec = LATE_NS };

	(void)nanosleep(&pause, NULL);
	reap(load);
}

static int run_phases(struct workload *load)
{
	const struct workload_settings *settings = load->settings;
	int error;

	error = run_until(load, clock_now_ns() + settings->warmup_ns);
	if (!error)
		error = measure(load);
	load->phase = PHASE_DRAIN;
	if (!error)
		error = drain_to(load, 0);
	if (!error && settings->is_verifying && !load->guest.outstanding)
		error = read_back(load);
	if (!error && settings->is_verifying)
		wait_for_late_answers(load);
	collect(load);
	return error;
}

static int prepare(struct workload *load)
{
	const struct workload_settings *settings = load->settings;
	uint64_t bytes = load->guest.config.capacity * VERIFY_SECTOR;

	if (settings->span_bytes)
		bytes = min_u64(bytes, settings->span_bytes);
	load->cell_count = bytes / settings->block_bytes;
	if (load->cell_count == 0)
		return -EINVAL;
	load->pending =
		calloc(load->guest.settings.slot_count, sizeof(*load->pending));
	if (!load->pending)
		return -ENOMEM;
	if (!settings->is_verifying)
		return 0;
	return verify_init(&load->verify, load->cell_count,
			   settings->block_bytes, settings->seed);
}

static uint32_t queue_size_for(uint32_t slot_count)
{
	uint32_t size = 128;

	while (size < slot_count)
		size *= 2;
	return size;
}

int workload_run(const struct workload_settings *settings,
		 struct workload_result *result)
{
	struct workload load = { .settings = settings,
				 .result = result,
				 .random = settings->seed | 1 };
	struct fakeguest_settings guest = {
		.path = settings->path,
		.queue_count = settings->queue_count,
		.slot_count = settings->depth +
			      (settings->is_verifying ? SLOTS_SPARE : 0),
		.slot_bytes = settings->block_bytes,
		.connect_ms = settings->connect_ms,
		.is_spinning = settings->is_spinning,
	};
	int error;

	guest.queue_size = queue_size_for(guest.slot_count);
	memset(result, 0, sizeof(*result));
	result->stats.stall_least_ns = settings->stall_least_ns;
	error = fakeguest_open(&load.guest, &guest);
	if (error)
		return error;
	error = prepare(&load);
	if (!error)
		error = run_phases(&load);
	verify_release(&load.verify);
	free(load.pending);
	fakeguest_close(&load.guest);
	return error;
}
