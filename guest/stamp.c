/* SPDX-License-Identifier: MIT */
/*
 * stamp: write and verify stamped blocks in one file, from several threads.
 *
 * Each 4 KiB block carries its own address, a sequence number of its own and
 * a checksum. The record of what was acknowledged is kept in memory, so that
 * every read tells three ways of losing data apart:
 *
 *   corrupt     the block is not one that was ever written there
 *   lost        an acknowledged write never showed
 *   duplicated  an acknowledged write showed once, and an older one after it:
 *               something executed a write again too late
 *
 * Requests bypass the page cache, so a request here is one at the device. Each
 * thread owns a part of the file and has one request in flight. The longest
 * request of each reporting period is printed, which is how long a loss of
 * the device's service was felt. SIGTERM ends the run; all is verified then.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_BYTES        4096u
#define REQUEST_BLOCKS_MAX 8u
#define WORKERS_MAX        32u
#define STAMP_MAGIC        0x504d4154534b4842ull
/* Latency buckets: 32 for each power of two of microseconds. */
#define BUCKETS_PER_DOUBLING 32u
#define BUCKET_COUNT         (32u * BUCKETS_PER_DOUBLING)

struct stamp {
	uint64_t magic;
	uint64_t block;
	uint64_t sequence;
	uint64_t checksum; /* of all the other words of the block */
	uint64_t filler[BLOCK_BYTES / 8 - 4];
};

_Static_assert(sizeof(struct stamp) == BLOCK_BYTES, "a stamp is a block");

/* What is known of one block. */
struct record {
	uint64_t acked; /* sequence of the last acknowledged write */
	bool is_seen;   /* that write was read back once */
};

struct worker {
	pthread_t thread;
	uint64_t first_block;
	uint64_t block_count;
	uint64_t random;
	struct record *records; /* of the worker's blocks */
	struct stamp *buffer;   /* REQUEST_BLOCKS_MAX blocks */
};

static struct {
	int fd;
	unsigned int seconds;
	unsigned int mib;
	unsigned int worker_count;
	unsigned int report_ms;
} run = { .fd = -1, .mib = 32, .worker_count = 8, .report_ms = 250 };

static struct {
	atomic_ullong requests;
	atomic_ullong bytes;
	atomic_ullong errors;
	atomic_ullong corrupt;
	atomic_ullong lost;
	atomic_ullong duplicated;
	atomic_ullong max_us;
	atomic_ullong period_us; /* longest of the reporting period */
	atomic_ullong buckets[BUCKET_COUNT];
} total;

static atomic_bool is_ending;
static pthread_barrier_t is_filled;

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* xorshift64: the load need not be random, only varied and repeatable. */
static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint64_t stamp_checksum(const struct stamp *stamp)
{
	uint64_t sum = stamp->magic ^ (stamp->block * 0x9e3779b97f4a7c15ull);
	size_t i;

	sum += stamp->sequence * 0xff51afd7ed558ccdull;
	for (i = 0; i < sizeof(stamp->filler) / 8; i++)
		sum = (sum << 7 | sum >> 57) + stamp->filler[i];
	return sum;
}

static void stamp_fill(struct stamp *stamp, uint64_t block, uint64_t sequence)
{
	uint64_t random = (block << 32 ^ sequence) | 1;
	size_t i;

	stamp->magic = STAMP_MAGIC;
	stamp->block = block;
	stamp->sequence = sequence;
	for (i = 0; i < sizeof(stamp->filler) / 8; i++)
		stamp->filler[i] = random_next(&random);
	stamp->checksum = stamp_checksum(stamp);
}

static void complain(const char *what, uint64_t block, uint64_t want,
		     uint64_t got)
{
	printf("BULKHEAD stamp %s block=%llu want=%llu got=%llu\n", what,
	       (unsigned long long)block, (unsigned long long)want,
	       (unsigned long long)got);
}

static void stamp_verify(const struct stamp *stamp, uint64_t block,
			 struct record *record)
{
	if (stamp->magic != STAMP_MAGIC || stamp->block != block ||
	    stamp->checksum != stamp_checksum(stamp) ||
	    stamp->sequence > record->acked) {
		total.corrupt++;
		complain("corrupt", block, record->acked, stamp->sequence);
	} else if (stamp->sequence < record->acked) {
		if (record->is_seen)
			total.duplicated++;
		else
			total.lost++;
		complain(record->is_seen ? "duplicated" : "lost", block,
			 record->acked, stamp->sequence);
	} else {
		record->is_seen = true;
	}
}

