/* SPDX-License-Identifier: MIT */
/*
 * The channel and the disk service alone, without a guest: how long one
 * request of 4 KiB takes, and how many pass at a queue depth of 32.
 *
 *   BULKHEAD_DISK=build/src/disk/bulkhead-disk channel-bench FILE [SECONDS]
 *
 * Prints one line "figure NAME VALUE UNIT" per measurement.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "lib/disk_rig.h"
#include "lib/harness.h"

#define FILE_BYTES (64u << 20)
#define DEPTH_MAX  32

struct load {
	uint16_t op;
	uint32_t depth;
	uint32_t length_bytes;
	uint32_t think_us;
};

/* The harness's end of a failed check; there is no test to fail here. */
void check_failed(const char *file, int line, const char *text, long long got,
		  long long want)
{
	(void)fprintf(stderr, "%s:%d: %s: got %lld, want %lld\n", file, line,
		      text, got, want);
	exit(1);
}

static uint64_t next_offset(uint64_t *seed, uint32_t length_bytes)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (*seed >> 33) % (FILE_BYTES / length_bytes) * length_bytes;
}

static void send_one(struct disk_peer *peer, const struct load *load,
		     uint32_t slot, uint64_t *seed)
{
	struct channel_request request = {
		.id = slot,
		.op = load->op,
		.offset_bytes = next_offset(seed, load->length_bytes),
		.length_bytes = load->length_bytes,
		.buffer_offset = slot * load->length_bytes,
		.generation = peer->channel.shape.generation,
	};

	disk_peer_send(peer, &request);
}

/* Requests done in that time; every one is replaced when it is answered. */
static uint64_t run_load(struct disk_peer *peer, const struct load *load,
			 uint64_t duration_ns, uint64_t *ret_busy_ns)
{
	uint64_t until_ns = clock_now_ns() + duration_ns, seed = 1, count = 0;
	uint64_t busy_ns = 0, sent_ns = clock_now_ns();
	struct channel_response response;
	uint32_t open_count;

	for (open_count = 0; open_count < load->depth; open_count++)
		send_one(peer, load, open_count, &seed);
	disk_peer_show(peer);
	while (open_count) {
		CHECK(disk_peer_receive(peer, &response, 5000));
		CHECK_EQ(response.status, 0);
		count++;
		open_count--;
		busy_ns += clock_now_ns() - sent_ns;
		if (clock_now_ns() < until_ns) {
			if (load->think_us)
				(void)usleep(load->think_us);
			sent_ns = clock_now_ns();
			send_one(peer, load, (uint32_t)response.id, &seed);
			open_count++;
		}
		if (!channel_has_waiting(&peer->channel))
			disk_peer_show(peer);
	}
	*ret_busy_ns = busy_ns;
	return count;
}

static void measure(struct disk_peer *peer, const char *name,
		    const struct load *load, double seconds)
{
	uint64_t duration_ns = (uint64_t)(seconds * (double)NS_PER_S);
	uint64_t began_ns, count, busy_ns;

	(void)run_load(peer, load, duration_ns / 4, &busy_ns);
	began_ns = clock_now_ns();
	count = run_load(peer, load, duration_ns, &busy_ns);
	if (load->depth == 1)
		(void)printf("figure channel.%s.latency %.2f us\n", name,
			     (double)busy_ns / (double)count / 1e3);
	else
		(void)printf("figure channel.%s.rate %.0f MB/s %.0f iops\n",
			     name,
			     (double)count * load->length_bytes * 1e3 /
				     (double)(clock_now_ns() - began_ns),
			     (double)count * 1e9 /
				     (double)(clock_now_ns() - began_ns));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		struct load load;
	} loads[] = {
		{ "read4k.qd1", { DISK_READ, 1, 4096, 0 } },
		{ "write4k.qd1", { DISK_WRITE, 1, 4096, 0 } },
		{ "read4k.qd32", { DISK_READ, 32, 4096, 0 } },
		{ "write4k.qd32", { DISK_WRITE, 32, 4096, 0 } },
		{ "read256k.qd8", { DISK_READ, 8, 256 << 10, 0 } },
		{ "write256k.qd8", { DISK_WRITE, 8, 256 << 10, 0 } },
		{ "read4k.think1ms", { DISK_READ, 1, 4096, 1000 } },
	};
	double seconds = argc > 2 ? atof(argv[2]) : 0.5;
	struct disk_peer_config config = {
		.path = argc > 1 ? argv[1] : "/dev/shm/channel-bench",
		.size_bytes = FILE_BYTES,
		.buffer_bytes = 4u << 20,
		.is_direct = getenv("DIRECT") != NULL,
	};
	struct disk_peer peer;
	struct service_rig rig;

	disk_rig_start(&rig, NULL);
	disk_rig_attach(&rig, &peer, &config);
	for (uint32_t at = 0; at < FILE_BYTES; at += 1u << 20)
		CHECK_EQ(disk_peer_do(&peer, DISK_WRITE, 0, at, 1u << 20, 0),
			 0);
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++)
		measure(&peer, loads[i].name, &loads[i].load, seconds);
	disk_peer_close(&peer);
	disk_rig_stop(&rig);
	return 0;
}
