/* SPDX-License-Identifier: MIT */
/* bulkhead-load: drives a vhost-user disk as a guest would, and judges it. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/scope.h"
#include "numbers.h"
#include "workload.h"

static volatile int stop_asked;

static const char *const op_names[WORKLOAD_OP_COUNT] = {
	[WORKLOAD_RANDREAD] = "randread", [WORKLOAD_RANDWRITE] = "randwrite",
	[WORKLOAD_SEQREAD] = "seqread",   [WORKLOAD_SEQWRITE] = "seqwrite",
	[WORKLOAD_MIXED] = "mixed",
};

static const char usage[] =
	"usage: bulkhead-load --socket PATH [options]\n"
	"  --op NAME        randread, randwrite, seqread, seqwrite, mixed\n"
	"  --block SIZE     bytes per request (4K)\n"
	"  --depth N        requests in flight (1); 0: stay silent\n"
	"  --queues N       virtqueues (1)\n"
	"  --seconds N      measured time (1)\n"
	"  --warmup-ms N    time before it (250)\n"
	"  --think-us N     pause before each batch of requests (0)\n"
	"  --span SIZE      use only the begin of the disk\n"
	"  --seed N         of the random offsets and of the stamps\n"
	"  --connect-ms N   how long to wait for a back end (5000)\n"
	"  --drain-ms N     how long an answer may take at the end (30000)\n"
	"  --stall-us N     list stalls from this length on (500)\n"
	"  --verify         stamp every block and judge what comes back\n"
	"  --spin           poll for answers instead of sleeping\n"
	"The result is one line of JSON. SIGTERM ends the measured time "
	"early.\n"
	"Exit status: 0 measured, 1 failed, 2 usage, 3 the disk lost or "
	"spoiled\n"
	"something.\n";

struct numbers {
	uint64_t block, depth, queues, seconds, warmup_ms, think_us, span, seed,
		connect_ms, drain_ms, stall_us;
};

/* clang-format off */
#define AT(field) offsetof(struct numbers, field)
static const struct number_option number_options[] = {
	{ "block",      AT(block),      512, 4u << 20,   4096 },
	{ "depth",      AT(depth),      0,   512,        1 },
	{ "queues",     AT(queues),     1,   FAKEGUEST_QUEUES_MAX, 1 },
	{ "seconds",    AT(seconds),    0,   86400,      1 },
	{ "warmup-ms",  AT(warmup_ms),  0,   60000,      250 },
	{ "think-us",   AT(think_us),   0,   1000000,    0 },
	{ "span",       AT(span),       0,   1ull << 50, 0 },
	{ "seed",       AT(seed),       0,   UINT64_MAX, 0 },
	{ "connect-ms", AT(connect_ms), 0,   600000,     5000 },
	{ "drain-ms",   AT(drain_ms),   0,   600000,     30000 },
	{ "stall-us",   AT(stall_us),   0,   1000000,    500 },
};
/* clang-format on */

static void ask_stop(int signal_number)
{
	stop_asked = 1;
}

static _Noreturn void refuse(const char *what, const char *value)
{
	(void)fprintf(stderr, "bulkhead-load: %s: %s\n%s", what, value, usage);
	exit(2);
}

static enum workload_op parse_op(const char *name)
{
	for (uint32_t i = 0; i < WORKLOAD_OP_COUNT; i++)
		if (strcmp(op_names[i], name) == 0)
			return i;
	refuse("op", name);
}

static void apply_numbers(struct workload_settings *settings,
			  const struct numbers *numbers)
{
	settings->block_bytes = (uint32_t)numbers->block;
	settings->depth = (uint32_t)numbers->depth;
	settings->queue_count = (uint32_t)numbers->queues;
	settings->connect_ms = (uint32_t)numbers->connect_ms;
	settings->span_bytes = numbers->span;
	settings->duration_ns = numbers->seconds * NS_PER_S;
	settings->warmup_ns = numbers->warmup_ms * NS_PER_MS;
	settings->think_ns = numbers->think_us * NS_PER_US;
	settings->drain_ns = numbers->drain_ms * NS_PER_MS;
	settings->stall_least_ns = numbers->stall_us * NS_PER_US;
	settings->seed = numbers->seed ? numbers->seed : clock_now_ns();
}