static unsigned int bucket_index(uint64_t us)
{
	unsigned int doubling;

	if (us < BUCKETS_PER_DOUBLING)
		return (unsigned int)us;
	doubling = 63u - (unsigned int)__builtin_clzll(us) - 5u;
	if (doubling >= 31u)
		return BUCKET_COUNT - 1;
	return (doubling + 1) * BUCKETS_PER_DOUBLING +
	       (unsigned int)(us >> doubling) - BUCKETS_PER_DOUBLING;
}

static uint64_t bucket_us(unsigned int index)
{
	unsigned int doubling = index / BUCKETS_PER_DOUBLING;
	uint64_t step = index % BUCKETS_PER_DOUBLING;

	if (doubling == 0)
		return step;
	return (step + BUCKETS_PER_DOUBLING) << (doubling - 1);
}

static uint64_t percentile_us(unsigned int per_mille)
{
	unsigned long long counted = 0;
	unsigned long long want, seen = 0;
	unsigned int i;

	for (i = 0; i < BUCKET_COUNT; i++)
		counted += total.buckets[i];
	want = counted * per_mille / 1000u;
	for (i = 0; i < BUCKET_COUNT; i++) {
		seen += total.buckets[i];
		if (seen > want)
			return bucket_us(i);
	}
	return total.max_us;
}

static void raise_to(atomic_ullong *maximum, uint64_t value)
{
	unsigned long long old = *maximum;

	while (old < value &&
	       !atomic_compare_exchange_weak(maximum, &old, value))
		continue;
}

static void count_request(uint64_t began_us, size_t bytes, bool is_good)
{
	uint64_t took_us = now_us() - began_us;

	total.requests++;
	if (is_good)
		total.bytes += bytes;
	else
		total.errors++;
	total.buckets[bucket_index(took_us)]++;
	raise_to(&total.max_us, took_us);
	raise_to(&total.period_us, took_us);
}

static void write_blocks(struct worker *worker, uint64_t first, uint64_t count)
{
	size_t bytes = count * BLOCK_BYTES;
	uint64_t block = worker->first_block + first;
	uint64_t began_us, i;
	bool is_good;

	for (i = 0; i < count; i++)
		stamp_fill(&worker->buffer[i], block + i,
			   worker->records[first + i].acked + 1);
	began_us = now_us();
	is_good = pwrite(run.fd, worker->buffer, bytes,
			 (off_t)(block * BLOCK_BYTES)) == (ssize_t)bytes;
	count_request(began_us, bytes, is_good);
	/*
	 * After an error the block may hold either; taking the write as done
	 * would count one error twice, and errors are counted already.
	 */
	for (i = 0; is_good && i < count; i++)
		worker->records[first + i] = (struct record){
			.acked = worker->records[first + i].acked + 1,
		};
}

static void read_blocks(struct worker *worker, uint64_t first, uint64_t count)
{
	size_t bytes = count * BLOCK_BYTES;
	uint64_t block = worker->first_block + first;
	uint64_t began_us = now_us();
	uint64_t i;
	bool is_good;

	is_good = pread(run.fd, worker->buffer, bytes,
			(off_t)(block * BLOCK_BYTES)) == (ssize_t)bytes;
	count_request(began_us, bytes, is_good);
	for (i = 0; is_good && i < count; i++)
		stamp_verify(&worker->buffer[i], block + i,
			     &worker->records[first + i]);
}

static void flush(void)
{
	uint64_t began_us = now_us();

	count_request(began_us, 0, fdatasync(run.fd) == 0);
}

static void one_request(struct worker *worker)
{
	uint64_t random = random_next(&worker->random);
	uint64_t count = 1 + (random >> 8) % REQUEST_BLOCKS_MAX;
	uint64_t first = (random >> 16) % (worker->block_count - count + 1);

	if (random % 64 == 0)
		flush();
	else if (random % 8 < 5)
		write_blocks(worker, first, count);
	else
		read_blocks(worker, first, count);
}

static void each_chunk(struct worker *worker,
		       void (*visit)(struct worker *, uint64_t, uint64_t))
{
	uint64_t first, count;

	for (first = 0; first < worker->block_count; first += count) {
		count = worker->block_count - first;
		if (count > REQUEST_BLOCKS_MAX)
			count = REQUEST_BLOCKS_MAX;
		visit(worker, first, count);
	}
}

