/* SPDX-License-Identifier: MIT */
/* bulkhead-netload: drives a switch as guests would, and judges it. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/scope.h"
#include "netport.h"
#include "netrun.h"
#include "numbers.h"

static volatile int stop_asked;

static const char *const mode_names[NETRUN_MODE_COUNT] = {
	[NETRUN_FLOOD] = "flood", [NETRUN_STREAM] = "stream",
	[NETRUN_PING] = "ping",   [NETRUN_PACED] = "paced",
	[NETRUN_IDLE] = "idle",
};

static const char usage[] =
	"usage: bulkhead-netload --port SPEC --port SPEC... [options]\n"
	"  --port SPEC      vhost:PATH, vde:FOLDER or packet:INTERFACE; the\n"
	"                   first receives, the others send to it; its MAC\n"
	"                   address is 02:00:00:00:00:01, and so on\n"
	"  --mode NAME      flood, stream, ping, paced, idle\n"
	"  --bytes N        of a frame (64)\n"
	"  --gso N          frames of TCP, to be cut into such (0: they are "
	"not)\n"
	"  --queue N        size of a fake guest's rings (256)\n"
	"  --window N       frames under way, of a stream (128)\n"
	"  --rate N         frames per second, paced (1000)\n"
	"  --gap-us N       list gaps from this length on (300)\n"
	"  --seconds N      measured time (1)\n"
	"  --warmup-ms N    time before it (250)\n"
	"  --spin           poll instead of sleeping\n"
	"The result is one line of JSON. SIGTERM ends the measured time "
	"early.\n"
	"Exit status: 0 measured, 1 failed, 2 usage.\n";

struct numbers {
	uint64_t bytes, gso, queue, window, rate, gap_us, seconds, warmup_ms;
};

/* clang-format off */
#define AT(field) offsetof(struct numbers, field)
static const struct number_option number_options[] = {
	{ "bytes",     AT(bytes),     NETRUN_BYTES_MIN, NETPORT_FRAME_MAX, 64 },
	{ "gso",       AT(gso),       0, NETPORT_FRAME_MAX, 0 },
	{ "queue",     AT(queue),     16, 1024, 256 },
	{ "window",    AT(window),    1, 4096, 128 },
	{ "rate",      AT(rate),      1, 1000000, 1000 },
	{ "gap-us",    AT(gap_us),    0, 1000000, 300 },
	{ "seconds",   AT(seconds),   0, 86400, 1 },
	{ "warmup-ms", AT(warmup_ms), 0, 60000, 250 },
};
/* clang-format on */

static const struct option options[] = {
	{ "port", required_argument, NULL, 'p' },
	{ "mode", required_argument, NULL, 'm' },
	{ "spin", no_argument, NULL, 's' },
	{ "help", no_argument, NULL, 'h' },
	{ "bytes", required_argument, NULL, 'n' },
	{ "gso", required_argument, NULL, 'n' },
	{ "queue", required_argument, NULL, 'n' },
	{ "window", required_argument, NULL, 'n' },
	{ "rate", required_argument, NULL, 'n' },
	{ "gap-us", required_argument, NULL, 'n' },
	{ "seconds", required_argument, NULL, 'n' },
	{ "warmup-ms", required_argument, NULL, 'n' },
	{ NULL, 0, NULL, 0 },
};

static void ask_stop(int signal_number)
{
	stop_asked = 1;
}

static _Noreturn void refuse(const char *what, const char *value)
{
	(void)fprintf(stderr, "bulkhead-netload: %s: %s\n%s", what, value,
		      usage);
	exit(2);
}

static enum netrun_mode parse_mode(const char *name)
{
	for (uint32_t i = 0; i < NETRUN_MODE_COUNT; i++)
		if (strcmp(mode_names[i], name) == 0)
			return i;
	refuse("mode", name);
}