static const struct option options[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "op", required_argument, NULL, 'o' },
	{ "verify", no_argument, NULL, 'v' },
	{ "spin", no_argument, NULL, 'p' },
	{ "help", no_argument, NULL, 'h' },
	{ "block", required_argument, NULL, 'n' },
	{ "depth", required_argument, NULL, 'n' },
	{ "queues", required_argument, NULL, 'n' },
	{ "seconds", required_argument, NULL, 'n' },
	{ "warmup-ms", required_argument, NULL, 'n' },
	{ "think-us", required_argument, NULL, 'n' },
	{ "span", required_argument, NULL, 'n' },
	{ "seed", required_argument, NULL, 'n' },
	{ "connect-ms", required_argument, NULL, 'n' },
	{ "drain-ms", required_argument, NULL, 'n' },
	{ "stall-us", required_argument, NULL, 'n' },
	{ NULL, 0, NULL, 0 },
};

static void parse(struct workload_settings *settings, int argc, char **argv)
{
	struct numbers numbers;
	int index = 0, letter;

	numbers_fill(number_options, ARRAY_COUNT(number_options), &numbers);
	while ((letter = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (letter == 's')
			settings->path = optarg;
		else if (letter == 'o')
			settings->op = parse_op(optarg);
		else if (letter == 'v')
			settings->is_verifying = true;
		else if (letter == 'p')
			settings->is_spinning = true;
		else if (letter != 'n')
			refuse("option", argv[optind - 1]);
		else if (numbers_set(number_options,
				     ARRAY_COUNT(number_options), &numbers,
				     options[index].name, optarg) < 0)
			refuse(options[index].name, optarg);
	}
	if (!settings->path || optind < argc)
		refuse("argument", settings->path ? argv[optind] : "socket");
	if (numbers.block % VERIFY_SECTOR)
		refuse("block", "not a multiple of 512");
	apply_numbers(settings, &numbers);
}

static void print_verdict(const struct workload_result *result)
{
	printf("\"errors\": %" PRIu64 ", \"unanswered\": %" PRIu64
	       ", \"checked\": %" PRIu64 ", \"lost\": %" PRIu64
	       ", \"duplicated\": %" PRIu64 ", \"corrupt\": %" PRIu64 ", ",
	       result->errors, result->unanswered, result->checked,
	       result->lost, result->duplicated, result->corrupt);
}

static void print_result(const struct workload_settings *settings,
			 const struct workload_result *result)
{
	const struct stats *stats = &result->stats;
	double seconds = (double)(result->ended_ns - result->began_ns) /
			 (double)NS_PER_S;
	double count = (double)stats->count;

	printf("{\"op\": \"%s\", \"block\": %u, \"depth\": %u, "
	       "\"iops\": %.1f, \"bandwidth\": %.0f, ",
	       op_names[settings->op], settings->block_bytes, settings->depth,
	       count / seconds, count * settings->block_bytes / seconds);
	printf("\"mean_us\": %.3f, \"p50_us\": %.3f, \"p99_us\": %.3f, "
	       "\"max_us\": %.3f, \"longest_stall_us\": %.3f, ",
	       (double)stats->sum_ns / 1e3 / (count > 0 ? count : 1),
	       (double)stats_percentile_ns(stats, 0.50) / 1e3,
	       (double)stats_percentile_ns(stats, 0.99) / 1e3,
	       (double)stats->max_ns / 1e3,
	       (double)stats->longest_stall_ns / 1e3);
	printf("\"requests\": %" PRIu64 ", \"all_requests\": %" PRIu64
	       ", \"cpu_s\": %.6f, \"cpu_all_s\": %.6f, \"kicks\": %" PRIu64
	       ", \"wakes\": %" PRIu64 ", \"reconnects\": %" PRIu64 ", ",
	       stats->count, result->all_requests,
	       (double)result->cpu_ns / (double)NS_PER_S,
	       (double)result->all_cpu_ns / (double)NS_PER_S, result->kicks,
	       result->wakes, result->reconnects);
	print_verdict(result);
	printf("\"began_ns\": %" PRIu64 ", \"ended_ns\": %" PRIu64
	       ", \"stalls_unlisted\": %u, \"stalls\": ",
	       result->began_ns, result->ended_ns, stats->stalls_unlisted);
	stats_print_stalls(stats, stdout);
	printf("}\n");
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = ask_stop };
	struct workload_settings settings = { .stop = &stop_asked };
	SCOPED(free_pointer) struct workload_result *result = NULL;
	int error;

	parse(&settings, argc, argv);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	(void)prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
	result = malloc(sizeof(*result));
	error = result ? workload_run(&settings, result) : -ENOMEM;
	if (error) {
		(void)fprintf(stderr, "bulkhead-load: %s: %s\n", settings.path,
			      strerror(-error));
		return 1;
	}
	print_result(&settings, result);
	return result->lost || result->duplicated || result->corrupt ? 3 : 0;
}