static void *work(void *argument)
{
	struct worker *worker = argument;

	each_chunk(worker, write_blocks);
	pthread_barrier_wait(&is_filled);
	while (!is_ending)
		one_request(worker);
	flush();
	each_chunk(worker, read_blocks);
	return NULL;
}

static void report(void)
{
	printf("BULKHEAD stamp requests=%llu bytes=%llu errors=%llu "
	       "corrupt=%llu lost=%llu duplicated=%llu p99_us=%llu "
	       "max_us=%llu period_us=%llu\n",
	       total.requests, total.bytes, total.errors, total.corrupt,
	       total.lost, total.duplicated,
	       (unsigned long long)percentile_us(990), total.max_us,
	       atomic_exchange(&total.period_us, 0));
}

static void end_run(int signal_number)
{
	(void)signal_number;
	is_ending = true;
}

/*
 * The first round of writes makes the file system allocate: what that takes
 * says nothing about the device, so latencies count from its end.
 */
static void wait_for_fill(void)
{
	unsigned int i;

	pthread_barrier_wait(&is_filled);
	total.max_us = 0;
	total.period_us = 0;
	for (i = 0; i < BUCKET_COUNT; i++)
		total.buckets[i] = 0;
	printf("BULKHEAD stamp filled\n");
}

static void wait_for_end(void)
{
	const struct timespec pause = {
		.tv_sec = run.report_ms / 1000,
		.tv_nsec = (long)(run.report_ms % 1000) * 1000000L,
	};
	uint64_t began_us = now_us();

	while (!is_ending) {
		nanosleep(&pause, NULL);
		report();
		if (run.seconds != 0 &&
		    now_us() - began_us > run.seconds * 1000000ull)
			is_ending = true;
	}
}

static int worker_start(struct worker *worker, unsigned int index)
{
	uint64_t blocks = (uint64_t)run.mib * 256u / run.worker_count;

	*worker = (struct worker){
		.first_block = index * blocks,
		.block_count = blocks,
		.random = 0x9e3779b97f4a7c15ull * (index + 1),
		.records = calloc(blocks, sizeof(struct record)),
		.buffer = aligned_alloc(BLOCK_BYTES,
					REQUEST_BLOCKS_MAX * BLOCK_BYTES),
	};
	if (worker->records == NULL || worker->buffer == NULL)
		return -ENOMEM;
	return -pthread_create(&worker->thread, NULL, work, worker);
}

static int run_workers(void)
{
	static struct worker workers[WORKERS_MAX];
	unsigned int i;
	int error;

	pthread_barrier_init(&is_filled, NULL, run.worker_count + 1);
	for (i = 0; i < run.worker_count; i++) {
		error = worker_start(&workers[i], i);
		if (error < 0)
			return error;
	}
	wait_for_fill();
	wait_for_end();
	for (i = 0; i < run.worker_count; i++)
		pthread_join(workers[i].thread, NULL);
	report();
	return 0;
}

static const char *parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "mib", required_argument, NULL, 'm' },
		{ "workers", required_argument, NULL, 'w' },
		{ "report-ms", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned int *const values[] = {
		['s'] = &run.seconds,
		['m'] = &run.mib,
		['w'] = &run.worker_count,
		['r'] = &run.report_ms,
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?')
			return NULL;
		*values[option] = (unsigned int)strtoul(optarg, NULL, 10);
	}
	if (run.mib == 0 || run.worker_count == 0 ||
	    run.worker_count > WORKERS_MAX || run.report_ms == 0)
		return NULL;
	return argv[optind];
}

static bool is_clean(void)
{
	return total.errors + total.corrupt + total.lost + total.duplicated ==
	       0;
}

int main(int argc, char **argv)
{
	const char *path = parse_options(argc, argv);
	struct sigaction ending = { .sa_handler = end_run };
	int error;

	if (path == NULL) {
		fprintf(stderr, "usage: stamp [--seconds N] [--mib N] "
				"[--workers N] [--report-ms N] FILE\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGTERM, &ending, NULL);
	run.fd = open(path, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
	if (run.fd < 0) {
		printf("BULKHEAD stamp failed open=%s\n", strerror(errno));
		return 1;
	}
	error = run_workers();
	if (error < 0) {
		printf("BULKHEAD stamp failed start=%s\n", strerror(-error));
		return 1;
	}
	return is_clean() ? 0 : 1;
}