static void apply_numbers(struct netrun_settings *settings,
			  const struct numbers *numbers)
{
	settings->bytes = (uint32_t)numbers->bytes;
	settings->gso_bytes = (uint32_t)numbers->gso;
	settings->queue_size = (uint32_t)numbers->queue;
	settings->window = (uint32_t)numbers->window;
	settings->rate = (uint32_t)numbers->rate;
	settings->gap_least_ns = numbers->gap_us * NS_PER_US;
	settings->duration_ns = numbers->seconds * NS_PER_S;
	settings->warmup_ns = numbers->warmup_ms * NS_PER_MS;
}

static void check(const struct netrun_settings *settings)
{
	if (settings->port_count < 2)
		refuse("port", "two at least");
	if (settings->queue_size & (settings->queue_size - 1))
		refuse("queue", "not a power of two");
	if (settings->gso_bytes && settings->bytes < NETPORT_HEAD_MAX)
		refuse("bytes", "too few for TCP");
}

static void parse(struct netrun_settings *settings, int argc, char **argv)
{
	struct numbers numbers;
	int index = 0, letter;

	numbers_fill(number_options, ARRAY_COUNT(number_options), &numbers);
	while ((letter = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (letter == 'p' && settings->port_count < NETRUN_PORTS_MAX)
			settings->specs[settings->port_count++] = optarg;
		else if (letter == 'm')
			settings->mode = parse_mode(optarg);
		else if (letter == 's')
			settings->is_spinning = true;
		else if (letter != 'n')
			refuse("option", argv[optind - 1]);
		else if (numbers_set(number_options,
				     ARRAY_COUNT(number_options), &numbers,
				     options[index].name, optarg) < 0)
			refuse(options[index].name, optarg);
	}
	if (optind < argc)
		refuse("argument", argv[optind]);
	apply_numbers(settings, &numbers);
	check(settings);
}

static void print_senders(const struct netrun_settings *settings,
			  const struct netrun_result *result)
{
	printf("\"senders\": [");
	for (uint32_t i = 1; i < settings->port_count; i++)
		printf("%s{\"sent\": %" PRIu64 ", \"frames\": %" PRIu64
		       ", \"bytes\": %" PRIu64 "}",
		       i > 1 ? ", " : "", result->senders[i].sent,
		       result->senders[i].frames, result->senders[i].bytes);
	printf("], ");
}

static void print_gaps(const struct netrun_result *result)
{
	printf("\"gaps_unlisted\": %u, \"gaps\": [", result->gaps_unlisted);
	for (uint32_t i = 0; i < result->gap_count; i++) {
		const struct netrun_gap *gap = &result->gaps[i];

		printf("%s[%" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 "]",
		       i > 0 ? ", " : "", gap->before_ns, gap->after_ns,
		       gap->late_ns, gap->lost);
	}
	printf("]");
}

static void print_result(const struct netrun_settings *settings,
			 const struct netrun_result *result)
{
	const struct stats *stats = &result->stats;

	printf("{\"mode\": \"%s\", \"bytes\": %u, \"seconds\": %.6f, "
	       "\"cpu_s\": %.6f, ",
	       mode_names[settings->mode], settings->bytes,
	       (double)(result->ended_ns - result->began_ns) / (double)NS_PER_S,
	       (double)result->cpu_ns / (double)NS_PER_S);
	print_senders(settings, result);
	printf("\"count\": %" PRIu64 ", \"p50_us\": %.3f, \"p99_us\": %.3f, "
	       "\"max_us\": %.3f, ",
	       stats->count, (double)stats_percentile_ns(stats, 0.50) / 1e3,
	       (double)stats_percentile_ns(stats, 0.99) / 1e3,
	       (double)stats->max_ns / 1e3);
	printf("\"lost\": %" PRIu64 ", \"disordered\": %" PRIu64 ", ",
	       result->lost, result->disordered);
	print_gaps(result);
	printf("}\n");
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = ask_stop };
	struct netrun_settings settings = { .stop = &stop_asked };
	SCOPED(free_pointer) struct netrun_result *result = NULL;
	int error;

	parse(&settings, argc, argv);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	result = malloc(sizeof(*result));
	error = result ? netrun(&settings, result) : -ENOMEM;
	if (error) {
		(void)fprintf(stderr, "bulkhead-netload: %s\n",
			      strerror(-error));
		return 1;
	}
	print_result(&settings, result);
	return 0;
}
